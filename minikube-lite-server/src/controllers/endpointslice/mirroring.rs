//! EndpointSlices for Endpoints that were made by hand, for Services without selector.

use super::{
    Content, Endpoint, LAST_CHANGE_TRIGGER_TIME, MANAGED_BY, MAX_ENDPOINTS, Port, SERVICE_NAME, SliceView, Target,
    Writer, is_managed_by, is_of_type, plan, view,
};
use crate::client::Client;
use crate::controllers::runtime::{
    Cached, Change, Expectations, Full, Informers, Interner, Key, Meta, Queue, owner_reference, work,
};
use crate::controllers::{Context, Tasks};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::kinds;
use shared_types::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

const WORKERS: usize = 2;
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// The label by which Endpoints ask not to be mirrored.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// The annotation of leader election, which was once done on Endpoints.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The most addresses of a subset that are mirrored.
const MAX_PER_SUBSET: usize = 1000;

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Key>>,
    expectations: Expectations,
}

pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Arc::new(Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
        expectations: Expectations::default(),
    });
    let this = controller.clone();
    context.informers.endpoints.on_change(move |change: &Change<'_, Meta>| {
        let mirrored = |meta: &&Arc<Meta>| !skips(meta);
        if let Some(endpoints) = [change.new, change.old].into_iter().flatten().find(mirrored) {
            this.queue.add(endpoints.key());
        }
    });
    let this = controller.clone();
    context.informers.services.on_change(move |change: &Change<'_, Full>| {
        if let Some(service) = change.object() {
            this.queue.add(service.meta.key());
        }
    });
    let this = controller.clone();
    context.informers.endpoint_slices.on_change(move |change: &Change<'_, SliceView>| {
        let Some(slice) = change.object().filter(|slice| is_managed_by(slice, MANAGER)) else { return };
        if let Some(service) = slice.meta.labels.get(SERVICE_NAME).and_then(Value::as_str) {
            this.queue.add(Key::new(slice.meta.namespace.clone(), service));
        }
    });
    for _ in 0..WORKERS {
        let this = controller.clone();
        context.spawn(tasks, async move {
            work("endpointslicemirroring", this.queue.clone(), |key| this.reconcile(key)).await;
        });
    }
}

/// Whether the labels say that the Endpoints are not to be mirrored; those that the endpoints controller makes, too.
fn skips(endpoints: &Meta) -> bool {
    endpoints.labels.get(SKIP_MIRROR).and_then(Value::as_str) == Some("true")
        || endpoints.labels.get(super::super::endpoints::MANAGED_BY).is_some()
}

impl Controller {
    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let service = self.informers.services.get(&key);
        let by_hand = service.filter(|service| service.object.map("spec.selector").is_empty());
        let known = self.informers.endpoints.get(&key).filter(|endpoints| !skips(endpoints));
        let endpoints = match (by_hand.is_some(), known) {
            (true, Some(_)) => self.read(&key).await?,
            _ => None,
        };
        if !self.expectations.met(&key, &self.informers.endpoint_slices) {
            return Ok(());
        }
        let mut slices = self.informers.endpoint_slices.in_namespace(&key.namespace);
        let of_service =
            |slice: &SliceView| slice.meta.labels.get(SERVICE_NAME).and_then(Value::as_str) == Some(&key.name);
        slices.retain(|slice| is_managed_by(slice, MANAGER) && of_service(slice));
        let Some(endpoints) = endpoints else {
            let plan = super::Plan { delete: (0..slices.len()).collect(), ..super::Plan::default() };
            return self.writer(&key, None).write(&slices, plan, false).await;
        };
        let writer = self.writer(&key, Some(&endpoints));
        let mut all = super::Plan::default();
        for address_type in ["IPv4", "IPv6"] {
            let places: Vec<usize> =
                (0..slices.len()).filter(|place| slices[*place].content.address_type == address_type).collect();
            let existing: Vec<&Content> = places.iter().map(|place| &slices[*place].content).collect();
            let wanted = wanted(&endpoints, address_type);
            let mut plan = plan(address_type, &existing, wanted, false);
            for (n, place) in places.iter().enumerate() {
                let untouched = !plan.delete.contains(&n) && !plan.update.iter().any(|(updated, _)| *updated == n);
                let slice = &slices[*place];
                if untouched && (*slice.meta.labels != writer.labels || slice.annotations != writer.annotations) {
                    plan.update.push((n, slice.content.clone()));
                }
            }
            all.create.append(&mut plan.create);
            all.update.extend(plan.update.into_iter().map(|(n, content)| (places[n], content)));
            all.delete.extend(plan.delete.into_iter().map(|n| places[n]));
        }
        writer.write(&slices, all, true).await
    }

    /// The Endpoints that are to be mirrored.
    async fn read(&self, key: &Key) -> Result<Option<Value>, Status> {
        match self.client.get(kinds::named("Endpoints"), &key.namespace, &key.name).await {
            Ok(endpoints) => Ok(Some(endpoints).filter(|e| !e.is_terminating() && e.annotation(LEADER).is_none())),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    }

    fn writer<'a>(&'a self, key: &'a Key, endpoints: Option<&Value>) -> Writer<'a> {
        let (mut labels, mut annotations, mut owner) = (Object::new(), Object::new(), Value::Null);
        if let Some(endpoints) = endpoints {
            labels = endpoints.map("metadata.labels").clone();
            annotations = endpoints.map("metadata.annotations").clone();
            annotations.retain(|name, _| name != LAST_CHANGE_TRIGGER_TIME && name != LAST_APPLIED);
            labels.insert(SERVICE_NAME, (*key.name).into());
            labels.insert(MANAGED_BY, MANAGER.into());
            let meta = Meta::read(kinds::named("Endpoints"), endpoints, &mut Interner::default());
            owner = owner_reference(meta.meta());
        }
        Writer {
            client: &self.client,
            expectations: &self.expectations,
            key,
            labels,
            annotations,
            trigger: None,
            owner,
            prefix: format!("{}-", key.name),
        }
    }
}

