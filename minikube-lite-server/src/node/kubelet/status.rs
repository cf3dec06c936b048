//! The status of a Pod as its kubelet reports it.

use super::container::{Container, Role, State, id};
use super::pod::{PodState, identity, spec_of};
use crate::node::runtime::Reference;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::time::format_time;
use std::net::Ipv4Addr;

/// What the kubelet has to say about a Pod at a moment; [`Report::write`] puts it into the Pod.
pub struct Report {
    /// The fields of the status that belong to the kubelet; those that it leaves out are `null`.
    fields: Vec<(&'static str, Value)>,
    sandbox: bool,
    phase: &'static str,
    incomplete: Vec<String>,
    unready: Vec<String>,
    now: Timestamp,
}

impl Report {
    pub fn new(state: &PodState, pod: &Value, host_ip: Ipv4Addr, now: Timestamp) -> Report {
        let names = |filter: &dyn Fn(&&Container) -> bool| {
            state.containers.iter().filter(filter).map(|c| c.name.clone()).collect::<Vec<_>>()
        };
        let ready = |c: &Container| c.ready && c.is_running();
        let statuses = |list: Role| -> Value {
            let chosen = state.containers.iter().filter(|c| c.role.list() == list.list());
            let list: Vec<Value> = chosen.map(|c| container_status(c, state, pod)).collect();
            if list.is_empty() { Value::Null } else { list.into() }
        };
        // Before there is a sandbox, nobody has the address.
        let pod_ip = state.ip.filter(|_| state.sandbox.is_some() || pod.has("status.podIP"));
        let ip = |ip: Option<Ipv4Addr>| ip.map_or(Value::Null, |ip| ip.to_string().into());
        let ips = |ip: Option<Ipv4Addr>| ip.map_or(Value::Null, |ip| json!([{"ip": ip.to_string()}]));
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        Report {
            fields: vec![
                ("phase", state.phase.into()),
                ("reason", text(state.reason.map(|(reason, _)| reason))),
                ("message", text(state.reason.map(|(_, message)| message))),
                ("hostIP", host_ip.to_string().into()),
                ("hostIPs", ips(Some(host_ip))),
                ("podIP", ip(pod_ip)),
                ("podIPs", ips(pod_ip)),
                ("startTime", format_time(state.start_time).into()),
                ("initContainerStatuses", statuses(Role::Init)),
                ("containerStatuses", statuses(Role::Main)),
                ("ephemeralContainerStatuses", statuses(Role::Ephemeral)),
            ],
            sandbox: state.sandbox.is_some() && !state.is_finished(),
            phase: state.phase,
            incomplete: names(&|c| match c.role {
                Role::Init => !c.is_complete(),
                Role::Sidecar => !c.started && state.phase != "Succeeded",
                Role::Main | Role::Ephemeral => false,
            }),
            unready: names(&|c| matches!(c.role, Role::Main | Role::Sidecar) && !ready(c)),
            now,
        }
    }

    /// Writes the status of `pod`, keeping what others have written there.
    pub fn write(&self, pod: &mut Value) {
        let generation = pod.at("metadata.generation").clone();
        let conditions = self.conditions(pod, &generation);
        let status = pod.map_mut("status");
        for (field, value) in &self.fields {
            if value.is_null() {
                status.remove(field);
            } else {
                status.insert((*field).to_string(), value.clone());
            }
        }
        if !generation.is_null() {
            status.insert("observedGeneration", generation);
        }
        status.insert("conditions", conditions.into());
    }

