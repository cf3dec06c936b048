//! kubectl-lite's commands that stay connected: on a terminal, attached to new Pods, with debugging containers, over SPDY
//! where there are no WebSockets, and the picture of a Service's traffic.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tests::front::{Front, Manners};
use tests::{Kubectl, Server, wait_for};

/// A server with a Pod `box` that has a shell.
fn cluster() -> Server {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    kubectl.ok("run box --image=busybox --restart=Never -- sleep 100000");
    kubectl.ok("wait --for=condition=Ready pod/box --timeout=30s");
    server
}

/// Standard output, standard error, exit code.
fn outcome(kubectl: &Kubectl, arguments: &str, more: &[&str], input: &[u8]) -> (String, String, Option<i32>) {
    let mut command = kubectl.command(arguments);
    command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs");
    // It may well stop reading early.
    let _ = child.stdin.take().expect("its input is a pipe").write_all(input);
    let output = child.wait_with_output().expect("kubectl ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr), output.status.code())
}

const ATTACHED: &str = "All commands and output from this session will be recorded in container logs, including \
                        credentials and sensitive information passed through the command prompt.\nIf you don't see a \
                        command prompt, try pressing enter.\n";

#[test]
fn new_pods_are_attached_to_and_removed() {
    let server = cluster();
    let clients = [Some(server.kubectl()), server.official_kubectl()];
    for (index, kubectl) in clients.iter().flatten().enumerate() {
        let name = format!("pipe{index}");
        let arguments = format!("run {name} --image=busybox --restart=Never --rm -i -- sh -c");
        let (out, errors, code) = outcome(kubectl, &arguments, &["read line; echo got $line; exit 3"], b"hello\n");
        assert_eq!(out, format!("got hello\npod \"{name}\" deleted from default namespace\n"), "{errors}");
        assert_eq!(errors, format!("{ATTACHED}pod default/{name} terminated (Error)\n"));
        assert_eq!(code, Some(3));
        let (out, errors, code) = outcome(
            kubectl,
            &format!("run quick{index} --image=busybox --restart=Never --rm --attach -q -- echo"),
            &["done"],
            b"",
        );
        // Whether it is attached to or has ended before, what it printed is shown.
        assert!(out.starts_with("done\n") && code == Some(0), "{out}{errors}");
    }
}

/// A terminal with a program on it.
struct Terminal {
    /// What the user has in hand.
    keyboard: File,
    line: File,
    screen: Arc<Mutex<Vec<u8>>>,
    process: std::process::Child,
}

impl Terminal {
    /// Runs kubectl on a terminal of 80 columns and 24 rows, which is its controlling terminal (by setsid).
    fn start(kubectl: &Kubectl, arguments: &str) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&keyboard).expect("the terminal is ours");
        unlockpt(&keyboard).expect("the terminal is ours");
        let path = ptsname(&keyboard, Vec::new()).expect("the terminal has a name");
        let line = File::options().read(true).write(true).open(path.to_str().expect("a plain name")).expect("it opens");
        tcsetwinsize(&line, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("it has a size");
        let end = || Stdio::from(line.try_clone().expect("it can be shared"));
        let process = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(&kubectl.program)
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", &kubectl.kubeconfig)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid runs");
        let keyboard = File::from(keyboard);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut output, shown) = (keyboard.try_clone().expect("it can be shared"), screen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shown.lock().expect("nobody panics with it").extend_from_slice(&buffer[..length]);
            }
        });
        Terminal { keyboard, line, screen, process }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.screen.lock().expect("nobody panics with it")).contains(text)
    }

    fn wait_for(&self, text: &str) {
        wait_for(text, || self.shows(text));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn commands_run_on_a_terminal() {
    let server = cluster();
    let kubectl = server.kubectl();
    let mut terminal = Terminal::start(&kubectl, "exec -it box -- sh");
    let before = tcgetattr(&terminal.line).expect("it is a terminal").local_modes;
    terminal.wait_for("# ");
    let during = tcgetattr(&terminal.line).expect("it is a terminal").local_modes;
    assert_ne!(before, during, "keys go to the container as they are");
    terminal.press("echo $((40+2))\r");
    terminal.wait_for("42\r\n");
    terminal.press("sleep 1000\r");
    terminal.wait_for("sleep 1000\r\n");
    terminal.press("\x03");
    terminal.press("echo still $((40+3))\r");
    terminal.wait_for("still 43\r\n");
    terminal.press("exit 5\r");
    let status = terminal.process.wait().expect("kubectl ends");
    assert_eq!(status.code(), Some(5));
    terminal.wait_for("command terminated with exit code 5");
    assert_eq!(tcgetattr(&terminal.line).expect("it is a terminal").local_modes, before, "the terminal is as it was");
}

#[test]
fn a_container_can_be_left_running() {
    let server = cluster();
    let kubectl = server.kubectl();
    let mut terminal = Terminal::start(&kubectl, "run stays --image=busybox -it -- sh");
    terminal.wait_for("try pressing enter.");
    terminal.press("\r");
    terminal.wait_for("# ");
    terminal.press("\x10\x11");
    assert_eq!(terminal.process.wait().expect("kubectl ends").code(), Some(0));
    terminal.wait_for("Session ended, resume using");
    assert_eq!(kubectl.ok("get pod stays -o jsonpath={.status.phase}"), "Running");
}

#[test]
fn debugging_containers_see_the_pod() {
    let server = cluster();
    let kubectl = server.kubectl();
    let (out, errors, code) = outcome(&kubectl, "debug box -c look --image=busybox --attach -q -- hostname", &[], b"");
    assert_eq!((out.as_str(), code), ("box\n", Some(0)), "{errors}");
    let (out, _, code) =
        outcome(&kubectl, "debug box -i --image=busybox --copy-to=copy -c own -- echo hello", &[], b"");
    assert_eq!((out.as_str(), code), ("hello\n", Some(0)));
    assert_eq!(kubectl.ok("get pod copy -o jsonpath={.spec.containers[*].name}"), "box own");
}

#[test]
fn traffic_shows_who_takes_requests() {
    let server = cluster();
    let kubectl = server.kubectl();
    kubectl.ok("create deployment web --image=nginx --port=80 --replicas=3");
    kubectl.ok("expose deployment web --port=80");
    kubectl.ok("wait --for=condition=Available deployment/web --timeout=30s");
    let requests = || -> Vec<u64> {
        let table = kubectl.ok("traffic service/web");
        table.lines().skip(1).map(|line| line.split_whitespace().last().unwrap_or("").parse().unwrap_or(0)).collect()
    };
    wait_for("three endpoints", || requests().len() == 3);
    let (_, errors, code) = outcome(
        &kubectl,
        "exec box -- sh -c",
        &["for i in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -q -O - http://web >/dev/null || exit 1; done"],
        b"",
    );
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    wait_for("twelve requests", || requests().iter().sum::<u64>() == 12);
    kubectl.ok("scale deployment web --replicas=0");
    wait_for("no endpoints", || requests().is_empty());
    let (_, errors, code) = outcome(&kubectl, "traffic pod/box", &[], b"");
    assert_eq!((errors.as_str(), code), ("error: \"pod/box\" has no traffic, a Service has\n", Some(1)));
}

/// Lets no WebSocket through.
const NO_WEB_SOCKETS: Manners = Manners { refusal: Some("403 Forbidden"), misread: None };

/// kubectl-lite, and the official one where the machine has it, pointed at a front.
fn clients(server: &Server, front: &Front) -> Vec<Kubectl> {
    [Some(server.kubectl()), server.official_kubectl()].into_iter().flatten().map(|one| front.before(one)).collect()
}

#[test]
fn whatever_is_no_web_socket_is_spdy() {
    let server = cluster();
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "200 OK", "500 Internal Server Error"] {
        let front = Front::start(&server, Manners { refusal: Some(status), misread: None });
        for kubectl in clients(&server, &front) {
            let script = ["read line; echo got $line; echo err >&2; exit 7"];
            let (out, errors, code) = outcome(&kubectl, "exec -i box -- sh -c", &script, b"hello\n");
            assert_eq!((out.as_str(), code), ("got hello\n", Some(7)), "{status}: {errors}");
            assert_eq!(errors, "err\ncommand terminated with exit code 7\n");
            assert_eq!(front.upgrades(), ["GET websocket", "POST spdy/3.1"]);
        }
    }
}

