//! What controllers keep of a Pod. There may be ten thousand of them, so the whole object is not kept.

use super::meta::{Cached, Interner, META_FIELDS, Meta};
use crate::client::Encoded;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::mask::Mask;
use shared_types::quantity::Quantity;
use shared_types::status::Status;
use shared_types::time::parse_time;
use std::sync::{Arc, LazyLock};

/// The scheduler of Pods that name no other (`spec.schedulerName`).
pub const SCHEDULER: &str = "default-scheduler";

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Pending,
    Unknown,
    Running,
    Succeeded,
    Failed,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    pub name: Box<str>,
    pub port: i64,
    pub protocol: Box<str>,
    /// 0 for none.
    pub host_port: i64,
}

/// Amounts of what Pods request and nodes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    pub pods: i64,
}

/// A Pod, as far as controllers care.
pub struct PodView {
    pub meta: Meta,
    pub node: Arc<str>,
    pub ips: Box<[Box<str>]>,
    pub hostname: Arc<str>,
    pub subdomain: Arc<str>,
    pub phase: Phase,
    pub ready: bool,
    /// When it became ready or ceased to be.
    pub ready_changed: Option<Timestamp>,
    /// Of the container that restarted most often.
    pub restarts: i64,
    /// The annotation `controller.kubernetes.io/pod-deletion-cost`.
    pub deletion_cost: i32,
    pub ports: Arc<Vec<ContainerPort>>,
    pub requests: Resources,
    /// The Pod's [`SCHEDULING_FIELDS`], kept only as long as the scheduler has to place it, or where other Pods'
    /// scheduling has to look at its affinity.
    pub scheduling: Option<Box<Value>>,
}

impl PodView {
    /// Whether it has ended for good.
    pub fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
    /// Whether it counts as a replica: neither ended nor being deleted.
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && !self.meta.terminating
    }
    /// When the Pod is, or will be, available: `min_ready` seconds after it became ready. `None` while it isn't ready.
    pub fn available_at(&self, min_ready: i64) -> Option<Timestamp> {
        let since = self.ready_changed.unwrap_or(Timestamp::UNIX_EPOCH);
        self.ready.then(|| since.saturating_add(jiff::SignedDuration::from_secs(min_ready)).unwrap_or(since))
    }
    pub fn is_available(&self, min_ready: i64, now: Timestamp) -> bool {
        self.ready && (min_ready == 0 || self.available_at(min_ready).is_some_and(|at| at <= now))
    }
}

/// The fields of a Pod, beside its metadata, that go into a [`PodView`].
const POD_FIELDS: [&str; 20] = [
    "metadata.annotations",
    "spec.nodeName",
    "spec.schedulerName",
    "spec.hostname",
    "spec.subdomain",
    "spec.affinity",
    "spec.overhead",
    "spec.resources.requests",
    "spec.containers.ports",
    "spec.containers.resources.requests",
    "spec.initContainers.ports",
    "spec.initContainers.resources.requests",
    "spec.initContainers.restartPolicy",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.conditions.type",
    "status.conditions.status",
    "status.conditions.lastTransitionTime",
    "status.containerStatuses.restartCount",
];

/// The fields of a Pod that only the scheduler looks at.
const SCHEDULING_FIELDS: [&str; 7] = [
    "spec.affinity",
    "spec.nodeSelector",
    "spec.preemptionPolicy",
    "spec.schedulerName",
    "spec.schedulingGates",
    "spec.tolerations",
    "spec.topologySpreadConstraints",
];

