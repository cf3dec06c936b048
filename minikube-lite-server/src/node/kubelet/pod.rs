//! The life of one Pod on its node, as a state machine over time: given the Pod and the moment, [`PodState::advance`] does all
//! that is due. It neither waits nor writes; the loop around it does.

mod ending;

use super::container::{BackOff, Container, Role, State, Terminated};
use super::probe::{Kind, Probe, Subject};
use crate::node::network::PodIps;
use crate::node::runtime::{Process, Reference};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared_types::fields::Fields;
use shared_types::time::parse_time;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long things take on a simulated node.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// To pull an image that the node does not have.
    pub pull: SignedDuration,
    /// To start a container whose image is there.
    pub start: SignedDuration,
    /// To stop a container that ends when it is asked to.
    pub stop: SignedDuration,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            pull: SignedDuration::from_millis(10),
            start: SignedDuration::from_millis(10),
            stop: SignedDuration::from_millis(400),
        }
    }
}

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

/// What a Pod shares with the others of its node.
pub struct Node {
    pub name: String,
    pub ip: Ipv4Addr,
    pub ips: PodIps,
    /// The images that are present.
    pub images: HashSet<String>,
    pub latencies: Latencies,
}

/// A Pod as its node sees it.
pub struct PodState {
    pub uid: String,
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
    /// Its containers stop, and have stopped at this moment.
    pub stopped: Option<Timestamp>,
    deadline: Option<Timestamp>,
    restart_policy: RestartPolicy,
    occurrences: Vec<Occurrence>,
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
        let init = pod.list("spec.initContainers").iter().map(|spec| {
            let sidecar = spec.text("restartPolicy") == "Always";
            Container::new(spec, if sidecar { Role::Sidecar } else { Role::Init })
        });
        let main = pod.list("spec.containers").iter().map(|spec| Container::new(spec, Role::Main));
        let mut state = PodState {
            uid: pod.uid().to_string(),
            namespace: pod.namespace().to_string(),
            name: pod.name().to_string(),
            start_time: parse_time(pod.text("status.startTime")).unwrap_or(now),
            ip: pod.text("status.podIP").parse().ok(),
            containers: init.chain(main).collect(),
            phase: match pod.text("status.phase") {
                "Running" => "Running",
                "Succeeded" => "Succeeded",
                "Failed" => "Failed",
                _ => "Pending",
            },
            reason: None,
            dirty: !pod.has("status.startTime")
                || pod.int("status.observedGeneration") != pod.int("metadata.generation"),
            stopped: None,
            deadline: None,
            restart_policy: match pod.text("spec.restartPolicy") {
                "Never" => RestartPolicy::Never,
                "OnFailure" => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            occurrences: Vec::new(),
        };
        state.resume(pod, now);
        match state.ip {
            Some(ip) if !state.is_finished() => node.ips.adopt(ip),
            Some(_) => {}
            None if pod.flag("spec.hostNetwork") => state.ip = Some(node.ip),
            None => state.ip = node.ips.allocate(),
        }
        state
    }