#[test]
fn much_goes_both_ways_over_spdy() {
    let server = cluster();
    let front = Front::start(&server, NO_WEB_SOCKETS);
    let folder = tempfile::TempDir::new().expect("temporary folders can be made");
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for kubectl in clients(&server, &front) {
        let output = kubectl.command("exec box -- head -c 5000000 /dev/zero").output().expect("kubectl runs");
        assert!(output.status.success() && output.stdout == vec![0; 5_000_000], "{} bytes", output.stdout.len());
        let output = kubectl.run_with_input("exec -i box -- cat", &sent);
        assert!(output.status.success() && output.stdout == sent, "{} bytes came back", output.stdout.len());
        let (there, back) = (folder.path().join("there"), folder.path().join("back"));
        std::fs::write(&there, &sent[..300_000]).expect("the temporary folder can be written");
        kubectl.ok(&format!("cp {} box:/tmp/file", there.display()));
        kubectl.ok(&format!("cp box:/tmp/file {}", back.display()));
        assert!(std::fs::read(back).expect("it has been copied") == sent[..300_000]);
    }
    assert!(front.upgrades().contains(&"POST spdy/3.1".to_string()));
}

#[test]
fn a_terminal_goes_over_spdy() {
    let server = cluster();
    let front = Front::start(&server, NO_WEB_SOCKETS);
    let mut terminal = Terminal::start(&front.before(server.kubectl()), "exec -it box -- sh");
    terminal.wait_for("# ");
    terminal.press("stty size\r");
    terminal.wait_for("24 80\r\n");
    tcsetwinsize(&terminal.line, Winsize { ws_row: 50, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 }).expect("it resizes");
    wait_for("the size to arrive", || {
        terminal.press("stty size\r");
        terminal.shows("50 132\r\n")
    });
    terminal.press("exit 5\r");
    assert_eq!(terminal.process.wait().expect("kubectl ends").code(), Some(5));
    assert_eq!(front.upgrades(), ["GET websocket", "POST spdy/3.1"]);
}

