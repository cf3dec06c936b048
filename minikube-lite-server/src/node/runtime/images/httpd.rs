//! `httpd`: Apache's web server with the files that the container has.

use super::http::{self, Ends, Reply, Site};
use super::program::{log, stopped};
use super::serving::Server;
use super::{Image, Process, Tree, bases, site_files, times, version};
use crate::node::runtime::Reference;
use crate::node::runtime::files::Files;
use crate::node::runtime::pipe::Output;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::World;
use ::http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderValue, LAST_MODIFIED, LOCATION, SERVER,
};
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use site_files::{Found, SiteFile, escape};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

const CONFIG: &str = "/usr/local/apache2/conf/httpd.conf";
const DEFAULT_CONFIG: &str = "\
ServerRoot \"/usr/local/apache2\"
Listen 80
DocumentRoot \"/usr/local/apache2/htdocs\"
DirectoryIndex index.html
";
const WELCOME: &str = "<html><body><h1>It works!</h1></body></html>\n";

pub fn image(reference: &Reference) -> Image {
    static DEBIAN: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(add(bases::debian_tree())));
    static ALPINE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(add(bases::alpine_tree())));
    let tree = if reference.tag.contains("alpine") { &ALPINE } else { &DEBIAN };
    let mut image = Image::new(tree).env("HTTPD_PREFIX", "/usr/local/apache2");
    image =
        image.env("HTTPD_VERSION", version(&reference.tag, &["2.4.65", "2.2.34"])).working_dir("/usr/local/apache2");
    for (name, value) in &mut image.env {
        if name == "PATH" {
            value.insert_str(0, "/usr/local/apache2/bin:");
        }
    }
    image.cmd(&["httpd-foreground"]).exposes(&[80]).stops_by(Signal::Winch)
}

fn add(tree: Tree) -> Tree {
    tree.program("/usr/local/bin/httpd-foreground", run)
        .program("/usr/local/apache2/bin/httpd", run)
        .file(CONFIG, DEFAULT_CONFIG)
        .file("/usr/local/apache2/htdocs/index.html", WELCOME)
        .directory("/usr/local/apache2/logs")
}

/// What of the configuration is acted on.
struct Config {
    ports: Vec<u16>,
    root: String,
    index: Vec<String>,
}

impl Config {
    fn read(files: &Files) -> Result<Config, String> {
        let content = files
            .read(CONFIG)
            .map_err(|_| format!("httpd: Could not open configuration file {CONFIG}: No such file or directory"))?;
        let mut config = Config { ports: Vec::new(), root: "/usr/local/apache2/htdocs".into(), index: Vec::new() };
        for (number, line) in String::from_utf8_lossy(&content).lines().enumerate() {
            let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
            match (words.next(), words.next()) {
                (Some("Listen"), Some(address)) => {
                    let port = super::program::port_of(address).filter(|port| *port > 0);
                    config.ports.push(port.ok_or_else(|| {
                        format!("AH00526: Syntax error on line {} of {CONFIG}:\nPort must be specified", number + 1)
                    })?);
                }
                (Some("DocumentRoot"), Some(path)) => config.root = path.trim_end_matches('/').into(),
                (Some("DirectoryIndex"), Some(first)) => {
                    config.index = std::iter::once(first).chain(words).map(String::from).collect();
                }
                _ => {}
            }
        }
        if config.ports.is_empty() {
            return Err("(2)No such file or directory: AH00072: no listening sockets available, shutting down".into());
        }
        if config.index.is_empty() {
            config.index.push("index.html".into());
        }
        Ok(config)
    }
}

struct Apache {
    config: Config,
    world: World,
    log: Output,
    server: HeaderValue,
}

