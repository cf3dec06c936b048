//! The tools of the network, as somebody in a container uses them.

use super::super::files::Tree;
use super::super::pipe::{Input, Output};
use super::super::process::{Process, Program};
use super::super::world::tests::world_in;
use super::super::world::{Child, Start, World};
use super::{bind, curl, getent, nc, nslookup, ping, wget};
use crate::environment::Environment;
use crate::node::network::tests::Cluster;
use crate::node::network::{Accepted, Handler, Listening, PodNetwork};
use futures_util::future::BoxFuture;
use shared_types::json::json;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const TOOLS: &[(&str, Program)] = &[
    ("/bin/curl", curl::run),
    ("/bin/wget", wget::run),
    ("/bin/nc", nc::run),
    ("/bin/busybox_nslookup", nslookup::run),
    ("/usr/bin/nslookup", bind::nslookup),
    ("/usr/bin/dig", bind::dig),
    ("/usr/bin/host", bind::host),
    ("/bin/getent", getent::run),
    ("/bin/ping", ping::run),
    ("/bin/forever", forever),
];

/// The cluster with a Service `backend` whose only Pod serves HTTP on port 8080, and a container beside it.
struct Scene {
    cluster: Cluster,
    world: World,
    server: PodNetwork,
    _first: Child,
    _listening: Listening,
}

fn scene() -> Scene {
    let cluster = Cluster::with_nodes();
    cluster.service(json!({"type": "ClusterIP", "clusterIP": "10.96.0.50",
        "ports": [{"name": "http", "protocol": "TCP", "port": 80}]}));
    cluster.slice(8080, &[json!({"addresses": ["10.244.0.3"], "conditions": {"ready": true}})]);
    let server = cluster.pod(3);
    let _listening = server.listen(Ipv4Addr::UNSPECIFIED, 8080, http_server()).unwrap();
    let environment = Environment::new(Some(1));
    let tree = Tree::linux().programs(TOOLS).file("/etc/hosts", "127.0.0.1 localhost\n10.244.0.3 own.example own\n");
    let world = world_in(cluster.pod(2), tree, environment);
    // The container lives as long as its first process.
    let first = world.spawn(Start { argv: vec!["forever".into()], ..Start::default() }).unwrap();
    Scene { cluster, world, server, _first: first, _listening }
}

fn forever(_: Process) -> BoxFuture<'static, i32> {
    Box::pin(std::future::pending())
}

/// Answers by path: `/echo` with the request, `/chunked` in pieces, `/short` with less than it says, `/drop` with nothing,
/// `/hang` never, `/moved` from elsewhere, `/NUMBER` with that status; anything else with a greeting.
fn http_server() -> Handler {
    Arc::new(|accepted| drop(tokio::spawn(serve(accepted))))
}

async fn serve(accepted: Accepted) {
    let mut stream = BufReader::new(accepted.stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length =
            head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or("").to_string();
        let answer = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\nServer: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let text = match path.as_str() {
            "/echo" => answer("200 OK", &(head + &String::from_utf8_lossy(&body))),
            "/chunked" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n".into()
            }
            "/short" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".into(),
            "/drop" => return,
            "/hang" => return std::future::pending().await,
            "/moved" => "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n".into(),
            _ => match path[1..].parse::<u16>() {
                Ok(status) => answer(&format!("{status} Status"), "no\n"),
                Err(_) => answer("200 OK", &format!("hello from {path}\n")),
            },
        };
        if stream.write_all(text.as_bytes()).await.is_err() || path == "/short" {
            return;
        }
    }
}

/// What a command printed (`^` in it is a space within a word): exit code, standard output, standard error.
async fn run(world: &World, line: &str) -> (i32, String, String) {
    run_with(world, line, Input::empty()).await
}

async fn run_with(world: &World, line: &str, stdin: Input) -> (i32, String, String) {
    let (stdout, out) = collect();
    let (stderr, err) = collect();
    let argv = line.split(' ').map(|word| word.replace('^', " ")).collect();
    let mut child = world.spawn(Start { argv, stdin, stdout, stderr, ..Start::default() }).unwrap();
    let code = child.wait().await.code;
    let text = |bytes: &Mutex<Vec<u8>>| String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
    (code, text(&out), text(&err))
}

fn collect() -> (Output, Arc<Mutex<Vec<u8>>>) {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let sink = bytes.clone();
    (Output::from_fn(move |data| sink.lock().unwrap().extend_from_slice(data)), bytes)
}