#[test]
fn pods_are_attached_to_over_spdy() {
    let server = cluster();
    let front = Front::start(&server, NO_WEB_SOCKETS);
    for (index, kubectl) in clients(&server, &front).iter().enumerate() {
        let name = format!("pipe{index}");
        let arguments = format!("run {name} --image=busybox --restart=Never --rm -i -- sh -c");
        let (out, errors, code) = outcome(kubectl, &arguments, &["read line; echo got $line; exit 3"], b"hello\n");
        assert_eq!(out, format!("got hello\npod \"{name}\" deleted from default namespace\n"), "{errors}");
        assert_eq!(code, Some(3));
        kubectl.ok(&format!("run asks{index} --image=busybox --restart=Never --stdin --attach=false -- cat"));
        kubectl.ok(&format!("wait --for=condition=Ready pod/asks{index} --timeout=30s"));
        let (out, errors, code) = outcome(kubectl, &format!("attach -i asks{index} -q"), &[], b"to cat\n");
        assert_eq!((out.as_str(), code), ("to cat\n", Some(0)), "{errors}");
        let arguments = format!("debug box -c look{index} --image=busybox -i -q -- sh -c");
        let (out, errors, code) = outcome(kubectl, &arguments, &["read line; echo got $line"], b"hello\n");
        assert_eq!((out.as_str(), code), ("got hello\n", Some(0)), "{errors}");
    }
    assert!(front.upgrades().contains(&"POST spdy/3.1".to_string()));
}

/// A port-forward, which is ended with this.
struct Forward {
    process: std::process::Child,
    port: u16,
}

