//! EndpointSlices of Services with a selector.

mod mirroring;
mod packing;
mod trigger;
mod view;

pub(crate) use packing::{MAX_ENDPOINTS, Plan, plan};
pub(crate) use trigger::{LAST_CHANGE_TRIGGER_TIME, TriggerTimes};
pub use view::SliceView;
pub(crate) use view::{Content, Endpoint, MANAGED_BY, Port, SERVICE_NAME, Target, fnv128a};

use super::is_namespace_terminating;
use super::runtime::{Change, Expectations, Full, Informers, Key, PodView, Queue, owner_reference, work};
use super::{Context, Tasks};
use crate::client::{Client, DeleteOptions, Part};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use shared_types::time::format_time;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

const WORKERS: usize = 8;
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// The label of slices of headless Services.
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Key>>,
    expectations: Expectations,
    times: TriggerTimes,
}

fn slice_kind() -> &'static Kind {
    kinds::named("EndpointSlice")
}

/// Registers the controllers of this file and of [`mirroring`] and adds their workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    mirroring::start(context, tasks);
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
        expectations: Expectations::default(),
        times: TriggerTimes::default(),
    });
    follow_services(context, controller.queue.clone(), |queue, key| queue.add(key));
    let this = controller.clone();
    context.informers.endpoint_slices.on_change(move |change: &Change<'_, SliceView>| {
        let Some(slice) = change.object().filter(|slice| is_managed_by(slice, MANAGER)) else { return };
        if let Some(service) = slice.meta.labels.get(SERVICE_NAME).and_then(Value::as_str) {
            this.queue.add(Key::new(slice.meta.namespace.clone(), service));
        }
    });
    let this = controller.clone();
    context.informers.nodes.on_change(move |change: &Change<'_, Full>| {
        let zone = |node: Option<&Arc<Full>>| node.map(|node| node.object.label(ZONE).map(String::from));
        if zone(change.old) != zone(change.new) {
            this.informers.services.all().iter().for_each(|service| this.queue.add(service.meta.key()));
        }
    });
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("endpointslice", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

/// Whether a slice has the label of a manager.
pub(crate) fn is_managed_by(slice: &SliceView, manager: &str) -> bool {
    slice.meta.labels.get(MANAGED_BY).and_then(Value::as_str) == Some(manager)
}

/// Has `add` called for every Service that changed, or one of whose Pods did in a way that endpoints show.
pub(super) fn follow_services(
    context: &Context,
    queue: Arc<Queue<Key>>,
    add: impl Fn(&Queue<Key>, Key) + Copy + Send + Sync + 'static,
) {
    let services_queue = queue.clone();
    context.informers.services.on_change(move |change: &Change<'_, Full>| {
        if let Some(service) = change.object() {
            add(&services_queue, service.meta.key());
        }
    });
    let services = context.informers.services.clone();
    context.informers.pods.on_change(move |change: &Change<'_, PodView>| {
        let Some(pod) = change.object() else { return };
        if let (Some(old), Some(new)) = (change.old, change.new)
            && looks_same(old, new)
        {
            return;
        }
        for service in services.in_namespace(&pod.meta.namespace) {
            let selector = service.object.map("spec.selector");
            let pods = [change.old, change.new];
            if pods.iter().flatten().any(|pod| selects(selector, &pod.meta.labels)) {
                add(&queue, service.meta.key());
            }
        }
    });
}

/// Whether endpoints of the Pod are the same in both states.
fn looks_same(old: &PodView, new: &PodView) -> bool {
    let of = |pod: &PodView| (pod.ready, pod.meta.terminating, pod.phase, pod.ready_changed);
    let named = |pod: &PodView| (pod.hostname.clone(), pod.subdomain.clone(), pod.node.clone());
    of(old) == of(new)
        && old.meta.uid == new.meta.uid
        && old.ips == new.ips
        && old.meta.labels == new.meta.labels
        && named(old) == named(new)
        && old.ports == new.ports
}

/// Whether a Service's selector selects an object with these labels. No selector selects nothing.
pub(super) fn selects(selector: &Object, labels: &Object) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The Pods that a Service selects, by name.
pub(super) fn selected_pods(informers: &Informers, service: &Full) -> Vec<Arc<PodView>> {
    let selector = service.object.map("spec.selector");
    let mut pods = informers.pods.in_namespace(&service.meta.namespace);
    pods.retain(|pod| selects(selector, &pod.meta.labels));
    pods
}

