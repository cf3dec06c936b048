//! Signals, and how a program that handles them gets them.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A signal of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signal {
    Hup = 1,
    Int = 2,
    Quit = 3,
    Kill = 9,
    Usr1 = 10,
    Usr2 = 12,
    Pipe = 13,
    Alrm = 14,
    Term = 15,
    Chld = 17,
    Cont = 18,
    Stop = 19,
    Tstp = 20,
    Winch = 28,
}

impl Signal {
    /// All of them, by number.
    pub const ALL: &'static [Signal] = &[
        Signal::Hup,
        Signal::Int,
        Signal::Quit,
        Signal::Kill,
        Signal::Usr1,
        Signal::Usr2,
        Signal::Pipe,
        Signal::Alrm,
        Signal::Term,
        Signal::Chld,
        Signal::Cont,
        Signal::Stop,
        Signal::Tstp,
        Signal::Winch,
    ];

    /// Its number, as in `kill -9`.
    pub fn number(self) -> i32 {
        i32::from(self as u8)
    }

    /// Its name without `SIG`, as `kill -l` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Hup => "HUP",
            Signal::Int => "INT",
            Signal::Quit => "QUIT",
            Signal::Kill => "KILL",
            Signal::Usr1 => "USR1",
            Signal::Usr2 => "USR2",
            Signal::Pipe => "PIPE",
            Signal::Alrm => "ALRM",
            Signal::Term => "TERM",
            Signal::Chld => "CHLD",
            Signal::Cont => "CONT",
            Signal::Stop => "STOP",
            Signal::Tstp => "TSTP",
            Signal::Winch => "WINCH",
        }
    }

    /// Reads `TERM`, `SIGTERM` or `15`, in any case.
    pub fn parse(text: &str) -> Option<Signal> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Signal::ALL.iter().copied().find(|signal| signal.name() == name || signal.number().to_string() == text)
    }

    /// Whether a process that does not handle it ends by it.
    pub fn is_fatal(self) -> bool {
        !matches!(self, Signal::Chld | Signal::Cont | Signal::Stop | Signal::Tstp | Signal::Winch)
    }

    fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

impl Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// The signals of one process: those that it handles are queued for it, those that it ignores are lost, all others take
/// their default action. A process that never asks handles none.
pub struct Signals(Arc<Queue>);

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    handled: u32,
    ignored: u32,
    pending: VecDeque<Signal>,
}

/// What becomes of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Queued,
    Ignored,
    Default,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn deliver(&self, signal: Signal) -> Delivery {
        let mut state = self.state();
        if signal == Signal::Kill {
            Delivery::Default
        } else if state.handled & signal.bit() != 0 {
            // As in Unix, a signal that is pending already does not arrive twice.
            if !state.pending.contains(&signal) {
                state.pending.push_back(signal);
            }
            drop(state);
            self.arrived.notify_one();
            Delivery::Queued
        } else if state.ignored & signal.bit() != 0 {
            Delivery::Ignored
        } else {
            Delivery::Default
        }
    }
}

impl Signals {
    pub(super) fn new() -> (Signals, Arc<Queue>) {
        let queue = Arc::new(Queue::default());
        (Signals(queue.clone()), queue)
    }

    /// Handles these signals from now on, and no others.
    pub fn handle(&mut self, signals: &[Signal]) {
        let mut state = self.0.state();
        state.handled = signals.iter().fold(0, |set, signal| set | signal.bit());
        let handled = state.handled;
        state.pending.retain(|signal| handled & signal.bit() != 0);
    }

    /// Ignores these signals from now on, and no others.
    pub fn ignore(&mut self, signals: &[Signal]) {
        self.0.state().ignored = signals.iter().fold(0, |set, signal| set | signal.bit());
    }

    /// The next signal. A program that has not said which it handles handles HUP, INT, QUIT, TERM, USR1, USR2 and WINCH
    /// from its first call on.
    pub async fn next(&mut self) -> Signal {
        {
            let mut state = self.0.state();
            if state.handled == 0 {
                let usual =
                    [Signal::Hup, Signal::Int, Signal::Quit, Signal::Term, Signal::Usr1, Signal::Usr2, Signal::Winch];
                state.handled = usual.iter().fold(0, |set, signal| set | signal.bit());
            }
        }
        loop {
            if let Some(signal) = self.try_next() {
                return signal;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Waits for this signal, and leaves the others for later.
    pub async fn take(&mut self, signal: Signal) {
        loop {
            {
                let pending = &mut self.0.state().pending;
                if let Some(at) = pending.iter().position(|other| *other == signal) {
                    pending.remove(at);
                    return;
                }
            }
            self.0.arrived.notified().await;
        }
    }

    /// A signal that has arrived already.
    pub fn try_next(&mut self) -> Option<Signal> {
        self.0.state().pending.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn handled_signals_are_queued_others_take_their_default() {
        let (mut signals, queue) = Signals::new();
        assert_eq!(queue.deliver(Signal::Term), Delivery::Default);
        signals.handle(&[Signal::Term]);
        signals.ignore(&[Signal::Int]);
        assert_eq!(queue.deliver(Signal::Term), Delivery::Queued);
        assert_eq!(queue.deliver(Signal::Int), Delivery::Ignored);
        assert_eq!(queue.deliver(Signal::Hup), Delivery::Default);
        assert_eq!(queue.deliver(Signal::Kill), Delivery::Default);
        assert_eq!(signals.next().await, Signal::Term);
        assert_eq!(signals.try_next(), None);
        signals.handle(&[Signal::Term, Signal::Usr1]);
        assert_eq!(queue.deliver(Signal::Usr1), Delivery::Queued);
        assert_eq!(queue.deliver(Signal::Term), Delivery::Queued);
        signals.take(Signal::Term).await;
        assert_eq!((signals.try_next(), signals.try_next()), (Some(Signal::Usr1), None));
    }

    #[test]
    fn names_and_numbers_are_read() {
        for text in ["TERM", "SIGTERM", "term", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::Term));
        }
        assert_eq!(Signal::parse("SIGNONE"), None);
    }
}
