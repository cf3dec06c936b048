//! Time and randomness, handed to whatever needs them, so that a run can be made reproducible.

use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// The clock and the source of randomness of one server.
#[derive(Clone)]
pub struct Environment {
    start: (Timestamp, tokio::time::Instant),
    random: Arc<Mutex<Random>>,
}

enum Random {
    System(fastrand::Rng),
    /// Draws are numbered for each purpose, so that they don't depend on what happens elsewhere at the same time.
    Seeded {
        seed: u64,
        drawn: HashMap<String, u64>,
    },
}

/// The letters of generated names: no vowels and no look-alikes, as apimachinery's `rand.SafeEncodeString`.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Environment {
    /// An environment whose random choices derive from `seed`, or from the operating system without one.
    ///
    /// The clock is tokio's, anchored at the wall clock now, so that tests with paused time see time pass.
    pub fn new(seed: Option<u64>) -> Environment {
        let random = match seed {
            Some(seed) => Random::Seeded { seed, drawn: HashMap::new() },
            None => Random::System(fastrand::Rng::new()),
        };
        Environment { start: (Timestamp::now(), tokio::time::Instant::now()), random: Arc::new(Mutex::new(random)) }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.start.1.elapsed();
        self.start
            .0
            .saturating_add(SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX))
            .unwrap_or(self.start.0)
    }

    /// Draws for a purpose, such as the name of the object that it is for. With a seed, the nth draw for a purpose is the
    /// same in every run.
    pub fn random<T>(&self, purpose: &str, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        match &mut *self.random.lock().unwrap_or_else(PoisonError::into_inner) {
            Random::System(rng) => draw(rng),
            Random::Seeded { seed, drawn } => {
                let count = drawn.entry(purpose.to_string()).or_default();
                *count += 1;
                let mut hasher = DefaultHasher::new();
                (*seed, purpose, *count).hash(&mut hasher);
                draw(&mut fastrand::Rng::with_seed(hasher.finish()))
            }
        }
    }

    /// `length` random letters for a generated name that begins with `base`.
    pub fn name_suffix(&self, base: &str, length: usize) -> String {
        self.random(base, |rng| (0..length).map(|_| SAFE[rng.usize(..SAFE.len())] as char).collect())
    }

    /// A random (version 4) UID for `purpose`.
    pub fn uid(&self, purpose: &str) -> String {
        let bytes = self.random(purpose, |rng| rng.u128(..)).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_seed_repeats_draws_whatever_else_is_drawn() {
        let (one, other) = (Environment::new(Some(7)), Environment::new(Some(7)));
        other.uid("something else");
        for _ in 0..3 {
            assert_eq!(one.name_suffix("web-", 5), other.name_suffix("web-", 5));
        }
        assert_ne!(one.name_suffix("web-", 5), one.name_suffix("web-", 5));
        assert_ne!(one.uid("a"), Environment::new(Some(8)).uid("a"));
    }
}
