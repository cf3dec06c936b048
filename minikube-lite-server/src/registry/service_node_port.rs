//! NodePorts.

use super::service_pool::Pool;

const FIRST: u32 = 30_000;
const LAST: u32 = 32_767;

/// The ports that Services take on every node.
#[derive(Debug)]
pub struct NodePorts {
    pool: Pool,
}

impl Default for NodePorts {
    fn default() -> NodePorts {
        NodePorts { pool: Pool::new(LAST - FIRST + 1, 32, 128) }
    }
}

impl NodePorts {
    fn number(port: i64) -> Option<u32> {
        u32::try_from(port).ok().filter(|port| (FIRST..=LAST).contains(port)).map(|port| port - FIRST)
    }

    /// Takes a port.
    ///
    /// # Errors
    /// Kubernetes' message when it is taken or out of range.
    pub fn take(&mut self, port: i64) -> Result<(), String> {
        let number = Self::number(port).ok_or_else(|| {
            format!("provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}")
        })?;
        if self.pool.take(number) { Ok(()) } else { Err("provided port is already allocated".into()) }
    }

    /// Takes a random free port.
    pub fn take_any(&mut self, rng: &mut fastrand::Rng) -> Option<i64> {
        self.pool.take_any(rng).map(|number| i64::from(FIRST + number))
    }

    /// Gives a port back.
    pub fn give_back(&mut self, port: i64) {
        if let Some(number) = Self::number(port) {
            self.pool.give_back(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_in_range_and_unique() {
        let mut ports = NodePorts::default();
        assert!(ports.take(80).unwrap_err().ends_with("30000-32767"));
        assert_eq!(ports.take(30_000), Ok(()));
        assert_eq!(ports.take(30_000).unwrap_err(), "provided port is already allocated");
        let port = ports.take_any(&mut fastrand::Rng::with_seed(3)).unwrap();
        assert!((30_086..=32_767).contains(&port));
        ports.give_back(30_000);
        assert_eq!(ports.take(30_000), Ok(()));
    }
}
