//! nginx as its clients see it.

use crate::environment::Environment;
use crate::node::network::Network;
use crate::node::runtime::images::testing::{Container, With, start, start_in};
use crate::node::runtime::signal::Signal;
use std::time::Duration;

const SITE: &str = "/etc/nginx/conf.d/default.conf";

fn configured(config: &str) -> Container {
    start("nginx:1.28", With { files: &[(SITE, config)], ..With::default() })
}

#[tokio::test]
async fn the_welcome_page_has_nginxs_headers_and_is_logged() {
    let nginx = start("nginx:1.28", With::default());
    let answer = nginx.ask(80, "GET /\nUser-Agent: curl/8.0").await;
    let names: Vec<&str> = answer.head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    let expected =
        ["Server", "Date", "Content-Type", "Content-Length", "Last-Modified", "Connection", "Etag", "Accept-Ranges"];
    assert_eq!(names, expected);
    assert_eq!((answer.status(), answer.header("Server")), (200, Some("nginx/1.28.0")));
    assert_eq!(answer.header("Content-Type"), Some("text/html"));
    assert!(answer.body.contains("<title>Welcome to nginx!</title>"));
    let logged = format!("] \"GET / HTTP/1.1\" 200 {} \"-\" \"curl/8.0\" \"-\"\n", answer.body.len());
    nginx.prints(&logged).await;
    assert!(nginx.printed().contains("start worker processes"));
}

#[tokio::test]
async fn files_that_change_are_served_as_they_are() {
    let nginx = start("nginx:1.28", With::default());
    nginx.world.files().write("/usr/share/nginx/html/index.html", b"hi\n").unwrap();
    nginx.world.files().make_directory("/usr/share/nginx/html/sub").unwrap();
    nginx.world.files().write("/usr/share/nginx/html/a.json", b"{}").unwrap();
    assert_eq!(nginx.get(80, "/").await.body, "hi\n");
    assert_eq!(nginx.get(80, "/a.json").await.header("Content-Type"), Some("application/json"));
    let moved = nginx.get(80, "/sub").await;
    assert_eq!((moved.status(), moved.header("Location")), (301, Some("http://web/sub/")));
    assert_eq!(nginx.get(80, "/sub/").await.status(), 403);
    let missing = nginx.get(80, "/none").await;
    assert_eq!(missing.status(), 404);
    assert!(missing.body.ends_with("<hr><center>nginx/1.28.0</center>\r\n</body>\r\n</html>\r\n"), "{}", missing.body);
    nginx.prints("open() \"/usr/share/nginx/html/none\" failed (2: No such file or directory)").await;
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let nginx = start("nginx:1.28", With::default());
    let first = nginx.get(80, "/").await;
    let etag = first.header("Etag").unwrap();
    let modified = first.header("Last-Modified").unwrap();
    for condition in [format!("If-None-Match: {etag}"), format!("If-Modified-Since: {modified}")] {
        let answer = nginx.ask(80, &format!("GET /\n{condition}")).await;
        assert_eq!((answer.status(), answer.body.as_str()), (304, ""), "{condition}");
    }
    let changed = nginx.ask(80, "GET /\nIf-None-Match: \"other\"").await;
    assert_eq!(changed.status(), 200);
    let head = nginx.ask(80, "HEAD /").await;
    assert_eq!((head.status(), head.body.as_str()), (200, ""));
    assert_eq!(head.header("Content-Length"), first.header("Content-Length"));
    assert_eq!(nginx.ask(80, "POST /").await.status(), 405);
    assert_eq!(nginx.get(80, "/../etc/passwd").await.status(), 400);
}

