//! How a Pod comes to its end: its containers are done, its time is up, or it is deleted.

use super::{PodState, spec_of};
use crate::node::kubelet::container::{After, Container, Role, State};
use crate::node::kubelet::handler::Handler;
use crate::node::kubelet::news::ContainerNews;
use crate::node::kubelet::node::Node;
use crate::node::runtime::container::Ended;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a container has after its preStop hook to stop, however long that took.
const AFTER_HOOK: Duration = Duration::from_secs(2);

/// The deletion of a Pod.
pub(super) struct Ending {
    /// When its containers are killed.
    deadline: Timestamp,
    /// It goes no sooner than this.
    pub earliest: Timestamp,
}

impl PodState {
    /// The phase that follows from the containers, and the end of the Pod when it is over.
    pub(super) fn settle(&mut self, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        let phase = if self.reason.is_some() { "Failed" } else { self.current_phase() };
        let is_over = matches!(phase, "Succeeded" | "Failed");
        if is_over && self.is_live() {
            // Sidecars end after the others, and the Pod after all.
            let grace = pod.int("spec.terminationGracePeriodSeconds").unwrap_or(30);
            self.stop_in_turn(now + SignedDuration::from_secs(grace), pod, node, now);
            if self.is_live() {
                return;
            }
        }
        if phase != self.phase {
            self.phase = phase;
            self.dirty = true;
        }
        if self.is_finished() {
            if let Some(ip) = self.ip {
                node.ips.release(ip);
            }
            if let Some(sandbox) = &self.sandbox {
                sandbox.close();
            }
        }
    }

    /// Whether the containers end because the Pod has come to its end.
    pub(super) fn is_stopping(&self) -> bool {
        self.reason.is_some() || self.containers.iter().any(|container| container.stopping == Some(After::Nothing))
    }

    fn current_phase(&self) -> &'static str {
        let init = self.containers.iter().filter(|c| c.role.is_init());
        let ended = |c: &Container| match &c.state {
            State::Terminated { how, restart: None } => Some(how.code),
            _ => None,
        };
        if init.clone().any(|c| c.role == Role::Init && ended(c).is_some_and(|code| code != 0)) {
            return "Failed";
        }
        let main = || self.containers.iter().filter(|c| c.role == Role::Main);
        let codes: Option<Vec<i32>> = main().map(ended).collect();
        match codes {
            Some(codes) if codes.iter().all(|code| *code == 0) => return "Succeeded",
            Some(_) => return "Failed",
            None => {}
        }
        if !init.into_iter().all(|c| c.is_complete() || c.restarts > 0 || c.terminated().is_some()) {
            return "Pending";
        }
        if main().any(|c| !c.is_running() && c.terminated().is_none()) {
            return "Pending";
        }
        "Running"
    }

    /// Whether the Pod has been active for longer than it may (`activeDeadlineSeconds`).
    pub(super) fn has_exceeded_deadline(&mut self, pod: &Value, now: Timestamp) -> bool {
        let seconds = pod.int("spec.activeDeadlineSeconds");
        self.deadline = seconds.and_then(|s| self.start_time.checked_add(SignedDuration::from_secs(s)).ok());
        if self.deadline.is_none_or(|at| at > now) {
            return false;
        }
        // The moment is over.
        self.deadline = None;
        if self.reason.is_none() {
            let message = "Pod was active on the node longer than the specified deadline";
            self.reason = Some(("DeadlineExceeded", message));
            self.say_of_pod(false, "DeadlineExceeded", message.into());
            self.dirty = true;
        }
        true
    }

    /// The Pod is being deleted: its containers stop.
    pub(super) fn stop(&mut self, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let grace = SignedDuration::from_secs(pod.int("metadata.deletionGracePeriodSeconds").unwrap_or(0).max(0));
        let latest = now + grace.min(SignedDuration::from_hours(24 * 365));
        let deadline = match &mut self.ending {
            // A second deletion can only shorten the time.
            Some(ending) => {
                ending.deadline = ending.deadline.min(latest);
                ending.earliest = ending.earliest.min(latest);
                ending.deadline
            }
            None => {
                let takes = if self.is_live() { node.latencies.stop } else { SignedDuration::ZERO };
                self.ending = Some(Ending { deadline: latest, earliest: (now + takes).min(latest) });
                latest
            }
        };
        self.stop_in_turn(deadline, pod, node, now);
    }

    /// Asks the containers to stop whose turn it is: all but sidecars, and then these in reverse order (KEP-753).
    fn stop_in_turn(&mut self, deadline: Timestamp, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let is_sidecar = |container: &Container| container.role == Role::Sidecar;
        for at in 0..self.containers.len() {
            let container = &self.containers[at];
            if container.stopping.is_some() {
                if let Some(run) = container.run() {
                    run.set_deadline(instant(deadline, now));
                }
                self.containers[at].stopping = Some(After::Nothing);
            } else if container.is_live() && !is_sidecar(container) {
                self.stop_container(at, deadline, pod, node, now);
            }
        }
        if self.containers.iter().any(|container| container.is_live() && !is_sidecar(container)) {
            return;
        }
        while let Some(at) = self.containers.iter().rposition(Container::is_live) {
            if self.containers[at].stopping.is_some() {
                return;
            }
            self.stop_container(at, deadline, pod, node, now);
        }
    }

    fn stop_container(&mut self, at: usize, deadline: Timestamp, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let message = format!("Stopping container {}", self.containers[at].name);
        let grace = deadline.duration_since(now).as_secs();
        self.kill(at, message, After::Nothing, Some(grace), pod, node, now);
    }

    /// Asks a container to stop: its preStop hook runs, then it gets its stop signal, and after `grace` seconds (the Pod's
    /// where nothing is said) it is killed.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn kill(
        &mut self,
        at: usize,
        message: String,
        after: After,
        grace: Option<i64>,
        pod: &Arc<Value>,
        node: &Node,
        now: Timestamp,
    ) {
        if self.containers[at].stopping.is_some() {
            return;
        }
        self.say(false, "Killing", at, message);
        let target = self.target(at, node);
        let (reporter, name, number) = self.reports_of(at);
        let container = &mut self.containers[at];
        let Some(target) = target else {
            // It ran before this process began, and has not been started again.
            let ended = Ended { code: 137, at: now, out_of_memory: false, message: String::new() };
            container.end(ended);
            self.dirty = true;
            return;
        };
        container.stopping = Some(after);
        // Readiness goes on being probed.
        for probe in container.probes.iter_mut().filter(|probe| probe.kind != super::Kind::Readiness) {
            probe.end();
        }
        let grace = grace.or_else(|| pod.int("spec.terminationGracePeriodSeconds")).unwrap_or(30).max(0);
        target.container.set_deadline(Instant::now() + Duration::from_secs(grace.unsigned_abs()));
        let spec = spec_of(pod, container);
        let hook = spec.has("lifecycle.preStop").then(|| Handler::of(spec.at("lifecycle.preStop"), spec));
        tokio::spawn(async move {
            let mut least = Duration::ZERO;
            if let Some(hook) = hook.filter(|_| grace > 0) {
                least = AFTER_HOOK;
                let failed = tokio::select! {
                    result = hook.run(&target) => result.is_err(),
                    () = target.container.deadline_passed() => true,
                };
                if failed {
                    reporter.tell_of_container(&name, ContainerNews::NotPrepared { run: number });
                }
            }
            target.container.stop(least).await;
        });
    }
}

/// A moment of the calendar for tokio's clock.
fn instant(at: Timestamp, now: Timestamp) -> Instant {
    Instant::now() + Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
