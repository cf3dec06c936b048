//! What the network keeps of Services and EndpointSlices.

use crate::controllers::runtime::{Cached, Interner, Key, Meta};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

/// The label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A Service.
pub struct ServiceView {
    meta: Meta,
    pub kind: ServiceType,
    /// None for a headless Service and for an `ExternalName`.
    pub cluster_ip: Option<Ipv4Addr>,
    pub ports: Vec<ServicePortView>,
    /// How long a client stays with an endpoint (`sessionAffinity: ClientIP`).
    pub affinity: Option<Duration>,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// `status.loadBalancer.ingress`.
    pub ingress: Vec<Ipv4Addr>,
    pub external_ips: Vec<Ipv4Addr>,
}

/// `spec.type`.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceType {
    ClusterIp,
    NodePort,
    /// With the class that it asks for.
    LoadBalancer(Option<String>),
    /// With the name that it stands for, without a dot at the end.
    ExternalName(String),
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePortView {
    pub name: Arc<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Arc<str>,
    pub port: u16,
    pub node_port: Option<u16>,
}

/// An EndpointSlice of IPv4 addresses.
pub struct SliceView {
    meta: Meta,
    /// The Service that it belongs to.
    pub service: Option<Key>,
    pub ports: Vec<SlicePort>,
    pub endpoints: Vec<EndpointView>,
}

/// A port of all endpoints of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SlicePort {
    pub name: Arc<str>,
    pub protocol: Arc<str>,
    pub port: u16,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointView {
    pub ip: Ipv4Addr,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    pub hostname: Option<Arc<str>>,
    pub node: Arc<str>,
    /// Empty when it is no Pod.
    pub pod: Arc<str>,
}

impl EndpointView {
    /// Its name within a headless Service.
    pub fn dns_label(&self) -> String {
        match &self.hostname {
            Some(hostname) => hostname.to_string(),
            None => self.ip.to_string().replace('.', "-"),
        }
    }
}

fn port_number(port: &Value, field: &str) -> Option<u16> {
    port.int(field).and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

fn addresses<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Ipv4Addr> {
    texts.filter_map(|text| text.parse().ok()).collect()
}

impl ServiceView {
    /// Whether it has no address of its own but those of its Pods.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.is_none() && !matches!(self.kind, ServiceType::ExternalName(_))
    }

    /// What of its ports is reached over TCP.
    pub fn tcp_ports(&self) -> impl Iterator<Item = &ServicePortView> {
        self.ports.iter().filter(|port| &*port.protocol == "TCP")
    }

    /// Where it is reached within the cluster at one of its ports.
    pub fn addresses(&self, port: u16) -> impl Iterator<Item = SocketAddrV4> {
        let ips = self.cluster_ip.iter().chain(&self.ingress).chain(&self.external_ips);
        ips.map(move |ip| SocketAddrV4::new(*ip, port))
    }
}

impl Cached for ServiceView {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> ServiceView {
        let class = object.at("spec.loadBalancerClass").as_str().map(String::from);
        let affinity = object.int("spec.sessionAffinityConfig.clientIP.timeoutSeconds");
        ServiceView {
            meta: Meta::read(kind, &object, shared),
            kind: match object.text("spec.type") {
                "NodePort" => ServiceType::NodePort,
                "LoadBalancer" => ServiceType::LoadBalancer(class),
                "ExternalName" => {
                    ServiceType::ExternalName(object.text("spec.externalName").trim_end_matches('.').to_lowercase())
                }
                _ => ServiceType::ClusterIp,
            },
            cluster_ip: object.text("spec.clusterIP").parse().ok(),
            ports: object.list("spec.ports").iter().filter_map(|port| read_port(port, shared)).collect(),
            affinity: (object.text("spec.sessionAffinity") == "ClientIP")
                .then(|| Duration::from_secs(affinity.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))),
            internal_local: object.text("spec.internalTrafficPolicy") == "Local",
            external_local: object.text("spec.externalTrafficPolicy") == "Local",
            ingress: addresses(object.list("status.loadBalancer.ingress").iter().map(|ingress| ingress.text("ip"))),
            external_ips: addresses(object.list("spec.externalIPs").iter().filter_map(Value::as_str)),
        }
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

fn read_port(port: &Value, shared: &mut Interner) -> Option<ServicePortView> {
    Some(ServicePortView {
        name: shared.text(port.text("name")),
        protocol: shared.text(port.text("protocol")),
        port: port_number(port, "port")?,
        node_port: port_number(port, "nodePort"),
    })
}

impl Cached for SliceView {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> SliceView {
        let meta = Meta::read(kind, &object, shared);
        let service = object.label(SERVICE_NAME).filter(|_| object.text("addressType") == "IPv4");
        SliceView {
            service: service.map(|name| Key::new(meta.namespace.clone(), shared.text(name))),
            ports: object.list("ports").iter().filter_map(|port| read_slice_port(port, shared)).collect(),
            endpoints: object.list("endpoints").iter().filter_map(|endpoint| read_endpoint(endpoint, shared)).collect(),
            meta,
        }
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

fn read_slice_port(port: &Value, shared: &mut Interner) -> Option<SlicePort> {
    Some(SlicePort {
        name: shared.text(port.text("name")),
        protocol: shared.text(port.text("protocol")),
        port: port_number(port, "port")?,
    })
}

fn read_endpoint(endpoint: &Value, shared: &mut Interner) -> Option<EndpointView> {
    // Consumers take unknown for ready, and what is ready for serving.
    let condition = |name: &str| endpoint.at("conditions").at(name).as_bool();
    let ready = condition("ready").unwrap_or(true);
    let is_pod = endpoint.text("targetRef.kind") == "Pod";
    Some(EndpointView {
        ip: endpoint.list("addresses").first()?.as_str()?.parse().ok()?,
        ready,
        serving: condition("serving").unwrap_or(ready),
        terminating: condition("terminating").unwrap_or(false),
        hostname: endpoint.at("hostname").as_str().map(|name| shared.text(name)),
        node: shared.text(endpoint.text("nodeName")),
        pod: if is_pod { endpoint.text("targetRef.name").into() } else { shared.text("") },
    })
}
