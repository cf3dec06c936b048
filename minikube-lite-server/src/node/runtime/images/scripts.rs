//! `perl`, `python` and `node`: there are no interpreters, but what lessons run in these images works. A script whose content
//! is not known is taken to be a server, as the program of [any](super::any) other image.

use super::http::{self, Ends, Reply, Site};
use super::program::{exec, log, stopped};
use super::serving::Server;
use super::{Image, Process, Tree, any, bases, site_files, times, version};
use crate::node::runtime::Reference;
use crate::node::runtime::pipe::Output;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::World;
use ::http::header::{CONTENT_TYPE, HOST, HeaderValue, LAST_MODIFIED, LOCATION, SERVER};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use site_files::{Found, escape};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

pub fn perl(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> =
        LazyLock::new(|| Arc::new(bases::debian_with_curl().program("/usr/local/bin/perl", run_perl)));
    let version = version(&reference.tag, &["5.42.0", "5.40.3", "5.38.5", "5.36.3", "5.34.3"]);
    Image::new(&TREE).env("PERL_VERSION", version).cmd(&["perl", "-de0"]).working_dir("/usr/src/app")
}

pub fn python(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let tree = bases::debian_with_curl().program("/usr/local/bin/python3", run_python);
        Arc::new(tree.link("/usr/local/bin/python", "python3"))
    });
    let version = version(&reference.tag, &["3.13.7", "3.12.11", "3.11.13", "3.10.18", "3.9.23", "2.7.18"]);
    Image::new(&TREE).env("PYTHON_VERSION", version).cmd(&["python3"])
}

pub fn node(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let tree = bases::debian_with_curl().program("/usr/local/bin/node", run_node);
        Arc::new(tree.program("/usr/local/bin/docker-entrypoint.sh", node_entrypoint))
    });
    let version = version(&reference.tag, &["24.8.0", "22.19.0", "20.19.5", "18.20.8"]);
    let image = Image::new(&TREE).env("NODE_VERSION", version).entrypoint(&["docker-entrypoint.sh"]);
    image.cmd(&["node"])
}

/// Options and scripts alone are node's.
fn node_entrypoint(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let mut argv = process.args().to_vec();
        let path = process.env.get("PATH").map(String::as_str);
        if argv
            .first()
            .is_some_and(|first| first.starts_with('-') || process.world.find(first, &process.cwd, path).is_err())
        {
            argv.insert(0, "node".into());
        }
        exec(process, argv).await
    })
}

/// Prints the version: `NAME VERSION`.
async fn print_version(process: &Process, name: &str, variable: &str) -> i32 {
    log(process, format!("{name}{}", process.env.get(variable).map_or("", String::as_str))).await;
    0
}

/// Without a script, an interpreter reads one from standard input, and is done when there is none.
async fn read_script(process: Process) -> i32 {
    let script = process.stdin.read_to_end(1 << 20).await.unwrap_or_default();
    if script.trim_ascii().is_empty() {
        return 0;
    }
    process.fail("scripts are not simulated").await
}

fn run_perl(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args = process.args();
        let is_flag = |arg: &&String| arg.starts_with('-');
        if args.iter().any(|arg| arg == "-v" || arg == "--version") {
            return print_version(&process, "This is perl 5, version ", "PERL_VERSION").await;
        }
        let code = args.iter().position(|arg| is_flag(&arg) && !arg.starts_with("-M") && arg.ends_with(['e', 'E']));
        let Some(code) = code.and_then(|at| args.get(at + 1)) else {
            return match args.iter().any(|arg| !is_flag(&arg)) {
                true => any::serve(process).await,
                false => 0,
            };
        };
        let newline = args.iter().take_while(is_flag).any(|arg| !arg.starts_with("-M") && arg.contains('l'));
        for statement in code.split(';') {
            let Some(printed) = statement.trim().strip_prefix("print") else { continue };
            let printed = printed.trim();
            let digits = printed.strip_prefix("bpi(").and_then(|rest| rest.strip_suffix(')'));
            let text = match digits.and_then(|digits| digits.trim().parse().ok()) {
                Some(digits) => pi(digits),
                None => literal(printed).unwrap_or_default(),
            };
            let text = if newline { format!("{text}\n") } else { text };
            if process.print(text).await.is_err() {
                return 1;
            }
        }
        0
    })
}

/// A string in quotes, with `\n` and `\t` between double ones, or a number.
fn literal(text: &str) -> Option<String> {
    if let Some(text) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Some(text.replace("\\n", "\n").replace("\\t", "\t"));
    }
    let single = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    single.or_else(|| text.parse::<f64>().is_ok().then_some(text)).map(String::from)
}

/// The most digits of pi that are worked out.
const MOST_DIGITS: usize = 10_000;

