//! Session affinity: which endpoint a client had last.

use super::Endpoint;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The clients of one port of a Service. Each connection begins a client's timeout anew.
pub struct Affinity {
    timeout: Duration,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    by_address: HashMap<Ipv4Addr, (SocketAddrV4, Instant)>,
    /// The size at which clients whose time is over are forgotten.
    limit: usize,
}

impl Affinity {
    pub fn new(timeout: Duration) -> Affinity {
        Affinity { timeout, clients: Mutex::default() }
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Which of the endpoints the client gets: the one that it had, if it is still among them, or what `random` chooses.
    pub fn choose(&self, client: Ipv4Addr, endpoints: &[&Endpoint], random: impl FnOnce() -> usize) -> usize {
        let now = Instant::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: Instant| now.duration_since(at) < self.timeout;
        let kept = clients.by_address.get(&client).filter(|(_, at)| is_fresh(*at));
        let kept = kept.and_then(|(address, _)| endpoints.iter().position(|endpoint| endpoint.address == *address));
        let chosen = kept.unwrap_or_else(random);
        clients.by_address.insert(client, (endpoints[chosen].address, now));
        if clients.by_address.len() > clients.limit {
            clients.by_address.retain(|_, (_, at)| is_fresh(*at));
            clients.limit = (2 * clients.by_address.len()).max(64);
        }
        chosen
    }
}
