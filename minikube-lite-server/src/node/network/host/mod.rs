//! The sockets of the host by which Services are reached from outside the cluster: NodePorts, and load balancers' addresses.
//!
//! A connection that is accepted goes to the server in the chosen Pod as it is; nothing is copied in between.

mod load_balancer;
#[cfg(test)]
mod tests;

pub use load_balancer::LoadBalancers;

use super::connection;
use super::proxy::{Requests, Route, ServicePort};
use super::services::{ServiceType, Tables};
use super::{Accepted, Network};
use crate::bootstrap::CONTROL_PLANE;
use crate::client::Client;
use crate::controllers::runtime::Key;
use crate::events::Recorder;
use shared_types::kinds;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The host, as the cluster sees it: it is where the control plane is.
const HOST: Ipv4Addr = *CONTROL_PLANE.ip();
/// How often a port that others have is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The listeners on the host.
pub struct HostListeners {
    network: Network,
    client: Client,
    events: Recorder,
    /// Where NodePorts are served. `None` for nowhere.
    node_port_address: Option<IpAddr>,
    /// Where connections come out that are to be hidden behind a node's address.
    node_ip: Ipv4Addr,
    open: HashMap<SocketAddr, DropGuard>,
    /// Those that could not be opened, whose Services have been told.
    failed: HashSet<SocketAddr>,
}

/// How a listener's connections find their Service's port.
#[derive(Clone, Copy)]
enum Door {
    NodePort(u16),
    LoadBalancer(SocketAddrV4),
}

impl Door {
    fn port(self, tables: &Tables) -> Option<&Arc<ServicePort>> {
        match self {
            Door::NodePort(port) => tables.port_at_node(port),
            Door::LoadBalancer(address) => tables.port_at(address),
        }
    }
}

impl HostListeners {
    pub fn new(
        network: Network,
        client: Client,
        events: Recorder,
        node_port_address: Option<IpAddr>,
        node_ip: Ipv4Addr,
    ) -> HostListeners {
        let (open, failed) = Default::default();
        HostListeners { network, client, events, node_port_address, node_ip, open, failed }
    }

    /// Keeps the listeners as the Services want them, for ever. What is open ends with the future.
    pub async fn run(mut self) {
        let mut services = self.network.services().subscribe();
        loop {
            services.mark_unchanged();
            self.reconcile().await;
            // The sender lives as long as the network.
            match self.failed.is_empty() {
                true => drop(services.changed().await),
                false => drop(tokio::time::timeout(RETRY, services.changed()).await),
            }
        }
    }

    async fn reconcile(&mut self) {
        let wanted = self.wanted();
        self.open.retain(|address, _| wanted.contains_key(address));
        self.failed.retain(|address| wanted.contains_key(address));
        for (address, (door, service)) in wanted {
            if self.open.contains_key(&address) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    self.failed.remove(&address);
                    let stop = CancellationToken::new();
                    let accepting = accept(self.network.clone(), listener, door, self.node_ip);
                    tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
                    self.open.insert(address, stop.drop_guard());
                }
                Err(problem) => self.report(address, &service, &problem).await,
            }
        }
    }

    /// What is to be listened on. A port without endpoints is not, so that the host refuses connections to it.
    fn wanted(&self) -> HashMap<SocketAddr, (Door, Key)> {
        let tables = self.network.services().read();
        let mut wanted = HashMap::new();
        for (key, service, entry) in tables.all() {
            for port in &entry.ports {
                let mut doors: Vec<(SocketAddr, Door)> = Vec::new();
                if let (Some(ip), Some(number)) = (self.node_port_address, port.node_port) {
                    doors.push((SocketAddr::new(ip, number), Door::NodePort(number)));
                }
                if service.kind == ServiceType::LoadBalancer(None) {
                    let ours = service.ingress.iter().filter(|ip| load_balancer::is_ours(**ip));
                    let addresses = ours.map(|ip| SocketAddrV4::new(*ip, port.port));
                    doors.extend(addresses.map(|address| (address.into(), Door::LoadBalancer(address))));
                }
                if !doors.is_empty() && port.has_endpoints() {
                    wanted.extend(doors.into_iter().map(|(address, door)| (address, (door, key.clone()))));
                }
            }
        }
        wanted
    }

    /// Says once that a port cannot be listened on.
    async fn report(&mut self, address: SocketAddr, service: &Key, problem: &io::Error) {
        if !self.failed.insert(address) {
            return;
        }
        let why = match problem.kind() {
            io::ErrorKind::AddrInUse => "the port is in use on this host".to_string(),
            io::ErrorKind::PermissionDenied => "this host does not permit it".to_string(),
            _ => problem.to_string(),
        };
        tracing::warn!(?service, "cannot listen on {address}: {why}");
        if let Ok(object) = self.client.get(kinds::named("Service"), &service.namespace, &service.name).await {
            let message = format!("cannot listen on {address}: {why}");
            self.events.warning(&object, "FailedToListen", message);
        }
    }
}

/// Accepts connections for ever.
async fn accept(network: Network, listener: TcpListener, door: Door, node_ip: Ipv4Addr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => pass_on(&network, stream, peer, door, node_ip),
            Err(problem) => {
                // Out of file descriptors, most likely: give others time to close.
                tracing::warn!("cannot accept a connection: {problem}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Hands a connection to a Pod's server, or resets it when there is none.
fn pass_on(network: &Network, stream: TcpStream, peer: SocketAddr, door: Door, node_ip: Ipv4Addr) {
    let tables = network.services().read();
    let Some(port) = door.port(&tables).cloned() else { return reset(stream) };
    drop(tables);
    // Unless the policy keeps the client's address, a node stands in for it.
    let from = if port.external_local { HOST } else { node_ip };
    let Route::To(endpoint) = port.route(network.environment(), Ipv4Addr::UNSPECIFIED, HOST, None) else {
        return reset(stream);
    };
    let Ok(Some(server)) = network.server_at(endpoint.address) else { return reset(stream) };
    let _ = stream.set_nodelay(true);
    let (stream, line) = connection::single(stream);
    server.lines.add(&line);
    let peer = SocketAddrV4::new(from, peer.port());
    let requests = Requests::to(endpoint.counters.clone());
    (server.handler)(Accepted { stream: Box::new(stream), local: endpoint.address, peer, requests });
}

fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}
