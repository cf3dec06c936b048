//! ClusterIPs, from one IPv4 range.

use super::service_pool::Pool;
use std::net::Ipv4Addr;

/// The addresses of a range and which of them Services have.
#[derive(Debug)]
pub struct ClusterIps {
    network: u32,
    /// Of the addresses after the network's own and before the broadcast address.
    pool: Pool,
}

impl ClusterIps {
    /// The addresses of a range such as `10.96.0.0/12`; `None` if it is no IPv4 range with room for an address.
    pub fn new(range: &str) -> Option<ClusterIps> {
        let (address, length) = range.split_once('/')?;
        let length: u32 = length.parse().ok().filter(|length| (1..=30).contains(length))?;
        let size = 1u32 << (32 - length);
        let network = u32::from(address.parse::<Ipv4Addr>().ok()?) & !(size - 1);
        Some(ClusterIps { network, pool: Pool::new(size - 2, 16, 256) })
    }

    fn number(&self, ip: Ipv4Addr) -> Option<u32> {
        u32::from(ip).checked_sub(self.network + 1).filter(|number| self.pool.covers(*number))
    }

    /// Takes an address.
    ///
    /// # Errors
    /// Kubernetes' message when it is taken or not in the range.
    pub fn take(&mut self, ip: Ipv4Addr) -> Result<(), &'static str> {
        let number = self.number(ip).ok_or("the provided network does not match the current range")?;
        if self.pool.take(number) { Ok(()) } else { Err("provided IP is already allocated") }
    }

    /// Takes a random free address.
    pub fn take_any(&mut self, rng: &mut fastrand::Rng) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(self.network + 1 + self.pool.take_any(rng)?))
    }

    /// Gives an address back.
    pub fn give_back(&mut self, ip: Ipv4Addr) {
        if let Some(number) = self.number(ip) {
            self.pool.give_back(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range_are_not_given_out() {
        let mut ips = ClusterIps::new("10.96.0.0/12").unwrap();
        for outside in ["10.96.0.0", "10.111.255.255", "10.112.0.1", "192.168.1.1"] {
            assert!(ips.take(outside.parse().unwrap()).is_err(), "{outside}");
        }
        assert_eq!(ips.take("10.96.0.1".parse().unwrap()), Ok(()));
        assert_eq!(ips.take("10.96.0.1".parse().unwrap()), Err("provided IP is already allocated"));
        let ip = ips.take_any(&mut fastrand::Rng::with_seed(7)).unwrap();
        assert!((Ipv4Addr::new(10, 96, 1, 1)..Ipv4Addr::new(10, 111, 255, 255)).contains(&ip));
        ips.give_back(ip);
        assert_eq!(ips.take(ip), Ok(()));
        assert!(ClusterIps::new("10.96.0.0").is_none());
    }
}
