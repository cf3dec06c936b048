//! Time and randomness, handed to whatever needs them, so that a run can be made reproducible.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};

/// The clock and the source of randomness of one server.
#[derive(Clone)]
pub struct Environment {
    start: (Timestamp, tokio::time::Instant),
    rng: Arc<Mutex<fastrand::Rng>>,
}

/// The letters of generated names: no vowels and no look-alikes, as apimachinery's `rand.SafeEncodeString`.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Environment {
    /// An environment whose random choices derive from `seed`, or from the operating system without one.
    ///
    /// The clock is tokio's, anchored at the wall clock now, so that tests with paused time see time pass.
    pub fn new(seed: Option<u64>) -> Environment {
        let rng = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Environment { start: (Timestamp::now(), tokio::time::Instant::now()), rng: Arc::new(Mutex::new(rng)) }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.start.1.elapsed();
        self.start
            .0
            .saturating_add(SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX))
            .unwrap_or(self.start.0)
    }

    /// Draws from the generator.
    pub fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// `length` random letters for a generated name.
    pub fn name_suffix(&self, length: usize) -> String {
        self.random(|rng| (0..length).map(|_| SAFE[rng.usize(..SAFE.len())] as char).collect())
    }

    /// A random (version 4) UID.
    pub fn uid(&self) -> String {
        let bytes = self.random(|rng| rng.u128(..)).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}
