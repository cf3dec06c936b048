//! Probes: each runs in a task of its own, asks again and again, and tells what follows from the answers.

use super::handler::{Answer, Handler, Target};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

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

/// A probe of a running container. Dropping it ends its task.
#[derive(Debug)]
pub struct Probe {
    pub kind: Kind,
    /// What the last answers amount to.
    pub passing: bool,
    /// How long the container has to stop when this probe has it restarted, in seconds, where the probe says so.
    pub grace: Option<i64>,
    task: Option<AbortOnDropHandle<()>>,
}

/// What a probe has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: Kind,
    pub passing: bool,
    /// It has failed as often as it may: the container has to be restarted.
    pub has_failed: bool,
    /// What is wrong, for an Event.
    pub message: Option<String>,
}

/// What a probe of a container says (`core/v1.Probe`).
struct Settings {
    kind: Kind,
    handler: Handler,
    timeout: Duration,
    period: Duration,
    initial_delay: Duration,
    success_threshold: u32,
    failure_threshold: u32,
}

impl Settings {
    fn of(kind: Kind, container: &Value) -> Settings {
        let spec = container.at(kind.field());
        let number = |field: &str, default: i64| spec.int(field).filter(|n| *n > 0).unwrap_or(default);
        let seconds = |field: &str, default: i64| Duration::from_secs(number(field, default).unsigned_abs());
        let threshold = |field: &str, default: i64| u32::try_from(number(field, default)).unwrap_or(u32::MAX);
        Settings {
            kind,
            handler: Handler::of(spec, container),
            timeout: seconds("timeoutSeconds", 1),
            period: seconds("periodSeconds", 10),
            initial_delay: seconds("initialDelaySeconds", 0),
            success_threshold: threshold("successThreshold", 1),
            failure_threshold: threshold("failureThreshold", 3),
        }
    }
}

impl Probe {
    /// The probe of a container, if it has one of this kind. It does not run yet.
    pub fn of(kind: Kind, container: &Value) -> Option<Probe> {
        let spec = container.at(kind.field());
        let grace = spec.int("terminationGracePeriodSeconds");
        spec.is_object().then_some(Probe { kind, passing: kind == Kind::Liveness, grace, task: None })
    }

    /// Begins to ask, unless it has begun already. The container has been running for `age`; the first time is `spread`
    /// later than it need be. `tell` is called with everything that is found out.
    pub fn begin(
        &mut self,
        container: &Value,
        target: &Target,
        age: Duration,
        spread: f64,
        tell: impl Fn(Finding) + Send + 'static,
    ) {
        if self.task.is_some() {
            return;
        }
        let settings = Settings::of(self.kind, container);
        let wait = settings.initial_delay.saturating_sub(age) + settings.period.mul_f64(spread);
        let run = ask_for_ever(settings, target.clone(), Instant::now() + wait, self.passing, tell);
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(run)));
    }

    /// Ends its task.
    pub fn end(&mut self) {
        self.task = None;
    }
}

async fn ask_for_ever(
    settings: Settings,
    target: Target,
    first: Instant,
    mut passing: bool,
    tell: impl Fn(Finding) + Send,
) {
    let Settings { kind, handler, timeout, period, success_threshold, failure_threshold, .. } = settings;
    let (mut successes, mut failures) = (0u32, 0u32);
    let mut ticks = tokio::time::interval_at(first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // In a box, so that a probe that waits is small.
        let answer = Box::pin(handler.probe(&target, timeout)).await;
        let words = kind.words();
        match answer {
            Answer::Success => {
                successes = successes.saturating_add(1);
                failures = 0;
                if !passing && successes >= success_threshold {
                    passing = true;
                    tell(Finding { kind, passing, has_failed: false, message: None });
                }
                if passing && kind == Kind::Startup {
                    return;
                }
            }
            Answer::Failure(why) => {
                failures = failures.saturating_add(1);
                successes = 0;
                let is_over = failures >= failure_threshold;
                passing &= !is_over;
                let has_failed = is_over && kind != Kind::Readiness;
                let message = Some(format!("{words} probe failed: {why}"));
                tell(Finding { kind, passing, has_failed, message });
                if has_failed {
                    return;
                }
            }
            // As a kubelet does: it is told, and counts for nothing.
            Answer::Error(why) => {
                let message = Some(format!("{words} probe errored and resulted in unknown state: {why}"));
                tell(Finding { kind, passing, has_failed: false, message });
            }
        }
    }
}
