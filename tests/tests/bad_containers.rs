//! What goes wrong in containers, and clients that ask for what there is not: every mistake is told, and nothing else suffers.

use http::Method;
use http_body_util::BodyExt;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tests::stream::request;
use tests::{Kubectl, Server, program, wait_for};

/// The clients that there are: kubectl-lite and the official kubectl.
fn clients(server: &Server) -> Vec<Kubectl> {
    [Some(server.kubectl()), server.official_kubectl()].into_iter().flatten().collect()
}

/// Runs a Pod of busybox with a script.
fn run(kubectl: &Kubectl, name: &str, script: &str) {
    let mut command = kubectl.command(&format!("run {name} --image=busybox --restart=Never -- sh -c"));
    let output = command.arg(script).output().expect("kubectl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Exit code, standard output and standard error of a kubectl.
fn outcome(kubectl: &Kubectl, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = kubectl.command("").args(arguments).output().expect("kubectl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn commands_that_cannot_run_are_told_in_the_runtimes_words() {
    let server = Server::start(&[]);
    run(&server.kubectl(), "box", "sleep 100000");
    server.kubectl().ok("wait --for=condition=Ready pod/box --timeout=30s");
    for kubectl in clients(&server) {
        for (command, why) in [
            ("nosuch", "exec: \"nosuch\": executable file not found in $PATH: unknown\n"),
            ("/bin/nosuch", "exec: \"/bin/nosuch\": stat /bin/nosuch: no such file or directory: unknown\n"),
            ("/etc/passwd", "exec: \"/etc/passwd\": permission denied: unknown\n"),
            ("/etc", "exec: \"/etc\": is a directory: unknown\n"),
        ] {
            let (code, _, told) = outcome(&kubectl, &["exec", "box", "--", command]);
            assert_eq!(code, Some(1), "{told}");
            let start = "error: Internal error occurred: Internal error occurred: error executing command in container: failed \
                         to exec in container: failed to start exec \"";
            assert!(told.starts_with(start), "{told}");
            assert!(
                told.ends_with(&format!(
                    "\": OCI runtime exec failed: exec failed: unable to start container process: {why}"
                )),
                "{told}"
            );
        }
        for (script, code, why) in [
            ("nosuch", 127, "sh: nosuch: not found\n"),
            ("/etc/passwd", 126, "sh: /etc/passwd: Permission denied\n"),
            ("if true; then echo x", 2, "sh: syntax error: unexpected end of file (expecting \"fi\")\n"),
            ("echo a; )", 2, "sh: syntax error: unexpected \")\"\n"),
        ] {
            let (got, _, told) = outcome(&kubectl, &["exec", "box", "--", "sh", "-c", script]);
            let expected = format!("{why}command terminated with exit code {code}\n");
            assert_eq!((got, told.as_str()), (Some(code), expected.as_str()));
        }
    }
}

#[test]
fn where_nothing_runs_nothing_can_be_done() {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    run(&kubectl, "done", "true");
    kubectl.ok("run pending --image=nosuch/image:1");
    run(&kubectl, "box", "sleep 100000");
    kubectl.ok("wait --for=condition=Ready pod/box --timeout=30s");
    kubectl.ok("wait --for=jsonpath={.status.phase}=Succeeded pod/done --timeout=30s");
    let waiting = || kubectl.ok("get pod pending -o jsonpath={.status.containerStatuses[0].state.waiting.reason}");
    wait_for("the image to fail", || waiting().contains("Image"));
    for kubectl in clients(&server) {
        for (arguments, expected) in [
            (
                "exec done -- true",
                "error: cannot exec into a container in a completed pod; current phase is Succeeded\n",
            ),
            ("attach done", "error: cannot attach a container in a completed pod; current phase is Succeeded\n"),
            (
                "exec pending -- true",
                "error: Internal error occurred: unable to upgrade connection: container not found (\"pending\")\n",
            ),
            ("exec nosuch -- true", "Error from server (NotFound): pods \"nosuch\" not found\n"),
            ("exec box -c other -- true", "error: container other is not valid for pod box out of: box\n"),
            ("logs box -c other", "error: container other is not valid for pod box out of: box\n"),
            (
                "logs pending",
                "Error from server (BadRequest): container \"pending\" in pod \"pending\" is waiting to start: trying and \
                 failing to pull image\n",
            ),
            (
                "port-forward done :80",
                "error: unable to forward port because pod is not running. Current status=Succeeded\n",
            ),
            (
                "port-forward pending :80",
                "error: unable to forward port because pod is not running. Current status=Pending\n",
            ),
        ] {
            let words: Vec<&str> = arguments.split(' ').collect();
            let (code, _, told) = outcome(&kubectl, &words);
            assert_eq!((code, told.as_str()), (Some(1), expected), "{arguments}");
        }
    }
}

#[test]
fn a_closed_port_cannot_be_forwarded() {
    let server = Server::start(&[]);
    run(&server.kubectl(), "box", "sleep 100000");
    server.kubectl().ok("wait --for=condition=Ready pod/box --timeout=30s");
    for kubectl in clients(&server) {
        let mut command = kubectl.command("port-forward box :81 --address=127.0.0.1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl runs");
        let mut said = [0; 64];
        let length = child.stdout.as_mut().expect("a pipe").read(&mut said).expect("it says where");
        let said = String::from_utf8_lossy(&said[..length]).into_owned();
        let address = said.split(' ').nth(2).expect("it says where");
        let mut stream = std::net::TcpStream::connect(address).expect("kubectl listens");
        // What is sent and received may fail in any way but succeed.
        let _ = stream.write_all(b"hello");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
        let mut told = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut told).expect("it is text");
        assert!(told.contains("an error occurred forwarding"), "{told}");
        assert!(told.contains("-> 81: error forwarding port 81 to pod "), "{told}");
        assert!(told.contains("IPv4: dial tcp4 127.0.0.1:81: connect: connection refused"), "{told}");
        assert_eq!(child.wait().expect("it ends").code(), Some(1));
    }
}

#[test]
fn long_lines_and_any_bytes_are_logged_as_they_are() {
    let server = Server::start(&[]);
    let lite = server.kubectl();
    run(
        &lite,
        "long",
        "head -c 2000000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376\\000\\r\\tend\\n'; printf last",
    );
    lite.ok("wait --for=jsonpath={.status.phase}=Succeeded pod/long --timeout=60s");
    let whole = [&vec![b'x'; 2_000_000][..], b"\n\xff\xfe\0\r\tend\nlast"].concat();
    for kubectl in clients(&server) {
        let logged = kubectl.run("logs long").stdout;
        assert!(logged == whole, "{} bytes were logged", logged.len());
        assert_eq!(kubectl.run("logs long --tail=2").stdout, b"\xff\xfe\0\r\tend\nlast");
        assert_eq!(kubectl.run("logs long --limit-bytes=100").stdout, &whole[..100]);
        let stamped = kubectl.run("logs long --timestamps").stdout;
        assert_eq!(stamped.split(|byte| *byte == b'\n').count(), 3, "a line has one timestamp");
    }
}

/// How long the server takes for single requests, the slowest last.
async fn latencies(server: &Server) -> Vec<Duration> {
    let mut all = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        let answer = request(server, Method::GET, "/api/v1/namespaces/default/pods/loop-0", &[]).await;
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("the answer is whole");
        all.push(began.elapsed());
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_loops_starve_nobody() {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    for number in 0..20 {
        run(&kubectl, &format!("loop-{number}"), "while true; do :; done");
    }
    kubectl.ok("wait --for=condition=Ready pod --all --timeout=60s");
    let all = latencies(&server).await;
    assert!(all[50] < Duration::from_millis(250), "{:?} and more for half of the requests", all[50]);
    assert!(all[99] < Duration::from_secs(2), "{:?}", all[99]);
    // Others still start, run and end.
    run(&kubectl, "other", "echo done");
    kubectl.ok("wait --for=jsonpath={.status.phase}=Succeeded pod/other --timeout=30s");
    assert_eq!(kubectl.ok("logs other"), "done\n");
    kubectl.ok("delete pod --all --now --timeout=60s");
}

#[test]
fn a_mistake_in_the_images_ends_the_server_before_it_begins() {
    let folder = tempfile::TempDir::new().expect("temporary folders can be made");
    let (images, data) = (folder.path().join("images.yaml"), folder.path().join("data"));
    let shown = images.display();
    for (text, expected) in [
        (Some("images:\n- name: a\n  port: 80\n"), format!("{shown}:3: images[0]: unknown field `port`")),
        (Some("images: [\n"), format!("{shown}:2: ")),
        (None, format!("{shown}: No such file or directory")),
    ] {
        match text {
            Some(text) => std::fs::write(&images, text).expect("the temporary folder can be written"),
            None => std::fs::remove_file(&images).expect("it was there"),
        }
        let mut command = Command::new(program("minikube-lite-server"));
        command.args(["--listen", "127.0.0.1:0", "--images"]).arg(&images).arg("--data-dir").arg(&data);
        let output = command.output().expect("the server starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
        assert!(told.starts_with(&format!("minikube-lite-server: {expected}")), "{told}");
        assert!(!data.exists(), "it left something behind");
    }
}
