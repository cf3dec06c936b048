//! kubectl-lite's commands that stay connected: on a terminal, attached to new Pods, with debugging containers, and the
//! picture of a Service's traffic.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
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
