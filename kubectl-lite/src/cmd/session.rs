//! A session with what runs in a container, on the program's own streams: what exec, attach, run and debug share.

use crate::client::Request;
use crate::client::stream::remote_command::{self, Input, Output, Size};
use crate::context::Context;
use crate::errors::CommandError;
use crate::terminal::{self, Raw};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// A session that the server is asked for.
pub struct Session {
    /// Of `pods/exec` or `pods/attach`, but for the streams that are wanted.
    pub request: Request,
    /// Pass on standard input.
    pub stdin: bool,
    /// Standard input is a terminal, and becomes one for the container.
    pub raw: bool,
    /// Sizes that the terminal is said to have had before the one that it has.
    pub former_sizes: Vec<Size>,
    /// The keys that end the session; none where they are empty.
    pub detach_keys: Vec<u8>,
}

/// Whether a terminal that is asked for can be had; says so where it cannot.
pub fn raw_terminal(cx: &Context<'_>, stdin: bool, tty: bool, quiet: bool) -> Result<bool, CommandError> {
    if !stdin || !tty {
        return Ok(false);
    }
    if !cx.streams.input_is_terminal && !quiet {
        writeln!(cx.streams.err(), "Unable to use a TTY - input is not a terminal or the right kind of file")?;
    }
    Ok(cx.streams.input_is_terminal)
}

impl Session {
    /// Goes on until what runs in the container has ended.
    ///
    /// # Errors
    /// See [`remote_command::run`].
    pub async fn run(mut self, cx: &Context<'_>) -> Result<(), CommandError> {
        let request = with_streams(self.request, self.stdin, self.raw);
        let connection = cx.client()?.remote_command(request).await?;
        let mut input = Input::default();
        let (detach, detached) = oneshot::channel();
        if self.stdin {
            let stdin = cx.streams.incoming();
            input.stdin =
                Some(if self.detach_keys.is_empty() { stdin } else { until_keys(stdin, self.detach_keys, detach) });
        }
        let raw = if self.raw { Some(Raw::begin()?) } else { None };
        if raw.is_some()
            && let Some(size) = terminal::size()
        {
            self.former_sizes.push(size);
            input.sizes = Some(terminal::sizes(self.former_sizes)?);
        }
        let session = remote_command::run(connection, input, async |output, piece: &[u8]| match output {
            Output::Stdout => cx.streams.out().write_all(piece).and_then(|()| cx.streams.out().flush()),
            Output::Stderr => cx.streams.err().write_all(piece),
        });
        tokio::select! {
            result = session => result,
            Ok(()) = detached => Ok(()),
            // A terminal that is raw has to be put right; otherwise the program just ends.
            told = terminal::told_to_end(), if raw.is_some() => told.map_err(Into::into).and(Err(CommandError::Exit(1))),
        }
    }
}

/// Says which streams are wanted; a terminal has no standard error of its own.
pub fn with_streams(request: Request, stdin: bool, tty: bool) -> Request {
    [("stdin", stdin), ("stdout", true), ("stderr", !tty), ("tty", tty)]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .fold(request, |request, (name, _)| request.query(name, "true"))
}

/// The bytes of `ctrl-p,ctrl-q` or `a,ctrl-@`, as `--detach-keys` names keys.
///
/// # Errors
/// A key has no byte.
pub fn keys(text: &str) -> Result<Vec<u8>, CommandError> {
    let key = |name: &str| match (name.strip_prefix("ctrl-").map(str::as_bytes), name.as_bytes()) {
        (Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]), _) => Some(letter & 0x1f),
        (None, [only]) => Some(*only),
        _ => None,
    };
    text.split(',')
        .map(key)
        .collect::<Option<_>>()
        .ok_or_else(|| CommandError::message(format!("could not bind detach keys: Unknown character: '{text}'")))
}

/// Passes on input until `keys` are among it, which ends the session. Keys that may be the first of them are held back
/// until the next one tells.
fn until_keys(mut input: mpsc::Receiver<Bytes>, keys: Vec<u8>, detach: oneshot::Sender<()>) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut matched = 0;
        while let Some(piece) = input.recv().await {
            let mut passed = Vec::with_capacity(piece.len() + matched);
            for byte in piece {
                if byte != keys[matched] {
                    passed.extend_from_slice(&keys[..matched]);
                    matched = 0;
                }
                if byte == keys[matched] {
                    matched += 1;
                } else {
                    passed.push(byte);
                }
                if matched == keys.len() {
                    // Nobody waits any more for what has ended by itself.
                    let _ = detach.send(());
                    return;
                }
            }
            if !passed.is_empty() && sender.send(passed.into()).await.is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names() {
        assert_eq!(keys("ctrl-p,ctrl-q").unwrap(), [16, 17]);
        assert_eq!(keys("a,ctrl-@,ctrl-[").unwrap(), [b'a', 0, 27]);
        for wrong in ["ctrl-", "ctrl-1", "ab", "a,,b"] {
            assert!(keys(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn keys_in_the_input_end_it() {
        let (sender, input) = mpsc::channel(8);
        let (detach, detached) = oneshot::channel();
        let mut passed = until_keys(input, vec![16, 17], detach);
        for piece in [&b"a\x10b"[..], b"\x10", b"\x10\x10c", b"d\x10", b"\x11never"] {
            sender.send(Bytes::from_static(piece)).await.unwrap();
        }
        let mut all = Vec::new();
        while let Some(piece) = passed.recv().await {
            all.extend_from_slice(&piece);
        }
        detached.await.unwrap();
        assert_eq!(all, b"a\x10b\x10\x10\x10cd");
    }
}