#[tokio::test]
async fn locations_answer_as_they_are_configured() {
    let nginx = configured(
        "server { listen 8080; server_name a.test;\n\
         location / { return 200 \"$hostname $uri $arg_x\\n\"; add_header X-Pod $hostname; }\n\
         location = /exact { return 204; }\n\
         location /old { return 301 /new; }\n\
         location /gone { return 410; }\n\
         location /files/ { alias /usr/share/nginx/html/; }\n\
         location /try { root /usr/share/nginx/html; try_files $uri /index.html; }\n\
         location /index.html { root /usr/share/nginx/html; }\n\
         location /closed { deny all; error_page 403 /refused; }\n\
         location /refused { return 200 'no\\n'; } }\n\
         server { listen 8080 default_server; return 503; }\n",
    );
    // The host of these requests is `web`.
    assert_eq!(nginx.get(8080, "/").await.status(), 503);
    let named = async |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.test:8080\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(nginx.talk(8080, text.as_bytes()).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_string(), body.to_string())
    };
    let (head, body) = named("/a/b?x=1").await;
    assert!(head.contains("X-Pod: web-1"), "{head}");
    assert_eq!(body, "web-1 /a/b 1\n");
    assert!(named("/exact").await.0.starts_with("HTTP/1.1 204"));
    assert!(named("/old").await.0.contains("Location: http://a.test:8080/new"));
    assert!(named("/gone").await.1.contains("410 Gone"));
    assert!(named("/files/").await.1.contains("Welcome to nginx!"));
    assert!(named("/try/nothing").await.1.contains("Welcome to nginx!"));
    let (head, body) = named("/closed").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert_eq!(body, "no\n");
}

#[tokio::test]
async fn locations_may_be_regular_expressions() {
    let nginx = configured(
        "server { listen 80;\n\
         location / { return 200 'rest'; }\n\
         location /static/ { return 200 'static'; }\n\
         location ^~ /fixed/ { return 200 'fixed'; }\n\
         location ~ ^/users/([0-9]+)$ { return 200 'user $1'; }\n\
         location ~* \\.(png|jpg)$ { return 200 'picture $1'; }\n\
         location ~ ^/download/(.*)$ { alias /usr/share/nginx/html/$1; } }",
    );
    for (path, body) in [
        ("/a", "rest"),
        ("/static/a", "static"),
        ("/static/a.PNG", "picture PNG"),
        ("/fixed/a.png", "fixed"),
        ("/users/42", "user 42"),
        ("/users/x", "rest"),
    ] {
        assert_eq!(nginx.get(80, path).await.body, body, "{path}");
    }
    assert!(nginx.get(80, "/download/index.html").await.body.contains("Welcome to nginx!"));
}

#[tokio::test]
async fn requests_are_passed_on_to_other_servers() {
    let environment = Environment::new(Some(1));
    let network = Network::new(environment.clone());
    let args = ["-text=one", "-listen=:80"];
    let with = With { args: &args, ..With::default() };
    let backend = start_in(&network, environment.clone(), "one", 6, "hashicorp/http-echo", with);
    backend.listens(80).await;
    let config = "upstream backend { server 10.244.0.6; }\n\
                  server { listen 80; location / { proxy_pass http://backend; }\n\
                  location /dead { proxy_pass http://10.244.0.6:81; } }";
    let with = With { files: &[(SITE, config)], ..With::default() };
    let nginx = start_in(&network, environment, "front", 7, "nginx", with);
    let answer = nginx.get(80, "/x").await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "one\n"));
    assert_eq!(answer.header("X-App-Name"), Some("http-echo"));
    assert_eq!(nginx.get(80, "/dead").await.status(), 502);
    nginx.prints("connect() failed (111: Connection refused) while connecting to upstream").await;
}

