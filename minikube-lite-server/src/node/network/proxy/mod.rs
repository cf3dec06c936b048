//! kube-proxy: which Pod a connection to a Service goes to.
//!
//! A [`ServicePort`] is what kube-proxy's rules for one port of a Service would be. It is made anew whenever the Service or
//! one of its EndpointSlices changes; counters and affinity pass from the old one to the new one.

mod affinity;
mod counters;

pub use counters::{Counters, Requests};

use super::services::{EndpointView, ServicePortView, ServiceView, SliceView};
use crate::controllers::runtime::Key;
use crate::environment::Environment;
use affinity::Affinity;
use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// A TCP port of a Service and where it leads.
pub struct ServicePort {
    pub service: Key,
    pub name: Arc<str>,
    pub port: u16,
    pub node_port: Option<u16>,
    /// Connections to the ClusterIP stay on the client's node (`internalTrafficPolicy: Local`).
    internal_local: bool,
    /// The client's own address is kept (`externalTrafficPolicy: Local`).
    pub external_local: bool,
    cluster_ip: Option<Ipv4Addr>,
    /// All endpoints, also those that get no connections.
    pub endpoints: Vec<Endpoint>,
    affinity: Option<Arc<Affinity>>,
    /// What draws are numbered by.
    purpose: String,
}

/// Where a port of a Service leads to.
#[derive(Clone)]
pub struct Endpoint {
    pub address: SocketAddrV4,
    pub ready: bool,
    /// It is terminating and still answers.
    lingers: bool,
    node: Arc<str>,
    /// Empty when it is no Pod.
    pub pod: Arc<str>,
    pub counters: Arc<Counters>,
}

/// Where a connection goes.
#[derive(Debug, PartialEq)]
pub enum Route<T> {
    To(T),
    /// There are no endpoints.
    Refused,
    /// There are endpoints, but not where the policy allows them.
    Dropped,
}

impl ServicePort {
    /// The TCP ports of a Service with ClusterIP; none for others, which are DNS only. `old` are those before the change.
    pub fn all_of(
        key: &Key,
        service: &ServiceView,
        slices: &BTreeMap<Arc<str>, Arc<SliceView>>,
        old: &[Arc<ServicePort>],
    ) -> Vec<Arc<ServicePort>> {
        if service.cluster_ip.is_none() {
            return Vec::new();
        }
        let make = |port: &ServicePortView| {
            let old = old.iter().find(|old| old.name == port.name);
            let affinity = service.affinity.map(|timeout| match old.and_then(|old| old.affinity.as_ref()) {
                Some(kept) if kept.timeout() == timeout => kept.clone(),
                _ => Arc::new(Affinity::new(timeout)),
            });
            Arc::new(ServicePort {
                service: key.clone(),
                name: port.name.clone(),
                port: port.port,
                node_port: port.node_port,
                internal_local: service.internal_local,
                external_local: service.external_local,
                cluster_ip: service.cluster_ip,
                endpoints: endpoints(port, slices, old.map_or(&[], |old| &old.endpoints)),
                affinity,
                purpose: format!("services/{}/{}:{}/endpoint", key.namespace, key.name, port.name),
            })
        };
        service.tcp_ports().map(make).collect()
    }

    /// Whether any endpoint would get a connection from outside.
    pub fn has_endpoints(&self) -> bool {
        !self.eligible(None).is_empty()
    }

    /// The endpoints that connections may go to: the ready ones, or where there are none, those that still answer while
    /// they terminate (KEP-1669). With a node, only its own.
    fn eligible(&self, node: Option<&str>) -> Vec<&Endpoint> {
        let here = |endpoint: &&Endpoint| node.is_none_or(|node| &*endpoint.node == node);
        let ready: Vec<_> = self.endpoints.iter().filter(|endpoint| endpoint.ready).filter(here).collect();
        match ready.is_empty() {
            true => self.endpoints.iter().filter(|endpoint| endpoint.lingers).filter(here).collect(),
            false => ready,
        }
    }

    /// Chooses an endpoint for a connection to `address` from `client` on the node of this name. All have the same chance,
    /// except that a client may stay with the one that it had.
    pub fn route(
        &self,
        environment: &Environment,
        address: Ipv4Addr,
        client: Ipv4Addr,
        node: Option<&str>,
    ) -> Route<&Endpoint> {
        // Within the cluster, the policy of traffic from outside does not matter.
        let is_local = self.internal_local && self.cluster_ip == Some(address);
        let eligible = self.eligible(if is_local { Some(node.unwrap_or("")) } else { None });
        if eligible.is_empty() {
            return if is_local && self.has_endpoints() { Route::Dropped } else { Route::Refused };
        }
        let random = || environment.random(&self.purpose, |rng| rng.usize(..eligible.len()));
        let chosen = match &self.affinity {
            Some(affinity) => affinity.choose(client, &eligible, random),
            None => random(),
        };
        let endpoint = eligible[chosen];
        endpoint.counters.count_connection();
        Route::To(endpoint)
    }
}

/// The endpoints of a port; those that were there before keep their counters.
fn endpoints(port: &ServicePortView, slices: &BTreeMap<Arc<str>, Arc<SliceView>>, old: &[Endpoint]) -> Vec<Endpoint> {
    let kept: std::collections::HashMap<_, _> =
        old.iter().map(|endpoint| ((endpoint.address, &endpoint.pod), &endpoint.counters)).collect();
    let mut seen = HashSet::new();
    let mut endpoints = Vec::with_capacity(old.len());
    for slice in slices.values() {
        let of_port = slice.ports.iter().find(|p| p.name == port.name && p.protocol == port.protocol);
        let Some(number) = of_port.map(|port| port.port) else { continue };
        for view in &slice.endpoints {
            let address = SocketAddrV4::new(view.ip, number);
            // While an endpoint moves between slices it may be in two.
            if seen.insert(address) {
                let counters = kept.get(&(address, &view.pod)).map(|counters| (*counters).clone());
                endpoints.push(Endpoint::new(address, view, counters.unwrap_or_default()));
            }
        }
    }
    endpoints
}

impl Endpoint {
    fn new(address: SocketAddrV4, view: &EndpointView, counters: Arc<Counters>) -> Endpoint {
        Endpoint {
            address,
            ready: view.ready,
            lingers: view.serving && view.terminating,
            node: view.node.clone(),
            pod: view.pod.clone(),
            counters,
        }
    }
}