fn out(code: i32, stdout: &str, stderr: &str) -> (i32, String, String) {
    (code, stdout.into(), stderr.into())
}

#[tokio::test(start_paused = true)]
async fn curl_gets_what_servers_have() {
    let Scene { world, .. } = &scene();
    assert_eq!(run(world, "curl -s http://backend:80").await, out(0, "hello from /\n", ""));
    assert_eq!(run(world, "curl -s backend/a backend.ns/b").await, out(0, "hello from /a\nhello from /b\n", ""));
    assert_eq!(run(world, "curl -s own:8080/chunked").await, out(0, "onetwo", ""));
    assert_eq!(
        run(world, "curl -si backend/x").await,
        out(0, "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: 14\r\n\r\nhello from /x\n", "")
    );
    assert_eq!(run(world, "curl -sL backend/moved").await, out(0, "hello from /there\n", ""));
    assert_eq!(
        run(world, r"curl -s -o /tmp/page -w %{http_code}^%{size_download}^%{num_connects}\n backend/x").await,
        out(0, "200 14 1\n", "")
    );
    assert_eq!(world.files().read("/tmp/page").unwrap(), "hello from /x\n");
    let (_, sent, _) = run(world, "curl -s -d a=1 -d b=2 -H X-Own:^yes -H Accept: -u me:secret backend/echo").await;
    assert_eq!(
        sent,
        "POST /echo HTTP/1.1\r\nHost: backend\r\nAuthorization: Basic bWU6c2VjcmV0\r\nUser-Agent: curl/8.17.0\r\n\
         X-Own: yes\r\nContent-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=1&b=2"
    );
    assert_eq!(run(world, "curl -s -G -d a=1 --data-urlencode b=x^y backend/q").await.1, "hello from /q?a=1&b=x%20y\n");
}

#[tokio::test(start_paused = true)]
async fn curl_says_what_went_wrong_as_curl_does() {
    let scene = scene();
    let world = &scene.world;
    for (line, code, message) in [
        ("curl -sS nosuch", 6, "curl: (6) Could not resolve host: nosuch\n"),
        ("curl -sS http://backend:81 -m 2", 28, "curl: (28) Connection timed out after 2001 milliseconds\n"),
        (
            "curl -sS 10.244.0.3:81",
            7,
            "curl: (7) Failed to connect to 10.244.0.3 port 81 after 0 ms: Could not connect to server\n",
        ),
        ("curl -sSf backend/404", 22, "curl: (22) The requested URL returned error: 404\n"),
        ("curl -sS backend/drop", 52, "curl: (52) Empty reply from server\n"),
        (
            "curl -sS -m 1 backend/hang",
            28,
            "curl: (28) Operation timed out after 1001 milliseconds with 0 bytes received\n",
        ),
        ("curl -sS ftp://backend", 1, "curl: (1) Protocol \"ftp\" not supported\n"),
        (
            "curl -sS http://backend:x",
            3,
            "curl: (3) URL rejected: Port number was not a decimal number between 0 and 65535\n",
        ),
        ("curl -sS -L --max-redirs 0 backend/moved", 47, "curl: (47) Maximum (0) redirects followed\n"),
    ] {
        let (got, _, stderr) = run(world, line).await;
        // Timers are as exact as a millisecond.
        let stderr = stderr.replace("2000 milli", "2001 milli").replace("1000 milli", "1001 milli");
        assert_eq!((got, stderr.as_str()), (code, message), "{line}");
    }
    assert_eq!(
        run(world, "curl -sS backend/short").await,
        out(18, "short", "curl: (18) end of response with 5 bytes missing\n")
    );
    assert_eq!(run(world, "curl -s nosuch").await, out(6, "", ""));
    assert_eq!(run(world, "curl").await.2.lines().next(), Some("curl: (2) no URL specified"));
    let (_, _, stderr) = run(world, "curl nosuch").await;
    assert!(stderr.ends_with("--:--     0\ncurl: (6) Could not resolve host: nosuch\n"), "{stderr}");
    // No endpoint: refused at once, and again when it is tried again.
    scene.cluster.slice(8080, &[]);
    let (code, _, stderr) = run(world, "curl -sS --retry 2 --retry-connrefused backend").await;
    assert_eq!((code, stderr.matches("Could not connect to server").count()), (7, 1));
}

