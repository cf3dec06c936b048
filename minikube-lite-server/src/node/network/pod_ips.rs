//! Pod IPs: which addresses a node hands out.

use std::collections::HashSet;
use std::net::Ipv4Addr;

/// How many ranges of 256 addresses a node has: its podCIDR, and as many more as 1100 Pods need.
const RANGES: u8 = 6;
/// The first and last address given in a range; `.1` is the node's end of it.
const FIRST: u8 = 2;
const LAST: u8 = 254;

/// The Pod IPs of one node.
///
/// The node's podCIDR `10.244.N.0/24` is used first. Only while all of it is taken do addresses come from the further
/// ranges `10.245.N.0/24` to `10.249.N.0/24`. In each range addresses are given in turn, so that the address of a Pod
/// that is gone comes back only when all others of the range have been given.
pub struct PodIps {
    node: u8,
    used: HashSet<Ipv4Addr>,
    /// The last octet that is tried next, per range.
    next: [u8; RANGES as usize],
}

impl PodIps {
    /// The addresses of the node with this index (the first is 0).
    pub fn new(node: u8) -> PodIps {
        PodIps { node, used: HashSet::new(), next: [FIRST; RANGES as usize] }
    }

    /// The podCIDR of the node.
    pub fn cidr(&self) -> String {
        format!("10.244.{}.0/24", self.node)
    }

    /// Whether an address is one that a node could give to a Pod.
    pub fn is_pod_ip(ip: Ipv4Addr) -> bool {
        let [first, second, ..] = ip.octets();
        first == 10 && (244..244 + RANGES).contains(&second)
    }

    /// Takes a free address. `None` when all are taken.
    pub fn allocate(&mut self) -> Option<Ipv4Addr> {
        for range in 0..RANGES {
            for _ in FIRST..=LAST {
                let octet = self.next[range as usize];
                self.next[range as usize] = following(octet);
                let ip = Ipv4Addr::new(10, 244 + range, self.node, octet);
                if self.used.insert(ip) {
                    return Some(ip);
                }
            }
        }
        None
    }

    /// Marks an address as taken by a Pod that was there before this process; later ones come after it.
    pub fn adopt(&mut self, ip: Ipv4Addr) {
        let [_, second, third, octet] = ip.octets();
        if third != self.node || !PodIps::is_pod_ip(ip) {
            return;
        }
        self.used.insert(ip);
        let next = &mut self.next[(second - 244) as usize];
        if octet >= *next {
            *next = following(octet);
        }
    }

    /// Gives an address back.
    pub fn release(&mut self, ip: Ipv4Addr) {
        self.used.remove(&ip);
    }
}

fn following(octet: u8) -> u8 {
    if octet >= LAST { FIRST } else { octet + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_only_after_all_others() {
        let mut ips = PodIps::new(1);
        let first = ips.allocate().unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 244, 1, 2));
        ips.release(first);
        for _ in 0..252 {
            let ip = ips.allocate().unwrap();
            assert_ne!(ip, first);
            ips.release(ip);
        }
        assert_eq!(ips.allocate(), Some(first));
    }

    #[test]
    fn a_full_node_of_1100_pods_has_distinct_addresses() {
        let mut ips = PodIps::new(0);
        let given: HashSet<_> = (0..1100).filter_map(|_| ips.allocate()).collect();
        assert_eq!(given.len(), 1100);
        assert!(given.iter().all(|ip| (244..=249).contains(&ip.octets()[1])));
    }

    #[test]
    fn adopted_addresses_are_not_given_and_later_ones_follow() {
        let mut ips = PodIps::new(0);
        ips.adopt(Ipv4Addr::new(10, 244, 0, 40));
        ips.adopt(Ipv4Addr::new(192, 168, 49, 2));
        assert_eq!(ips.allocate(), Some(Ipv4Addr::new(10, 244, 0, 41)));
    }
}
