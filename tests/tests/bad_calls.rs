//! Calls that go wrong: what kubectl-lite says, and its exit code, held against transcripts of the official kubectl.
//!
//! A transcript in `fixtures/bad_calls` holds calls and what each gave:
//!
//! ```text
//! kubeconfig {current-context: nowhere}
//! $ get pods
//! 2> Error in configuration: context was not found for specified context: nowhere
//! => 1
//! ```
//!
//! A line `kubeconfig` tells what the kubeconfig of the calls after it holds. `2>` is a line of standard error, `1>` of
//! standard output, and `\c` ends a last line that has no end of its own. Go's log lines lose their time and process, and
//! one that comes several times in a row is told once: `5 x E memcache.go:265] ...`. A help text is `{help}`. Addresses of the servers that are
//! started for the calls are written `{html}`.
//!
//! With UPDATE_TRANSCRIPTS set, the official kubectl writes the transcripts anew.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tests::{Server, fixture, official_kubectl, program};

/// What the servers answer to every request: name, status, type and body.
const ANSWERS: &[(&str, &str, &str, &str)] = &[
    ("html", "200 OK", "text/html", "<html><body>hello</body></html>"),
    ("unauthorized", "401 Unauthorized", "text/plain", "Unauthorized"),
    (
        "unauthorized-status",
        "401 Unauthorized",
        "application/json",
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
    ),
    ("broken", "500 Internal Server Error", "text/html", "<h1>oops</h1>"),
    ("elsewhere", "404 Not Found", "text/plain", "404 page not found\n"),
    ("truncated", "200 OK", "application/json", "{\"kind\": \"PodLis"),
    ("empty", "200 OK", "application/json", ""),
    ("forbidding", "403 Forbidden", "text/plain", "go away"),
    ("overloaded", "503 Service Unavailable", "text/plain", "busy"),
];

/// The same for servers that speak no HTTP, or break off: all that they say before they close the connection.
const LAST_WORDS: &[(&str, &str)] = &[
    ("garbage", "\0\u{1}\u{2}garbage\r\n\r\n"),
    ("closing", ""),
    (
        "breaking-off",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"kind\": \"PodLis",
    ),
];

/// The servers, each with its address.
struct Servers {
    addresses: BTreeMap<&'static str, String>,
    cluster: Server,
}

impl Servers {
    fn start() -> Servers {
        let cluster = Server::start(&["--nodes", "0"]);
        let mut addresses = BTreeMap::new();
        for (name, status, content_type, body) in ANSWERS {
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}", body.len());
            addresses.insert(*name, answering(format!("{head}\r\n\r\n{body}"), true));
        }
        for (name, words) in LAST_WORDS {
            addresses.insert(*name, answering((*words).to_string(), false));
        }
        addresses.insert("cluster", cluster.address());
        // Nobody listens where somebody just has.
        addresses.insert("refusing", local(&listener()));
        Servers { addresses, cluster }
    }
    /// Names in braces become addresses.
    fn fill(&self, text: &str) -> String {
        self.addresses.iter().fold(text.into(), |text: String, (name, at)| text.replace(&format!("{{{name}}}"), at))
    }
    /// Addresses become names in braces.
    fn unfill(&self, text: &str) -> String {
        self.addresses.iter().fold(text.into(), |text: String, (name, at)| text.replace(at, &format!("{{{name}}}")))
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a loopback port is free")
}

fn local(listener: &TcpListener) -> String {
    listener.local_addr().expect("a listener has an address").to_string()
}

/// A server that says the same to everybody, and goes on listening to them if it `stays`.
fn answering(answer: String, stays: bool) -> String {
    let listener = listener();
    let address = local(&listener);
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || converse(connection, &answer, stays));
        }
    });
    address
}

fn converse(mut connection: TcpStream, answer: &str, stays: bool) {
    let mut asked = [0; 16384];
    // Whole requests come at once: none of the calls sends much.
    while let Ok(1..) = connection.read(&mut asked) {
        if connection.write_all(answer.as_bytes()).is_err() || !stays {
            return;
        }
    }
}

/// A line of a transcript, and what it gave if it is a call.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    line: String,
    /// What the last `kubeconfig` line says.
    kubeconfig: String,
    outcome: String,
}

impl Step {
    fn call(&self) -> Option<&str> {
        self.line.strip_prefix("$ ")
    }
}

fn steps(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut kubeconfig = "";
    for line in transcript.lines() {
        match steps.last_mut() {
            Some(step) if ["2>", "1>", "=>"].iter().any(|mark| line.starts_with(mark)) => {
                step.outcome.push_str(&format!("{line}\n"));
            }
            _ => {
                kubeconfig = line.strip_prefix("kubeconfig").map_or(kubeconfig, str::trim);
                steps.push(Step { line: line.into(), kubeconfig: kubeconfig.into(), outcome: String::new() });
            }
        }
    }
    steps
}