/// The port of the Pod that a Service's port leads to.
pub(super) fn target_port(pod: &PodView, service_port: &Value) -> Option<i64> {
    let target = service_port.at("targetPort");
    match target.as_str() {
        Some(name) => {
            let protocol = service_port.text("protocol");
            let found = pod.ports.iter().find(|port| &*port.name == name && &*port.protocol == protocol);
            found.map(|port| port.port)
        }
        None => target.as_i64().filter(|port| *port != 0).or_else(|| service_port.int("port")),
    }
}

pub(super) fn is_headless(service: &Value) -> bool {
    service.text("spec.clusterIP") == "None"
}

/// The hostname under which DNS serves the Pod within the Service, if it has one.
pub(super) fn published_hostname(pod: &PodView, service: &Full) -> Option<Arc<str>> {
    (!pod.hostname.is_empty() && pod.subdomain == service.meta.name).then(|| pod.hostname.clone())
}

fn ports_of(service: &Value, pod: &PodView) -> Vec<Port> {
    let ports = service.list("spec.ports").iter().filter_map(|port| {
        Some(Port {
            name: port.text("name").into(),
            protocol: port.text("protocol").into(),
            port: target_port(pod, port)?,
            app_protocol: port.at("appProtocol").as_str().map(String::from),
        })
    });
    view::in_order(ports.collect())
}

/// `IPv4` or `IPv6` for each of the Service's families.
fn address_types(service: &Value) -> Vec<&str> {
    let families: Vec<&str> = service.list("spec.ipFamilies").iter().filter_map(Value::as_str).collect();
    match families.is_empty() {
        true if service.text("spec.clusterIP").contains(':') => vec!["IPv6"],
        true => vec!["IPv4"],
        false => families,
    }
}

fn is_of_type(address: &str, address_type: &str) -> bool {
    address.contains(':') == (address_type == "IPv6")
}

/// Writes a plan for the slices of `owner`, in parallel. `existing` are the slices that the plan's numbers mean.
pub(crate) struct Writer<'a> {
    pub client: &'a Client,
    pub expectations: &'a Expectations,
    pub key: &'a Key,
    /// What slices have in their metadata: labels and annotations.
    pub labels: Object,
    pub annotations: Object,
    /// Added to the annotations of slices that are written.
    pub trigger: Option<String>,
    pub owner: Value,
    pub prefix: String,
}

impl Writer<'_> {
    pub async fn write(&self, existing: &[Arc<SliceView>], plan: Plan, create: bool) -> Result<(), Status> {
        let mut writes: JoinSet<Result<Option<u64>, Status>> = JoinSet::new();
        for content in plan.create.into_iter().filter(|_| create) {
            let mut slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {
                "generateName": self.prefix, "namespace": &*self.key.namespace, "ownerReferences": [self.owner]}});
            self.fill(&mut slice, &content);
            let client = self.client.clone();
            writes.spawn(async move { Ok(Some(client.create(slice_kind(), slice).await?.entry.revision)) });
        }
        for (place, content) in plan.update {
            let old = &existing[place].meta;
            let mut slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {
                "name": &*old.name, "namespace": &*old.namespace, "generateName": self.prefix,
                "resourceVersion": old.resource_version.to_string(), "ownerReferences": [self.owner]}});
            self.fill(&mut slice, &content);
            let client = self.client.clone();
            writes.spawn(async move { Ok(Some(client.update(slice_kind(), Part::Main, slice).await?.entry.revision)) });
        }
        for place in plan.delete {
            let slice = existing[place].clone();
            self.expectations.deleted(self.key, slice.meta.key(), slice.meta.uid.clone());
            let client = self.client.clone();
            writes.spawn(async move {
                let (namespace, name) = (&slice.meta.namespace, &slice.meta.name);
                match client.delete(slice_kind(), namespace, name, DeleteOptions::default()).await {
                    Err(status) if !status.is_not_found() => Err(status),
                    _ => Ok(None),
                }
            });
        }
        let mut failure = None;
        while let Some(written) = writes.join_next().await {
            match written.map_err(Status::internal)? {
                Ok(Some(revision)) => self.expectations.written(self.key, revision),
                Ok(None) => {}
                Err(status) => failure = Some(status),
            }
        }
        match failure {
            // Its namespace is going, which takes the slices along.
            Some(status) if is_namespace_terminating(&status) => Ok(()),
            Some(status) => {
                self.expectations.forget(self.key);
                Err(status)
            }
            None => Ok(()),
        }
    }

    fn fill(&self, slice: &mut Value, content: &Content) {
        content.write(slice);
        slice.set("metadata.labels", self.labels.clone());
        let mut annotations = self.annotations.clone();
        if let Some(trigger) = &self.trigger {
            annotations.insert(LAST_CHANGE_TRIGGER_TIME, trigger.as_str().into());
        }
        if !annotations.is_empty() {
            slice.set("metadata.annotations", annotations);
        }
    }
}

