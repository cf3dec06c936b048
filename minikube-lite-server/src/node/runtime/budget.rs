//! The processor time that a Pod's processes may use, so that an endless loop in one never starves the server.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What a Pod may use at once after it has been quiet, in seconds of one core.
const BURST: f64 = 3.0;
/// The share of one core that it may use for ever.
const SHARE: f64 = 0.05;
/// What it waits at least once it has used up everything, in seconds: rather seldom and longer than often.
const PAUSE: f64 = 0.02;
/// How many processes a Pod may have.
const PROCESSES: usize = 500;

/// The budget of one Pod, shared by all of its processes.
///
/// It counts the time that their tasks run. Who has used up what there is waits until there is more.
#[derive(Clone)]
pub struct Budget(Arc<Account>);

struct Account {
    /// What is left, in seconds of processor time, and as of when. Below zero: used in advance.
    credit: Mutex<(f64, Instant)>,
    processes: AtomicUsize,
}

/// A place among the processes of a Pod; given back when it is dropped.
pub(super) struct Place(Arc<Account>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.processes.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new()
    }
}

impl Budget {
    /// The budget of a new Pod.
    pub fn new() -> Budget {
        Budget(Arc::new(Account { credit: Mutex::new((BURST, Instant::now())), processes: AtomicUsize::new(0) }))
    }

    /// To be called in every iteration of anything that may go on without waiting: lets others run now and then. The
    /// time itself is counted by itself.
    pub async fn spend(&self) {
        tokio::task::coop::consume_budget().await;
    }

    /// A place for one more process. `None`: there are too many.
    pub(super) fn place(&self) -> Option<Place> {
        let free = |count: usize| (count < PROCESSES).then_some(count + 1);
        self.0.processes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Place(self.0.clone()))
    }

    /// How long to wait until something is left. `None`: something is.
    fn wait(&self) -> Option<Duration> {
        let mut credit = self.0.credit.lock().unwrap_or_else(PoisonError::into_inner);
        if credit.0 >= 0.0 {
            return None;
        }
        let now = Instant::now();
        credit.0 = (credit.0 + now.duration_since(credit.1).as_secs_f64() * SHARE).min(BURST);
        credit.1 = now;
        (credit.0 < 0.0).then(|| Duration::from_secs_f64((-credit.0 / SHARE).max(PAUSE)))
    }

    fn charge(&self, used: Duration) {
        let mut credit = self.0.credit.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earned = now.duration_since(credit.1).as_secs_f64() * SHARE;
        *credit = ((credit.0 + earned).min(BURST) - used.as_secs_f64(), now);
    }

    /// Counts the time that a future runs, and holds it up when the budget is used up.
    pub(super) fn metered<F: Future>(&self, future: F) -> Metered<F> {
        Metered { future: Box::pin(future), budget: self.clone(), pause: None }
    }
}

/// See [`Budget::metered`].
pub(super) struct Metered<F> {
    future: Pin<Box<F>>,
    budget: Budget,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.budget.wait() {
                Some(wait) => self.pause = Some(Box::pin(tokio::time::sleep(wait))),
                None => break,
            }
        }
        let began = std::time::Instant::now();
        let poll = self.future.as_mut().poll(context);
        self.budget.charge(began.elapsed());
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_used_up_everything_waits() {
        let budget = Budget::new();
        assert_eq!(budget.wait(), None);
        budget.charge(Duration::from_secs(4));
        let began = Instant::now();
        budget.metered(async {}).await;
        let waited = began.elapsed().as_secs_f64();
        // One second too much, at five hundredths of a second each second.
        assert!((20.0..21.0).contains(&waited), "{waited}");
    }

    #[tokio::test]
    async fn places_are_limited_and_given_back() {
        let budget = Budget::new();
        let places: Vec<_> = std::iter::from_fn(|| budget.place()).collect();
        assert_eq!(places.len(), PROCESSES);
        drop(places);
        assert!(budget.place().is_some());
    }
}
