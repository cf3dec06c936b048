//! The images as their users see them.

use super::testing::{With, start};
use crate::node::runtime::images_file::ImagesFile;
use crate::node::runtime::signal::Signal;
use shared_types::json::Value;

fn args<'a>(args: &'a [&'a str]) -> With<'a> {
    With { args, ..With::default() }
}

#[tokio::test]
async fn httpd_says_that_it_works() {
    let mut httpd = start("httpd:2.4", With::default());
    let answer = httpd.get(80, "/").await;
    assert_eq!(answer.body, "<html><body><h1>It works!</h1></body></html>\n");
    assert_eq!(answer.header("Server"), Some("Apache/2.4.65 (Unix)"));
    assert!(answer.header("Etag").unwrap().starts_with("\"2d-"));
    assert!(httpd.get(80, "/none").await.body.contains("<p>The requested URL was not found on this server.</p>"));
    httpd.prints("] \"GET / HTTP/1.1\" 200 45\n").await;
    httpd.prints("configured -- resuming normal operations").await;
    httpd.prints("Command line").await;
    assert_eq!(httpd.stops_by(Signal::Winch).await, 0);
    assert!(httpd.printed().contains("caught SIGWINCH, shutting down gracefully"));
}

#[tokio::test]
async fn http_echo_answers_its_text() {
    let mut echo = start("hashicorp/http-echo:1.0", args(&["-text=hello", "-listen=:80", "-status-code=201"]));
    let answer = echo.get(80, "/x").await;
    assert_eq!((answer.status(), answer.body.as_str()), (201, "hello\n"));
    echo.prints("server is listening on :80").await;
    assert_eq!(echo.stops_by(Signal::Term).await, 2);
    let mut silent = start("hashicorp/http-echo", With::default());
    assert_eq!(silent.ends().await.code, 127);
    assert_eq!(silent.printed(), "Missing -text option!\n");
}

#[tokio::test]
async fn whoami_tells_who_answers() {
    let mut whoami = start("traefik/whoami", args(&["--name=shop", "--port", "8000"]));
    let answer = whoami.ask(8000, "GET /a?b=c\nX-Who: me").await.body;
    for line in ["Name: shop", "Hostname: web-1", "IP: 10.244.0.5", "GET /a?b=c HTTP/1.1", "Host: web", "X-Who: me"] {
        assert!(answer.lines().any(|other| other == line), "{line} is not in {answer}");
    }
    assert!(answer.contains("RemoteAddr: 192.168.49.2:"));
    let api: Value = serde_json::from_str(&whoami.get(8000, "/api").await.body).unwrap();
    assert_eq!(api["hostname"], "web-1");
    assert_eq!(whoami.get(8000, "/health").await.status(), 200);
    assert_eq!(whoami.get(8000, "/data?size=2&unit=KB").await.body.len(), 2048);
    assert_eq!(whoami.stops_by(Signal::Term).await, 2);
}

#[tokio::test]
async fn whoamis_health_can_be_changed() {
    let whoami = start("traefik/whoami", With::default());
    let text = "POST /health HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 3\r\n\r\n503";
    assert!(whoami.talk(80, text.as_bytes()).await.starts_with(b"HTTP/1.1 200"));
    assert_eq!(whoami.get(80, "/health").await.status(), 503);
}

#[tokio::test]
async fn agnhost_has_its_servers() {
    let mut netexec = start("registry.k8s.io/e2e-test-images/agnhost:2.53", args(&["netexec", "--http-port=8081"]));
    assert_eq!(netexec.get(8081, "/hostname").await.body, "web-1");
    assert_eq!(netexec.get(8081, "/echo?msg=a%20b+c").await.body, "a b c");
    assert!(netexec.get(8081, "/clientip").await.body.starts_with("192.168.49.2:"));
    assert_eq!(netexec.get(8081, "/healthz").await.status(), 200);
    assert_eq!(netexec.get(8081, "/none").await.status(), 404);
    netexec.talk(8081, b"GET /exit?code=7 HTTP/1.1\r\nHost: web\r\n\r\n").await;
    assert_eq!(netexec.ends().await.code, 7);
    let hostname = start("agnhost", args(&["serve-hostname"]));
    assert_eq!(hostname.get(9376, "/").await.body, "web-1\n");
    let mut pause = start("agnhost", With::default());
    pause.prints("Paused").await;
    while !pause.world.processes().is_empty() && pause.world.signal(1, Signal::Term) {
        tokio::task::yield_now().await;
    }
    assert_eq!(pause.ends().await.code, 0);
    assert_eq!(start("agnhost", args(&["nothing"])).ends().await.code, 1);
}

#[tokio::test(start_paused = true)]
async fn agnhosts_liveness_fails_after_ten_seconds() {
    let liveness = start("agnhost", args(&["liveness"]));
    assert_eq!(liveness.get(8080, "/healthz").await.status(), 200);
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    assert_eq!(liveness.get(8080, "/healthz").await.status(), 500);
}

#[tokio::test]
async fn other_servers_say_who_they_are() {
    let hello = start("gcr.io/google-samples/hello-app:2.0", With::default());
    assert_eq!(hello.get(8080, "/").await.body, "Hello, world!\nVersion: 2.0.0\nHostname: web-1\n");
    let echo = start("registry.k8s.io/echoserver:1.10", With::default());
    let answer = echo.get(8080, "/a?b=c").await.body;
    for part in ["Hostname: web-1", "\tmethod=GET\n", "\treal path=/a\n", "\tquery=b=c\n", "\thost=web\n"] {
        assert!(answer.contains(part), "{part:?} is not in {answer}");
    }
    let ealen = start("ealen/echo-server", With::default());
    let answer: Value = serde_json::from_str(&ealen.get(80, "/x?a=b").await.body).unwrap();
    assert_eq!(answer["request"]["query"]["a"], "b");
    let plain = start("kicbase/echo-server:1.0", With::default());
    assert!(plain.get(8080, "/x").await.body.starts_with("Request served by web-1\n\nGET /x HTTP/1.1\n"));
}

#[tokio::test]
async fn redis_keeps_data_and_its_client_shows_it() {
    let mut redis = start("redis:8", With::default());
    redis.listens(6379).await;
    redis.prints("Ready to accept connections").await;
    let ask = async |words: &[&str]| redis.exec(&[&["redis-cli"], words].concat(), "").await;
    assert_eq!(ask(&["ping"]).await, (0, "PONG\n".into()));
    assert_eq!(ask(&["set", "name", "a b"]).await, (0, "OK\n".into()));
    assert_eq!(ask(&["get", "name"]).await, (0, "a b\n".into()));
    assert_eq!(ask(&["--no-raw", "get", "name"]).await, (0, "\"a b\"\n".into()));
    assert_eq!(ask(&["--no-raw", "incr", "n"]).await, (0, "(integer) 1\n".into()));
    assert_eq!(ask(&["--no-raw", "get", "none"]).await, (0, "(nil)\n".into()));
    assert_eq!(redis.exec(&["redis-cli"], "incr n\nget n\nquit\n").await, (0, "2\n2\n".into()));
    assert!(ask(&["info"]).await.1.contains("redis_version:8.2.1"));
    assert!(ask(&["nothing", "x"]).await.1.starts_with("ERR unknown command 'nothing', with args beginning with: 'x'"));
    assert_eq!(redis.talk(6379, b"PING\r\nQUIT\r\n").await, b"+PONG\r\n+OK\r\n");
    let refused = redis.exec(&["redis-cli", "-p", "1", "ping"], "").await;
    assert_eq!(refused, (1, "Could not connect to Redis at 127.0.0.1:1: Connection refused\n".into()));
    assert_eq!(redis.stops_by(Signal::Term).await, 0);
}

#[tokio::test]
async fn redis_is_configured_by_file_and_options() {
    let file = "maxmemory 2mb\nmaxmemory-policy allkeys-lru\n";
    let with = With {
        args: &["redis-server", "/redis-master/redis.conf", "--requirepass", "secret"],
        files: &[("/redis-master/redis.conf", file)],
        ..With::default()
    };
    let redis = start("redis:8.0.2", with);
    redis.listens(6379).await;
    assert_eq!(redis.exec(&["redis-cli", "ping"], "").await.1, "NOAUTH Authentication required.\n");
    let words = ["redis-cli", "-a", "secret", "config", "get", "maxmemory*"];
    assert_eq!(redis.exec(&words, "").await.1, "maxmemory\n2097152\nmaxmemory-policy\nallkeys-lru\n");
}

#[tokio::test]
async fn databases_start_as_the_real_ones() {
    let mut without = start("postgres:17", With::default());
    assert_eq!(without.ends().await.code, 1);
    assert!(without.printed().contains("superuser password is not specified"));
    let mut postgres = start("postgres:17", With { env: &[("POSTGRES_PASSWORD", "x")], ..With::default() });
    // A request for encryption, then the start-up message.
    let answer = postgres.talk(5432, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f, 0, 0, 0, 9, 0, 3, 0, 0, 0]).await;
    assert!(answer.starts_with(b"NE"), "{answer:?}");
    let ready = postgres.exec(&["pg_isready", "-U", "postgres"], "").await;
    assert_eq!(ready, (0, "/var/run/postgresql:5432 - accepting connections\n".into()));
    postgres.prints("ready to accept connections").await;
    assert_eq!(postgres.stops_by(Signal::Int).await, 0);

    let mysql = start("mysql:8.4", With { env: &[("MYSQL_ROOT_PASSWORD", "x")], ..With::default() });
    let greeting = mysql.talk(3306, &[1, 0, 0, 1, 0]).await;
    assert!(greeting[4..].starts_with(b"\x0a8.4.6\0"), "{greeting:?}");
    assert_eq!(mysql.exec(&["mysqladmin", "ping", "-h", "localhost"], "").await, (0, "mysqld is alive\n".into()));
    assert_eq!(start("mysql", With::default()).ends().await.code, 1);
    let memcached = start("memcached", With::default());
    assert!(memcached.talk(11211, b"version\r\nquit\r\n").await.starts_with(b"VERSION 1.6.39\r\n"));
    assert_eq!(start("rabbitmq", With::default()).talk(5672, b"A").await, b"");
    assert_eq!(start("mongo", With::default()).talk(27017, b"A").await, b"");
}

