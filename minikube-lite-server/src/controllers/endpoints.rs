//! The deprecated Endpoints object of each Service with a selector: all addresses in one object.

use super::endpointslice::{
    LAST_CHANGE_TRIGGER_TIME, TriggerTimes, fnv128a, follow_services, is_headless, published_hostname, selected_pods,
    target_port,
};
use super::runtime::{Change, Full, Informers, Key, Meta, PodView, Queue, work};
use super::{Context, Tasks, is_namespace_terminating};
use crate::client::{Client, DeleteOptions, Part};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use shared_types::time::format_time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The label that says who keeps an Endpoints object.
pub(super) const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The most addresses that one object has.
const CAPACITY: usize = 1000;
const WORKERS: usize = 2;
/// Changes are gathered for so long: the object is rewritten whole for each, and nothing in a cluster waits for it.
const BATCH: Duration = Duration::from_millis(20);

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Key>>,
    times: TriggerTimes,
}

fn endpoints_kind() -> &'static Kind {
    kinds::named("Endpoints")
}

/// Registers the controller and adds its workers.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
        times: TriggerTimes::default(),
    });
    follow_services(context, controller.queue.clone(), |queue, key| queue.add_after(key, BATCH));
    let this = controller.clone();
    context.informers.endpoints.on_change(move |change: &Change<'_, Meta>| {
        // One that went missing is made again.
        if change.new.is_none()
            && let Some(gone) = change.old
        {
            this.queue.add(gone.key());
        }
    });
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("endpoints", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

impl Controller {
    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(service) = self.informers.services.get(&key) else {
            self.times.forget(&key);
            if self.informers.endpoints.get(&key).is_some() {
                let options = DeleteOptions::default();
                match self.client.delete(endpoints_kind(), &key.namespace, &key.name, options).await {
                    Err(status) if !status.is_not_found() => return Err(status),
                    _ => {}
                }
            }
            return Ok(());
        };
        if service.object.map("spec.selector").is_empty() || service.object.text("spec.type") == "ExternalName" {
            return Ok(());
        }
        let pods = selected_pods(&self.informers, &service);
        let (subsets, over_capacity) = truncate(repack(entries(&service, &pods)));
        let current = match self.client.get(endpoints_kind(), &key.namespace, &key.name).await {
            Ok(current) => Some(current),
            Err(status) if status.is_not_found() => None,
            Err(status) => return Err(status),
        };
        let trigger = self.times.next(&key, service.meta.created, &pods);
        let mut labels = Object::clone(&service.meta.labels);
        labels.remove(HEADLESS);
        if is_headless(&service.object) {
            labels.insert(HEADLESS, "".into());
        }
        labels.insert(MANAGED_BY, MANAGER.into());
        let mut wanted = current.clone().unwrap_or_else(|| {
            json!({"apiVersion": "v1", "kind": "Endpoints",
                "metadata": {"name": &*key.name, "namespace": &*key.namespace}})
        });
        wanted.set("metadata.labels", labels);
        if subsets.is_empty() {
            drop(wanted.remove("subsets"))
        } else {
            wanted.set("subsets", subsets)
        }
        let annotations = wanted.map_mut("metadata.annotations");
        annotations.remove(OVER_CAPACITY);
        if over_capacity {
            annotations.insert(OVER_CAPACITY, "truncated".into());
        }
        let is_current = current.as_ref().is_some_and(|current| same(current, &wanted));
        if is_current {
            return Ok(());
        }
        let annotations = wanted.map_mut("metadata.annotations");
        annotations.remove(LAST_CHANGE_TRIGGER_TIME);
        if let Some(trigger) = trigger {
            annotations.insert(LAST_CHANGE_TRIGGER_TIME, format_time(trigger).into());
        }
        if wanted.map("metadata.annotations").is_empty() {
            wanted.remove("metadata.annotations");
        }
        let result = match current {
            Some(_) => self.client.update(endpoints_kind(), Part::Main, wanted).await,
            None if service.meta.terminating => return Ok(()),
            None => self.client.create(endpoints_kind(), wanted).await,
        };
        match result {
            Err(status) if is_namespace_terminating(&status) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// Whether two Endpoints say the same; the resourceVersions of the Pods are not looked at.
fn same(current: &Value, wanted: &Value) -> bool {
    ["metadata.labels", "subsets"].iter().all(|path| current.at(path) == wanted.at(path))
        && current.annotation(OVER_CAPACITY) == wanted.annotation(OVER_CAPACITY)
}

/// An address with a port, or without where the Service has none, and whether it is ready.
struct Entry {
    address: Value,
    ready: bool,
    port: Option<Value>,
}

fn entries(service: &Full, pods: &[Arc<PodView>]) -> Vec<Entry> {
    let publish_unready = service.object.flag("spec.publishNotReadyAddresses");
    let wants_v6 = service.object.list("spec.ipFamilies").first().is_some_and(|family| family == "IPv6");
    let ports = service.object.list("spec.ports");
    let mut entries = Vec::new();
    for pod in pods.iter().filter(|pod| !pod.is_terminal() && (publish_unready || !pod.meta.terminating)) {
        let Some(ip) = pod.ips.iter().find(|ip| ip.contains(':') == wants_v6) else { continue };
        let mut address = json!({"ip": ip, "targetRef": {"kind": "Pod", "namespace": &*pod.meta.namespace,
            "name": &*pod.meta.name, "uid": &*pod.meta.uid}});
        if !pod.node.is_empty() {
            address.set("nodeName", &*pod.node);
        }
        if let Some(hostname) = published_hostname(pod, service) {
            address.set("hostname", &*hostname);
        }
        let ready = publish_unready || pod.ready;
        if ports.is_empty() && is_headless(&service.object) {
            entries.push(Entry { address, ready, port: None });
            continue;
        }
        for port in ports {
            let Some(number) = target_port(pod, port) else { continue };
            let mut entry = json!({"port": number, "protocol": port.text("protocol")});
            for field in ["name", "appProtocol"] {
                if !port.text(field).is_empty() {
                    entry.set(field, port.text(field));
                }
            }
            entries.push(Entry { address: address.clone(), ready, port: Some(entry) });
        }
    }
    entries
}

/// An address with all its ports, by their text so that they are in a fixed order.
struct Gathered {
    address: Value,
    ready: bool,
    ports: BTreeMap<String, Value>,
}

/// What ports are ordered by, the hash that Kubernetes orders them by.
fn rank(port: &Value) -> u128 {
    let app_protocol = port.at("appProtocol").as_str().unwrap_or("<nil>");
    let (name, number, protocol) = (port.text("name"), port.int("port").unwrap_or(0), port.text("protocol"));
    fnv128a(&format!(
        "(v1.EndpointPort){{Name:(string){name} Port:(int32){number} Protocol:(v1.Protocol){protocol} \
         AppProtocol:(*string){app_protocol}}}"
    ))
}

/// Gathers addresses that have the same ports into subsets, everything in order, as Kubernetes keeps Endpoints.
fn repack(entries: Vec<Entry>) -> Vec<Value> {
    let mut addresses: BTreeMap<(String, String), Gathered> = BTreeMap::new();
    for entry in entries {
        let identity = (entry.address.text("ip").to_string(), entry.address.text("targetRef.uid").to_string());
        let gathered = addresses.entry(identity).or_insert_with(|| Gathered {
            address: entry.address.clone(),
            ready: entry.ready,
            ports: BTreeMap::new(),
        });
        if let Some(port) = entry.port {
            gathered.ports.insert(port.to_string(), port);
        }
    }
    let mut subsets: BTreeMap<Vec<String>, Value> = BTreeMap::new();
    for Gathered { address, ready, ports } in addresses.into_values() {
        let subset = subsets.entry(ports.keys().cloned().collect()).or_insert_with(|| {
            let mut ports: Vec<Value> = ports.into_values().collect();
            ports.sort_by_key(rank);
            if ports.is_empty() { json!({}) } else { json!({"ports": ports}) }
        });
        let field = if ready { "addresses" } else { "notReadyAddresses" };
        match subset.at_mut(field) {
            Value::Array(list) => list.push(address),
            absent => *absent = Value::Array(vec![address]),
        }
    }
    subsets.into_values().collect()
}

/// Keeps at most [`CAPACITY`] addresses, ready ones first; whether some had to go.
fn truncate(mut subsets: Vec<Value>) -> (Vec<Value>, bool) {
    let count = |field: &str| subsets.iter().map(|subset| subset.list(field).len()).sum::<usize>();
    let (ready, unready) = (count("addresses"), count("notReadyAddresses"));
    if ready + unready <= CAPACITY {
        return (subsets, false);
    }
    for (field, total, room) in
        [("addresses", ready, CAPACITY), ("notReadyAddresses", unready, CAPACITY - ready.min(CAPACITY))]
    {
        let mut left = room.min(total);
        for subset in &mut subsets {
            let length = subset.list(field).len();
            let keep = length.min(left);
            left -= keep;
            if keep == 0 {
                subset.remove(field);
            } else if let Value::Array(list) = subset.at_mut(field) {
                list.truncate(keep);
            }
        }
    }
    subsets.retain(|subset| subset.has("addresses") || subset.has("notReadyAddresses"));
    (subsets, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ip: &str, ready: bool, port: i64) -> Entry {
        Entry { address: json!({"ip": ip}), ready, port: Some(json!({"port": port, "protocol": "TCP"})) }
    }

    #[test]
    fn addresses_with_the_same_ports_share_a_subset() {
        let subsets = repack(vec![
            entry("10.0.0.2", true, 80),
            entry("10.0.0.1", true, 80),
            entry("10.0.0.3", false, 80),
            entry("10.0.0.4", true, 81),
        ]);
        let port = |port: i64| json!([{"port": port, "protocol": "TCP"}]);
        assert_eq!(
            json!(subsets),
            json!([
                {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "notReadyAddresses": [{"ip": "10.0.0.3"}],
                    "ports": port(80)},
                {"addresses": [{"ip": "10.0.0.4"}], "ports": port(81)},
            ])
        );
    }

    #[test]
    fn ready_addresses_stay_when_there_are_too_many() {
        let many = (0..1200).map(|n| entry(&format!("10.0.{}.{}", n / 250, n % 250), n % 2 == 0, 80)).collect();
        let (subsets, truncated) = truncate(repack(many));
        assert!(truncated);
        assert_eq!((subsets[0].list("addresses").len(), subsets[0].list("notReadyAddresses").len()), (600, 400));
        assert!(!truncate(repack(vec![entry("10.0.0.1", true, 80)])).1);
    }
}
