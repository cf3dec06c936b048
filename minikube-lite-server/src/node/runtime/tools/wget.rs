//! `wget`, as busybox has it, for HTTP.

use super::super::files;
use super::super::pipe::Output;
use super::super::process::Process;
use super::http::{self, Body, Client, Head, Problem, Request, Url, UrlProblem};
use crate::node::network::tls::Trust;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::time::timeout;

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { wget(&process).await })
}

const USAGE: &str = "Usage: wget [-cqS] [--spider] [-O FILE] [-P DIR] [--header 'HEADER: VALUE'] [--post-data STR] [-T SEC] [-U AGENT] URL...\n";
/// How long the server may be silent unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(900);
const MAX_REDIRECTS: usize = 20;

struct Options {
    urls: Vec<String>,
    quiet: bool,
    show_head: bool,
    spider: bool,
    /// Nothing is said of certificates, which are not looked at.
    no_check: bool,
    /// `-` is standard output.
    file: Option<String>,
    folder: Option<String>,
    headers: Vec<(String, String)>,
    post: Option<String>,
    timeout: Duration,
    agent: String,
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options {
        urls: Vec::new(),
        quiet: false,
        show_head: false,
        spider: false,
        no_check: false,
        file: None,
        folder: None,
        headers: Vec::new(),
        post: None,
        timeout: TIMEOUT,
        agent: "Wget".into(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if let Some(long) = argument.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (long, None),
            };
            match name {
                "spider" => options.spider = true,
                "quiet" => options.quiet = true,
                "server-response" => options.show_head = true,
                "no-check-certificate" => options.no_check = true,
                "continue" | "no-verbose" => {}
                _ => {
                    let letter = match name {
                        "output-document" => 'O',
                        "directory-prefix" => 'P',
                        "timeout" => 'T',
                        "tries" => 't',
                        "user-agent" => 'U',
                        "header" => 'H',
                        "post-data" => 'D',
                        _ => return None,
                    };
                    options.set(letter, &attached.or_else(|| arguments.next().cloned())?)?;
                }
            }
        } else if argument.len() > 1 && argument.starts_with('-') {
            let mut letters = argument[1..].chars();
            while let Some(letter) = letters.next() {
                match letter {
                    'q' => options.quiet = true,
                    'S' => options.show_head = true,
                    'c' => {}
                    'O' | 'P' | 'T' | 't' | 'U' => {
                        let attached = letters.as_str();
                        let value = if attached.is_empty() { arguments.next()?.as_str() } else { attached };
                        options.set(letter, value)?;
                        break;
                    }
                    _ => return None,
                }
            }
        } else {
            options.urls.push(argument.clone());
        }
    }
    (!options.urls.is_empty()).then_some(options)
}

impl Options {
    fn set(&mut self, letter: char, value: &str) -> Option<()> {
        match letter {
            'O' => self.file = Some(value.to_string()),
            'P' => self.folder = Some(value.to_string()),
            'T' => self.timeout = Duration::from_secs(value.parse().ok()?),
            't' => {}
            'U' => self.agent = value.to_string(),
            'H' => {
                let (name, value) = value.split_once(':')?;
                self.headers.push((name.trim().to_string(), value.trim().to_string()));
            }
            'D' => self.post = Some(value.to_string()),
            _ => return None,
        }
        Some(())
    }
}

async fn wget(process: &Process) -> i32 {
    let Some(options) = parse(process.args()) else {
        let _ = process.stderr.write(USAGE.as_bytes()).await;
        return 1;
    };
    for url in &options.urls {
        if let Err(problem) = get(process, &options, url).await {
            return process.fail(problem).await;
        }
    }
    0
}

/// Gets one URL.
///
/// # Errors
/// busybox's words.
async fn get(process: &Process, options: &Options, url: &str) -> Result<(), String> {
    let mut url = Url::parse(url).map_err(|problem| match problem {
        UrlProblem::Scheme(_) => format!("not an http or ftp url: {url}"),
        UrlProblem::BadPort => "bad port".to_string(),
        _ => format!("bad address '{url}'"),
    })?;
    for _ in 0..MAX_REDIRECTS {
        let (mut client, head, mut body) = ask(process, options, &url).await?;
        if options.show_head {
            let shown: String =
                String::from_utf8_lossy(&head.raw).trim_end().lines().map(|l| format!("  {l}\n")).collect();
            say(process, &shown).await;
        }
        match head.status {
            301 | 302 | 303 | 307 | 308 => {
                let location = head.header("location").ok_or("no Location header in a redirect")?;
                url = url.join(location).map_err(|_| format!("bad redirection: {location}"))?;
                continue;
            }
            200..=299 => {}
            status => return Err(format!("server returned error: HTTP/{} {status} {}", head.version, head.reason)),
        }
        if options.spider {
            if !options.quiet {
                say(process, "remote file exists\n").await;
            }
            return Ok(());
        }
        return save(process, options, &url, &mut client, &mut body).await;
    }
    Err("too many redirections".into())
}

