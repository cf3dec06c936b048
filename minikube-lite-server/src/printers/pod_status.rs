//! What the containers of a Pod add up to: the STATUS, READY and RESTARTS of `kubectl get pods`.

use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::time::parse_time;

/// A Pod in a few words.
pub struct PodStatus {
    /// `Running`, `Init:0/2`, `CrashLoopBackOff`, `Terminating`, ...
    pub reason: String,
    pub ready: usize,
    /// Containers that count for readiness: the main ones and the sidecars.
    pub containers: usize,
    pub restarts: i64,
    pub last_restart: Option<Timestamp>,
}

/// Restarts added up.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += container.int("restartCount").unwrap_or(0);
        self.last = self.last.max(parse_time(container.text("lastState.terminated.finishedAt")));
    }
}

impl PodStatus {
    pub fn of(pod: &Value) -> PodStatus {
        let phase = pod.text("status.phase");
        let mut reason = match pod.text("status.reason") {
            "" => phase.to_string(),
            reason => reason.to_string(),
        };
        if condition(pod, "PodScheduled").is_some_and(|c| c.text("reason") == "SchedulingGated") {
            reason = "SchedulingGated".to_string();
        }

        let sidecars = pod.list("spec.initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut ready = 0;
        let (mut all_init, mut of_sidecars) = (Restarts::default(), Restarts::default());
        let mut initializing = false;
        for (index, container) in pod.list("status.initContainerStatuses").iter().enumerate() {
            let sidecar = spec_of(pod, container.text("name")).is_some_and(is_sidecar);
            all_init.add(container);
            if sidecar {
                of_sidecars.add(container);
            }
            match init_reason(pod, container, index, sidecar) {
                Some(text) => {
                    reason = format!("Init:{text}");
                    initializing = true;
                    break;
                }
                None if sidecar && container.flag("ready") && container.flag("started") => ready += 1,
                None => {}
            }
        }

        let mut restarts = all_init;
        if !initializing || is_true(pod, "Initialized") {
            restarts = of_sidecars;
            let mut has_running = false;
            // The first container that has something to say has the last word.
            for container in pod.list("status.containerStatuses").iter().rev() {
                restarts.add(container);
                if let Some(text) = main_reason(container) {
                    reason = text;
                } else if container.flag("ready") && container.has("state.running") {
                    has_running = true;
                    ready += 1;
                }
            }
            if reason == "Completed" && has_running {
                reason = if is_true(pod, "Ready") { "Running" } else { "NotReady" }.to_string();
            }
        }

        if pod.is_terminating() {
            if pod.text("status.reason") == "NodeLost" {
                reason = "Unknown".to_string();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                reason = "Terminating".to_string();
            }
        }
        let containers = pod.list("spec.containers").len() + sidecars;
        PodStatus { reason, ready, containers, restarts: restarts.count, last_restart: restarts.last }
    }
}

/// What an init container has to say; `None` once it has done its part.
fn init_reason(pod: &Value, container: &Value, index: usize, sidecar: bool) -> Option<String> {
    let terminated = container.at("state.terminated");
    if terminated.is_object() && terminated.int("exitCode").unwrap_or(0) == 0 {
        return None;
    }
    if sidecar && container.flag("started") {
        return None;
    }
    if terminated.is_object() {
        return Some(termination(terminated));
    }
    match container.text("state.waiting.reason") {
        "" | "PodInitializing" => Some(format!("{index}/{}", pod.list("spec.initContainers").len())),
        reason => Some(reason.to_string()),
    }
}

/// What a main container has to say; `None` while it runs, or waits without a reason.
fn main_reason(container: &Value) -> Option<String> {
    let terminated = container.at("state.terminated");
    match container.text("state.waiting.reason") {
        "" if terminated.is_object() => Some(termination(terminated)),
        "" => None,
        reason => Some(reason.to_string()),
    }
}

/// Why a container ended: the reason, or else the signal, or else the exit code.
fn termination(terminated: &Value) -> String {
    match (terminated.text("reason"), terminated.int("signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", terminated.int("exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_string(),
    }
}

fn condition<'a>(pod: &'a Value, ty: &str) -> Option<&'a Value> {
    pod.list("status.conditions").iter().find(|c| c.text("type") == ty)
}

fn is_true(pod: &Value, ty: &str) -> bool {
    condition(pod, ty).is_some_and(|c| c.text("status") == "True")
}

fn spec_of<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    pod.list("spec.initContainers").iter().find(|c| c.text("name") == name)
}

/// An init container that keeps running beside the main ones (KEP-753).
fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}
