//! The work queue: every key at most once in it, and never handed to two workers at a time.

use shared_types::status::Status;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The first delay after a failure; each further failure doubles it up to [`MAX_DELAY`] (client-go's rate limiter).
const BASE_DELAY: Duration = Duration::from_millis(5);
const MAX_DELAY: Duration = Duration::from_secs(1000);

/// Keys that wait for a worker.
pub struct Queue<K> {
    state: Mutex<State<K>>,
    wake: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Keys that are in `ready`, or are to be again once their worker is done.
    dirty: HashSet<K>,
    processing: HashSet<K>,
    failures: HashMap<K, u32>,
    delayed: BTreeSet<(Instant, K)>,
    due: HashMap<K, Instant>,
}

impl<K: Clone + Eq + Hash + Ord> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            processing: HashSet::new(),
            failures: HashMap::new(),
            delayed: BTreeSet::new(),
            due: HashMap::new(),
        };
        Queue { state: Mutex::new(state), wake: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a key in, unless it waits already. A key that is being worked on comes again afterwards.
    pub fn add(&self, key: K) {
        if self.state().add(key) {
            self.wake.notify_one();
        }
    }

    /// Puts a key in after `delay`, or sooner if that was asked for before.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let mut state = self.state();
        let at = Instant::now() + delay;
        match state.due.get(&key).copied() {
            Some(earlier) if earlier <= at => return,
            Some(later) => drop(state.delayed.remove(&(later, key.clone()))),
            None => {}
        }
        state.due.insert(key.clone(), at);
        state.delayed.insert((at, key));
        drop(state);
        self.wake.notify_one();
    }

    /// Puts a key in again after a failure, later each time until [`Queue::forget`].
    pub fn add_rate_limited(&self, key: K) {
        let failures = {
            let mut state = self.state();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures += 1;
            *failures
        };
        let delay = BASE_DELAY.saturating_mul(1 << (failures - 1).min(20)).min(MAX_DELAY);
        self.add_after(key, delay);
    }

    /// Ends the count of a key's failures.
    pub fn forget(&self, key: &K) {
        self.state().failures.remove(key);
    }

    /// The next key; [`Queue::done`] must follow. Waits for one.
    pub async fn get(&self) -> K {
        loop {
            let next = {
                let mut state = self.state();
                state.release_due(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.dirty.remove(&key);
                    state.processing.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
                state.delayed.first().map(|(at, _)| *at)
            };
            match next {
                // Whichever comes first; both lead to another look.
                Some(at) => drop(tokio::time::timeout_at(at, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// The worker is through with the key.
    pub fn done(&self, key: &K) {
        let mut state = self.state();
        state.processing.remove(key);
        if state.dirty.contains(key) {
            state.ready.push_back(key.clone());
            drop(state);
            self.wake.notify_one();
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn add(&mut self, key: K) -> bool {
        if !self.dirty.insert(key.clone()) || self.processing.contains(&key) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    fn release_due(&mut self, now: Instant) {
        while let Some((at, key)) = self.delayed.pop_first() {
            if at > now {
                self.delayed.insert((at, key));
                return;
            }
            self.due.remove(&key);
            self.add(key);
        }
    }
}

/// Takes keys out of the queue for ever and reconciles each. A key whose reconciling fails comes again later.
pub async fn work<K, F>(controller: &'static str, queue: Arc<Queue<K>>, reconcile: impl Fn(K) -> F)
where
    K: Clone + Eq + Hash + Ord + std::fmt::Debug,
    F: Future<Output = Result<(), Status>>,
{
    loop {
        let key = queue.get().await;
        match reconcile(key.clone()).await {
            Ok(()) => queue.forget(&key),
            Err(status) => {
                tracing::debug!(controller, ?key, error = %status, "will try again");
                queue.add_rate_limited(key.clone());
            }
        }
        queue.done(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    async fn take(queue: &Queue<&'static str>) -> Option<&'static str> {
        tokio::select! {
            biased;
            key = queue.get() => Some(key),
            () = tokio::task::yield_now() => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_comes_again_when_added_during_work() {
        let queue = Queue::default();
        queue.add("a");
        queue.add("a");
        assert_eq!(take(&queue).await, Some("a"));
        assert_eq!(take(&queue).await, None);
        queue.add("a");
        assert_eq!(take(&queue).await, None, "not while it is being worked on");
        queue.done(&"a");
        assert_eq!(take(&queue).await, Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_keep_the_earliest_time() {
        let queue = Queue::default();
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("a", Duration::from_secs(5));
        queue.add_after("a", Duration::from_secs(7));
        advance(Duration::from_secs(4)).await;
        assert_eq!(take(&queue).await, None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(take(&queue).await, Some("a"));
        queue.done(&"a");
        advance(Duration::from_secs(60)).await;
        assert_eq!(take(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_delay_until_forgotten() {
        let queue = Queue::default();
        for milliseconds in [5, 10, 20] {
            queue.add_rate_limited("a");
            advance(Duration::from_millis(milliseconds - 1)).await;
            assert_eq!(take(&queue).await, None);
            advance(Duration::from_millis(1)).await;
            assert_eq!(take(&queue).await, Some("a"));
            queue.done(&"a");
        }
        queue.forget(&"a");
        queue.add_rate_limited("a");
        advance(Duration::from_millis(5)).await;
        assert_eq!(take(&queue).await, Some("a"));
    }
}