/// The addresses of the subsets as endpoints, by their ports.
fn wanted(endpoints: &Value, address_type: &str) -> BTreeMap<Vec<Port>, Vec<Endpoint>> {
    let mut wanted: BTreeMap<Vec<Port>, Vec<Endpoint>> = BTreeMap::new();
    for subset in endpoints.list("subsets") {
        let ports = subset.list("ports").iter().map(|port| Port {
            name: port.text("name").into(),
            protocol: if port.has("protocol") { port.text("protocol").into() } else { "TCP".into() },
            port: port.int("port").unwrap_or(0),
            app_protocol: port.at("appProtocol").as_str().map(String::from),
        });
        let ports = view::in_order(ports.collect());
        let addresses = |field: &str, ready: bool| {
            let list = subset.list(field).iter().filter(|a| is_of_type(a.text("ip"), address_type));
            list.map(|address| mirrored(address, ready)).collect::<Vec<_>>()
        };
        let both = addresses("addresses", true).into_iter().chain(addresses("notReadyAddresses", false));
        let found: Vec<Endpoint> = both.take(MAX_PER_SUBSET.max(MAX_ENDPOINTS)).collect();
        if !found.is_empty() {
            wanted.entry(ports).or_default().extend(found);
        }
    }
    wanted
}

fn mirrored(address: &Value, ready: bool) -> Endpoint {
    let text = |field: &str| address.at(field).as_str().map(Arc::from);
    let target = address.at("targetRef");
    Endpoint {
        addresses: vec![address.text("ip").into()],
        ready: Some(ready),
        serving: None,
        terminating: None,
        hostname: text("hostname"),
        node: text("nodeName"),
        zone: None,
        target: target.is_object().then(|| Target {
            kind: target.text("kind").into(),
            namespace: target.text("namespace").into(),
            name: target.text("name").into(),
            uid: target.text("uid").into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn subsets_become_endpoints_of_their_family() {
        let endpoints = json!({"subsets": [{"addresses": [{"ip": "10.1.2.3", "hostname": "h1"}, {"ip": "fd00::1"}],
            "notReadyAddresses": [{"ip": "10.1.2.4"}], "ports": [{"port": 80}]}]});
        let wanted = wanted(&endpoints, "IPv4");
        let (ports, found) = wanted.first_key_value().unwrap();
        assert_eq!((ports[0].port, ports[0].protocol.as_str(), ports[0].name.as_str()), (80, "TCP", ""));
        let shown: Vec<_> = found.iter().map(|e| (&*e.addresses[0], e.ready, e.hostname.as_deref())).collect();
        assert_eq!(shown, [("10.1.2.3", Some(true), Some("h1")), ("10.1.2.4", Some(false), None)]);
    }
}