#[tokio::test]
async fn scripts_of_lessons_work() {
    let mut perl = start("perl:5.34.0", args(&["perl", "-Mbignum=bpi", "-wle", "print bpi(2000)"]));
    assert_eq!(perl.ends().await.code, 0);
    let printed = perl.printed();
    assert!(printed.starts_with("3.14159265358979323846") && printed.len() == 2002, "{printed}");
    let mut python = start("python:3.12", args(&["python", "-c", "print('hi')"]));
    assert_eq!((python.ends().await.code, python.printed()), (0, "hi\n".to_string()));
    assert_eq!(start("python", With::default()).ends().await.code, 0);
    let files = [("/srv/index.html", "own\n")];
    let python = start(
        "python",
        With {
            args: &["python3", "-m", "http.server", "8001", "--directory", "/srv"],
            files: &files,
            ..With::default()
        },
    );
    assert_eq!(python.get(8001, "/").await.body, "own\n");
    assert_eq!(python.get(8001, "/none").await.status(), 404);
    let mut node = start("node:22", With { args: &["server.js"], ports: &[3000], ..With::default() });
    assert_eq!(node.get(3000, "/").await.body, "web-1\n");
    assert_eq!(node.stops_by(Signal::Term).await, 143);
}

#[tokio::test]
async fn any_other_image_serves_the_declared_ports() {
    let mut any = start("example.com/shop/backend:1", With { ports: &[3000, 9000], ..With::default() });
    assert_eq!(any.get(3000, "/").await.body, "web-1\n");
    assert_eq!(any.get(9000, "/x").await.status(), 200);
    // A tool that nobody has written, such as a health check.
    assert_eq!(any.exec(&["/app/healthcheck"], "").await.0, 0);
    assert_eq!(any.stops_by(Signal::Term).await, 143);
    let mut own = start("shop/backend", With { args: &["./server", "--fast"], ports: &[80], ..With::default() });
    own.listens(80).await;
    assert_eq!(own.stops_by(Signal::Term).await, 143);
}

