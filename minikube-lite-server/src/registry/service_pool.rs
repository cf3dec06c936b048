//! Numbers that are given out once each, such as ClusterIPs and NodePorts.

use std::collections::HashSet;

/// The numbers `0..size`. The lowest `reserved` are left for those who ask for them by number, as long as there are others
/// (KEP-3070, KEP-3668).
#[derive(Debug)]
pub struct Pool {
    size: u32,
    reserved: u32,
    taken: HashSet<u32>,
}

impl Pool {
    /// A pool that reserves one of `step` numbers, though at least 16 and at most `most`.
    pub fn new(size: u32, step: u32, most: u32) -> Pool {
        let reserved = if size <= 16 { 0 } else { (size / step).clamp(16, most) };
        Pool { size, reserved, taken: HashSet::new() }
    }

    /// Whether the number belongs to the pool.
    pub fn covers(&self, number: u32) -> bool {
        number < self.size
    }

    /// Takes a number; `false` if it was taken already.
    pub fn take(&mut self, number: u32) -> bool {
        self.taken.insert(number)
    }

    /// Takes a random free number; `None` when there is none left.
    pub fn take_any(&mut self, rng: &mut fastrand::Rng) -> Option<u32> {
        for (low, high) in [(self.reserved, self.size), (0, self.reserved)] {
            if low == high {
                continue;
            }
            let start = rng.u32(low..high);
            if let Some(number) = (start..high).chain(low..start).find(|number| !self.taken.contains(number)) {
                self.taken.insert(number);
                return Some(number);
            }
        }
        None
    }

    /// Gives a number back.
    pub fn give_back(&mut self, number: u32) {
        self.taken.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_band_is_used_last() {
        let mut pool = Pool::new(20, 16, 256);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut drawn: Vec<u32> = (0..20).filter_map(|_| pool.take_any(&mut rng)).collect();
        assert!(drawn[..4].iter().all(|n| *n >= 16));
        drawn.sort_unstable();
        assert_eq!(drawn, (0..20).collect::<Vec<_>>());
        assert_eq!(pool.take_any(&mut rng), None);
        assert!(!pool.take(3));
        pool.give_back(3);
        assert_eq!(pool.take_any(&mut rng), Some(3));
    }
}
