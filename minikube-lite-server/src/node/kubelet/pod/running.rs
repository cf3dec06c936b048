//! Starting containers and watching over them while they run.

use super::volumes::Volumes;
use super::{PodState, probes_of, spec_of};
use crate::node::kubelet::config::env::{self, Variables};
use crate::node::kubelet::config::expansion::expand;
use crate::node::kubelet::config::sources::{self, Sources};
use crate::node::kubelet::container::{After, Container, Role, State, Terminated};
use crate::node::kubelet::handler::{Handler, Target};
use crate::node::kubelet::news::{ContainerNews, Reporter};
use crate::node::kubelet::node::Node;
use crate::node::kubelet::probe::{Finding, Kind};
use crate::node::runtime::Reference;
use crate::node::runtime::container::{Container as Run, ContainerSettings};
use crate::node::runtime::files::Files;
use crate::node::runtime::log::Log;
use crate::node::runtime::sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::quantity::Quantity;
use std::sync::Arc;
use std::time::Duration;

/// The pause after which a container whose variables could not be found is tried again.
const CONFIGURATION_RETRY: SignedDuration = SignedDuration::from_secs(10);

/// Why a container could not be started.
enum Problem {
    /// What it refers to is not there.
    Configuration(String),
    /// It cannot be made.
    Creation(String),
    /// Its program does not start.
    Start(String),
}

impl Container {
    /// Tries at once again where something that is referred to was missing. Gives whether that is so.
    pub(super) fn retry_configuration(&mut self, now: Timestamp) -> bool {
        match &mut self.state {
            State::Error { reason: "CreateContainerConfigError", retry, .. } => {
                *retry = Some(now);
                true
            }
            _ => false,
        }
    }
}

impl PodState {
    /// Starts the container again, after its end.
    pub(super) fn restart(&mut self, at: usize, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        let container = &mut self.containers[at];
        if let State::Terminated { how, .. } = &container.state {
            container.last = Some(how.clone());
        }
        container.restarts = container.restarts.saturating_add(1);
        let image = container.image.clone();
        let pulled = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
        self.say(false, "Pulled", at, pulled);
        self.containers[at].state = State::Starting { at: now };
        self.create(at, pod, node, now);
    }

    /// Starts a container whose image is there, once what its variables refer to has been read. Gives whether its state
    /// has changed.
    pub(super) fn create(&mut self, at: usize, pod: &Arc<Value>, node: &mut Node, now: Timestamp) -> bool {
        let container = &mut self.containers[at];
        let wanted = sources::of_env(spec_of(pod, container));
        if wanted.is_empty() {
            self.start(at, &Sources::default(), pod, node, now);
            return true;
        }
        container.is_reading = true;
        let (client, namespace) = (node.context.client.clone(), self.namespace.clone());
        let (reporter, name) = (self.reporter.clone(), container.name.clone());
        tokio::spawn(async move {
            let read = Sources::read(&client, &namespace, wanted).await.map_err(|status| status.message);
            reporter.tell_of_container(&name, ContainerNews::Read(read));
        });
        false
    }

    /// Starts a container.
    pub(super) fn start(&mut self, at: usize, sources: &Sources, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        let resumed = match self.containers[at].state {
            State::Running { since, run: None } => Some(since),
            State::Starting { .. } => None,
            _ => return,
        };
        let Some(sandbox) = self.sandbox.clone() else { return };
        let log = Log::new(node.context.logs.clone());
        let started = self.settings(at, sources, pod, node, &sandbox, &log, now).and_then(|settings| {
            let (reporter, name, run) = self.reports_of(at);
            Run::start(settings, move |ended| reporter.tell_of_container(&name, ContainerNews::Ended { run, ended }))
                .map_err(|why| Problem::Start(why.message))
        });
        self.dirty |= resumed.is_none();
        let container = &mut self.containers[at];
        let number = container.restarts;
        match started {
            Ok(run) => {
                let run = Arc::new(run);
                sandbox.began(&container.name, number, log, Some(run.clone()));
                if let Some(since) = resumed {
                    container.state = State::Running { since, run: Some(run) };
                    self.watch_over(at, since, true, pod, node, now);
                    return;
                }
                self.say(false, "Created", at, "Container created".into());
                self.say(false, "Started", at, "Container started".into());
                self.begin(at, run, pod, node, now);
            }
            Err(Problem::Start(why)) => {
                sandbox.began(&container.name, number, log, None);
                let message = format!(
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                     failed: unable to start container process: error during container init: {why}"
                );
                container.state = State::Terminated { how: Terminated::at_start(&message, now, number), restart: None };
                if resumed.is_none() {
                    self.say(false, "Created", at, "Container created".into());
                }
                self.say(true, "Failed", at, format!("Error: {message}"));
                self.consider_restart(at, false, now);
            }
            // The container is not there: as if it had just ended.
            Err(problem) => {
                let (reason, message, retry) = match problem {
                    Problem::Configuration(message) => ("CreateContainerConfigError", message, CONFIGURATION_RETRY),
                    Problem::Creation(message) | Problem::Start(message) => {
                        ("CreateContainerError", message, CONFIGURATION_RETRY)
                    }
                };
                self.say(true, "Failed", at, format!("Error: {message}"));
                self.containers[at].state = State::Error { reason, message, retry: Some(now + retry) };
            }
        }
    }