impl Site for Apache {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let (parts, _) = request.into_parts();
        let mut reply = self.find(&parts);
        let is_page = reply.status.as_u16() >= 300 && reply.status != StatusCode::NOT_MODIFIED;
        if is_page {
            reply.body = page(reply.status, reply.headers.get(LOCATION)).into();
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=iso-8859-1"));
        }
        let sent = if parts.method == Method::HEAD { 0 } else { reply.body.len() };
        let mut response = Response::new(Full::default());
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        let now = self.world.now();
        headers.insert(DATE, times::second(now, |second| second.date.clone()));
        headers.insert(SERVER, self.server.clone());
        let content_type = reply.headers.remove(CONTENT_TYPE);
        headers.extend(reply.headers);
        if reply.status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
            headers.extend(content_type.map(|value| (CONTENT_TYPE, value)));
            *response.body_mut() = Full::new(reply.body);
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let size = if sent == 0 { "-".to_string() } else { sent.to_string() };
        let mut line = String::with_capacity(120);
        times::second(now, |second| {
            // Writing to a string does not fail.
            let (ip, status) = (ends.peer.ip(), reply.status.as_str());
            let _ = writeln!(
                line,
                "{ip} - - [{}] \"{} {target} {:?}\" {status} {size}",
                second.log, parts.method, parts.version
            );
        });
        // A server does not mind when nobody keeps its log.
        let _ = self.log.write(line.as_bytes()).await;
        response
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn new(status: StatusCode) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl Apache {
    fn find(&self, parts: &Parts) -> Answer {
        if parts.method != Method::GET && parts.method != Method::HEAD && parts.method != Method::POST {
            let mut answer = Answer::new(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers.insert(ALLOW, HeaderValue::from_static("POST,OPTIONS,HEAD,GET"));
            return answer;
        }
        let Some(uri) = site_files::normalize(parts.uri.path()) else { return Answer::new(StatusCode::BAD_REQUEST) };
        let files = self.world.files();
        let path = format!("{}{uri}", self.config.root);
        match site_files::find(files, &path) {
            Found::File(file) => give(&path, file, &parts.headers),
            Found::Missing => Answer::new(StatusCode::NOT_FOUND),
            Found::Forbidden => Answer::new(StatusCode::FORBIDDEN),
            Found::Directory if !uri.ends_with('/') => {
                let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
                let mut answer = Answer::new(StatusCode::MOVED_PERMANENTLY);
                if let Ok(location) = HeaderValue::try_from(format!("http://{host}{uri}/")) {
                    answer.headers.insert(LOCATION, location);
                }
                answer
            }
            Found::Directory => {
                for index in &self.config.index {
                    let path = format!("{path}{index}");
                    if let Found::File(file) = site_files::find(files, &path) {
                        return give(&path, file, &parts.headers);
                    }
                }
                let mut answer = Answer::new(StatusCode::OK);
                answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=ISO-8859-1"));
                answer.body = listing(files, &uri, &path).into();
                answer
            }
        }
    }
}

fn give(path: &str, file: SiteFile, request: &HeaderMap) -> Answer {
    let etag = format!("\"{:x}-{:x}\"", file.content.len(), file.modified.as_microsecond());
    let known = file.is_known(request, &etag);
    let mut answer = Answer::new(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    answer.headers.insert(LAST_MODIFIED, file.last_modified());
    answer.headers.insert(ETAG, HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")));
    if !known {
        answer.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(content_type) = site_files::content_type(path) {
            answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        answer.body = file.content;
    }
    answer
}

fn listing(files: &Files, uri: &str, path: &str) -> String {
    let title = format!("Index of {}", escape(uri.trim_end_matches('/')));
    let mut page = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n<h1>{title}</h1>\n<ul>"
    );
    if uri != "/" {
        page.push_str("<li><a href=\"../\"> Parent Directory</a></li>\n");
    }
    for name in files.list(path).unwrap_or_default().iter().filter(|name| !name.starts_with('.')) {
        let slash = if files.is_directory(&format!("{path}{name}")) { "/" } else { "" };
        let name = escape(name);
        let _ = writeln!(page, "<li><a href=\"{name}{slash}\"> {name}{slash}</a></li>");
    }
    page.push_str("</ul>\n</body></html>\n");
    page
}

fn page(status: StatusCode, location: Option<&HeaderValue>) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    let text = match status.as_u16() {
        301 => {
            let location = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
            format!("The document has moved <a href=\"{0}\">here</a>.", escape(location))
        }
        403 => "You don't have permission to access this resource.".into(),
        404 => "The requested URL was not found on this server.".into(),
        405 => "The requested method is not allowed for this URL.".into(),
        _ => "Your browser sent a request that this server could not understand.".into(),
    };
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{} {reason}</title>\n</head><body>\n\
         <h1>{reason}</h1>\n<p>{text}</p>\n</body></html>\n",
        status.as_u16()
    )
}

fn run(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let version = process.env.get("HTTPD_VERSION").cloned().unwrap_or_default();
        let name = format!("Apache/{version} (Unix)");
        let config = Config::read(process.world.files());
        match process.args().first().map(String::as_str) {
            Some("-v" | "-V") => {
                log(&process, format!("Server version: {name}")).await;
                return 0;
            }
            Some("-t") if config.is_ok() => {
                let _ = process.stderr.write(b"Syntax OK\n").await;
                return 0;
            }
            _ => {}
        }
        let config = match config {
            Ok(config) => config,
            Err(message) => {
                let _ = process.stderr.write(format!("{message}\n").as_bytes()).await;
                return 1;
            }
        };
        let ports = config.ports.clone();
        let server_header = HeaderValue::try_from(&name).unwrap_or(HeaderValue::from_static("Apache"));
        let (world, output) = (process.world.clone(), process.stdout.clone());
        let site = Arc::new(Apache { config, world, log: output, server: server_header });
        let ip = process.world.network().identity().ip;
        let unnamed = format!(
            "AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using {ip}. Set the \
             'ServerName' directive globally to suppress this message\n"
        );
        let _ = process.stderr.write(unnamed.as_bytes()).await;
        let mut server = Server::new();
        for port in ports {
            if http::listen(&mut server, process.world.network(), Ipv4Addr::UNSPECIFIED, port, site.clone()).is_err() {
                let text = format!(
                    "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:{port}\n"
                );
                let _ = process.stderr.write(text.as_bytes()).await;
                return 1;
            }
        }
        drop(site);
        note(&process, "mpm_event", &format!("AH00489: {name} configured -- resuming normal operations")).await;
        note(&process, "core", "AH00094: Command line: 'httpd -D FOREGROUND'").await;
        match stopped(&mut process.signals, &[Signal::Term, Signal::Int, Signal::Winch]).await {
            Signal::Winch => {
                note(&process, "mpm_event", "AH00492: caught SIGWINCH, shutting down gracefully").await;
                server.drain().await;
            }
            _ => note(&process, "mpm_event", "AH00491: caught SIGTERM, shutting down").await,
        }
        0
    })
}

/// A line of the error log.
async fn note(process: &Process, module: &str, text: &str) {
    let time = times::format(process.world.now(), "%a %b %d %H:%M:%S.%6f %Y");
    let line = format!("[{time}] [{module}:notice] [pid {pid}:tid {pid}] {text}\n", pid = process.pid);
    // A log that nobody keeps stops no server.
    let _ = process.stderr.write(line.as_bytes()).await;
}