#[tokio::test]
async fn images_of_tools_have_them() {
    for image in
        ["busybox:1.37", "alpine", "debian:12", "ubuntu:24.04", "bash:5", "nicolaka/netshoot", "curlimages/curl"]
    {
        let script = ["sh", "-c", "echo $HOSTNAME-$((1 + 1)) | tr a-z A-Z; exit 3"];
        let env = [("HOSTNAME", "web")];
        let mut container = start(image, With { args: &script, env: &env, ..With::default() });
        assert_eq!((container.ends().await.code, container.printed()), (3, "WEB-2\n".to_string()), "{image}");
    }
    // A shell without a terminal is at its end at once.
    for image in ["busybox", "alpine", "debian", "ubuntu", "bash", "nicolaka/netshoot"] {
        assert_eq!(start(image, With::default()).ends().await.code, 0, "{image}");
    }
    let mut release = start("ubuntu", args(&["cat", "/etc/os-release"]));
    release.ends().await;
    assert!(release.printed().contains("ID=ubuntu\n"));
    // Arguments alone are curl's.
    let mut curl = start("curlimages/curl", args(&["-sS", "http://10.244.0.5:81"]));
    assert_eq!(curl.ends().await.code, 7, "{}", curl.printed());
}

#[tokio::test]
async fn agnhost_runs_commands_that_it_is_asked_to() {
    let netexec = start("agnhost", args(&["netexec"]));
    let answer = netexec.get(8080, "/shell?cmd=echo%20hi%3B%20exit%204").await.body;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((answer["output"].as_str(), answer["error"].as_str()), (Some("hi\n"), Some("exit status 4")));
}

