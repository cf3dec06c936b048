//! An EndpointSlice as the controllers keep it, compact: a Service may have thousands of endpoints.

use super::super::runtime::{Cached, Interner, META_FIELDS, Meta};
use crate::client::Encoded;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::kinds::Kind;
use shared_types::mask::Mask;
use shared_types::status::Status;
use std::sync::{Arc, LazyLock};

/// The label that names the Service of a slice.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that says who keeps a slice.
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// FNV-1a with 128 bits.
pub(crate) fn fnv128a(text: &str) -> u128 {
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step)
}

/// A port of a slice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Port {
    pub name: String,
    pub protocol: String,
    pub port: i64,
    pub app_protocol: Option<String>,
}

impl Port {
    /// What ports are ordered by: the hash of the port as Kubernetes' endpointslice library computes it, which is why the
    /// order is not the Service's.
    fn rank(&self) -> u128 {
        let app_protocol = self.app_protocol.as_deref().unwrap_or("<nil>");
        let text = format!(
            "(v1.EndpointPort){{Name:(*string){} Protocol:(*v1.Protocol){} Port:(*int32){} AppProtocol:(*string){}}}",
            self.name, self.protocol, self.port, app_protocol
        );
        fnv128a(&text)
    }
    fn read(port: &Value) -> Port {
        Port {
            name: port.text("name").into(),
            protocol: port.text("protocol").into(),
            port: port.int("port").unwrap_or(0),
            app_protocol: port.at("appProtocol").as_str().map(String::from),
        }
    }
    fn write(&self) -> Value {
        let mut port = json!({"name": self.name, "port": self.port, "protocol": self.protocol});
        if let Some(app_protocol) = &self.app_protocol {
            port.set("appProtocol", app_protocol.as_str());
        }
        port
    }
}

/// Puts ports into the order in which slices have them.
pub(crate) fn in_order(mut ports: Vec<Port>) -> Vec<Port> {
    ports.sort_by_key(Port::rank);
    ports
}

/// The object behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Target {
    pub kind: String,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: Arc<str>,
}

/// An endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub addresses: Vec<Box<str>>,
    pub ready: Option<bool>,
    pub serving: Option<bool>,
    pub terminating: Option<bool>,
    pub hostname: Option<Arc<str>>,
    pub node: Option<Arc<str>>,
    pub zone: Option<Arc<str>>,
    pub target: Option<Target>,
}

impl Endpoint {
    /// What makes an endpoint the same one when it changes: everything but its conditions, node and zone.
    pub fn identity(&self) -> (&[Box<str>], Option<&Target>, Option<&str>) {
        (&self.addresses, self.target.as_ref(), self.hostname.as_deref())
    }

    fn read(endpoint: &Value, shared: &mut Interner) -> Endpoint {
        let condition = |name: &str| endpoint.at("conditions").at(name).as_bool();
        let target = endpoint.at("targetRef");
        let mut text = |field: &str| endpoint.at(field).as_str().map(|text| shared.text(text));
        let (hostname, node, zone) = (text("hostname"), text("nodeName"), text("zone"));
        Endpoint {
            addresses: endpoint.list("addresses").iter().filter_map(|a| a.as_str().map(Box::from)).collect(),
            ready: condition("ready"),
            serving: condition("serving"),
            terminating: condition("terminating"),
            hostname,
            node,
            zone,
            target: target.is_object().then(|| Target {
                kind: target.text("kind").into(),
                namespace: shared.text(target.text("namespace")),
                name: target.text("name").into(),
                uid: target.text("uid").into(),
            }),
        }
    }

    fn write(&self) -> Value {
        let mut conditions = Object::new();
        for (name, value) in [("ready", self.ready), ("serving", self.serving), ("terminating", self.terminating)] {
            if let Some(value) = value {
                conditions.insert(name, value.into());
            }
        }
        let mut endpoint = json!({"addresses": self.addresses, "conditions": conditions});
        for (name, value) in [("hostname", &self.hostname), ("nodeName", &self.node), ("zone", &self.zone)] {
            if let Some(value) = value {
                endpoint.set(name, &**value);
            }
        }
        if let Some(target) = &self.target {
            let mut reference = Object::new();
            for (name, value) in [
                ("kind", target.kind.as_str()),
                ("namespace", &target.namespace),
                ("name", &target.name),
                ("uid", &target.uid),
            ] {
                if !value.is_empty() {
                    reference.insert(name, value.into());
                }
            }
            endpoint.set("targetRef", reference);
        }
        endpoint
    }
}

/// What a slice says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub address_type: String,
    pub ports: Vec<Port>,
    pub endpoints: Vec<Endpoint>,
}

impl Content {
    /// Writes the content into an EndpointSlice.
    pub fn write(&self, slice: &mut Value) {
        // An absent list is null in both, as they have no `omitempty` in the API.
        let list = |values: Vec<Value>| if values.is_empty() { Value::Null } else { Value::Array(values) };
        slice.set("addressType", self.address_type.as_str());
        slice.set("ports", list(self.ports.iter().map(Port::write).collect()));
        slice.set("endpoints", list(self.endpoints.iter().map(Endpoint::write).collect()));
    }
}

/// An EndpointSlice in an informer.
pub struct SliceView {
    pub(crate) meta: Meta,
    pub(crate) content: Content,
    /// `endpoints.kubernetes.io/last-change-trigger-time`.
    pub(crate) annotations: Object,
}

impl Cached for SliceView {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> SliceView {
        let endpoints = object.list("endpoints").iter().map(|endpoint| Endpoint::read(endpoint, shared)).collect();
        let content = Content {
            address_type: object.text("addressType").into(),
            ports: in_order(object.list("ports").iter().map(Port::read).collect()),
            endpoints,
        };
        let annotations = object.map("metadata.annotations").clone();
        SliceView { meta: Meta::read(kind, &object, shared), content, annotations }
    }
    fn decode(kind: &'static Kind, object: &Encoded, shared: &mut Interner) -> Result<SliceView, Status> {
        static FIELDS: LazyLock<Mask> = LazyLock::new(|| {
            let own = ["metadata.annotations", "endpoints", "addressType", "ports"];
            Mask::new(&[&META_FIELDS[..], &own].concat())
        });
        Ok(SliceView::read(kind, object.part(&FIELDS)?, shared))
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, port: i64) -> Port {
        Port { name: name.into(), protocol: "TCP".into(), port, app_protocol: None }
    }

    /// Orders that a real cluster gave.
    #[test]
    fn ports_are_ordered_by_hash() {
        assert_eq!(in_order(vec![port("h", 8080), port("a", 9000)]), [port("a", 9000), port("h", 8080)]);
        assert_eq!(in_order(vec![port("http", 80), port("metrics", 9100)]), [port("metrics", 9100), port("http", 80)]);
    }

    #[test]
    fn content_survives_writing_and_reading() {
        let endpoint = Endpoint {
            addresses: vec!["10.0.0.1".into()],
            ready: Some(true),
            serving: Some(true),
            terminating: None,
            hostname: None,
            node: Some("node-1".into()),
            zone: None,
            target: Some(Target { kind: "Pod".into(), namespace: "ns".into(), name: "web".into(), uid: "u".into() }),
        };
        let content = Content { address_type: "IPv4".into(), ports: vec![port("", 80)], endpoints: vec![endpoint] };
        let mut slice = json!({});
        content.write(&mut slice);
        let view = SliceView::read(shared_types::kinds::named("EndpointSlice"), slice, &mut Interner::default());
        assert_eq!(view.content, content);
    }
}
