//! Streams through the API: commands in containers, logs, port-forwards, proxies, and watches over WebSockets. With raw
//! clients of each protocol, with kubectl-lite, and with the official kubectl where the machine has it.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use shared_types::spdy;
use std::io::{Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use tests::stream::{over_spdy, over_web_socket, request};
use tests::{Kubectl, Server, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

const POD: &str = "/api/v1/namespaces/default/pods/box";

/// A server with a Pod `box` that has a shell and sleeps, and a Deployment `web` of nginx with a Service.
fn cluster() -> Server {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    kubectl.ok("run box --image=busybox --restart=Never -- sleep 100000");
    kubectl.ok("create deployment web --image=nginx --port=80");
    kubectl.ok("expose deployment web --port=80");
    kubectl.ok("wait --for=condition=Ready pod/box --timeout=30s");
    kubectl.ok("wait --for=condition=Available deployment/web --timeout=30s");
    server
}

/// The clients that there are: kubectl-lite, the official kubectl, and that as it was before WebSockets.
fn clients(server: &Server) -> Vec<Kubectl> {
    let older = server.official_kubectl().map(|kubectl| Kubectl {
        environment: vec![("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false"), ("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")],
        ..kubectl
    });
    [Some(server.kubectl()), server.official_kubectl(), older].into_iter().flatten().collect()
}

/// Bytes of every value, without a short period.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn commands_run_in_containers() {
    let server = cluster();
    for kubectl in clients(&server) {
        let run = |arguments: &[&str]| {
            let output = kubectl.command("exec").args(arguments).output().expect("kubectl runs");
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let (code, out, errors) = run(&["box", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!((code, out.as_str()), (Some(7), "out\n"));
        assert_eq!(errors, "err\ncommand terminated with exit code 7\n");
        assert_eq!(run(&["deploy/web", "--", "hostname"]).0, Some(0));
        let (code, _, errors) = run(&["box", "--", "nosuch"]);
        assert_ne!(code, Some(0));
        assert!(errors.contains("nosuch"), "{errors}");
        let (code, _, errors) = run(&["box", "-c", "other", "--", "true"]);
        assert_eq!(code, Some(1));
        assert!(errors.contains("container other is not valid for pod box"), "{errors}");
        let sent = bytes(3_000_000);
        let output = kubectl.run_with_input("exec -i box -- cat", &sent);
        assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
        assert!(output.status.success());
    }
}

#[test]
fn files_are_copied_both_ways() {
    let server = cluster();
    let folder = tempfile::TempDir::new().expect("temporary folders can be made");
    for kubectl in clients(&server) {
        let (there, back) = (folder.path().join("there"), folder.path().join("back"));
        std::fs::write(&there, bytes(300_000)).expect("the temporary folder can be written");
        kubectl.ok(&format!("cp {} box:/tmp/file", there.display()));
        kubectl.ok(&format!("cp box:/tmp/file {}", back.display()));
        let content = |file| std::fs::read(file).expect("this file is there");
        assert!(content(&there) == content(&back));
    }
}

/// A kubectl that is killed in the end.
struct Running(Child);

impl Running {
    fn start(kubectl: &Kubectl, arguments: &str) -> (Running, ChildStdout) {
        let mut command = kubectl.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl runs");
        let output = child.stdout.take().expect("its output is a pipe");
        (Running(child), output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads until the text appears.
fn read_until(output: &mut impl Read, text: &str) -> String {
    let (mut got, mut buffer) = (String::new(), [0; 1024]);
    while !got.contains(text) {
        let length = output.read(&mut buffer).expect("the output can be read");
        assert!(length > 0, "ended without {text:?}: {got}");
        got += &String::from_utf8_lossy(&buffer[..length]);
    }
    got
}

#[test]
fn ports_are_forwarded() {
    let server = cluster();
    for kubectl in clients(&server) {
        for target in ["service/web", "deployment/web"] {
            let (_running, mut output) = Running::start(&kubectl, &format!("port-forward {target} :80"));
            let said = read_until(&mut output, "\n");
            let port =
                said.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_once(' ')).expect("it says where").0;
            for _ in 0..3 {
                let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).expect("kubectl listens");
                stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it can be written");
                let mut page = String::new();
                stream.read_to_string(&mut page).expect("an answer comes");
                assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("Welcome to nginx!"), "{page}");
            }
        }
    }
}

#[test]
fn logs_are_followed() {
    let server = Server::start(&[]);
    let kubectl = server.kubectl();
    kubectl
        .command("run counter --image=busybox --restart=Never --")
        .args(["sh", "-c"])
        .arg("for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done")
        .status()
        .expect("kubectl runs");
    kubectl.ok("wait --for=jsonpath={.status.phase}=Succeeded pod/counter --timeout=30s");
    let whole = "line 1\nline 2\nline 3\nline 4\nline 5\n";
    for kubectl in clients(&server) {
        assert_eq!(kubectl.ok("logs -f counter"), whole);
        assert_eq!(kubectl.ok("logs counter --tail=2"), "line 4\nline 5\n");
        assert_eq!(kubectl.ok("logs counter --limit-bytes=8"), "line 1\nl");
        assert!(kubectl.ok("logs counter --timestamps --tail=1").ends_with("Z line 5\n"));
        let output = kubectl.run("logs counter --previous");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains("previous terminated container \"counter\" in pod \"counter\" not found"), "{errors}");
    }
}

#[test]
fn what_is_attached_gets_input_and_output() {
    let server = Server::start(&[]);
    for kubectl in clients(&server) {
        let output = kubectl.run_with_input("run shout --rm -i --image=busybox --restart=Never -- cat", b"hello\n");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("hello\n") && text.contains("pod \"shout\" deleted"), "{text}");
    }
}

#[test]
fn requests_are_proxied() {
    let server = cluster();
    let kubectl = server.kubectl();
    let pods = "/api/v1/namespaces/default/pods";
    let services = "/api/v1/namespaces/default/services";
    let pod = kubectl.ok("get pod -l app=web -o name").trim().replace("pod/", "");
    for path in [format!("{pods}/{pod}:80/proxy/"), format!("{pods}/{pod}/proxy/"), format!("{services}/web:80/proxy/")]
    {
        assert!(kubectl.ok(&format!("get --raw {path}")).contains("Welcome to nginx!"), "{path}");
    }
    let refused = |path: &str| {
        let output = kubectl.run(&format!("get --raw {path}"));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = refused(&format!("{pods}/{pod}:81/proxy/"));
    assert!(told.contains("error trying to reach service: dial tcp ") && told.contains("connection refused"), "{told}");
    assert!(refused(&format!("{services}/web:81/proxy/")).contains("no service port 81 found for service \"web\""));
    kubectl.ok("scale deployment web --replicas=0");
    wait_for("the endpoint to go", || refused(&format!("{services}/web:80/proxy/")).contains("no endpoints available"));
    assert!(kubectl.ok("get --raw /api/v1/nodes/node-1/proxy/healthz").contains("ok"));
}

/// Runs a command over a WebSocket and returns its output and the status that it ended with.
async fn exec(server: &Server, query: &str, input: Option<&[u8]>) -> (Vec<u8>, String) {
    let path = format!("{POD}/exec?stdout=1&{query}");
    let socket = over_web_socket(server, &path, "v5.channel.k8s.io").await.expect("exec is served");
    let (mut sink, mut stream) = socket.split();
    let feeding = async {
        for part in input.unwrap_or_default().chunks(30_000) {
            let message = Message::Binary([&[0][..], part].concat().into());
            sink.send(message).await.expect("the connection stays open");
        }
        if input.is_some() {
            sink.send(Message::Binary(Bytes::from_static(&[255, 0]))).await.expect("the connection stays open");
        }
    };
    let (mut output, mut status) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(Ok(Message::Binary(data))) = stream.next().await {
            match data.first() {
                Some(1) => output.extend_from_slice(&data[1..]),
                Some(3) => status.extend_from_slice(&data[1..]),
                _ => panic!("a message on another channel"),
            }
        }
    };
    tokio::join!(feeding, reading);
    (output, String::from_utf8_lossy(&status).into_owned())
}

/// How many files and sockets a process has open.
fn open_files(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).expect("the process runs").count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_commands_run_at_once_and_leave_nothing_behind() {
    let server = std::sync::Arc::new(cluster());
    let before = open_files(server.id());
    let commands = (0..200).map(|number: usize| {
        let server = server.clone();
        tokio::spawn(async move {
            let sent = bytes(20_000 + number);
            let (got, status) = exec(&server, "stdin=1&command=cat", Some(&sent)).await;
            assert!(got == sent && status.contains("Success"), "{status}");
        })
    });
    for command in commands.collect::<Vec<_>>() {
        command.await.expect("the command succeeds");
    }
    // Clients that go in the middle of it.
    for _ in 0..20 {
        let path = format!("{POD}/exec?stdout=1&stdin=1&command=cat");
        drop(over_web_socket(&server, &path, "v5.channel.k8s.io").await.expect("exec is served"));
        drop(over_spdy(&server, &path, "v4.channel.k8s.io").await.expect("exec is served"));
    }
    wait_for("all connections to close", || open_files(server.id()) <= before + 2);
    let left = exec(&server, "command=sh&command=-c&command=ps", None).await.0;
    assert!(!String::from_utf8_lossy(&left).contains("cat"), "{}", String::from_utf8_lossy(&left));
}

/// What the server says of itself.
fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.kubectl().ok("get --raw /metrics");
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_leave_no_task_and_no_socket() {
    let server = cluster();
    let pods = "/api/v1/namespaces/default/pods";
    let web = server.kubectl().ok("get pod -l app=web -o jsonpath={.items[0].metadata.name}");
    let tasks = || metric(&server, "minikube_lite_tasks");
    let mut before = (tasks(), open_files(server.id()));
    wait_for("the cluster to be at rest", || {
        let now = (tasks(), open_files(server.id()));
        std::mem::replace(&mut before, now) == now
    });
    for round in 0..20 {
        let (got, status) = exec(&server, "stdin=1&command=cat", Some(b"hello")).await;
        assert!(got == b"hello" && status.contains("Success"), "{status}");
        for command in ["command=cat&stdin=1", "command=yes", "command=sh&stdin=1&tty=1"] {
            let path = format!("{POD}/exec?stdout=1&{command}");
            let mut socket = over_web_socket(&server, &path, "v5.channel.k8s.io").await.expect("exec is served");
            // In the middle of what they say, or before.
            if round % 2 == 0 && !command.contains("cat") {
                socket.next().await.expect("it says something").expect("the connection is open");
            }
            drop(socket);
            drop(over_spdy(&server, &path, "v4.channel.k8s.io").await.expect("exec is served"));
        }
        let attach = format!("{POD}/attach?stdout=1");
        drop(over_web_socket(&server, &attach, "v5.channel.k8s.io").await.expect("attach is served"));
        drop(request(&server, Method::GET, &format!("{POD}/log?follow=true"), &[]).await);
        drop(request(&server, Method::GET, &format!("{pods}?watch=true"), &[]).await);
        let forward = format!("{pods}/{web}/portforward");
        let session = over_spdy(&server, &forward, spdy::PORT_FORWARD_PROTOCOL).await.expect("served");
        let headers = |kind| [("streamType", kind), ("port", "80"), ("requestID", "0")];
        let _error = session.open(headers("error")).await.expect("streams open");
        let mut data = session.open(headers("data")).await.expect("streams open");
        data.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.expect("the connection is open");
    }
    let now = || (tasks(), open_files(server.id()));
    let mut last = now();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while (last.0 > before.0 || last.1 > before.1) && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        last = now();
    }
    assert!(last.0 <= before.0 && last.1 <= before.1, "{before:?} tasks and files before, {last:?} after");
    let left = exec(&server, "command=sh&command=-c&command=ps", None).await.0;
    let left = String::from_utf8_lossy(&left).into_owned();
    assert!(!left.contains("cat") && !left.contains("yes"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_a_size_and_interrupts() {
    let server = cluster();
    let path = format!("{POD}/exec?stdin=1&stdout=1&tty=1&command=sh");
    let mut socket = over_web_socket(&server, &path, "v5.channel.k8s.io").await.expect("exec is served");
    let mut got = String::new();
    // Each is typed once the one before it has been answered.
    for (channel, typed, answer) in [
        (4, "{\"Width\":100,\"Height\":30}", ""),
        (0, "stty size\n", "30 100\r\n"),
        (4, "{\"Width\":132,\"Height\":50}", ""),
        (0, "stty size\n", "50 132\r\n"),
        (0, "echo sle''eping; sleep 100000\n", "sleeping\r\n"),
        (0, "\u{3}", "^C"),
        (0, "echo code=$?\n", "code=130\r\n"),
        (0, "exit 5\n", "\"message\":\"5\""),
    ] {
        let message = [&[channel][..], typed.as_bytes()].concat();
        socket.send(Message::Binary(message.into())).await.expect("the connection stays open");
        got.clear();
        while !got.contains(answer) {
            match socket.next().await {
                Some(Ok(Message::Binary(data))) => got += &String::from_utf8_lossy(&data[1..]),
                other => panic!("ended by {other:?} instead of {answer:?}: {got}"),
            }
        }
    }
    socket.close(None).await.expect("the server closes too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spdy_client_forwards_many_bytes() {
    let server = cluster();
    let script = "command=sh&command=-c&command=nc%20-l%20-p%209000%20-e%20cat";
    let path = format!("{POD}/exec?stdout=1&{script}");
    let _listening = over_web_socket(&server, &path, "v5.channel.k8s.io").await.expect("exec is served");
    let session = over_spdy(&server, &format!("{POD}/portforward"), spdy::PORT_FORWARD_PROTOCOL).await.expect("served");
    let mut request = 0;
    let (error, data) = loop {
        let id = request.to_string();
        let headers = |kind| [("streamType", kind), ("port", "9000"), ("requestID", id.as_str())];
        let mut error = session.open(headers("error")).await.expect("streams open");
        let mut data = session.open(headers("data")).await.expect("streams open");
        // Until the command listens.
        let mut byte = [0];
        data.write_all(b"!").await.expect("the connection stays open");
        if data.read_exact(&mut byte).await.is_ok() {
            break (error, data);
        }
        let mut why = String::new();
        error.read_to_string(&mut why).await.expect("it is told why");
        assert!(why.contains("connection refused"), "{why}");
        request += 1;
        assert!(request < 1000, "nobody listens");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let sent = bytes(5_000_000);
    let (mut input, mut output) = tokio::io::split(data);
    let mut got = Vec::new();
    let feeding = async {
        output.write_all(&sent).await.expect("the connection stays open");
        output.shutdown().await.expect("the connection stays open");
    };
    let ((), read) = tokio::join!(feeding, input.read_to_end(&mut got));
    read.expect("the answer ends");
    assert!(got == sent, "{} bytes came back", got.len());
    drop((error, session));
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_go_over_web_sockets() {
    let server = Server::start(&[]);
    let path = "/api/v1/namespaces/default/configmaps?watch=true&labelSelector=a%3Db";
    let mut socket = over_web_socket(&server, path, "").await.expect("watches are served");
    server.kubectl().ok("create configmap other");
    server.kubectl().ok("create configmap one");
    server.kubectl().ok("label configmap one a=b");
    let Some(Ok(Message::Text(event))) = socket.next().await else { panic!("no event") };
    let event: serde_json::Value = serde_json::from_str(&event).expect("an event is JSON");
    assert_eq!((event["type"].as_str(), event["object"]["metadata"]["name"].as_str()), (Some("ADDED"), Some("one")));
    socket.close(None).await.expect("the server closes too");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_upgrade_is_told_so() {
    let server = cluster();
    for (path, code, why) in [
        (format!("{POD}/exec?command=true&stdout=1"), 400, "Upgrade request required"),
        (format!("{POD}/portforward"), 400, "Upgrade request required"),
        (format!("{POD}/exec?container=other"), 400, "container other is not valid for pod box"),
        ("/api/v1/namespaces/default/pods/nosuch/attach".to_string(), 404, "pods \\\"nosuch\\\" not found"),
        (format!("{POD}/log?tailLines=-1"), 422, "tailLines: Invalid value: -1"),
    ] {
        let response = request(&server, Method::GET, &path, &[]).await;
        assert_eq!(response.status(), code, "{path}");
        let body = response.into_body().collect().await.expect("the answer is whole").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains(why), "{path}: {text}");
    }
    let refused = over_web_socket(&server, &format!("{POD}/exec?command=true&stdout=1"), "v9.channel.k8s.io").await;
    assert_eq!(refused.expect_err("this protocol is unknown").status(), 403);
    let refused = over_spdy(&server, &format!("{POD}/exec?command=true&stdout=1"), "v9.channel.k8s.io").await;
    assert_eq!(refused.expect_err("this protocol is unknown").status(), 403);
}
