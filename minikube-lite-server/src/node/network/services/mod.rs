//! The Services of the cluster as the network knows them, which the proxy and DNS read.

mod view;

pub use view::{EndpointView, ServicePortView, ServiceType, ServiceView, SlicePort, SliceView};

use super::proxy::ServicePort;
use crate::controllers::runtime::{Cached, Change, Key, Meta};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// All Services, with their endpoints.
#[derive(Default)]
pub struct Services {
    tables: RwLock<Tables>,
    /// Told after each change of a Service or of its endpoints.
    changed: watch::Sender<()>,
}

/// What is known, and where to find it.
#[derive(Default)]
pub struct Tables {
    services: HashMap<Key, Entry>,
    by_address: HashMap<SocketAddrV4, Arc<ServicePort>>,
    by_node_port: HashMap<u16, Arc<ServicePort>>,
    namespaces: HashSet<Arc<str>>,
    nodes: HashMap<Ipv4Addr, Arc<str>>,
}

/// A Service, its slices by name, and what they make of its TCP ports.
#[derive(Default)]
pub struct Entry {
    pub service: Option<Arc<ServiceView>>,
    pub slices: BTreeMap<Arc<str>, Arc<SliceView>>,
    pub ports: Vec<Arc<ServicePort>>,
}

impl Services {
    pub fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees changes of Services and of their endpoints.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A node of the cluster has this name and address.
    pub fn add_node(&self, name: &str, ip: Ipv4Addr) {
        self.write().nodes.insert(ip, name.into());
    }

    pub fn apply_namespace(&self, change: &Change<'_, Meta>) {
        let mut tables = self.write();
        match (change.new, change.old) {
            (Some(new), _) => drop(tables.namespaces.insert(new.name.clone())),
            (None, Some(old)) => drop(tables.namespaces.remove(&old.name)),
            (None, None) => {}
        }
    }

    pub fn apply_service(&self, change: &Change<'_, ServiceView>) {
        let Some(service) = change.object() else { return };
        let key = service.meta().key();
        self.write().update(key, |entry| entry.service = change.new.cloned());
        self.changed.send_replace(());
    }

    pub fn apply_slice(&self, change: &Change<'_, SliceView>) {
        let service = |slice: Option<&Arc<SliceView>>| slice.and_then(|slice| slice.service.clone());
        let (before, after) = (service(change.old), service(change.new));
        let mut tables = self.write();
        // The label may have been moved to another Service.
        if let (Some(key), Some(old)) = (&before, change.old)
            && before != after
        {
            tables.update(key.clone(), |entry| drop(entry.slices.remove(&old.meta().name)));
        }
        if let (Some(key), Some(new)) = (after, change.new) {
            tables.update(key, |entry| drop(entry.slices.insert(new.meta().name.clone(), new.clone())));
        }
        drop(tables);
        self.changed.send_replace(());
    }
}

impl Tables {
    /// Changes a Service and makes its ports anew.
    fn update(&mut self, key: Key, change: impl FnOnce(&mut Entry)) {
        let entry = self.services.entry(key.clone()).or_default();
        let (old_service, old_ports) = (entry.service.clone(), std::mem::take(&mut entry.ports));
        change(entry);
        entry.ports = match &entry.service {
            Some(service) => ServicePort::all_of(&key, service, &entry.slices, &old_ports),
            None => Vec::new(),
        };
        let (new_service, new_ports) = (entry.service.clone(), entry.ports.clone());
        if entry.service.is_none() && entry.slices.is_empty() {
            self.services.remove(&key);
        }
        for (service, port) in old_service.iter().flat_map(|service| old_ports.iter().map(move |port| (service, port)))
        {
            for address in service.addresses(port.port) {
                remove_of(&mut self.by_address, &address, &key);
            }
            if let Some(node_port) = port.node_port {
                remove_of(&mut self.by_node_port, &node_port, &key);
            }
        }
        for (service, port) in new_service.iter().flat_map(|service| new_ports.iter().map(move |port| (service, port)))
        {
            for address in service.addresses(port.port) {
                self.by_address.insert(address, port.clone());
            }
            if let Some(node_port) = port.node_port {
                self.by_node_port.insert(node_port, port.clone());
            }
        }
    }

    pub fn get(&self, key: &Key) -> Option<(&Arc<ServiceView>, &Entry)> {
        let entry = self.services.get(key)?;
        Some((entry.service.as_ref()?, entry))
    }
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<ServiceView>, &Entry)> {
        self.services.iter().filter_map(|(key, entry)| Some((key, entry.service.as_ref()?, entry)))
    }
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }
    /// The name of the node with this address.
    pub fn node(&self, ip: Ipv4Addr) -> Option<&Arc<str>> {
        self.nodes.get(&ip)
    }
    /// The port of a Service that is reached at this address within the cluster: a ClusterIP, a load balancer's or an
    /// external one, or the address of a node.
    pub fn port_at(&self, address: SocketAddrV4) -> Option<&Arc<ServicePort>> {
        self.by_address.get(&address).or_else(|| match self.nodes.contains_key(address.ip()) {
            true => self.by_node_port.get(&address.port()),
            false => None,
        })
    }
    pub fn port_at_node(&self, node_port: u16) -> Option<&Arc<ServicePort>> {
        self.by_node_port.get(&node_port)
    }
}

/// Removes an entry unless another Service has taken it over.
fn remove_of<K: std::hash::Hash + Eq>(table: &mut HashMap<K, Arc<ServicePort>>, at: &K, owner: &Key) {
    if table.get(at).is_some_and(|port| port.service == *owner) {
        table.remove(at);
    }
}
