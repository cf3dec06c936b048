//! The cluster's network: Pods listen and connect, Services lead to Pods, names have addresses.
//!
//! Everything happens in process: a connection is a pair of buffers, listening is an entry in a table. Only NodePorts and
//! load balancers have sockets of the host, on its loopback.
//!
//! - [`PodIps`] are the addresses that a node gives to its Pods.
//! - [`Network`] knows who listens where; a [`PodNetwork`] is one Pod's part of it.
//! - [`services`] are what it knows of Services.
//! - [`proxy`] chooses the Pod for a connection to a Service.
//! - [`dns`] answers questions for names.

mod connection;
mod control_plane;
pub mod dns;
mod host;
mod pod_ips;
mod pod_network;
pub mod proxy;
pub mod services;
mod stack;
mod start;
#[cfg(test)]
pub mod tests;
pub mod tls;

pub use connection::{Accepted, Connection, Handler, Stream};
pub use dns::{DnsSettings, LookupError, RecordType};
pub use pod_ips::PodIps;
pub use pod_network::{Identity, Listening, PodNetwork};
pub use proxy::Requests;
pub use start::{NetworkSettings, start};

use crate::environment::Environment;
use connection::Lines;
use proxy::Route;
use services::Services;
use stack::{Server, Stacks};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

/// After this time Linux gives up connecting to who does not answer (`net.ipv4.tcp_syn_retries` of 6).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// After this time Linux gives up looking for a neighbour that is not there.
const NEIGHBOUR_TIMEOUT: Duration = Duration::from_secs(3);

/// The network of the cluster.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    environment: Environment,
    stacks: Stacks,
    services: Services,
}

/// Who connects.
#[derive(Clone, Copy)]
struct Source<'a> {
    ip: Ipv4Addr,
    node_ip: Ipv4Addr,
    /// Of the Pod, if it is one.
    lines: Option<&'a Lines>,
}

impl Network {
    /// A network with nobody in it.
    pub fn new(environment: Environment) -> Network {
        Network { inner: Arc::new(Inner { environment, stacks: Stacks::default(), services: Services::default() }) }
    }

    /// Gives a Pod its part of the network.
    pub fn join(&self, identity: Identity) -> PodNetwork {
        PodNetwork::new(self.clone(), identity)
    }

    /// Connects from a node or the API server, as probes and proxies do.
    ///
    /// # Errors
    /// `ConnectionRefused` at once when nobody listens there; `HostUnreachable` or `TimedOut` after the time that Linux
    /// takes to find out that nobody answers; `NetworkUnreachable` for an address outside the cluster.
    pub async fn connect(&self, from: Ipv4Addr, to: SocketAddrV4) -> io::Result<Connection> {
        self.connect_from(Source { ip: from, node_ip: from, lines: None }, to).await
    }

    async fn connect_from(&self, source: Source<'_>, to: SocketAddrV4) -> io::Result<Connection> {
        if to.ip().is_loopback() || to.ip().is_unspecified() {
            let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port());
            return self.dial(Source { ip: Ipv4Addr::LOCALHOST, ..source }, source.ip, to, Requests::default()).await;
        }
        let (to, requests) = match self.route(source, to) {
            None => (to, Requests::default()),
            Some(Route::To((endpoint, requests))) => (endpoint, requests),
            Some(Route::Refused) => return Err(io::ErrorKind::ConnectionRefused.into()),
            Some(Route::Dropped) => {
                tokio::time::sleep(CONNECT_TIMEOUT).await;
                return Err(io::ErrorKind::TimedOut.into());
            }
        };
        self.dial(source, *to.ip(), to, requests).await
    }

    /// Where the Service at this address leads; `None` when there is none.
    fn route(&self, source: Source<'_>, to: SocketAddrV4) -> Option<Route<(SocketAddrV4, Requests)>> {
        let tables = self.inner.services.read();
        let port = tables.port_at(to)?.clone();
        let node = tables.node(source.node_ip).cloned();
        drop(tables);
        Some(match port.route(&self.inner.environment, *to.ip(), source.ip, node.as_deref()) {
            Route::To(endpoint) => Route::To((endpoint.address, Requests::to(endpoint.counters.clone()))),
            Route::Refused => Route::Refused,
            Route::Dropped => Route::Dropped,
        })
    }

    /// Connects to who listens at `to` in the stack `ip`.
    async fn dial(
        &self,
        source: Source<'_>,
        ip: Ipv4Addr,
        to: SocketAddrV4,
        requests: Requests,
    ) -> io::Result<Connection> {
        let stacks = &self.inner.stacks;
        let Some(server) = stacks.find(ip, *to.ip(), to.port())? else { return Err(nobody_at(ip).await) };
        let (client, stream, line) = connection::pair();
        server.lines.add(&line);
        if let Some(lines) = source.lines {
            lines.add(&line);
        }
        let peer = SocketAddrV4::new(source.ip, stacks.ephemeral_port());
        (server.handler)(Accepted { stream: Box::new(stream), local: to, peer, requests });
        Ok(Box::new(client))
    }

    /// Asks the cluster's DNS one question. `name` is absolute, with or without the dot at the end.
    pub fn query(&self, name: &str, record: RecordType) -> dns::Answer {
        let mut answer = dns::answer(&self.inner.services.read(), name, record);
        if answer.records.len() > 1 {
            // So that clients that take the first share the load.
            let rotate = |rng: &mut fastrand::Rng| rng.usize(..answer.records.len());
            let by = self.inner.environment.random(&format!("dns/{name}"), rotate);
            let aliases =
                answer.records.iter().filter(|record| matches!(record.data, dns::RecordData::Cname(_))).count();
            let addresses = &mut answer.records[aliases..];
            addresses.rotate_left(by % addresses.len().max(1));
        }
        answer
    }

    /// Whether one of these name servers is the cluster's. There are no others that could answer.
    fn has_dns(&self, servers: &[Ipv4Addr]) -> bool {
        servers.contains(&dns::SERVER)
    }

    /// What the network knows of Services.
    pub fn services(&self) -> &Services {
        &self.inner.services
    }

    /// A node of this name has this address.
    fn add_node(&self, name: &str, ip: Ipv4Addr) {
        self.inner.stacks.join(ip);
        self.inner.services.add_node(name, ip);
    }

    fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// Who listens at an address of a Pod or a node.
    fn server_at(&self, address: SocketAddrV4) -> io::Result<Option<Server>> {
        self.inner.stacks.find(*address.ip(), *address.ip(), address.port())
    }
}

/// How connecting to an address that nobody has ends.
async fn nobody_at(ip: Ipv4Addr) -> io::Error {
    if PodIps::is_pod_ip(ip) {
        tokio::time::sleep(NEIGHBOUR_TIMEOUT).await;
        return io::ErrorKind::HostUnreachable.into();
    }
    if ip.is_private() {
        tokio::time::sleep(CONNECT_TIMEOUT).await;
        return io::ErrorKind::TimedOut.into();
    }
    io::ErrorKind::NetworkUnreachable.into()
}
