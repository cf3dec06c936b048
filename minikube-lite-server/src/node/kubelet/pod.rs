//! The life of one Pod on its node, as a state machine over time: given the Pod and the moment, [`PodState::advance`] does all
//! that is due, and [`PodState::receive`] takes in what has happened meanwhile. Neither waits nor writes: what takes time
//! is set going and tells of its end by [`News`](super::news::News).

mod ending;
mod images;
mod news;
mod running;
mod volumes;

use super::config::hosts;
use super::container::{BackOff, Container, Role, State, Terminated};
use super::news::Reporter;
use super::node::Node;
use super::probe::{Kind, Probe};
use crate::node::network::Identity;
use crate::node::runtime::sandbox::Sandbox;
use ending::Ending;
use jiff::{SignedDuration, Timestamp};
pub use running::identity;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::time::parse_time;
use std::net::Ipv4Addr;
use std::sync::Arc;
use volumes::Volumes;

/// A change that another follows within this time is written together with it, so that a Pod that starts at once is
/// written once.
const TOGETHER: SignedDuration = SignedDuration::from_millis(100);

/// How long a container that ended by itself is seen as ended before it is started again without a pause.
const SEEN_ENDED: SignedDuration = SignedDuration::from_secs(1);

/// An Event that the Pod is to have.
#[derive(Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub warning: bool,
    pub reason: &'static str,
    pub message: String,
    /// The container it is about: `spec.containers{web}`.
    pub field: Option<String>,
}

/// A Pod as its node sees it.
pub struct PodState {
    pub uid: Arc<str>,
    pub namespace: String,
    pub name: String,
    pub start_time: Timestamp,
    pub ip: Option<Ipv4Addr>,
    /// Init containers first, in the order of the spec.
    pub containers: Vec<Container>,
    pub phase: &'static str,
    /// `status.reason` and `status.message`.
    pub reason: Option<(&'static str, &'static str)>,
    /// Its status has changed since it was written.
    pub dirty: bool,
    /// Where its containers run; there once its volumes are.
    pub sandbox: Option<Arc<Sandbox>>,
    volumes: Volumes,
    hostname: String,
    ending: Option<Ending>,
    deadline: Option<Timestamp>,
    restart_policy: RestartPolicy,
    occurrences: Vec<Occurrence>,
    reporter: Reporter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl PodState {
    /// Takes on a Pod that was assigned to the node. What its status says of containers that ran before this process
    /// began is taken up.
    pub fn new(pod: &Value, node: &mut Node, now: Timestamp) -> PodState {
        let uid: Arc<str> = pod.uid().into();
        let mut state = PodState {
            start_time: parse_time(pod.text("status.startTime")).unwrap_or(now),
            namespace: pod.namespace().to_string(),
            name: pod.name().to_string(),
            ip: pod.text("status.podIP").parse().ok(),
            containers: Vec::new(),
            phase: match pod.text("status.phase") {
                "Running" => "Running",
                "Succeeded" => "Succeeded",
                "Failed" => "Failed",
                _ => "Pending",
            },
            reason: None,
            dirty: !pod.has("status.startTime")
                || pod.int("status.observedGeneration") != pod.int("metadata.generation"),
            sandbox: None,
            volumes: Volumes::Wanted { at: now, failures: 0 },
            hostname: hosts::hostname(pod, &node.name),
            ending: None,
            deadline: None,
            restart_policy: match pod.text("spec.restartPolicy") {
                "Never" => RestartPolicy::Never,
                "OnFailure" => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            occurrences: Vec::new(),
            reporter: Reporter { uid: uid.clone(), messages: node.context.messages.clone() },
            uid,
        };
        state.take_in_containers(pod);
        state.resume(pod, now);
        match state.ip {
            Some(ip) if !state.is_finished() => node.ips.adopt(ip),
            Some(_) => {}
            None if pod.flag("spec.hostNetwork") => state.ip = Some(node.ip),
            None => state.ip = node.ips.allocate(),
        }
        state
    }

    /// Adds the containers of the spec that are not known yet: all, and later ephemeral ones.
    fn take_in_containers(&mut self, pod: &Value) {
        for list in [Role::Init, Role::Main, Role::Ephemeral] {
            let specs = pod.at("spec").list(list.list());
            if specs.len() == self.containers.iter().filter(|c| c.role.list() == list.list()).count() {
                continue;
            }
            for spec in specs {
                if self.containers.iter().any(|container| container.name == spec.text("name")) {
                    continue;
                }
                let is_sidecar = list == Role::Init && spec.text("restartPolicy") == "Always";
                self.containers.push(Container::new(spec, if is_sidecar { Role::Sidecar } else { list }));
                self.dirty |= list == Role::Ephemeral;
            }
        }
    }

    /// Takes up containers where the status left them. What ran starts anew, as if nothing had happened.
    fn resume(&mut self, pod: &Value, now: Timestamp) {
        for at in 0..self.containers.len() {
            let container = &mut self.containers[at];
            let statuses = pod.at("status").list(container.role.status_list());
            let Some(status) = statuses.iter().find(|status| status.text("name") == container.name) else { continue };
            let restarts = status.int("restartCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            container.restarts = restarts;
            container.last = Terminated::from_value(status.at("lastState.terminated"), restarts.saturating_sub(1));
            container.backoff = BackOff::resume(restarts, now);
            if let Some(how) = Terminated::from_value(status.at("state.terminated"), restarts) {
                container.state = State::Terminated { how, restart: None };
                self.consider_restart(at, false, now);
            } else if let Some(since) = parse_time(status.text("state.running.startedAt")) {
                container.state = State::Running { since, run: None };
                container.started = status.flag("started");
                container.ready = status.flag("ready");
                if container.role == Role::Init {
                    container.started = true;
                }
            } else if status.text("state.waiting.reason") == "CrashLoopBackOff" {
                let delay = container.backoff.next(now);
                container.state = State::CrashLoop { until: now + delay, delay };
            }
        }
    }

    /// Whether it has reached its end and nothing more will happen to it but deletion.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, "Succeeded" | "Failed")
    }

    /// The Events that have come up since this was called last.
    pub fn take_occurrences(&mut self) -> Vec<Occurrence> {
        std::mem::take(&mut self.occurrences)
    }

    /// Whether the status is to be written now: it has changed, and will not change again in a moment.
    pub fn should_write(&self, now: Timestamp) -> bool {
        let soon = |at: Timestamp| at.duration_since(now) <= TOGETHER;
        let settled = !self.containers.iter().filter_map(Container::next_change).any(soon)
            && !self.volumes.are_being_made()
            && !self.containers.iter().any(|container| container.is_reading);
        // Of a Pod that is being deleted, the end of the last container is not written: it goes at once.
        let worth_it = self.ending.is_none() || self.is_live();
        self.dirty && settled && worth_it && self.next_wake().is_none_or(|at| at > now)
    }

    /// When [`PodState::advance`] is to be called again.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if let Some(ending) = &self.ending {
            return (!self.is_live()).then_some(ending.earliest);
        }
        if self.is_finished() {
            return None;
        }
        let changes = self.containers.iter().filter_map(Container::next_change).filter(|_| self.sandbox.is_some());
        changes.chain(self.volumes.next_change()).chain(self.deadline).min()
    }