#[tokio::test(start_paused = true)]
async fn curl_uses_a_connection_again_for_the_same_server() {
    let Scene { world, .. } = &scene();
    let (_, stdout, stderr) = run(world, "curl -v backend/a backend/b").await;
    assert_eq!(stdout, "hello from /a\nhello from /b\n");
    assert_eq!(stderr.matches("* Connected to backend (10.96.0.50) port 80\n").count(), 1);
    assert_eq!(stderr.matches("* Connection #0 to host backend left intact\n").count(), 2);
    assert!(stderr.contains("> GET /a HTTP/1.1\n> Host: backend\n"), "{stderr}");
    assert!(stderr.contains("< HTTP/1.1 200 OK\n< Server: test\n"), "{stderr}");
}

#[tokio::test(start_paused = true)]
async fn wget_speaks_as_busyboxs() {
    let scene = scene();
    let world = &scene.world;
    assert_eq!(run(world, "wget -qO- backend/x").await, out(0, "hello from /x\n", ""));
    let stars = "*".repeat(32);
    let said = format!(
        "Connecting to backend (10.96.0.50:80)\nsaving to '/tmp/x'\n/tmp/x               100% |{stars}|    14  0:00:00 \
         ETA\n'/tmp/x' saved\n"
    );
    assert_eq!(run(world, "wget -O /tmp/x http://backend/x").await, out(0, "", &said));
    for (line, message) in [
        ("wget -q nosuch", "wget: bad address 'nosuch'\n"),
        ("wget -q http://10.244.0.3:81", "wget: can't connect to remote host (10.244.0.3): Connection refused\n"),
        ("wget -q -O- backend/404", "wget: server returned error: HTTP/1.1 404 Status\n"),
        ("wget -q -T 2 -O- backend:81", "wget: download timed out\n"),
        ("wget -q -T 2 -O- backend/hang", "wget: download timed out\n"),
    ] {
        assert_eq!(run(world, line).await, out(1, "", message), "{line}");
    }
    assert_eq!(
        run(world, "wget --spider backend").await,
        out(0, "", "Connecting to backend (10.96.0.50:80)\nremote file exists\n")
    );
}