/// Makes a call in a folder of its own and tells what it gave.
fn make(program: &Path, call: &str, kubeconfig: &str, servers: &Servers) -> String {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let kubeconfig = match kubeconfig {
        "of the cluster" => servers.cluster.kubeconfig(),
        text => {
            let path = folder.path().join("config");
            if !text.is_empty() {
                std::fs::write(&path, servers.fill(text) + "\n").expect("the kubeconfig can be written");
            }
            path
        }
    };
    let files = fixture("bad_calls/files").canonicalize().expect("the calls' files are there");
    let output = Command::new("sh")
        .args(["-c", &format!("exec \"$KUBECTL\" {}", servers.fill(call))])
        .env("KUBECTL", program)
        .env("KUBECONFIG", &kubeconfig)
        .env("HOME", folder.path())
        .current_dir(&files)
        .stdin(Stdio::null())
        .output()
        .expect("a shell runs");
    let text = |bytes: &[u8]| {
        let places = [("{kubeconfig}", &kubeconfig), ("{files}", &files), ("{home}", &folder.path().to_path_buf())];
        let text = String::from_utf8_lossy(bytes).into_owned();
        let text = places.iter().fold(text, |text, (name, path)| text.replace(&*path.to_string_lossy(), name));
        without_what_varies(&servers.unfill(&text))
    };
    let mut told = String::new();
    mark(&mut told, "2>", &without_log_headers(&text(&output.stderr)));
    mark(&mut told, "1>", &text(&output.stdout));
    let code = output.status.code().map_or("a signal".to_string(), |code| code.to_string());
    told + &format!("=> {code}\n")
}

fn mark(told: &mut String, mark: &str, text: &str) {
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "" } else { "\\c" };
        told.push_str(format!("{mark} {}{end}", line.trim_end_matches('\n')).trim_end());
        told.push('\n');
    }
}

/// Go's log lines without time and process; of equal ones in a row, one with their number.
fn without_log_headers(text: &str) -> String {
    let header = regex::Regex::new(r"^([EWI])\d{4} [0-9:.]+ +\d+ ").expect("the expression is right");
    let lines: Vec<_> = text.split_inclusive('\n').map(|line| header.replace(line, "$1 ").into_owned()).collect();
    let runs = lines.chunk_by(|a, b| a == b && a.starts_with(['E', 'W', 'I']));
    let told = runs.map(|run| if run.len() > 1 { format!("{} x {}", run.len(), run[0]) } else { run[0].clone() });
    told.collect()
}

/// The programs are not of the very same patch release, and word their help differently.
fn without_what_varies(text: &str) -> String {
    if text.lines().any(|line| line.starts_with("Usage:")) {
        return "{help}\n".into();
    }
    let varying = regex::Regex::new(r"v1\.36\.\d+|v5\.8\.\d+").expect("the expression is right");
    varying.replace_all(text, "...").into_owned()
}

/// Makes all calls of a transcript, several at a time.
fn made(program: &Path, steps: &[Step], servers: &Servers) -> Vec<Step> {
    let made = Mutex::new(steps.to_vec());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(call) = step.call() else { continue };
            let outcome = make(program, call, &step.kubeconfig, servers);
            let at = steps.iter().position(|other| std::ptr::eq(other, step)).expect("it is one of them");
            made.lock().expect("no worker panics")[at].outcome = outcome;
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    made.into_inner().expect("no worker panics")
}

fn differences(expected: &[Step], got: &[Step]) -> String {
    let differ = expected.iter().zip(got).filter(|(expected, got)| expected != got);
    differ.map(|(e, g)| format!("{}\nexpected:\n{}got:\n{}", e.line, e.outcome, g.outcome)).collect()
}

#[test]
fn transcripts() {
    let servers = Servers::start();
    let update = std::env::var_os("UPDATE_TRANSCRIPTS").is_some();
    let official = update.then(|| official_kubectl().expect("the machine has the official kubectl"));
    let mut wrong = String::new();
    for name in ["answers", "unreachable", "kubeconfigs", "arguments", "files"] {
        let path = fixture(&format!("bad_calls/{name}.txt"));
        let mut expected = steps(&std::fs::read_to_string(&path).expect("the transcript can be read"));
        assert!(expected.iter().any(|step| step.call().is_some()), "{name} holds calls");
        if let Some(official) = &official {
            expected = made(official, &expected, &servers);
            let text: String = expected.iter().map(|step| format!("{}\n{}", step.line, step.outcome)).collect();
            std::fs::write(&path, text).expect("the transcript can be written");
        }
        wrong += &differences(&expected, &made(&program("kubectl-lite"), &expected, &servers));
    }
    assert!(wrong.is_empty(), "{wrong}");
}