    /// Whether anything of it runs.
    pub fn is_live(&self) -> bool {
        self.containers.iter().any(Container::is_live)
    }

    /// Whether its containers have stopped and the Pod may go.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.ending.as_ref().is_some_and(|ending| !self.is_live() && ending.earliest <= now)
    }

    /// Does all that is due at `now`.
    pub fn advance(&mut self, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        if pod.is_terminating() {
            return self.stop(pod, node, now);
        }
        // After the beginning of its end a Pod that was read before is of no interest.
        if self.is_finished() || self.ending.is_some() {
            return;
        }
        if self.has_exceeded_deadline(pod, now) {
            return self.settle(pod, node, now);
        }
        self.take_in_containers(pod);
        if !self.has_volumes(pod, node, now) {
            return;
        }
        self.open_sandbox(pod, node);
        for at in 0..self.containers.len() {
            self.follow_image(at, pod, node, now);
        }
        // One change can make the next due at once (an init container ends, the next one starts): at most a few per
        // container.
        for _ in 0..=4 * self.containers.len() {
            let mut changed = false;
            for at in 0..self.containers.len() {
                changed |= self.step(at, pod, node, now);
            }
            changed |= self.start_in_turn(pod, node, now);
            if !changed {
                break;
            }
        }
        self.settle(pod, node, now);
    }

    /// Gives the Pod its place on the network.
    fn open_sandbox(&mut self, pod: &Value, node: &Node) {
        let (None, Some(ip)) = (&self.sandbox, self.ip) else { return };
        let network = node.context.network.join(Identity {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ip,
            node_ip: node.ip,
            hostname: self.hostname.clone(),
            subdomain: pod.text("spec.subdomain").to_string(),
            dns: hosts::dns(pod).settings,
        });
        let sandbox = Arc::new(Sandbox::new(network));
        node.context.sandboxes.add(&self.uid, sandbox.clone());
        self.sandbox = Some(sandbox);
    }

    /// Moves one container on by what is due.
    fn step(&mut self, at: usize, pod: &Arc<Value>, node: &mut Node, now: Timestamp) -> bool {
        let container = &self.containers[at];
        if matches!(container.state, State::Running { run: None, .. }) && !container.is_reading {
            return self.create(at, pod, node, now);
        }
        if container.next_change().is_none_or(|due| due > now) {
            return false;
        }
        match &container.state {
            State::Pulling { began, .. } => {
                let began = *began;
                self.finish_pull(at, node, began, now);
            }
            State::Starting { .. } => return self.create(at, pod, node, now),
            State::Error { reason: "RunContainerError", .. } => self.restart(at, pod, node, now),
            State::Error { .. } => self.prepare(at, pod, node, now),
            State::CrashLoop { .. } | State::Terminated { .. } => self.restart(at, pod, node, now),
            State::Blocked | State::Running { .. } | State::Hooking { .. } => return false,
        }
        true
    }

    /// Starts the containers whose turn it is: one init container after the other, then all the others.
    fn start_in_turn(&mut self, pod: &Value, node: &mut Node, now: Timestamp) -> bool {
        let mut changed = false;
        for at in 0..self.containers.len() {
            let container = &self.containers[at];
            let waits = matches!(container.state, State::Blocked);
            if !container.role.is_init() {
                if waits {
                    self.prepare(at, pod, node, now);
                    changed = true;
                }
                continue;
            }
            if waits {
                self.prepare(at, pod, node, now);
                return true;
            }
            if !container.is_complete() {
                return changed;
            }
        }
        changed
    }

    /// A container has ended: it starts again if the restart policy wants it, after a pause unless it is the first time.
    /// One that was `killed` starts again at once, the first time.
    fn consider_restart(&mut self, at: usize, killed: bool, now: Timestamp) {
        let container = &mut self.containers[at];
        let State::Terminated { how, .. } = &container.state else { return };
        let wanted = match (container.role, self.restart_policy) {
            (Role::Sidecar, _) => true,
            (Role::Ephemeral, _) | (Role::Init | Role::Main, RestartPolicy::Never) => false,
            (Role::Main, RestartPolicy::Always) => true,
            (Role::Init, _) | (Role::Main, RestartPolicy::OnFailure) => how.code != 0,
        };
        if !wanted {
            return;
        }
        let how = how.clone();
        let delay = container.backoff.next(now);
        if delay.is_zero() {
            let pause = if killed { SignedDuration::ZERO } else { SEEN_ENDED };
            // A container that did not start is waiting for the next attempt, not terminated.
            container.state = if how.reason == "StartError" {
                let message = how.message.clone();
                container.last = Some(how);
                State::Error { reason: "RunContainerError", message, retry: Some(now + pause) }
            } else {
                State::Terminated { how, restart: Some(now + pause) }
            };
            return;
        }
        container.last = Some(how);
        container.state = State::CrashLoop { until: now + delay, delay };
        let message = format!(
            "Back-off restarting failed container {} in pod {}_{}({})",
            self.containers[at].name, self.name, self.namespace, self.uid
        );
        self.say(true, "BackOff", at, message);
    }

    fn say(&mut self, warning: bool, reason: &'static str, at: usize, message: String) {
        let container = &self.containers[at];
        let field = Some(format!("spec.{}{{{}}}", container.role.list(), container.name));
        self.occurrences.push(Occurrence { warning, reason, message, field });
    }

    /// An Event about the Pod as a whole.
    fn say_of_pod(&mut self, warning: bool, reason: &'static str, message: String) {
        self.occurrences.push(Occurrence { warning, reason, message, field: None });
    }
}

/// The spec of a container.
pub fn spec_of<'a>(pod: &'a Value, container: &Container) -> &'a Value {
    let specs = pod.at("spec").list(container.role.list());
    specs.iter().find(|spec| spec.text("name") == container.name).unwrap_or(&Value::Null)
}

/// The probes that a container has.
fn probes_of(spec: &Value) -> Vec<Probe> {
    Kind::ALL.into_iter().filter_map(|kind| Probe::of(kind, spec)).collect()
}