#[tokio::test(start_paused = true)]
async fn nc_connects_and_listens() {
    let scene = scene();
    let world = &scene.world;
    assert_eq!(run(world, "nc -zv backend 80").await, out(0, "", "backend (10.96.0.50:80) open\n"));
    assert_eq!(
        run(world, "nc -zv 10.244.0.3 81").await,
        out(1, "", "nc: 10.244.0.3 (10.244.0.3:81): Connection refused\n")
    );
    assert_eq!(run(world, "nc -zv -w 1 backend 81").await.2, "nc: backend (10.96.0.50:81): Operation timed out\n");
    assert_eq!(run(world, "nc -z nosuch 80").await, out(1, "", "nc: bad address 'nosuch'\n"));
    let listening = {
        let world = world.clone();
        tokio::spawn(async move { run_with(&world, "nc -l -p 9000", Input::from_bytes("from the server")).await })
    };
    while !world.network().listens(9000) {
        tokio::task::yield_now().await;
    }
    let mut connection = scene.server.connect("10.244.0.2:9000".parse().unwrap()).await.unwrap();
    connection.write_all(b"from the client").await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "from the server");
    connection.shutdown().await.unwrap();
    assert_eq!(listening.await.unwrap(), out(0, "from the client", ""));
    assert!(!world.network().listens(9000));
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up() {
    let Scene { world, .. } = &scene();
    let server = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n";
    let domain = "backend.ns.svc.cluster.local";
    assert_eq!(
        run(world, &format!("busybox_nslookup {domain}")).await,
        out(0, &format!("{server}Name:\t{domain}\nAddress: 10.96.0.50\n\n\n"), "")
    );
    let (code, short, _) = run(world, "busybox_nslookup backend").await;
    assert_eq!(code, 1, "one of the search domains does not have it");
    assert!(short.starts_with(&format!("{server}Name:\t{domain}\nAddress: 10.96.0.50\n\n")), "{short}");
    assert!(short.contains("** server can't find backend.svc.cluster.local: NXDOMAIN\n\n"), "{short}");
    assert_eq!(
        run(world, "busybox_nslookup -type=a nosuch.ns.svc.cluster.local").await,
        out(1, &format!("{server}** server can't find nosuch.ns.svc.cluster.local: NXDOMAIN\n\n"), "")
    );
    assert_eq!(
        run(world, "busybox_nslookup 10.96.0.50").await,
        out(0, &format!("{server}50.0.96.10.in-addr.arpa\tname = {domain}\n\n"), "")
    );
    assert_eq!(run(world, "getent hosts backend").await, out(0, &format!("10.96.0.50      {domain}\n"), ""));
    assert_eq!(run(world, "getent hosts own").await, out(0, "10.244.0.3      own.example own\n", ""));
    assert_eq!(run(world, "getent hosts nosuch").await, out(2, "", ""));
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_with_binds_tools() {
    let Scene { world, .. } = &scene();
    let domain = "backend.ns.svc.cluster.local";
    let server = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n";
    let nslookup = "nslookup";
    for name in ["backend", "backend.ns", domain] {
        let answer = format!("{server}Name:\t{domain}\nAddress: 10.96.0.50\n\n");
        assert_eq!(run(world, &format!("{nslookup} {name}")).await, out(0, &answer, ""), "{name}");
    }
    assert_eq!(
        run(world, &format!("{nslookup} nosuch 10.96.0.10")).await,
        out(1, &format!("{server}** server can't find nosuch: NXDOMAIN\n\n"), "")
    );
    assert_eq!(run(world, &format!("{nslookup} backend 10.244.0.3")).await.1, ";; no servers could be reached\n");
    assert_eq!(
        run(world, &format!("{nslookup} 10.96.0.50")).await,
        out(0, &format!("50.0.96.10.in-addr.arpa\tname = {domain}.\n\n"), "")
    );
    assert_eq!(run(world, "host backend").await, out(0, &format!("{domain} has address 10.96.0.50\n"), ""));
    assert_eq!(run(world, "host nosuch").await, out(1, "Host nosuch not found: 3(NXDOMAIN)\n", ""));
    assert_eq!(
        run(world, "host 10.96.0.50").await,
        out(0, &format!("50.0.96.10.in-addr.arpa domain name pointer {domain}.\n"), "")
    );
    let srv = format!("_http._tcp.{domain}");
    assert_eq!(
        run(world, &format!("host -t srv {srv}")).await,
        out(0, &format!("{srv} has SRV record 0 100 80 {domain}.\n"), "")
    );
    assert_eq!(run(world, &format!("dig +short {domain} @10.96.0.10")).await, out(0, "10.96.0.50\n", ""));
    // Search domains are for those who ask for them.
    assert_eq!(run(world, "dig +short backend").await, out(0, "", ""));
    assert_eq!(run(world, "dig +short +search backend").await, out(0, "10.96.0.50\n", ""));
    assert_eq!(run(world, "dig +short -x 10.96.0.50").await, out(0, &format!("{domain}.\n"), ""));
    assert_eq!(
        run(world, &format!("dig +noall +answer {domain}")).await,
        out(0, &format!("{domain}. 30\tIN\tA\t10.96.0.50\n"), "")
    );
    let (code, all, _) = run(world, "dig nosuch.ns.svc.cluster.local AAAA").await;
    assert_eq!(code, 0);
    for part in [
        "; <<>> DiG 9.20.10 <<>> nosuch.ns.svc.cluster.local AAAA\n",
        "opcode: QUERY, status: NXDOMAIN, id: ",
        ";; flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1\n",
        ";; QUESTION SECTION:\n;nosuch.ns.svc.cluster.local.\tIN\tAAAA\n\n",
        "cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. ",
        ";; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)\n",
    ] {
        assert!(all.contains(part), "{part:?} is not in {all}");
    }
    let (_, all, _) = run(world, "dig kubernetes.default.svc.cluster.local").await;
    assert!(all.contains("NXDOMAIN"), "{all}");
    assert_eq!(run(world, "dig x MX").await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn pods_answer_pings_and_services_do_not() {
    let Scene { world, .. } = &scene();
    let (code, stdout, _) = run(world, "ping -c 2 10.244.0.3").await;
    assert_eq!(code, 0);
    assert!(stdout.starts_with("PING 10.244.0.3 (10.244.0.3): 56 data bytes\n64 bytes from 10.244.0.3: seq=0 ttl=64"));
    assert!(stdout.contains("\n2 packets transmitted, 2 packets received, 0% packet loss\n"), "{stdout}");
    let (code, stdout, _) = run(world, "ping -c 2 -W 1 backend").await;
    assert_eq!((code, stdout.lines().nth(3)), (1, Some("2 packets transmitted, 0 packets received, 100% packet loss")));
    assert_eq!(run(world, "ping nosuch").await, out(1, "", "ping: bad address 'nosuch'\n"));
}