impl Controller {
    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(service) = self.informers.services.get(&key) else {
            self.times.forget(&key);
            self.expectations.forget(&key);
            return Ok(());
        };
        let spec = &service.object;
        if spec.map("spec.selector").is_empty() || spec.text("spec.type") == "ExternalName" {
            return Ok(());
        }
        if !self.expectations.met(&key, &self.informers.endpoint_slices) {
            // The informer's next change of the slices brings the key back.
            return Ok(());
        }
        let pods = selected_pods(&self.informers, &service);
        let mut slices = self.informers.endpoint_slices.controlled_by(&service.meta.uid);
        slices.retain(|slice| is_managed_by(slice, MANAGER));
        let labels = slice_labels(&service);
        let types = address_types(spec);
        let mut all = Plan::default();
        let mut missing_node = None;
        for address_type in &types {
            let places: Vec<usize> =
                (0..slices.len()).filter(|place| slices[*place].content.address_type == *address_type).collect();
            let existing: Vec<&Content> = places.iter().map(|place| &slices[*place].content).collect();
            let (wanted, missing) = self.wanted(&service, &pods, address_type);
            missing_node = missing_node.or(missing);
            let mut plan = plan(address_type, &existing, wanted, true);
            // Labels follow the Service's.
            for (n, place) in places.iter().enumerate() {
                let untouched = !plan.delete.contains(&n) && !plan.update.iter().any(|(updated, _)| *updated == n);
                if untouched && *slices[*place].meta.labels != labels {
                    plan.update.push((n, slices[*place].content.clone()));
                }
            }
            all.create.append(&mut plan.create);
            all.update.extend(plan.update.into_iter().map(|(n, content)| (places[n], content)));
            all.delete.extend(plan.delete.into_iter().map(|n| places[n]));
        }
        let stale = (0..slices.len()).filter(|place| !types.contains(&&*slices[*place].content.address_type));
        all.delete.extend(stale);
        let trigger = self.times.next(&key, service.meta.created, &pods);
        if all != Plan::default() {
            let writer = Writer {
                client: &self.client,
                expectations: &self.expectations,
                key: &key,
                labels,
                annotations: Object::new(),
                trigger: trigger.map(format_time),
                owner: owner_reference(&service.meta),
                prefix: format!("{}-", service.meta.name),
            };
            writer.write(&slices, all, !service.meta.terminating).await?;
        }
        match missing_node {
            Some(node) => Err(Status::not_found("nodes", "", &node)),
            None => Ok(()),
        }
    }

    /// The endpoints that the Pods make, by their ports; and a node that a Pod names but that doesn't exist.
    fn wanted(
        &self,
        service: &Full,
        pods: &[Arc<PodView>],
        address_type: &str,
    ) -> (BTreeMap<Vec<Port>, Vec<Endpoint>>, Option<String>) {
        let publish_unready = service.object.flag("spec.publishNotReadyAddresses");
        let mut wanted: BTreeMap<Vec<Port>, Vec<Endpoint>> = BTreeMap::new();
        let mut missing = None;
        for pod in pods.iter().filter(|pod| !pod.is_terminal()) {
            let addresses: Vec<Box<str>> = pod.ips.iter().filter(|ip| is_of_type(ip, address_type)).cloned().collect();
            if addresses.is_empty() {
                continue;
            }
            let node = self.informers.nodes.get(&Key::new("", pod.node.clone()));
            if node.is_none() && !publish_unready {
                missing = Some(pod.node.to_string());
                continue;
            }
            let endpoint = Endpoint {
                addresses,
                ready: Some(publish_unready || (pod.ready && !pod.meta.terminating)),
                serving: Some(pod.ready),
                terminating: Some(pod.meta.terminating),
                hostname: published_hostname(pod, service),
                node: (!pod.node.is_empty()).then(|| pod.node.clone()),
                zone: node.and_then(|node| node.object.label(ZONE).map(Arc::from)),
                target: Some(Target {
                    kind: "Pod".into(),
                    namespace: pod.meta.namespace.clone(),
                    name: pod.meta.name.clone(),
                    uid: pod.meta.uid.clone(),
                }),
            };
            wanted.entry(ports_of(&service.object, pod)).or_default().push(endpoint);
        }
        (wanted, missing)
    }
}

/// The Service's labels and those that tell what the slice is.
fn slice_labels(service: &Full) -> Object {
    let mut labels = Object::clone(&service.meta.labels);
    labels.remove(HEADLESS);
    if is_headless(&service.object) {
        labels.insert(HEADLESS, "".into());
    }
    labels.insert(SERVICE_NAME, (*service.meta.name).into());
    labels.insert(MANAGED_BY, MANAGER.into());
    labels
}
