//! One container of a Pod: its state, and when it may start again.

use super::probe::Probe;
use crate::node::runtime::{Process, image};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared_types::fields::Fields;
use shared_types::time::{format_time, parse_time};

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with restartPolicy Always: starts before the next one and stays.
    Sidecar,
    Main,
}

/// A container of a Pod on a node.
#[derive(Debug)]
pub struct Container {
    pub name: String,
    pub role: Role,
    /// The image it was started with; a change of it in the spec restarts the container.
    pub image: String,
    pub state: State,
    /// How it ended before.
    pub last: Option<Terminated>,
    pub restarts: u32,
    pub backoff: BackOff,
    /// Its startup probe has succeeded, or it has none.
    pub started: bool,
    pub ready: bool,
    pub probes: Vec<Probe>,
}

/// Where a container is in its life.
#[derive(Debug)]
pub enum State {
    /// Other containers come first.
    Blocked,
    Pulling {
        until: Timestamp,
        began: Timestamp,
    },
    Starting {
        at: Timestamp,
    },
    /// The image could not be had. It is tried again at `retry`, if ever.
    ImageError {
        reason: &'static str,
        message: String,
        retry: Option<Timestamp>,
    },
    /// It ended and starts again at `until`.
    CrashLoop {
        until: Timestamp,
        delay: SignedDuration,
    },
    Running {
        since: Timestamp,
        process: Box<Process>,
    },
    /// It ended, for good unless `restart` is set.
    Terminated {
        how: Terminated,
        restart: Option<Timestamp>,
    },
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminated {
    pub code: i32,
    pub started: Timestamp,
    pub finished: Timestamp,
    /// The number of restarts before this run, which identifies it.
    pub run: u32,
}

/// The growing pause between attempts: 10 s, doubled each time up to 5 minutes, and 10 s again after 10 quiet minutes.
#[derive(Clone, Debug, Default)]
pub struct BackOff {
    last: Option<(Timestamp, SignedDuration)>,
}

impl BackOff {
    const FIRST: SignedDuration = SignedDuration::from_secs(10);
    const LONGEST: SignedDuration = SignedDuration::from_secs(300);

    /// How long to wait after a failure at `now`; not at all the first time.
    pub fn next(&mut self, now: Timestamp) -> SignedDuration {
        let quiet = |at: Timestamp| now.duration_since(at) > Self::LONGEST * 2;
        let wait = match self.last {
            Some((at, wait)) if !quiet(at + wait) => wait,
            _ => SignedDuration::ZERO,
        };
        self.last = Some((now, if wait.is_zero() { Self::FIRST } else { (wait * 2).min(Self::LONGEST) }));
        wait
    }
    /// Takes up again after `failures` failures, the last at `now`.
    pub fn resume(failures: u32, now: Timestamp) -> BackOff {
        let mut backoff = BackOff::default();
        for _ in 0..failures.min(8) {
            backoff.next(now);
        }
        backoff
    }
}

impl Container {
    /// A container of `spec` (`core/v1.Container`) that has not started.
    pub fn new(spec: &Value, role: Role) -> Container {
        Container {
            name: spec.text("name").to_string(),
            role,
            image: spec.text("image").to_string(),
            state: State::Blocked,
            last: None,
            restarts: 0,
            backoff: BackOff::default(),
            started: false,
            ready: false,
            probes: Vec::new(),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
    /// How it ended, while it is not running again.
    pub fn terminated(&self) -> Option<&Terminated> {
        match &self.state {
            State::Terminated { how, .. } => Some(how),
            State::CrashLoop { .. } => self.last.as_ref(),
            _ => None,
        }
    }
    /// Whether it is an init container whose work is done.
    pub fn is_complete(&self) -> bool {
        match self.role {
            Role::Init => matches!(&self.state, State::Terminated { how, .. } if how.code == 0),
            Role::Sidecar => self.is_running() && self.started,
            Role::Main => false,
        }
    }
    /// When its state changes next by itself, apart from probes.
    pub fn next_change(&self) -> Option<Timestamp> {
        match &self.state {
            State::Blocked => None,
            State::Pulling { until, .. } | State::CrashLoop { until, .. } => Some(*until),
            State::Starting { at } => Some(*at),
            State::ImageError { retry, .. } => *retry,
            State::Running { since, process } => process.exit().and_then(|(after, _)| {
                // An end beyond the calendar is none.
                since.checked_add(SignedDuration::try_from(after).ok()?).ok()
            }),
            State::Terminated { restart, .. } => *restart,
        }
    }

    /// Ends the current run at `now`. `None` unless it is running.
    pub fn end(&mut self, code: i32, now: Timestamp) -> Option<Terminated> {
        let State::Running { since, .. } = self.state else { return None };
        self.probes = Vec::new();
        self.started = false;
        self.ready = false;
        let how = Terminated { code, started: since, finished: now, run: self.restarts };
        self.state = State::Terminated { how: how.clone(), restart: None };
        Some(how)
    }
}

/// The container ID of the given run of a container.
pub fn id(uid: &str, name: &str, run: u32) -> String {
    format!("sim://{}", image::hex(&[uid, name, &run.to_string()]))
}

impl Terminated {
    /// The `core/v1.ContainerStateTerminated`.
    pub fn to_value(&self, uid: &str, name: &str) -> Value {
        json!({
            "containerID": id(uid, name, self.run),
            "exitCode": self.code,
            "finishedAt": format_time(self.finished),
            "reason": if self.code == 0 { "Completed" } else { "Error" },
            "startedAt": format_time(self.started),
        })
    }
    /// Reads a `core/v1.ContainerStateTerminated` back.
    pub fn from_value(value: &Value, run: u32) -> Option<Terminated> {
        let finished = parse_time(value.text("finishedAt"))?;
        Some(Terminated {
            code: value.int("exitCode").and_then(|code| i32::try_from(code).ok())?,
            started: parse_time(value.text("startedAt")).unwrap_or(finished),
            finished,
            run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_five_minutes_and_resets() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut backoff = BackOff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = backoff.next(now);
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        now += SignedDuration::from_mins(20);
        assert_eq!(backoff.next(now), SignedDuration::ZERO);
    }
}
