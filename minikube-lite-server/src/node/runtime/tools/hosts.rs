//! Names of hosts, as the programs of a container see them: its `/etc/hosts`, then DNS.

use crate::node::network::LookupError;
use crate::node::runtime::world::World;
use std::net::Ipv4Addr;

/// The addresses of a host.
///
/// # Errors
/// Why it has none.
pub async fn lookup(world: &World, host: &str) -> Result<Vec<Ipv4Addr>, LookupError> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    if let Some(entry) = entries(world).into_iter().find(|entry| entry.has(host)) {
        return Ok(vec![entry.ip]);
    }
    world.network().lookup(host).await
}

/// A line of `/etc/hosts`.
pub struct Entry {
    pub ip: Ipv4Addr,
    pub names: Vec<String>,
}

impl Entry {
    pub fn has(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host.trim_end_matches('.')))
    }
}

/// The IPv4 lines of `/etc/hosts`.
pub fn entries(world: &World) -> Vec<Entry> {
    let text = world.files().read("/etc/hosts").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let read = |line: &str| {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        Some(Entry { ip: words.next()?.parse().ok()?, names: words.map(String::from).collect() })
    };
    text.lines().filter_map(read).collect()
}