#[tokio::test]
async fn a_mistake_in_the_configuration_ends_it() {
    for (config, expected) in [
        ("server { lisen 80; }", "[emerg] unknown directive \"lisen\" in /etc/nginx/conf.d/default.conf:1"),
        ("server { listen 80; location / { proxy_pass http://nobody; } }", "host not found in upstream \"nobody\""),
        ("server { location ~ ( { } }", "pcre2_compile() failed:"),
        (
            "server { listen 443 ssl; }",
            "[emerg] no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in",
        ),
        (
            "server { listen 443 ssl; ssl_certificate /no; ssl_certificate_key /no; }",
            "[emerg] cannot load certificate \"/no\": BIO_new_file() failed",
        ),
        ("server { listen 80\n}", "unexpected \"}\" in /etc/nginx/conf.d/default.conf:2"),
    ] {
        let mut nginx = configured(config);
        assert_eq!(nginx.ends().await.code, 1, "{config}");
        assert!(nginx.printed().contains(expected), "{config}: {}", nginx.printed());
    }
}

#[tokio::test]
async fn its_options_and_signals_work() {
    let mut nginx = start("nginx:1.28", With::default());
    nginx.listens(80).await;
    nginx.prints("start worker processes").await;
    assert_eq!(nginx.exec(&["nginx", "-v"], "").await.0, 0);
    let (code, text) = nginx.exec(&["nginx", "-t"], "").await;
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("nginx: configuration file /etc/nginx/nginx.conf test is successful\n"), "{text}");
    nginx.world.files().write(SITE, b"server { listen 81; return 200 two; }").unwrap();
    assert_eq!(nginx.get(80, "/").await.status(), 200);
    assert_eq!(nginx.exec(&["nginx", "-s", "reload"], "").await.0, 0);
    assert_eq!(nginx.get(81, "/").await.body, "two");
    let closed = tokio::time::timeout(Duration::from_secs(10), async {
        while nginx.world.network().listens(80) {
            tokio::task::yield_now().await;
        }
    });
    closed.await.unwrap();
    assert_eq!(nginx.exec(&["nginx", "-s", "quit"], "").await.0, 0);
    assert_eq!(nginx.ends().await.code, 0);
    let mut again = start("nginx", With::default());
    again.listens(80).await;
    again.prints("start worker processes").await;
    assert_eq!(again.stops_by(Signal::Term).await, 0);
}

#[tokio::test]
async fn templates_become_configuration() {
    let template = "server { listen ${PORT}; return 200 '$NAME $host'; }";
    let files = [("/etc/nginx/templates/default.conf.template", template)];
    let env = [("PORT", "8081"), ("NAME", "shop")];
    let nginx = start("nginx", With { files: &files, env: &env, ..With::default() });
    assert_eq!(nginx.get(8081, "/").await.body, "shop web");
}

/// Not a test of what is right but of how fast it is: `cargo test --profile quick nginx_rate -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn nginx_rate() {
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let nginx = Arc::new(start("nginx:1.28", With::default()));
    nginx.listens(80).await;
    let length = nginx.get(80, "/").await;
    let length = length.head.len() + length.head.lines().count() - 1 + 4 + length.body.len();
    let times = Arc::new(Mutex::new(Vec::new()));
    let end = std::time::Instant::now() + Duration::from_secs(3);
    let clients = (0..16).map(|_| {
        let (nginx, times) = (nginx.clone(), times.clone());
        tokio::spawn(async move {
            let address = std::net::SocketAddrV4::new(nginx.world.network().identity().ip, 80);
            let mut stream = nginx.network.connect(super::super::testing::CLIENT, address).await.unwrap();
            let mut own = Vec::new();
            let mut answer = vec![0; 4096];
            while std::time::Instant::now() < end {
                let began = std::time::Instant::now();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nUser-Agent: rate\r\n\r\n").await.unwrap();
                let mut received = 0;
                while received < length {
                    received += stream.read(&mut answer).await.unwrap();
                }
                own.push(began.elapsed());
            }
            times.lock().unwrap().extend(own);
        })
    });
    futures_util::future::join_all(clients).await;
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort_unstable();
    println!(
        "{} requests/s, p50 {:?}, p99 {:?}",
        times.len() / 3,
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}
