//! One container of a Pod: its state, and when it may start again.

use super::probe::Probe;
use crate::node::runtime::container::{Container as Run, Ended};
use crate::node::runtime::image;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::time::{format_time, parse_time};
use std::sync::Arc;

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with restartPolicy Always: starts before the next one and stays.
    Sidecar,
    Main,
    /// Added to a Pod that runs, to look into it. It is never restarted, and nothing waits for it.
    Ephemeral,
}

impl Role {
    /// The list of the spec that the container is in.
    pub fn list(self) -> &'static str {
        match self {
            Role::Init | Role::Sidecar => "initContainers",
            Role::Main => "containers",
            Role::Ephemeral => "ephemeralContainers",
        }
    }
    /// The list of the status that the container is in.
    pub fn status_list(self) -> &'static str {
        match self {
            Role::Init | Role::Sidecar => "initContainerStatuses",
            Role::Main => "containerStatuses",
            Role::Ephemeral => "ephemeralContainerStatuses",
        }
    }
    /// Whether it runs in the order of the init containers.
    pub fn is_init(self) -> bool {
        matches!(self, Role::Init | Role::Sidecar)
    }
}

/// A container of a Pod on a node.
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
    /// The ConfigMaps and Secrets that it needs to start are being read.
    pub is_reading: bool,
    /// It was asked to stop, and what is to become of it then.
    pub stopping: Option<After>,
}

/// What becomes of a container that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The Pod ends.
    Nothing,
    /// It starts again, as its restart policy wants.
    Restart,
    /// It starts again, with another image.
    NewImage,
}

/// Where a container is in its life.
pub enum State {
    /// Other containers come first.
    Blocked,
    Pulling {
        until: Timestamp,
        began: Timestamp,
    },
    /// Its image is there.
    Starting {
        at: Timestamp,
    },
    /// The image could not be had, or the container could not be made of it. It is tried again at `retry`, if ever.
    Error {
        reason: &'static str,
        message: String,
        retry: Option<Timestamp>,
    },
    /// It ended and starts again at `until`.
    CrashLoop {
        until: Timestamp,
        delay: SignedDuration,
    },
    /// It runs, and so does its postStart hook: nobody is told before that has ended.
    Hooking {
        since: Timestamp,
        run: Arc<Run>,
    },
    /// Without `run`, it ran before this process began, and starts anew as if nothing had happened.
    Running {
        since: Timestamp,
        run: Option<Arc<Run>>,
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
    pub reason: String,
    pub message: String,
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
            is_reading: false,
            stopping: None,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
    /// Whether anything of it runs, also where nobody is told yet.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Hooking { .. })
    }
    /// What runs.
    pub fn run(&self) -> Option<&Arc<Run>> {
        match &self.state {
            State::Running { run, .. } => run.as_ref(),
            State::Hooking { run, .. } => Some(run),
            _ => None,
        }
    }
    /// How it ended, while it is not running again.
    pub fn terminated(&self) -> Option<&Terminated> {
        match &self.state {
            State::Terminated { how, .. } => Some(how),
            State::CrashLoop { .. } | State::Error { .. } => self.last.as_ref(),
            _ => None,
        }
    }
    /// Whether it is an init container whose work is done.
    pub fn is_complete(&self) -> bool {
        match self.role {
            Role::Init => matches!(&self.state, State::Terminated { how, .. } if how.code == 0),
            Role::Sidecar => self.is_running() && self.started,
            Role::Main | Role::Ephemeral => false,
        }
    }
    /// When its state changes next by itself, apart from its end.
    pub fn next_change(&self) -> Option<Timestamp> {
        match &self.state {
            State::Blocked | State::Hooking { .. } | State::Running { .. } => None,
            State::Starting { .. } if self.is_reading => None,
            State::Pulling { until, .. } | State::CrashLoop { until, .. } => Some(*until),
            State::Starting { at } => Some(*at),
            State::Error { retry, .. } => *retry,
            State::Terminated { restart, .. } => *restart,
        }
    }

    /// The current run has ended. `None` unless there is one.
    pub fn end(&mut self, ended: Ended) -> Option<&Terminated> {
        let (State::Running { since, .. } | State::Hooking { since, .. }) = self.state else { return None };
        self.probes = Vec::new();
        (self.started, self.ready, self.is_reading) = (false, false, false);
        let reason = match (ended.out_of_memory, ended.code) {
            (true, _) => "OOMKilled",
            (false, 0) => "Completed",
            (false, _) => "Error",
        };
        let how = Terminated {
            code: ended.code,
            reason: reason.into(),
            message: ended.message,
            started: since,
            finished: ended.at.max(since),
            run: self.restarts,
        };
        self.state = State::Terminated { how, restart: None };
        self.terminated()
    }
}

/// The container ID of the given run of a container.
pub fn id(uid: &str, name: &str, run: u32) -> String {
    format!("sim://{}", image::hex(&[uid, name, &run.to_string()]))
}

impl Terminated {
    /// A run that could not start, for the runtime's reason.
    pub fn at_start(message: &str, now: Timestamp, run: u32) -> Terminated {
        Terminated {
            code: 128,
            reason: "StartError".into(),
            message: message.into(),
            started: Timestamp::UNIX_EPOCH,
            finished: now,
            run,
        }
    }

    /// The `core/v1.ContainerStateTerminated`.
    pub fn to_value(&self, uid: &str, name: &str) -> Value {
        let mut value = json!({
            "containerID": id(uid, name, self.run),
            "exitCode": self.code,
            "finishedAt": format_time(self.finished),
            "reason": self.reason,
            "startedAt": format_time(self.started),
        });
        if !self.message.is_empty() {
            value.set("message", self.message.as_str());
        }
        value
    }
    /// Reads a `core/v1.ContainerStateTerminated` back.
    pub fn from_value(value: &Value, run: u32) -> Option<Terminated> {
        let finished = parse_time(value.text("finishedAt"))?;
        Some(Terminated {
            code: value.int("exitCode").and_then(|code| i32::try_from(code).ok())?,
            reason: value.text("reason").to_string(),
            message: value.text("message").to_string(),
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