    /// What a container starts with.
    #[allow(clippy::too_many_arguments)]
    fn settings(
        &self,
        at: usize,
        sources: &Sources,
        pod: &Value,
        node: &Node,
        sandbox: &Sandbox,
        log: &Log,
        now: Timestamp,
    ) -> Result<ContainerSettings, Problem> {
        let container = &self.containers[at];
        let spec = spec_of(pod, container);
        let reference = Reference::parse(spec.text("image")).map_err(Problem::Creation)?;
        let image = node.context.images.find(&reference);
        let environment = node.context.client.environment().clone();

        let links = service_links(pod, node);
        let own = env::variables(spec, links, sources, &self.downward(pod, node)).map_err(Problem::Configuration)?;
        let words = |field: &str| -> Vec<String> {
            let words = spec.list(field).iter().filter_map(Value::as_str);
            words.map(|word| expand(word, |name| own.get(name).map(String::as_str))).collect()
        };
        let (mut argv, mut args) = (words("command"), words("args"));
        if argv.is_empty() {
            argv.clone_from(&image.entrypoint);
            if args.is_empty() {
                args.clone_from(&image.cmd);
            }
        }
        argv.append(&mut args);
        if argv.is_empty() {
            let why = "failed to generate container spec: failed to generate spec: no command specified";
            return Err(Problem::Creation(why.into()));
        }
        let Volumes::Made(volumes) = &self.volumes else {
            return Err(Problem::Creation("the volumes are not mounted".into()));
        };
        let mounts = volumes.mounts(spec, &own, now).map_err(Problem::Creation)?;
        let mut env: Variables = image.env.iter().cloned().collect();
        env.insert("HOSTNAME".into(), self.hostname.clone());
        env.entry("HOME".into()).or_insert_with(|| "/root".into());
        env.extend(own);

        let limit = Quantity::parse(spec.text("resources.limits.memory")).ok().map(|limit| limit.value());
        let too_much = |bytes: u64| limit.is_some_and(|limit| i64::try_from(bytes).is_ok_and(|bytes| bytes > limit));
        let ports = spec.list("ports").iter().filter_map(|port| port.int("containerPort"));
        let text_or = |field: &str, default: &str| match spec.text(field) {
            "" => default.to_string(),
            text => text.to_string(),
        };
        Ok(ContainerSettings {
            argv,
            env,
            working_dir: text_or("workingDir", &image.working_dir),
            files: Files::new(&image.tree, mounts, environment.clone()),
            network: sandbox.network.clone(),
            budget: sandbox.budget.clone(),
            environment,
            fallback: image.fallback,
            declared_ports: ports.filter_map(|port| u16::try_from(port).ok()).collect(),
            user: identity(pod, spec, "runAsUser"),
            group: identity(pod, spec, "runAsGroup"),
            log: log.clone(),
            stop_signal: image.stop_signal,
            stdin: spec.flag("stdin"),
            stdin_once: spec.flag("stdinOnce"),
            tty: spec.flag("tty"),
            message_path: text_or("terminationMessagePath", "/dev/termination-log"),
            message_from_log: spec.text("terminationMessagePolicy") == "FallbackToLogsOnError",
            out_of_memory: image.memory.filter(|(bytes, _)| too_much(*bytes)).map(|(_, after)| after),
        })
    }

    /// A container has started: its postStart hook runs, if it has one, else it is running.
    fn begin(&mut self, at: usize, run: Arc<Run>, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let container = &mut self.containers[at];
        let spec = spec_of(pod, container);
        if !spec.has("lifecycle.postStart") {
            container.state = State::Running { since: now, run: Some(run) };
            self.watch_over(at, now, false, pod, node, now);
            return;
        }
        container.state = State::Hooking { since: now, run };
        let hook = Handler::of(spec.at("lifecycle.postStart"), spec);
        let Some(target) = self.target(at, node) else { return };
        let (reporter, name, run) = self.reports_of(at);
        tokio::spawn(async move {
            let result = hook.run(&target).await;
            reporter.tell_of_container(&name, ContainerNews::Hooked { run, result });
        });
    }

    /// The postStart hook of a container has ended.
    pub(super) fn hooked(
        &mut self,
        at: usize,
        result: Result<(), String>,
        pod: &Arc<Value>,
        node: &Node,
        now: Timestamp,
    ) {
        let container = &mut self.containers[at];
        let State::Hooking { since, run } = &container.state else { return };
        let (since, run) = (*since, run.clone());
        container.state = State::Running { since, run: Some(run) };
        self.dirty = true;
        match result {
            Ok(()) => self.watch_over(at, since, false, pod, node, now),
            Err(why) => {
                tracing::debug!(pod = self.name, why, "a postStart hook failed");
                self.say(true, "FailedPostStartHook", at, "PostStartHook failed".into());
                self.kill(at, "FailedPostStartHook".into(), After::Restart, None, pod, node, now);
            }
        }
    }