impl Cached for PodView {
    fn decode(kind: &'static Kind, object: &Encoded, shared: &mut Interner) -> Result<PodView, Status> {
        static FIELDS: LazyLock<Mask> = LazyLock::new(|| Mask::new(&[&META_FIELDS[..], &POD_FIELDS].concat()));
        static SCHEDULING: LazyLock<Mask> = LazyLock::new(|| Mask::new(&SCHEDULING_FIELDS));
        let mut view = PodView::read(kind, object.part(&FIELDS)?, shared);
        if let Some(scheduling) = &mut view.scheduling {
            **scheduling = object.part(&SCHEDULING)?;
        }
        Ok(view)
    }
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> PodView {
        let meta = Meta::read(kind, &object, shared);
        let ready = object.list("status.conditions").iter().find(|condition| condition.text("type") == "Ready");
        let mut ips: Vec<Box<str>> = object.list("status.podIPs").iter().map(|ip| ip.text("ip").into()).collect();
        if ips.is_empty() && !object.text("status.podIP").is_empty() {
            ips.push(object.text("status.podIP").into());
        }
        let restarts = object.list("status.containerStatuses").iter().filter_map(|status| status.int("restartCount"));
        let cost = object.annotation("controller.kubernetes.io/pod-deletion-cost");
        let unplaced = object.text("spec.nodeName").is_empty() && object.text("spec.schedulerName") == SCHEDULER;
        PodView {
            meta,
            node: shared.text(object.text("spec.nodeName")),
            ips: ips.into(),
            hostname: shared.text(object.text("spec.hostname")),
            subdomain: shared.text(object.text("spec.subdomain")),
            phase: match object.text("status.phase") {
                "Running" => Phase::Running,
                "Succeeded" => Phase::Succeeded,
                "Failed" => Phase::Failed,
                "Unknown" => Phase::Unknown,
                _ => Phase::Pending,
            },
            ready: ready.is_some_and(|condition| condition.text("status") == "True"),
            ready_changed: ready.and_then(|condition| parse_time(condition.text("lastTransitionTime"))),
            restarts: restarts.max().unwrap_or(0),
            deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or(0),
            ports: shared.ports(container_ports(&object)),
            requests: requests(&object),
            scheduling: (unplaced
                || object.has("spec.affinity.podAntiAffinity")
                || object.has("spec.affinity.podAffinity"))
            .then(|| Box::new(object)),
        }
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// Containers that run beside each other: sidecars (init containers that restart always) too.
fn running_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let sidecars = pod.list("spec.initContainers").iter().filter(|c| c.text("restartPolicy") == "Always");
    pod.list("spec.containers").iter().chain(sidecars)
}

fn container_ports(pod: &Value) -> Vec<ContainerPort> {
    let ports = running_containers(pod).flat_map(|container| container.list("ports"));
    let read = |port: &Value| ContainerPort {
        name: port.text("name").into(),
        port: port.int("containerPort").unwrap_or(0),
        protocol: port.text("protocol").into(),
        host_port: port.int("hostPort").unwrap_or(0),
    };
    ports.map(read).collect()
}

fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or_default()
}
fn milli(value: &Value) -> i64 {
    quantity(value).milli_value()
}
fn units(value: &Value) -> i64 {
    quantity(value).value()
}

fn amounts(resources: &Value) -> Resources {
    Resources { cpu: milli(resources.at("cpu")), memory: units(resources.at("memory")), pods: 0 }
}

impl Resources {
    /// What a node has to give.
    pub fn allocatable(node: &Value) -> Resources {
        let allocatable = node.at("status.allocatable");
        Resources { pods: units(allocatable.at("pods")), ..amounts(allocatable) }
    }
    /// The larger of each amount.
    fn max(self, other: Resources) -> Resources {
        Resources {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            pods: self.pods.max(other.pods),
        }
    }
    pub fn plus(self, other: Resources) -> Resources {
        Resources { cpu: self.cpu + other.cpu, memory: self.memory + other.memory, pods: self.pods + other.pods }
    }
    pub fn minus(self, other: Resources) -> Resources {
        Resources { cpu: self.cpu - other.cpu, memory: self.memory - other.memory, pods: self.pods - other.pods }
    }
}

/// What a Pod requests: its containers together, or the largest init container with the sidecars before it (KEP-753).
pub fn requests(pod: &Value) -> Resources {
    let of = |container: &Value| amounts(container.at("resources.requests"));
    let mut together = pod.list("spec.containers").iter().map(of).fold(Resources::default(), Resources::plus);
    let (mut sidecars, mut starting) = (Resources::default(), Resources::default());
    for container in pod.list("spec.initContainers") {
        if container.text("restartPolicy") == "Always" {
            sidecars = sidecars.plus(of(container));
            together = together.plus(of(container));
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(sidecars.plus(of(container)));
        }
    }
    let own = amounts(pod.at("spec.resources.requests"));
    let needed = together.max(starting).max(own).plus(amounts(pod.at("spec.overhead")));
    Resources { pods: 1, ..needed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn requests_are_those_of_the_hungriest_moment() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu, "memory": "1Ki"}}});
        let mut sidecar = container("200m");
        sidecar["restartPolicy"] = json!("Always");
        let pod = json!({"spec": {"containers": [container("100m"), container("1")],
            "initContainers": [container("500m"), sidecar, container("3")]}});
        assert_eq!(requests(&pod), Resources { cpu: 3200, memory: 3072, pods: 1 });
    }
}
