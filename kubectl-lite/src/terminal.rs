//! The user's terminal, for what runs on a terminal in a container.

use crate::client::stream::remote_command::Size;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Standard input as a raw terminal: every key goes to the container, ^C too. Ends with the value.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// # Errors
    /// Standard input is not a terminal.
    pub fn begin() -> io::Result<Raw> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Standard input as a terminal that does not show what is typed. Ends with the value.
pub struct Hidden {
    _restored: Raw,
}

impl Hidden {
    /// # Errors
    /// Standard input is not a terminal.
    pub fn begin() -> io::Result<Hidden> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Hidden { _restored: Raw { before } })
    }
}

/// The size of the terminal that standard output is, if it is one.
pub fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(Size { columns: size.ws_col, rows: size.ws_row })
}

/// The sizes of the terminal: `first` at once, then each that it is given. Must be called inside of the runtime.
pub fn sizes(first: Vec<Size>) -> io::Result<mpsc::Receiver<Size>> {
    let (sender, receiver) = mpsc::channel(2);
    let mut changes = signal(SignalKind::window_change())?;
    tokio::spawn(async move {
        for size in first {
            if sender.send(size).await.is_err() {
                return;
            }
        }
        while changes.recv().await.is_some() {
            let Some(size) = size() else { return };
            if sender.send(size).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Waits until the program is told to end, which it does itself where the terminal has to be put right before.
pub async fn told_to_end() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