/// Pi with this many digits, the last one rounded.
fn pi(digits: usize) -> String {
    let digits = digits.clamp(1, MOST_DIGITS);
    // Fixed point in limbs of nine decimal digits, the first before the point, with two more than are asked for. By
    // Machin's formula.
    let limbs = digits.div_ceil(9) + 3;
    let (mut sum, other) = (arctan_inverse(16, 5, limbs), arctan_inverse(4, 239, limbs));
    subtract(&mut sum, &other);
    let mut text: Vec<u8> = sum[1..]
        .iter()
        .fold(sum[0].to_string(), |mut text, limb| {
            let _ = write!(text, "{limb:09}");
            text
        })
        .into_bytes();
    let rounds_up = text[digits] >= b'5';
    text.truncate(digits);
    if rounds_up {
        for digit in text.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    if digits > 1 {
        text.insert(1, b'.');
    }
    String::from_utf8(text).unwrap_or_default()
}

const LIMB: u64 = 1_000_000_000;

/// `factor * arctan(1/x)` by its series.
fn arctan_inverse(factor: u64, x: u64, limbs: usize) -> Vec<u64> {
    let mut power = vec![0; limbs];
    power[0] = factor;
    divide(&mut power, x);
    let (mut sum, mut n, mut minus) = (power.clone(), 1, false);
    while power.iter().any(|limb| *limb != 0) {
        divide(&mut power, x * x);
        (n, minus) = (n + 2, !minus);
        let mut term = power.clone();
        divide(&mut term, n);
        if minus { subtract(&mut sum, &term) } else { add(&mut sum, &term) }
    }
    sum
}

fn divide(number: &mut [u64], by: u64) {
    let mut rest = 0;
    for limb in number {
        let part = rest * LIMB + *limb;
        (*limb, rest) = (part / by, part % by);
    }
}
fn add(number: &mut [u64], other: &[u64]) {
    let mut carry = 0;
    for (limb, other) in number.iter_mut().zip(other).rev() {
        let sum = *limb + other + carry;
        (*limb, carry) = (sum % LIMB, sum / LIMB);
    }
}
fn subtract(number: &mut [u64], other: &[u64]) {
    let mut borrow = 0;
    for (limb, other) in number.iter_mut().zip(other).rev() {
        let difference = *limb + LIMB - other - borrow;
        (*limb, borrow) = (difference % LIMB, u64::from(difference < LIMB));
    }
}

fn run_node(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        match process.args() {
            [] => read_script(process).await,
            [flag, ..] if flag == "-v" || flag == "--version" => print_version(&process, "v", "NODE_VERSION").await,
            [flag, code, ..] if flag == "-e" || flag == "--eval" => match printed(code, "console.log") {
                Some(text) => i32::from(process.print(text).await.is_err()),
                None => any::serve(process).await,
            },
            _ => any::serve(process).await,
        }
    })
}

fn run_python(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args: Vec<&str> = process.args().iter().map(String::as_str).filter(|arg| *arg != "-u").collect();
        match args.as_slice() {
            [] => read_script(process).await,
            ["-V" | "--version", ..] => print_version(&process, "Python ", "PYTHON_VERSION").await,
            ["-c", code, ..] => match printed(code, "print") {
                Some(text) => i32::from(process.print(text).await.is_err()),
                None => any::serve(process).await,
            },
            ["-m", "http.server" | "SimpleHTTPServer", rest @ ..] => {
                let rest: Vec<String> = rest.iter().map(ToString::to_string).collect();
                serve_files(process, &rest).await
            }
            _ => any::serve(process).await,
        }
    })
}

/// What code prints that only calls `function` with strings and numbers.
fn printed(code: &str, function: &str) -> Option<String> {
    let statements = code.split([';', '\n']).map(str::trim).filter(|statement| !statement.is_empty());
    let texts = statements.map(|statement| {
        let argument = statement.strip_prefix(function)?.trim().strip_prefix('(')?.strip_suffix(')')?;
        literal(argument.trim()).map(|text| format!("{text}\n"))
    });
    texts.collect()
}

