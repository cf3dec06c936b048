//! Probes: what they ask of a container, when, and what follows from the answers.

use crate::node::runtime::Process;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared_types::fields::Fields;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Startup, Kind::Liveness, Kind::Readiness];

    /// The field of the container that holds the probe.
    pub fn field(self) -> &'static str {
        match self {
            Kind::Startup => "startupProbe",
            Kind::Liveness => "livenessProbe",
            Kind::Readiness => "readinessProbe",
        }
    }
    fn words(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Liveness => "Liveness",
            Kind::Readiness => "Readiness",
        }
    }
    /// The probe in messages: `Container web failed liveness probe`.
    pub fn lower(self) -> &'static str {
        match self {
            Kind::Startup => "startup",
            Kind::Liveness => "liveness",
            Kind::Readiness => "readiness",
        }
    }
}

/// A probe of a running container.
#[derive(Debug)]
pub struct Probe {
    pub kind: Kind,
    period: SignedDuration,
    initial_delay: SignedDuration,
    success_threshold: u32,
    failure_threshold: u32,
    /// The answer, where it is the same during the whole run of the container.
    fixed: Option<Answer>,
    /// When it runs next. `None`: it waits for the startup probe, or nothing new can come of it.
    pub due: Option<Timestamp>,
    successes: u32,
    failures: u32,
    /// What the last answers amount to.
    pub passing: bool,
}

/// What a single probe found: nothing, or what is wrong.
pub type Answer = Result<(), String>;

/// Where and what a container is that is probed.
pub struct Subject<'a> {
    /// The container's spec.
    pub container: &'a Value,
    pub process: &'a Process,
    pub ip: &'a str,
    pub hostname: &'a str,
    pub elapsed: Duration,
}

impl Probe {
    /// The probe of a container that started at `since`, if it has one of this kind.
    pub fn new(kind: Kind, subject: &Subject, since: Timestamp) -> Option<Probe> {
        let spec = subject.container.at(kind.field());
        if !spec.is_object() {
            return None;
        }
        let number = |field: &str, default: i64| spec.int(field).filter(|n| *n > 0).unwrap_or(default);
        let threshold = |field: &str, default: i64| u32::try_from(number(field, default)).unwrap_or(u32::MAX);
        let initial_delay = SignedDuration::from_secs(number("initialDelaySeconds", 0));
        let fixed = (!spec.has("exec") || subject.process.is_steady()).then(|| ask(spec, subject));
        Some(Probe {
            kind,
            period: SignedDuration::from_secs(number("periodSeconds", 10)),
            initial_delay,
            success_threshold: threshold("successThreshold", 1),
            failure_threshold: threshold("failureThreshold", 3),
            fixed,
            due: since.checked_add(initial_delay).ok(),
            successes: 0,
            failures: 0,
            passing: kind == Kind::Liveness,
        })
    }

    /// Whether running it can only confirm what is known, without anybody noticing.
    pub fn is_quiet(&self) -> bool {
        self.passing && matches!(self.fixed, Some(Ok(())))
    }

    /// Only startup probes run until they succeed.
    pub fn wait_for_startup(&mut self) {
        if self.kind != Kind::Startup {
            self.due = None;
        }
    }

    /// Goes on in a container that has been running for a while.
    pub fn resume(&mut self, started: bool, ready: bool, now: Timestamp) {
        self.passing = match self.kind {
            Kind::Startup => started,
            Kind::Liveness => true,
            Kind::Readiness => ready,
        };
        let waits = started == (self.kind == Kind::Startup);
        self.due = if waits { None } else { self.due.map(|due| due.max(now)) };
    }

    /// Begins when the startup probe has succeeded at `now`.
    pub fn begin(&mut self, since: Timestamp, now: Timestamp) {
        self.due = since.checked_add(self.initial_delay).ok().map(|due| due.max(now));
    }

    /// Runs the probe at `now`. The answer is an error message for the Event where it failed.
    pub fn run(&mut self, subject: &Subject, now: Timestamp) -> Option<String> {
        let spec = subject.container.at(self.kind.field());
        let answer = self.fixed.clone().unwrap_or_else(|| ask(spec, subject));
        let failure = match answer {
            Ok(()) => {
                self.successes = self.successes.saturating_add(1);
                self.failures = 0;
                self.passing |= self.successes >= self.success_threshold;
                None
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                self.successes = 0;
                self.passing &= self.failures < self.failure_threshold;
                Some(format!("{} probe failed: {why}", self.kind.words()))
            }
        };
        // Startup probes end with their success.
        let done = self.is_quiet() || (self.kind == Kind::Startup && self.passing);
        self.due = if done { None } else { now.checked_add(self.period).ok() };
        failure
    }

    /// Whether the container has to be restarted.
    pub fn has_failed(&self) -> bool {
        self.kind != Kind::Readiness && !self.passing && self.failures >= self.failure_threshold
    }
}

/// The port of a probe, by number or by the name of a port of the container.
fn port(value: &Value, container: &Value) -> Result<u16, String> {
    let number = match value {
        Value::String(name) => match name.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let named = container.list("ports").iter().find(|port| port.text("name") == name);
                named.and_then(|port| port.int("containerPort"))
            }
        },
        other => other.as_i64(),
    };
    number.and_then(|n| u16::try_from(n).ok()).ok_or_else(|| format!("invalid port number: {value}"))
}

fn ask(spec: &Value, subject: &Subject) -> Answer {
    let host = |field: &str| match spec.text(field) {
        "" => subject.ip.to_string(),
        host => host.to_string(),
    };
    let refused = |address: &str| format!("dial tcp {address}: connect: connection refused");
    let timeout = spec.int("timeoutSeconds").filter(|n| *n > 0).unwrap_or(1);
    if spec.has("httpGet") {
        let get = spec.at("httpGet");
        let port = port(get.at("port"), subject.container)?;
        let address = format!("{}:{port}", host("httpGet.host"));
        if subject.process.listens(port) {
            return Ok(());
        }
        let scheme = if get.text("scheme") == "HTTPS" { "https" } else { "http" };
        let path = get.text("path").trim_start_matches('/');
        return Err(format!("Get \"{scheme}://{address}/{path}\": {}", refused(&address)));
    }
    if spec.has("tcpSocket") {
        let port = port(spec.at("tcpSocket.port"), subject.container)?;
        let address = format!("{}:{port}", host("tcpSocket.host"));
        return if subject.process.listens(port) { Ok(()) } else { Err(refused(&address)) };
    }
    if spec.has("grpc") {
        let port = port(spec.at("grpc.port"), subject.container)?;
        if subject.process.listens(port) {
            return Ok(());
        }
        let address = format!("{}:{port}", subject.ip);
        return Err(format!(
            "timeout: failed to connect service \"{address}\" within {timeout}s: context deadline exceeded"
        ));
    }
    let argv: Vec<&str> = spec.list("exec.command").iter().filter_map(Value::as_str).collect();
    let run = subject.process.exec(subject.container, subject.hostname, &argv, subject.elapsed);
    let limit = Duration::from_secs(timeout.unsigned_abs());
    match run.code {
        Some(0) if run.took <= limit => Ok(()),
        Some(_) if run.took <= limit => Err(run.output),
        _ => Err(format!("command timed out: {:?} timed out after {timeout}s", argv.join(" "))),
    }
}
