//! One Pod's part of the network: what its containers share.

use super::Network;
use super::connection::{Connection, Handler, Lines};
use super::dns::{self, DnsSettings, LookupError, RecordType};
use super::stack::Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who a Pod is on the network.
#[derive(Clone, Debug)]
pub struct Identity {
    pub namespace: String,
    pub name: String,
    /// The node's, for a Pod with `hostNetwork`.
    pub ip: Ipv4Addr,
    pub node_ip: Ipv4Addr,
    pub hostname: String,
    /// Empty without one.
    pub subdomain: String,
    pub dns: DnsSettings,
}

/// A Pod's network namespace, shared by its containers.
#[derive(Clone)]
pub struct PodNetwork {
    inner: Arc<Inner>,
}

struct Inner {
    network: Network,
    identity: Identity,
    lines: Arc<Lines>,
    /// What it listens with.
    listeners: Mutex<Vec<u64>>,
    left: AtomicBool,
}

impl PodNetwork {
    pub(super) fn new(network: Network, identity: Identity) -> PodNetwork {
        network.inner.stacks.join(identity.ip);
        let (lines, listeners, left) = (Arc::default(), Mutex::default(), AtomicBool::new(false));
        PodNetwork { inner: Arc::new(Inner { network, identity, lines, listeners, left }) }
    }

    /// Who the Pod is.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Has `handler` called for each connection to a port, until what is returned is dropped. `address` is `0.0.0.0`,
    /// one of the loopback's, or the Pod's. Port 0 is no free one here.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`; `NetworkDown` when the Pod has left.
    pub fn listen(&self, address: Ipv4Addr, port: u16, handler: Handler) -> io::Result<Listening> {
        let inner = &self.inner;
        let mut listeners = inner.listeners();
        if inner.left.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        let server = Server { handler, lines: inner.lines.clone() };
        let id = inner.network.inner.stacks.listen(inner.identity.ip, address, port, server)?;
        listeners.push(id);
        Ok(Listening { network: inner.clone(), id })
    }

    /// Whether anybody listens on this port.
    pub fn listens(&self, port: u16) -> bool {
        self.inner.network.inner.stacks.listens(self.inner.identity.ip, port)
    }

    /// Connects to the loopback, a Pod, a Service or a node.
    ///
    /// # Errors
    /// As [`Network::connect`]; `NetworkUnreachable` for an address outside the cluster, or when the Pod has left.
    pub async fn connect(&self, to: SocketAddrV4) -> io::Result<Connection> {
        let inner = &self.inner;
        if inner.left.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let from = super::Source { ip: inner.identity.ip, node_ip: inner.identity.node_ip, lines: Some(&inner.lines) };
        inner.network.connect_from(from, to).await
    }

    /// The addresses of a host name, as `getaddrinfo` finds them: the Pod's own name, then DNS with the search domains.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn lookup(&self, name: &str) -> Result<Vec<Ipv4Addr>, LookupError> {
        self.host(name).await.map(|host| host.addresses)
    }

    /// As [`PodNetwork::lookup`], with the full name of the host.
    ///
    /// # Errors
    /// Why it has no address.
    pub async fn host(&self, name: &str) -> Result<dns::Host, LookupError> {
        dns::resolver::lookup(&self.inner.network, &self.inner.identity, name)
    }

    /// Whether there is a Pod or a node with this address, which would answer a ping. The address of a Service does not.
    pub fn answers(&self, ip: Ipv4Addr) -> bool {
        ip.is_loopback() || self.inner.network.inner.stacks.has(ip)
    }

    /// Asks the cluster's DNS one question. `name` is absolute, with or without the dot at the end.
    pub async fn query(&self, name: &str, record: RecordType) -> dns::Answer {
        self.inner.network.query(name, record)
    }

    #[cfg(test)]
    pub(super) fn open_connections(&self) -> usize {
        self.inner.lines.open()
    }

    /// Takes the Pod off the network: its listeners and connections end, and there will be no others.
    pub fn leave(&self) {
        self.inner.leave();
    }
}

impl Inner {
    fn listeners(&self) -> MutexGuard<'_, Vec<u64>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        let listeners = {
            let mut listeners = self.listeners();
            if self.left.swap(true, Ordering::SeqCst) {
                return;
            }
            std::mem::take(&mut *listeners)
        };
        self.network.inner.stacks.leave(self.identity.ip, &listeners);
        self.lines.cut();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A port that is listened on. Dropping it ends that; connections that are open stay.
pub struct Listening {
    network: Arc<Inner>,
    id: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.network.listeners().retain(|id| *id != self.id);
        self.network.network.inner.stacks.close(self.network.identity.ip, self.id);
    }
}
