//! Who listens where: the network stacks of Pods and nodes.

use super::connection::{Handler, Lines};
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Linux's `net.ipv4.ip_local_port_range`.
const EPHEMERAL: std::ops::Range<u16> = 32_768..61_000;

/// The stacks of the cluster, by address. A Pod has one of its own, or shares its node's (`hostNetwork`).
#[derive(Default)]
pub(super) struct Stacks {
    by_address: RwLock<HashMap<Ipv4Addr, Stack>>,
    next_id: AtomicU64,
    next_port: AtomicU32,
}

#[derive(Default)]
struct Stack {
    /// How many use it. A stack that nobody uses is not there.
    users: usize,
    listeners: Vec<Listener>,
}

struct Listener {
    id: u64,
    address: Ipv4Addr,
    port: u16,
    server: Server,
}

/// What a connection to a listener needs.
#[derive(Clone)]
pub(super) struct Server {
    pub handler: Handler,
    /// The open connections of the Pod that listens.
    pub lines: Arc<Lines>,
}

impl Listener {
    fn serves(&self, address: Ipv4Addr, port: u16) -> bool {
        self.port == port && (self.address.is_unspecified() || self.address == address)
    }
    fn is_in_the_way_of(&self, address: Ipv4Addr, port: u16) -> bool {
        self.serves(address, port) || self.port == port && address.is_unspecified()
    }
}

impl Stacks {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Ipv4Addr, Stack>> {
        self.by_address.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Ipv4Addr, Stack>> {
        self.by_address.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more user of the stack with this address.
    pub fn join(&self, ip: Ipv4Addr) {
        self.write().entry(ip).or_default().users += 1;
    }

    /// One less, whose `listeners` end.
    pub fn leave(&self, ip: Ipv4Addr, listeners: &[u64]) {
        let mut ended = Vec::new();
        let mut stacks = self.write();
        let Some(stack) = stacks.get_mut(&ip) else { return };
        ended.extend(stack.listeners.extract_if(.., |listener| listeners.contains(&listener.id)));
        stack.users = stack.users.saturating_sub(1);
        if stack.users == 0 {
            stacks.remove(&ip);
        }
        // A handler may own whatever leaves the network when it is dropped.
        drop(stacks);
    }

    /// Whether there is a stack with this address.
    pub fn has(&self, ip: Ipv4Addr) -> bool {
        self.read().contains_key(&ip)
    }

    /// Listens on an address of the stack `ip`; gives what [`Stacks::close`] wants.
    ///
    /// # Errors
    /// `AddrNotAvailable` for an address that is not the stack's, `AddrInUse` when another listens there.
    pub fn listen(&self, ip: Ipv4Addr, address: Ipv4Addr, port: u16, server: Server) -> io::Result<u64> {
        if address != ip && !address.is_loopback() && !address.is_unspecified() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let mut stacks = self.write();
        let stack = stacks.get_mut(&ip).ok_or(io::ErrorKind::NetworkDown)?;
        if stack.listeners.iter().any(|listener| listener.is_in_the_way_of(address, port)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        stack.listeners.push(Listener { id, address, port, server });
        Ok(id)
    }

    /// Ends listening.
    pub fn close(&self, ip: Ipv4Addr, id: u64) {
        let mut stacks = self.write();
        let Some(stack) = stacks.get_mut(&ip) else { return };
        let place = stack.listeners.iter().position(|listener| listener.id == id);
        let ended = place.map(|place| stack.listeners.swap_remove(place));
        drop(stacks);
        drop(ended);
    }

    /// Whether anybody listens on the port, at whatever address of the stack.
    pub fn listens(&self, ip: Ipv4Addr, port: u16) -> bool {
        self.read().get(&ip).is_some_and(|stack| stack.listeners.iter().any(|listener| listener.port == port))
    }

    /// Who serves connections to `address:port` of the stack `ip`. `None` when there is no such stack.
    ///
    /// # Errors
    /// `ConnectionRefused` when there is, and nobody listens.
    pub fn find(&self, ip: Ipv4Addr, address: Ipv4Addr, port: u16) -> io::Result<Option<Server>> {
        let stacks = self.read();
        let Some(stack) = stacks.get(&ip) else { return Ok(None) };
        match stack.listeners.iter().find(|listener| listener.serves(address, port)) {
            Some(listener) => Ok(Some(listener.server.clone())),
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// The port that a connection comes from.
    pub fn ephemeral_port(&self) -> u16 {
        let next = self.next_port.fetch_add(1, Ordering::Relaxed);
        let range = u32::from(EPHEMERAL.end - EPHEMERAL.start);
        EPHEMERAL.start + u16::try_from(next % range).unwrap_or(0)
    }
}