async fn ask(process: &Process, options: &Options, url: &Url) -> Result<(Client, Head, Body), String> {
    let host = &url.host;
    let ip = http::resolve(&process.world, host).await.map_err(|_| format!("bad address '{}'", url.host_header()))?;
    if !options.quiet {
        say(process, &format!("Connecting to {} ({ip}:{})\n", url.host_header(), url.port)).await;
    }
    let connecting = Client::connect(&process.world, SocketAddrV4::new(ip, url.port));
    let mut client = match timeout(options.timeout, connecting).await {
        Ok(Ok(client)) => client,
        Ok(Err(problem)) => {
            return Err(format!("can't connect to remote host ({ip}): {}", super::http::reason(&problem)));
        }
        Err(_) => return Err("download timed out".into()),
    };
    if url.scheme == "https" {
        if !options.no_check {
            say(process, "wget: note: TLS certificate validation not implemented\n").await;
        }
        let begun = timeout(options.timeout, client.begin_tls(host, Trust::Anybody)).await;
        let begun = begun.map_err(|_| "download timed out".to_string())?;
        client = begun.map_err(|_| "error getting response: TLS handshake failed".to_string())?;
    }
    let mut request = Request {
        method: if options.post.is_some() { "POST" } else { "GET" }.into(),
        target: url.target.clone(),
        headers: vec![
            ("Host".into(), url.host_header()),
            ("User-Agent".into(), options.agent.clone()),
            ("Connection".into(), "close".into()),
        ],
        body: Bytes::new(),
    };
    for (name, value) in &options.headers {
        request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        request.headers.push((name.clone(), value.clone()));
    }
    if let Some(post) = &options.post {
        let mut own = |name: &str, value: String| {
            if !request.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                request.headers.push((name.into(), value));
            }
        };
        own("Content-Type", "application/x-www-form-urlencoded".into());
        own("Content-Length", post.len().to_string());
        request.body = Bytes::copy_from_slice(post.as_bytes());
    }
    let answer = timeout(options.timeout, client.send(&request)).await.map_err(|_| "download timed out".to_string())?;
    let (head, body) = answer.map_err(|problem| match problem {
        Problem::Io(problem) => format!("error getting response: {}", super::http::reason(&problem)),
        Problem::Empty => "error getting response".into(),
        Problem::NotHttp => "bad response".into(),
    })?;
    Ok((client, head, body))
}

/// Writes the body where it belongs.
async fn save(
    process: &Process,
    options: &Options,
    url: &Url,
    client: &mut Client,
    body: &mut Body,
) -> Result<(), String> {
    let name = match &options.file {
        Some(file) => file.clone(),
        None => match url.file_name() {
            "" => "index.html".into(),
            name => name.to_string(),
        },
    };
    let path = match &options.folder {
        Some(folder) if options.file.is_none() => format!("{folder}/{name}"),
        _ => name.clone(),
    };
    let to_stdout = path == "-";
    let output: Output = if to_stdout {
        process.stdout.clone()
    } else {
        // A name that was asked for is written over, one of wget's own is not.
        if options.file.is_none() && process.world.files().stat(&process.path(&path)).is_ok() {
            return Err(format!("can't open '{path}': File exists"));
        }
        process.create(&path, false).map_err(|problem| format!("can't open '{path}': {}", files::strerror(&problem)))?
    };
    if !options.quiet {
        let begun = if to_stdout { "writing to stdout\n".to_string() } else { format!("saving to '{path}'\n") };
        say(process, &begun).await;
    }
    let mut received: u64 = 0;
    loop {
        let chunk = timeout(options.timeout, client.chunk(body)).await.map_err(|_| "download timed out".to_string())?;
        match chunk {
            Ok(Some(bytes)) => {
                received += bytes.len() as u64;
                output.write(&bytes).await.map_err(|_| "write error".to_string())?;
            }
            Ok(None) => break,
            Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => {
                return Err("connection closed prematurely".into());
            }
            Err(problem) => return Err(format!("read error: {}", super::http::reason(&problem))),
        }
    }
    if !options.quiet {
        let done = if to_stdout { "written to stdout\n".to_string() } else { format!("'{path}' saved\n") };
        say(process, &format!("{}{done}", meter(&name, received))).await;
    }
    Ok(())
}

/// The line of a file that has come as a whole.
fn meter(name: &str, bytes: u64) -> String {
    let (number, unit) = match bytes {
        0..100_000 => (bytes, ' '),
        _ if bytes < 100_000 * 1024 => (bytes >> 10, 'k'),
        _ => (bytes >> 20, 'M'),
    };
    format!("{name:<20.20} 100% |{}| {number:>5}{unit} 0:00:00 ETA\n", "*".repeat(32))
}

async fn say(process: &Process, text: &str) {
    let _ = process.stderr.write(text.as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_be_together_and_have_values_attached() {
        let of = |line: &str| parse(&line.split(' ').map(String::from).collect::<Vec<_>>());
        let options = of("-qO- -T 2 --header=A:b backend").unwrap();
        assert!(options.quiet && !options.spider);
        assert_eq!((options.file.as_deref(), options.timeout), (Some("-"), Duration::from_secs(2)));
        assert_eq!(options.headers, [("A".to_string(), "b".to_string())]);
        assert!(of("-q").is_none() && of("-Z x").is_none() && of("-O").is_none());
        assert_eq!(meter("-", 615), format!("-                    100% |{}|   615  0:00:00 ETA\n", "*".repeat(32)));
    }
}