    /// Others' conditions first, then the kubelet's in its order.
    fn conditions(&self, pod: &Value, generation: &Value) -> Vec<Value> {
        let kubelets = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
        let old = pod.list("status.conditions");
        let others = old.iter().filter(|c| !kubelets.contains(&c.text("type"))).cloned();
        let truth = |holds: bool| if holds { "True" } else { "False" };

        let containers = match self.phase {
            "Succeeded" => Err(("PodCompleted", String::new())),
            "Failed" => Err(("PodFailed", String::new())),
            _ if self.unready.is_empty() => Ok(()),
            _ => Err(("ContainersNotReady", format!("containers with unready status: [{}]", self.unready.join(" ")))),
        };
        let ready = containers.clone().and_then(|()| gates(pod));
        let initialized = match self.phase {
            "Succeeded" => ("True", "PodCompleted", String::new()),
            _ if self.incomplete.is_empty() => ("True", "", String::new()),
            _ => {
                let names = self.incomplete.join(" ");
                ("False", "ContainersNotInitialized", format!("containers with incomplete status: [{names}]"))
            }
        };
        let state = |result: Result<(), (&'static str, String)>| match result {
            Ok(()) => ("True", "", String::new()),
            Err((reason, message)) => ("False", reason, message),
        };
        let states = [
            (truth(self.sandbox), "", String::new()),
            initialized,
            state(ready),
            state(containers),
            ("True", "", String::new()),
        ];
        let own = kubelets.iter().zip(states).map(|(kind, (status, reason, message))| {
            let before = old.iter().find(|c| c.text("type") == *kind && c.text("status") == status);
            let since = match before.map(|c| c.text("lastTransitionTime")) {
                Some(since) if !since.is_empty() => since.to_string(),
                _ => format_time(self.now),
            };
            let mut condition = Object::new();
            condition.insert("type", (*kind).into());
            condition.insert("status", status.into());
            condition.insert("lastProbeTime", Value::Null);
            condition.insert("lastTransitionTime", since.into());
            if !generation.is_null() {
                condition.insert("observedGeneration", generation.clone());
            }
            for (field, text) in [("reason", reason), ("message", message.as_str())] {
                if !text.is_empty() {
                    condition.insert(field, text.into());
                }
            }
            Value::Object(condition)
        });
        others.chain(own).collect()
    }
}

/// Whether the Pod's readiness gates hold (KEP-580).
fn gates(pod: &Value) -> Result<(), (&'static str, String)> {
    let mut missing = Vec::new();
    for gate in pod.list("spec.readinessGates") {
        let wanted = gate.text("conditionType");
        match pod.list("status.conditions").iter().find(|c| c.text("type") == wanted) {
            None => {
                missing.push(format!("corresponding condition of pod readiness gate \"{wanted}\" does not exist."));
            }
            Some(condition) if condition.text("status") != "True" => {
                let status = condition.text("status");
                missing.push(format!("the status of pod readiness gate \"{wanted}\" is not \"True\", but {status}"));
            }
            Some(_) => {}
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        [only] => Err(("ReadinessGatesNotReady", only.clone())),
        many => Err(("ReadinessGatesNotReady", format!("[{}]", many.join(", ")))),
    }
}

fn container_status(container: &Container, state: &PodState, pod: &Value) -> Value {
    let spec = spec_of(pod, container);
    let uid = &state.uid;
    let name = container.name.as_str();
    let waiting = || {
        let init = pod.list("spec.initContainers");
        if init.is_empty() { "ContainerCreating" } else { "PodInitializing" }
    };
    let now = match &container.state {
        State::Blocked | State::Pulling { .. } | State::Starting { .. } | State::Hooking { .. } => {
            json!({"waiting": {"reason": waiting()}})
        }
        State::Error { reason, message, .. } => json!({"waiting": {"reason": reason, "message": message}}),
        State::CrashLoop { delay, .. } => {
            let message = format!(
                "back-off {} restarting failed container={name} pod={}_{}({uid})",
                go_duration(delay.as_secs()),
                state.name,
                state.namespace
            );
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        }
        State::Running { since, .. } => json!({"running": {"startedAt": format_time(*since)}}),
        State::Terminated { how, .. } => json!({"terminated": how.to_value(uid, name)}),
    };
    let last = container.last.as_ref().map_or_else(|| json!({}), |how| json!({"terminated": how.to_value(uid, name)}));
    let run = match &container.state {
        State::Running { .. } => Some(container.restarts),
        State::Terminated { how, .. } => Some(how.run),
        _ => container.last.as_ref().map(|how| how.run),
    };
    let ready = match container.role {
        Role::Init => container.is_complete(),
        Role::Ephemeral => false,
        _ => container.ready && container.is_running(),
    };
    let reference = Reference::parse(spec.text("image"));
    let image_id = match (run, reference) {
        (Some(_), Ok(reference)) => reference.id(),
        _ => String::new(),
    };
    let mut status = json!({
        "name": name,
        "state": now,
        "lastState": last,
        "ready": ready,
        "restartCount": container.restarts,
        "image": spec.text("image"),
        "imageID": image_id,
        "started": container.is_running() && container.started && container.role != Role::Init,
    });
    if let Some(run) = run {
        status.set("containerID", id(uid, name, run));
    }
    if container.is_running() {
        status.set("resources", spec.at("resources").as_object().cloned().unwrap_or_default());
        if !spec.map("resources.requests").is_empty() {
            status.set("allocatedResources", spec.at("resources.requests").clone());
        }
        let (user, group) = (identity(pod, spec, "runAsUser"), identity(pod, spec, "runAsGroup"));
        status.set("user", json!({"linux": {"uid": user, "gid": group, "supplementalGroups": [group]}}));
    }
    let mounts: Vec<Value> = spec.list("volumeMounts").iter().map(mount_status).collect();
    if !mounts.is_empty() {
        status.set("volumeMounts", mounts);
    }
    status
}

fn mount_status(mount: &Value) -> Value {
    let mut status = json!({"name": mount.text("name"), "mountPath": mount.text("mountPath")});
    if mount.flag("readOnly") {
        status.set("readOnly", true);
        status.set("recursiveReadOnly", "Disabled");
    }
    status
}

/// Seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: i64) -> String {
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{}s", seconds % 60),
    }
}
