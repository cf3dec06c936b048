//! Addresses for Services of type `LoadBalancer`: what a cloud's controller would do, with addresses of the host's loopback.

use crate::client::{Client, Part};
use crate::controllers::runtime::{Cached, Key};
use crate::events::Recorder;
use crate::node::network::Network;
use crate::node::network::services::{ServiceType, ServiceView};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The addresses are taken from 127.96.0.0/16, from 127.96.0.1 on.
const RANGE: [u8; 2] = [127, 96];
/// After this time what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Whether an address is one that is given to load balancers.
pub fn is_ours(ip: Ipv4Addr) -> bool {
    ip.octets()[..2] == RANGE
}

/// Gives addresses to the Services that want one. An address stays with its Service, in whose status it is kept.
pub struct LoadBalancers {
    network: Network,
    client: Client,
    events: Recorder,
    /// By the UIDs of their Services: addresses that were given and have yet to be seen in the status.
    given: HashMap<Arc<str>, Ipv4Addr>,
}

/// A Service that lacks an address, and the one that it is to get.
struct Missing {
    service: Key,
    uid: Arc<str>,
    ip: Ipv4Addr,
}

impl LoadBalancers {
    pub fn new(network: Network, client: Client, events: Recorder) -> LoadBalancers {
        LoadBalancers { network, client, events, given: HashMap::new() }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut services = self.network.services().subscribe();
        loop {
            services.mark_unchanged();
            match self.reconcile().await {
                Ok(()) => drop(services.changed().await),
                Err(status) => {
                    tracing::debug!(error = %status, "a load balancer could not be given its address");
                    drop(tokio::time::timeout(RETRY, services.changed()).await);
                }
            }
        }
    }

    async fn reconcile(&mut self) -> Result<(), Status> {
        for missing in self.missing() {
            self.assign(&missing).await?;
            self.given.insert(missing.uid, missing.ip);
        }
        Ok(())
    }

    /// The Services without an address, by name, with the lowest ones that are free. A Service of a `loadBalancerClass` is
    /// another controller's.
    fn missing(&mut self) -> Vec<Missing> {
        let tables = self.network.services().read();
        let is_lacking = |service: &ServiceView| {
            service.kind == ServiceType::LoadBalancer(None)
                && service.cluster_ip.is_some()
                && service.ingress.is_empty()
        };
        let lacking = tables.all().filter(|(_, service, _)| is_lacking(service));
        let lacking: BTreeMap<Key, Arc<str>> =
            lacking.map(|(key, service, _)| (key.clone(), service.meta().uid.clone())).collect();
        self.given.retain(|uid, _| lacking.values().any(|other| other == uid));
        let mut taken: BTreeSet<Ipv4Addr> = tables.all().flat_map(|(_, service, _)| service.ingress.clone()).collect();
        taken.extend(self.given.values());
        let free = (1..u16::MAX).map(address).filter(|ip| !taken.contains(ip));
        let unseen = lacking.into_iter().filter(|(_, uid)| !self.given.contains_key(uid));
        unseen.zip(free).map(|((service, uid), ip)| Missing { service, uid, ip }).collect()
    }

    async fn assign(&self, missing: &Missing) -> Result<(), Status> {
        let kind = kinds::named("Service");
        let assign = |service: &mut Value| {
            if service.uid() == &*missing.uid && service.list("status.loadBalancer.ingress").is_empty() {
                let ingress = json!([{"ip": missing.ip.to_string(), "ipMode": "VIP"}]);
                service.set("status.loadBalancer.ingress", ingress);
            }
        };
        let Key { namespace, name } = &missing.service;
        match self.client.modify(kind, Part::Status, namespace, name, assign).await {
            Ok(written) => {
                self.events.normal(&written.object()?, "EnsuredLoadBalancer", "Ensured load balancer");
                Ok(())
            }
            Err(status) if status.is_not_found() => Ok(()),
            Err(status) => Err(status),
        }
    }
}

fn address(number: u16) -> Ipv4Addr {
    let [third, fourth] = number.to_be_bytes();
    Ipv4Addr::new(RANGE[0], RANGE[1], third, fourth)
}
