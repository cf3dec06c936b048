//! How a Pod comes to its end: its containers are done, its time is up, or it is deleted.

use super::{Node, Occurrence, PodState, hostname, spec_of};
use crate::node::kubelet::container::{Container, Role, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared_types::fields::Fields;
use std::time::Duration;

impl PodState {
    /// The phase that follows from the containers, and the end of the Pod when it is over.
    pub(super) fn settle(&mut self, node: &mut Node) {
        let phase = self.current_phase();
        if phase != self.phase {
            self.phase = phase;
            self.dirty = true;
        }
        if !self.is_finished() {
            return;
        }
        for at in 0..self.containers.len() {
            // Sidecars end with the last of the others.
            let container = &mut self.containers[at];
            if let (Role::Sidecar, State::Running { process, since }) = (container.role, &container.state) {
                let (code, since) = (process.stopped(), *since);
                container.end(code, since.max(self.start_time));
                let message = format!("Stopping container {}", container.name);
                self.say(false, "Killing", at, message);
            }
        }
        if let Some(ip) = self.ip {
            node.ips.release(ip);
        }
    }

    fn current_phase(&self) -> &'static str {
        let init = self.containers.iter().filter(|c| c.role != Role::Main);
        let ended = |c: &Container| match &c.state {
            State::Terminated { how, restart: None } => Some(how.code),
            _ => None,
        };
        if init.clone().any(|c| c.role == Role::Init && ended(c).is_some_and(|code| code != 0)) {
            return "Failed";
        }
        if !init.into_iter().all(|c| c.is_complete() || c.restarts > 0 || c.terminated().is_some()) {
            return "Pending";
        }
        let main = || self.containers.iter().filter(|c| c.role == Role::Main);
        if main().any(|c| !c.is_running() && c.terminated().is_none()) {
            return "Pending";
        }
        let codes: Option<Vec<i32>> = main().map(ended).collect();
        match codes {
            Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
            Some(_) => "Failed",
            None => "Running",
        }
    }

    pub(super) fn exceed_deadline(&mut self, node: &mut Node, now: Timestamp) {
        let message = "Pod was active on the node longer than the specified deadline";
        self.phase = "Failed";
        self.reason = Some(("DeadlineExceeded", message));
        self.dirty = true;
        self.occurrences.push(Occurrence {
            warning: false,
            reason: "DeadlineExceeded",
            message: message.into(),
            field: None,
        });
        for at in 0..self.containers.len() {
            let container = &mut self.containers[at];
            let code = match &container.state {
                State::Running { process, .. } => process.stopped(),
                _ => continue,
            };
            container.end(code, now);
            let message = format!("Stopping container {}", container.name);
            self.say(false, "Killing", at, message);
        }
        if let Some(ip) = self.ip {
            node.ips.release(ip);
        }
    }

    /// The Pod is being deleted: its containers stop.
    pub(super) fn stop(&mut self, pod: &Value, node: &Node, now: Timestamp) {
        let grace = SignedDuration::from_secs(pod.int("metadata.deletionGracePeriodSeconds").unwrap_or(0).max(0));
        let latest = now + grace.min(SignedDuration::from_hours(24 * 365));
        if let Some(at) = self.stopped {
            // A second deletion can only shorten the time.
            self.stopped = Some(at.min(latest));
            return;
        }
        let mut longest = SignedDuration::ZERO;
        for at in 0..self.containers.len() {
            if !self.containers[at].is_running() {
                continue;
            }
            longest = longest.max(node.latencies.stop.saturating_add(pre_stop(pod, &self.containers[at])));
            let message = format!("Stopping container {}", self.containers[at].name);
            self.say(false, "Killing", at, message);
        }
        self.stopped = Some(now.checked_add(longest).map_or(latest, |at| at.min(latest)));
    }
}

/// How long the container's preStop hook takes.
fn pre_stop(pod: &Value, container: &Container) -> SignedDuration {
    let spec = spec_of(pod, container);
    if let Some(seconds) = spec.int("lifecycle.preStop.sleep.seconds") {
        return SignedDuration::from_secs(seconds);
    }
    let argv: Vec<&str> = spec.list("lifecycle.preStop.exec.command").iter().filter_map(Value::as_str).collect();
    let State::Running { process, .. } = &container.state else { return SignedDuration::ZERO };
    if argv.is_empty() {
        return SignedDuration::ZERO;
    }
    let run = process.exec(spec, hostname(pod), &argv, Duration::ZERO);
    match run.code {
        Some(_) => SignedDuration::try_from(run.took).unwrap_or(SignedDuration::MAX),
        None => SignedDuration::MAX,
    }
}