    /// Takes up containers where the status left them.
    fn resume(&mut self, pod: &Value, now: Timestamp) {
        let statuses = pod.list("status.initContainerStatuses").iter().chain(pod.list("status.containerStatuses"));
        for status in statuses {
            let Some(at) = self.containers.iter().position(|c| c.name == status.text("name")) else { continue };
            let restarts = status.int("restartCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            let container = &mut self.containers[at];
            container.restarts = restarts;
            container.last = Terminated::from_value(status.at("lastState.terminated"), restarts.saturating_sub(1));
            container.backoff = BackOff::resume(restarts, now);
            if let Some(how) = Terminated::from_value(status.at("state.terminated"), restarts) {
                container.state = State::Terminated { how, restart: None };
                self.consider_restart(at, false, now);
            } else if let Some(since) = parse_time(status.text("state.running.startedAt")) {
                let dirty = self.dirty;
                self.run(at, pod, since, now);
                self.dirty = dirty;
                let container = &mut self.containers[at];
                container.started = status.flag("started");
                container.ready = status.flag("ready");
                for probe in &mut container.probes {
                    probe.resume(container.started, container.ready, now);
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
        let settled = !self.containers.iter().filter_map(Container::next_change).any(soon);
        self.dirty && self.stopped.is_none() && settled && self.next_wake().is_none_or(|at| at > now)
    }

    /// When [`PodState::advance`] is to be called again.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.stopped.is_some() {
            return self.stopped;
        }
        if self.is_finished() {
            return None;
        }
        let changes = self.containers.iter().filter_map(Container::next_change);
        let probes = self.containers.iter().flat_map(|c| &c.probes).filter_map(|probe| probe.due);
        changes.chain(probes).chain(self.deadline).min()
    }

    /// Whether its containers have stopped and the Pod may go.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.stopped.is_some_and(|at| at <= now)
    }

    /// Does all that is due at `now`.
    pub fn advance(&mut self, pod: &Value, node: &mut Node, now: Timestamp) {
        if pod.is_terminating() {
            return self.stop(pod, node, now);
        }
        if self.is_finished() {
            return;
        }
        let seconds = pod.int("spec.activeDeadlineSeconds");
        self.deadline = seconds.and_then(|s| self.start_time.checked_add(SignedDuration::from_secs(s)).ok());
        if self.deadline.is_some_and(|at| at <= now) {
            self.exceed_deadline(node, now);
            return;
        }
        for at in 0..self.containers.len() {
            self.probe(at, pod, now);
            self.follow_image(at, pod, now);
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
        self.settle(node);
    }

    /// Moves one container on by what is due.
    fn step(&mut self, at: usize, pod: &Value, node: &mut Node, now: Timestamp) -> bool {
        let container = &mut self.containers[at];
        if container.next_change().is_none_or(|due| due > now) {
            return false;
        }
        match &container.state {
            State::Pulling { began, .. } => {
                let began = *began;
                self.finish_pull(at, node, began, now);
            }
            State::Starting { .. } => self.run_first(at, pod, now),
            State::ImageError { .. } => self.prepare(at, pod, node, now),
            State::CrashLoop { .. } | State::Terminated { .. } => self.restart(at, pod, now),
            State::Running { process, .. } => {
                let code = process.exit().map_or(0, |(_, code)| code);
                let ended = container.next_change().unwrap_or(now);
                container.end(code, ended);
                self.dirty = true;
                self.consider_restart(at, false, now);
            }
            State::Blocked => return false,
        }
        true
    }

    /// Starts the containers whose turn it is: one init container after the other, then all the others.
    fn start_in_turn(&mut self, pod: &Value, node: &mut Node, now: Timestamp) -> bool {
        let mut changed = false;
        for at in 0..self.containers.len() {
            let container = &self.containers[at];
            let waits = matches!(container.state, State::Blocked);
            if container.role == Role::Main {
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

    /// Sees to the container's image.
    fn prepare(&mut self, at: usize, pod: &Value, node: &mut Node, now: Timestamp) {
        let spec = spec_of(pod, &self.containers[at]);
        let (image, policy) = (spec.text("image").to_string(), spec.text("imagePullPolicy"));
        self.containers[at].image.clone_from(&image);
        self.dirty = true;
        let reference = match Reference::parse(&image) {
            Ok(reference) => reference,
            Err(message) => {
                self.say(true, "InspectFailed", at, message.clone());
                self.say(true, "Failed", at, "Error: InvalidImageName".into());
                self.containers[at].state = State::ImageError { reason: "InvalidImageName", message, retry: None };
                return;
            }
        };
        let present = node.images.contains(&reference.full());
        if present && policy != "Always" {
            let message =
                format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
            self.say(false, "Pulled", at, message);
            self.containers[at].state = State::Starting { at: now + node.latencies.start };
        } else if policy == "Never" {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.say(true, "ErrImageNeverPull", at, message.clone());
            self.say(true, "Failed", at, "Error: ErrImageNeverPull".into());
            let reason = "ErrImageNeverPull";
            self.containers[at].state = State::ImageError { reason, message, retry: None };
        } else {
            self.say(false, "Pulling", at, format!("Pulling image \"{image}\""));
            // An image that is there is only checked for news.
            let time = if present { node.latencies.pull / 10 } else { node.latencies.pull };
            self.containers[at].state = State::Pulling { until: now + time, began: now };
        }
    }

    fn finish_pull(&mut self, at: usize, node: &mut Node, began: Timestamp, now: Timestamp) {
        let image = self.containers[at].image.clone();
        let Ok(reference) = Reference::parse(&image) else { return };
        self.dirty = true;
        match reference.resolve() {
            Ok(()) => {
                node.images.insert(reference.full());
                let took =
                    format!("{:?}", Duration::from_millis(now.duration_since(began).as_millis().unsigned_abs() as u64));
                let size = reference.size();
                let message = format!(
                    "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {size} bytes."
                );
                self.say(false, "Pulled", at, message);
                self.containers[at].state = State::Starting { at: now + node.latencies.start };
            }
            Err(why) => {
                let backoff = &mut self.containers[at].backoff;
                // The first attempt is followed by a pause, too.
                let delay = match backoff.next(now) {
                    SignedDuration::ZERO => backoff.next(now),
                    delay => delay,
                };
                self.say(true, "Failed", at, format!("Failed to pull image \"{image}\": {why}"));
                self.say(true, "Failed", at, "Error: ErrImagePull".into());
                self.say(false, "BackOff", at, format!("Back-off pulling image \"{image}\""));
                self.say(true, "Failed", at, "Error: ImagePullBackOff".into());
                let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
                let retry = Some(now + delay);
                self.containers[at].state = State::ImageError { reason: "ImagePullBackOff", message, retry };
            }
        }
    }

    fn run_first(&mut self, at: usize, pod: &Value, now: Timestamp) {
        // The pauses after failed pulls do not count for the container.
        self.containers[at].backoff = BackOff::default();
        self.run(at, pod, now, now);
        self.say(false, "Created", at, "Container created".into());
        self.say(false, "Started", at, "Container started".into());
    }

    fn restart(&mut self, at: usize, pod: &Value, now: Timestamp) {
        let container = &mut self.containers[at];
        if let State::Terminated { how, .. } = &container.state {
            container.last = Some(how.clone());
        }
        container.restarts = container.restarts.saturating_add(1);
        let image = container.image.clone();
        let pulled = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
        self.say(false, "Pulled", at, pulled);
        self.run(at, pod, now, now);
        self.say(false, "Created", at, "Container created".into());
        self.say(false, "Started", at, "Container started".into());
    }

    /// The container runs, since `since`.
    fn run(&mut self, at: usize, pod: &Value, since: Timestamp, now: Timestamp) {
        let container = &mut self.containers[at];
        let spec = spec_of(pod, container);
        let Ok(image) = Reference::parse(spec.text("image")) else { return };
        let process = Box::new(Process::start(&image, spec, hostname(pod)));
        let ip = self.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let subject = Subject { container: spec, process: &process, ip: &ip, hostname: hostname(pod), elapsed };
        container.probes = Kind::ALL.into_iter().filter_map(|kind| Probe::new(kind, &subject, since)).collect();
        let has = |kind| container.probes.iter().any(|probe| probe.kind == kind);
        container.started = !has(Kind::Startup);
        container.ready = container.started && !has(Kind::Readiness);
        if !container.started {
            for probe in &mut container.probes {
                probe.wait_for_startup();
            }
        }
        container.state = State::Running { since, process };
        self.dirty = true;
    }

    /// Runs the probes of a container that are due.
    fn probe(&mut self, at: usize, pod: &Value, now: Timestamp) {
        let container = &mut self.containers[at];
        let State::Running { since, process } = &container.state else { return };
        let (since, spec) = (*since, spec_of(pod, container));
        let ip = self.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let subject = Subject { container: spec, process, ip: &ip, hostname: hostname(pod), elapsed };
        let (mut failures, mut failed) = (Vec::new(), None);
        for probe in container.probes.iter_mut().filter(|probe| probe.due.is_some_and(|due| due <= now)) {
            failures.extend(probe.run(&subject, now));
            if probe.has_failed() {
                failed = Some(probe.kind);
            }
        }
        let passing = |kind| container.probes.iter().filter(|probe| probe.kind == kind).all(|probe| probe.passing);
        let (started, ready) = (passing(Kind::Startup), passing(Kind::Startup) && passing(Kind::Readiness));
        if started && !container.started {
            for probe in container.probes.iter_mut().filter(|probe| probe.kind != Kind::Startup) {
                probe.begin(since, now);
            }
        }
        self.dirty |= (started, ready) != (container.started, container.ready);
        (container.started, container.ready) = (started, ready);
        let stopped = process.stopped();
        for message in failures {
            self.say(true, "Unhealthy", at, message);
        }
        if let Some(kind) = failed {
            let name = &self.containers[at].name;
            let message = format!("Container {name} failed {} probe, will be restarted", kind.lower());
            self.kill(at, message, stopped, now);
        }
    }

    /// Restarts a running container whose image is another one now.
    fn follow_image(&mut self, at: usize, pod: &Value, now: Timestamp) {
        let container = &self.containers[at];
        let State::Running { process, .. } = &container.state else { return };
        let image = spec_of(pod, container).text("image");
        if image.is_empty() || image == container.image {
            return;
        }
        let (stopped, message) =
            (process.stopped(), format!("Container {} definition changed, will be restarted", container.name));
        self.containers[at].image = image.to_string();
        self.kill(at, message, stopped, now);
        // The new image may have to be pulled, and is started without a pause.
        let container = &mut self.containers[at];
        if let State::Terminated { how, .. } = &container.state {
            container.last = Some(how.clone());
            container.restarts = container.restarts.saturating_add(1);
            container.state = State::Blocked;
        }
    }

    fn kill(&mut self, at: usize, message: String, code: i32, now: Timestamp) {
        self.say(false, "Killing", at, message);
        if self.containers[at].end(code, now).is_some() {
            self.dirty = true;
            self.consider_restart(at, true, now);
        }
    }

    /// A container has ended: it starts again if the restart policy wants it, after a pause unless it is the first time.
    /// One that was `killed` starts again at once, the first time.
    fn consider_restart(&mut self, at: usize, killed: bool, now: Timestamp) {
        let container = &mut self.containers[at];
        let State::Terminated { how, .. } = &container.state else { return };
        let wanted = match (container.role, self.restart_policy) {
            (Role::Sidecar, _) => true,
            (Role::Init, RestartPolicy::Never) => false,
            (Role::Init, _) => how.code != 0,
            (Role::Main, RestartPolicy::Always) => true,
            (Role::Main, RestartPolicy::OnFailure) => how.code != 0,
            (Role::Main, RestartPolicy::Never) => false,
        };
        if !wanted {
            return;
        }
        let how = how.clone();
        let delay = container.backoff.next(now);
        if delay.is_zero() {
            let pause = if killed { SignedDuration::ZERO } else { SEEN_ENDED };
            container.state = State::Terminated { how, restart: Some(now + pause) };
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
        let list = if container.role == Role::Main { "containers" } else { "initContainers" };
        let field = Some(format!("spec.{list}{{{}}}", container.name));
        self.occurrences.push(Occurrence { warning, reason, message, field });
    }
}

/// The spec of a container.
pub fn spec_of<'a>(pod: &'a Value, container: &Container) -> &'a Value {
    let list = if container.role == Role::Main { "spec.containers" } else { "spec.initContainers" };
    pod.list(list).iter().find(|spec| spec.text("name") == container.name).unwrap_or(&Value::Null)
}

fn hostname(pod: &Value) -> &str {
    match pod.text("spec.hostname") {
        "" => pod.name(),
        hostname => hostname,
    }
}