impl Forward {
    fn start(kubectl: &Kubectl, target: &str) -> Forward {
        let mut command = kubectl.command(&format!("port-forward --address 127.0.0.1 {target} :80"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl runs");
        let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its output is text");
        let port =
            line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split(' ').next()?.parse().ok());
        // It goes on writing.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Forward { process, port: port.unwrap_or_else(|| panic!("{line:?} does not say where")) }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn ports_are_forwarded_over_spdy() {
    let server = cluster();
    server.kubectl().ok("run web --image=nginx --port=80");
    server.kubectl().ok("wait --for=condition=Ready pod/web --timeout=30s");
    let mut front = Front::start(&server, NO_WEB_SOCKETS);
    for kubectl in clients(&server, &front) {
        let forward = Forward::start(&kubectl, "pod/web");
        // All are open before the first is answered.
        let connections: Vec<_> = (0..20)
            .map(|_| {
                let mut connection = TcpStream::connect(("127.0.0.1", forward.port)).expect("kubectl listens");
                connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").expect("it can be written");
                connection
            })
            .collect();
        for mut connection in connections.into_iter().rev() {
            connection.write_all(b"Connection: close\r\n\r\n").expect("it can be written");
            let mut page = String::new();
            connection.read_to_string(&mut page).expect("an answer comes");
            assert!(page.starts_with("HTTP/1.1 200 OK") && page.ends_with("</html>\n"), "{page}");
        }
        assert_eq!(front.upgrades(), ["GET websocket", "POST spdy/3.1"]);
    }
    let mut forward = Forward::start(&front.before(server.kubectl()), "pod/web");
    front.end();
    let mut errors = String::new();
    forward.process.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("it is text");
    assert_eq!(errors, "error: lost connection to pod\n");
    assert_eq!(forward.process.wait().expect("kubectl ends").code(), Some(1));
}

#[test]
fn the_environment_says_whether_there_are_web_sockets() {
    let server = cluster();
    server.kubectl().ok("run web --image=nginx --port=80");
    server.kubectl().ok("wait --for=condition=Ready pod/web --timeout=30s");
    let front = Front::start(&server, Manners::default());
    for (value, asked) in
        [("true", "GET websocket"), ("", "GET websocket"), ("false", "POST spdy/3.1"), ("False", "POST spdy/3.1")]
    {
        for mut kubectl in clients(&server, &front) {
            kubectl.environment = vec![("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", value)];
            let (out, errors, code) = outcome(&kubectl, "exec -i box -- sh -c", &["cat; exit 4"], b"hello");
            assert_eq!((out.as_str(), code), ("hello", Some(4)), "{errors}");
            assert_eq!(front.upgrades(), [asked]);
            kubectl.environment = vec![("KUBECTL_PORT_FORWARD_WEBSOCKETS", value)];
            let forward = Forward::start(&kubectl, "pod/web");
            let mut connection = TcpStream::connect(("127.0.0.1", forward.port)).expect("kubectl listens");
            connection.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it can be written");
            let mut page = String::new();
            connection.read_to_string(&mut page).expect("an answer comes");
            assert!(page.contains("Welcome to nginx!"), "{page}");
            assert_eq!(front.upgrades(), [asked]);
        }
    }
}

#[test]
fn what_spdy_is_refused_for_is_told() {
    let server = cluster();
    let misread = Some(("/pods/box/", "/pods/gone/"));
    let front = Front::start(&server, Manners { misread, ..NO_WEB_SOCKETS });
    let refused = "unable to upgrade connection: pods \"gone\" not found\n";
    for kubectl in clients(&server, &front) {
        for (arguments, told) in [
            ("exec box -- true", format!("error: {refused}")),
            ("attach -q box", format!("error: {refused}")),
            ("port-forward box :80", format!("error: error upgrading connection: {refused}")),
        ] {
            assert_eq!(outcome(&kubectl, arguments, &[], b""), (String::new(), told, Some(1)), "{arguments}");
            assert_eq!(front.upgrades(), ["GET websocket", "POST spdy/3.1"]);
        }
    }
}

#[test]
fn a_lost_connection_is_no_success() {
    let server = cluster();
    let mut front = Front::start(&server, NO_WEB_SOCKETS);
    let mut command = front.before(server.kubectl()).command("exec box -- sh -c");
    command.arg("echo begun; sleep 100000").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs");
    let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("its output is text");
    assert_eq!(line, "begun\n");
    front.end();
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("it is text");
    assert_eq!(errors, "error: error reading from error stream: connection reset\n");
    assert_eq!(child.wait().expect("kubectl ends").code(), Some(1));
}