    /// Probes a container that runs. What is known of one that `resumes` stays true until the probes find out better.
    fn watch_over(&mut self, at: usize, since: Timestamp, resumes: bool, pod: &Value, node: &Node, now: Timestamp) {
        let container = &mut self.containers[at];
        let spec = spec_of(pod, container);
        container.probes = if container.role == Role::Init { Vec::new() } else { probes_of(spec) };
        let has = |kind| container.probes.iter().any(|probe| probe.kind == kind);
        let (starts, readies) = (has(Kind::Startup), has(Kind::Readiness));
        if !resumes {
            container.started = !starts;
            container.ready = container.started && !readies;
        }
        for probe in &mut container.probes {
            match probe.kind {
                Kind::Startup => probe.passing = container.started,
                Kind::Readiness => probe.passing = container.ready,
                Kind::Liveness => {}
            }
        }
        // Containers that are taken up together are not probed together.
        self.begin_probes(at, since, resumes, spec, node, now);
    }

    /// Begins those probes whose turn it is: the startup probe, and the others after its success.
    fn begin_probes(&mut self, at: usize, since: Timestamp, spread: bool, spec: &Value, node: &Node, now: Timestamp) {
        let Some(target) = self.target(at, node) else { return };
        let (reporter, name, run) = self.reports_of(at);
        let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let container = &mut self.containers[at];
        let started = container.started;
        for probe in container.probes.iter_mut().filter(|probe| (probe.kind == Kind::Startup) != started) {
            let spread = if spread { node.context.client.environment().random("probe", |rng| rng.f64()) } else { 0.0 };
            let (reporter, name) = (reporter.clone(), name.clone());
            probe.begin(spec, &target, age, spread, move |finding| {
                reporter.tell_of_container(&name, ContainerNews::Probed { run, finding });
            });
        }
    }

    /// A probe has found something out.
    pub(super) fn probed(&mut self, at: usize, finding: Finding, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let container = &mut self.containers[at];
        let State::Running { since, .. } = container.state else { return };
        let Some(probe) = container.probes.iter_mut().find(|probe| probe.kind == finding.kind) else { return };
        probe.passing = finding.passing;
        let grace = probe.grace;
        let passing = |kind| container.probes.iter().filter(|probe| probe.kind == kind).all(|probe| probe.passing);
        let started = passing(Kind::Startup);
        let ready = started && passing(Kind::Readiness);
        self.dirty |= (started, ready) != (container.started, container.ready);
        let has_started = started && !container.started;
        (container.started, container.ready) = (started, ready);
        if has_started {
            self.begin_probes(at, since, false, spec_of(pod, &self.containers[at]), node, now);
        }
        if let Some(message) = finding.message {
            self.say(true, "Unhealthy", at, message);
        }
        if finding.has_failed {
            let kind = finding.kind.lower();
            let message = format!("Container {} failed {kind} probe, will be restarted", self.containers[at].name);
            self.kill(at, message, After::Restart, grace, pod, node, now);
        }
    }

    /// Restarts a running container whose image is another one now.
    pub(super) fn follow_image(&mut self, at: usize, pod: &Arc<Value>, node: &Node, now: Timestamp) {
        let container = &self.containers[at];
        let image = spec_of(pod, container).text("image");
        if !container.is_running() || image.is_empty() || image == container.image {
            return;
        }
        let message = format!("Container {} definition changed, will be restarted", container.name);
        self.containers[at].image = image.to_string();
        self.kill(at, message, After::NewImage, None, pod, node, now);
    }

    /// The container that actions are for.
    pub(super) fn target(&self, at: usize, node: &Node) -> Option<Target> {
        let container = self.containers[at].run()?.clone();
        Some(Target { container, network: node.context.network.clone(), pod_ip: self.ip?, node_ip: node.ip })
    }

    /// What news of a container's present run need.
    pub(super) fn reports_of(&self, at: usize) -> (Reporter, String, u32) {
        let container = &self.containers[at];
        (self.reporter.clone(), container.name.clone(), container.restarts)
    }
}

/// Whom a container runs as (`runAsUser`, `runAsGroup`): root unless it or its Pod says otherwise.
pub fn identity(pod: &Value, container: &Value, field: &str) -> u32 {
    let own = container.int(&format!("securityContext.{field}"));
    let id = own.or_else(|| pod.int(&format!("spec.securityContext.{field}")));
    id.and_then(|id| u32::try_from(id).ok()).unwrap_or(0)
}

/// The variables for the Services that the Pod sees.
fn service_links(pod: &Value, node: &Node) -> Variables {
    let mut variables = Variables::new();
    let services = &node.context.services;
    if pod.at("spec.enableServiceLinks").as_bool().unwrap_or(true) {
        for service in services.in_namespace(pod.namespace()) {
            service.add_to(&mut variables);
        }
    }
    let kubernetes = crate::controllers::runtime::Key::new("default", "kubernetes");
    if let Some(service) = services.get(&kubernetes) {
        service.add_to(&mut variables);
    }
    variables
}