/// `python -m http.server [PORT] [--directory DIR] [--bind ADDRESS]`
async fn serve_files(mut process: Process, args: &[String]) -> i32 {
    let (mut port, mut root) = (8000, process.cwd.clone());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-d" | "--directory" => root = words.next().map_or(root, |path| process.path(path)),
            "-b" | "--bind" | "-p" | "--protocol" => drop(words.next()),
            word => match word.parse() {
                Ok(number) => port = number,
                Err(_) => {
                    let text = format!("server.py: error: argument port: invalid int value: '{word}'\n");
                    let _ = process.stderr.write(text.as_bytes()).await;
                    return 2;
                }
            },
        }
    }
    let version = process.env.get("PYTHON_VERSION").cloned().unwrap_or_default();
    let name = HeaderValue::try_from(format!("SimpleHTTP/0.6 Python/{version}"));
    let site = FileServer {
        root: root.trim_end_matches('/').to_string(),
        world: process.world.clone(),
        log: process.stderr.clone(),
        name: name.unwrap_or(HeaderValue::from_static("SimpleHTTP")),
    };
    let mut server = Server::new();
    let network = process.world.network().clone();
    if http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, port, Arc::new(site)).is_err() {
        let _ = process.stderr.write(b"OSError: [Errno 98] Address already in use\n").await;
        return 1;
    }
    log(&process, format!("Serving HTTP on 0.0.0.0 port {port} (http://0.0.0.0:{port}/) ...")).await;
    // As the first process of a container it has no handler for SIGTERM.
    stopped(&mut process.signals, &[Signal::Int]).await;
    0
}

struct FileServer {
    root: String,
    world: World,
    log: Output,
    name: HeaderValue,
}

impl Site for FileServer {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        let mut reply = if request.method() == Method::GET || request.method() == Method::HEAD {
            self.find(&request)
        } else {
            failed(StatusCode::NOT_IMPLEMENTED, &format!("Unsupported method ('{}')", request.method()))
        };
        reply.headers_mut().insert(SERVER, self.name.clone());
        let time = times::format(self.world.now(), "%d/%b/%Y %H:%M:%S");
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let status = reply.status().as_u16();
        let line = format!(
            "{} - - [{time}] \"{} {target} {:?}\" {status} -\n",
            ends.peer.ip(),
            request.method(),
            request.version()
        );
        // A server does not mind when nobody keeps its log.
        let _ = self.log.write(line.as_bytes()).await;
        reply
    }
}

impl FileServer {
    fn find(&self, request: &Request<Incoming>) -> Reply {
        let missing = || failed(StatusCode::NOT_FOUND, "File not found");
        let Some(uri) = site_files::normalize(request.uri().path()) else { return missing() };
        let path = format!("{}{uri}", self.root);
        let files = self.world.files();
        let file = match site_files::find(files, &path) {
            Found::File(file) => (path, file),
            Found::Directory if !uri.ends_with('/') => {
                let mut reply = Response::new(Full::default());
                *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
                if let Ok(location) = HeaderValue::try_from(format!("http://{}{uri}/", http::header(request, HOST))) {
                    reply.headers_mut().insert(LOCATION, location);
                }
                return reply;
            }
            Found::Directory => match site_files::find(files, &format!("{path}index.html")) {
                Found::File(file) => ("index.html".into(), file),
                _ => return http::reply(StatusCode::OK, "text/html; charset=utf-8", self.listing(&uri, &path)),
            },
            Found::Forbidden | Found::Missing => return missing(),
        };
        let content_type = site_files::content_type(&file.0).unwrap_or("application/octet-stream");
        let modified = file.1.last_modified();
        let mut reply = http::reply(StatusCode::OK, content_type, file.1.content);
        reply.headers_mut().insert(LAST_MODIFIED, modified);
        reply
    }

    fn listing(&self, uri: &str, path: &str) -> Bytes {
        let title = format!("Directory listing for {}", escape(uri));
        let head = "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
        let mut page = format!("{head}<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n<hr>\n<ul>\n");
        for name in self.world.files().list(path).unwrap_or_default() {
            let slash = if self.world.files().is_directory(&format!("{path}{name}")) { "/" } else { "" };
            let name = escape(&name);
            let _ = writeln!(page, "<li><a href=\"{name}{slash}\">{name}{slash}</a></li>");
        }
        page.push_str("</ul>\n<hr>\n</body>\n</html>\n");
        page.into()
    }
}

fn failed(status: StatusCode, message: &str) -> Reply {
    let code = status.as_u16();
    let mut reply = http::text(status, format!("Error response\n\nError code: {code}\nMessage: {message}.\n"));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_pi_are_right() {
        assert_eq!(pi(1), "3");
        assert_eq!(pi(10), "3.141592654");
        assert_eq!(pi(51), "3.14159265358979323846264338327950288419716939937511");
        let long = pi(2000);
        assert!(long.ends_with("59958133904780275901") && long.len() == 2001, "{}", &long[1980..]);
        assert_eq!(pi(10_001).len(), 10_001);
    }

    #[test]
    fn simple_code_is_understood() {
        assert_eq!(printed("print('a'); print(\"b\\tc\")\nprint(3)", "print").as_deref(), Some("a\nb\tc\n3\n"));
        assert_eq!(printed("import time; time.sleep(5)", "print"), None);
        assert_eq!(printed("print(x)", "print"), None);
    }
}