#[tokio::test]
async fn a_command_in_place_of_the_server_runs_as_it_is() {
    let mut nginx = start("nginx", args(&["sh", "-c", "nginx -t && cat /etc/nginx/conf.d/default.conf"]));
    assert_eq!(nginx.ends().await.code, 0);
    assert!(nginx.printed().contains("test is successful") && nginx.printed().contains("listen       80;"));
    // Without `daemon off`, the server stays when its first process has ended.
    let background = start("nginx", args(&["sh", "-c", "nginx; echo started; sleep 600"]));
    background.prints("started").await;
    assert_eq!(background.get(80, "/").await.status(), 200);
}

#[tokio::test]
async fn servers_that_are_known_by_their_ports_listen_there() {
    let mut tomcat = start("tomcat:11", With::default());
    assert_eq!(tomcat.get(8080, "/").await.body, "web-1\n");
    assert_eq!(tomcat.stops_by(Signal::Term).await, 143);
    let mut caddy = start("caddy", With { ports: &[80, 2019], ..With::default() });
    assert_eq!(caddy.get(2019, "/").await.status(), 200);
    caddy.listens(443).await;
    assert_eq!(caddy.stops_by(Signal::Term).await, 0);
}

#[tokio::test]
async fn small_images_do_what_they_are_for() {
    let mut hello = start("hello-world", With::default());
    assert_eq!(hello.ends().await.code, 0);
    assert!(hello.printed().contains("Hello from Docker!"));
    let mut pause = start("registry.k8s.io/pause:3.10", With::default());
    while pause.world.signal(1, Signal::Term) {
        tokio::task::yield_now().await;
    }
    assert_eq!(pause.ends().await.code, 0);
}

const IMAGES: &str = "
images:
- name: shop/backend
  ports: [8080]
  http:
  - path: /
    body: \"{{.PodName}} {{.PodIP}} {{.Env.COLOR}} {{.Path}}\\n\"
    headers: {X-Version: '2'}
  - path: /api/*
    status: 503
  log:
    start: [\"{{.PodName}} starts\"]
    every: {interval: 5s, line: tick}
    request: \"{{.Method}} {{.Path}} from {{.ClientIP}}\"
  stopCode: 3
- name: shop/job
  exit: {code: 4, after: 30s}
- name: shop/fragile
  ports: [80]
  exit: {code: 5, afterRequests: 2}
";

#[tokio::test(start_paused = true)]
async fn an_authors_images_do_what_their_description_says() {
    let file = ImagesFile::parse(IMAGES).unwrap();
    let described = |env| With { file: Some(&file), env, ..With::default() };
    let mut backend = start("shop/backend:7", described(&[("COLOR", "blue")]));
    let answer = backend.get(8080, "/").await;
    assert_eq!(answer.body, "web-1 10.244.0.5 blue /\n");
    assert_eq!(answer.header("X-Version"), Some("2"));
    assert_eq!(backend.get(8080, "/api/x").await.status(), 503);
    assert_eq!(backend.get(8080, "/none").await.status(), 404);
    backend.prints("web-1 starts\nGET / from 192.168.49.2\n").await;
    backend.prints("tick\n").await;
    assert_eq!(backend.stops_by(Signal::Term).await, 3);

    let began = tokio::time::Instant::now();
    assert_eq!(start("shop/job", described(&[])).ends().await.code, 4);
    assert_eq!(began.elapsed().as_secs(), 30);

    let mut fragile = start("shop/fragile", described(&[]));
    for _ in 0..2 {
        assert_eq!(fragile.get(80, "/").await.status(), 200);
    }
    assert_eq!(fragile.ends().await.code, 5);
}

#[test]
fn tags_that_the_author_does_not_name_are_unknown() {
    let file = ImagesFile::parse("images:\n- name: shop/web\n  tags: ['1']\n").unwrap();
    let resolve = |name: &str| super::resolve(&crate::node::runtime::Reference::parse(name).unwrap(), Some(&file));
    assert_eq!(resolve("shop/web:1"), Ok(()));
    assert!(resolve("shop/web:2").unwrap_err().ends_with("docker.io/shop/web:2: not found"));
    assert_eq!(resolve("shop/other:2"), Ok(()));
}

#[test]
fn tags_mean_versions() {
    let versions = ["1.29.3", "1.28.0", "1.27.5"];
    for (tag, expected) in [
        ("latest", "1.29.3"),
        ("alpine", "1.29.3"),
        ("1", "1.29.3"),
        ("1.28", "1.28.0"),
        ("1.28-alpine", "1.28.0"),
        ("1.14.2", "1.14.2"),
        ("1.2", "1.2.0"),
        ("9", "9.0.0"),
        ("v2", "2.0.0"),
    ] {
        assert_eq!(super::version(tag, &versions), expected, "{tag}");
    }
}
