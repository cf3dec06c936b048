//! What runs in a container, over a WebSocket: the protocols `v5.channel.k8s.io` and `v4.channel.k8s.io` (KEP-4006).
//! Each message begins with the number of its channel.

use super::WebSocket;
use crate::errors::CommandError;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use shared_types::status::Status;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The subprotocols, best first. Only version 5 can tell the server that input has ended.
pub const PROTOCOLS: [&str; 2] = [V5, "v4.channel.k8s.io"];
const V5: &str = "v5.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// Closes the channel that the message names.
const CLOSE: u8 = 255;

/// How often the server is asked for a sign of life, so that nothing in between takes the connection for idle.
const PING_PERIOD: Duration = Duration::from_secs(5);

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// Which output a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

/// What goes to the other side.
#[derive(Default)]
pub struct Input {
    /// Ends with its sender. `None` where standard input was not asked for.
    pub stdin: Option<mpsc::Receiver<Bytes>>,
    /// Sizes of the terminal, the first of them now.
    pub sizes: Option<mpsc::Receiver<Size>>,
}

/// Passes everything on in both directions until the command has ended.
///
/// # Errors
/// The command failed ([`CommandError::Terminated`] with its exit code), could not be run, or the connection broke off.
pub async fn run(
    socket: WebSocket,
    input: Input,
    output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
) -> Result<(), CommandError> {
    let closes = socket.protocol == V5;
    let (sink, stream) = socket.stream.split();
    // Both directions go on by themselves: a command may write more than is read before it reads what is written.
    tokio::select! {
        result = receive(stream, output) => result,
        never = send(sink, input, closes) => never,
    }
}

/// Sends what comes in; never ends, because the other direction says when the command has.
async fn send<T>(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut input: Input,
    closes: bool,
) -> Result<T, CommandError> {
    let mut pings = interval_at(Instant::now() + PING_PERIOD, PING_PERIOD);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            piece = next(&mut input.stdin) => match piece {
                Some(piece) => channel(STDIN, &piece),
                None => {
                    input.stdin = None;
                    if !closes {
                        continue;
                    }
                    channel(CLOSE, &[STDIN])
                }
            },
            size = next(&mut input.sizes) => match size {
                Some(size) => {
                    let size = serde_json::json!({"Width": size.columns, "Height": size.rows});
                    channel(RESIZE, size.to_string().as_bytes())
                }
                None => {
                    input.sizes = None;
                    continue;
                }
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        if sink.send(message).await.is_err() {
            // Why it broke off is what the other direction tells.
            return std::future::pending().await;
        }
    }
}

/// The next of `receiver`; nothing ever comes where there is none.
async fn next<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

fn channel(number: u8, payload: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(1 + payload.len());
    message.put_u8(number);
    message.put_slice(payload);
    Message::Binary(message.freeze())
}

/// Hands on all output, and gives how the command ended.
async fn receive(
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
) -> Result<(), CommandError> {
    let mut outcome = Vec::new();
    let broken = |why: String| CommandError::message(format!("error reading from error stream: next reader: {why}"));
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(message))) => match message.split_first() {
                Some((&STDOUT, piece)) => output(Output::Stdout, piece).await?,
                Some((&STDERR, piece)) => output(Output::Stderr, piece).await?,
                Some((&ERROR, piece)) => outcome.extend_from_slice(piece),
                // Channels begin with an empty message, and version 5 closes them.
                _ => {}
            },
            Some(Ok(Message::Close(Some(frame)))) if frame.code != CloseCode::Normal && outcome.is_empty() => {
                return Err(broken(format!("websocket: close {}: {}", u16::from(frame.code), frame.reason)));
            }
            Some(Ok(Message::Close(_))) => return ended(&outcome),
            Some(Ok(_)) => {}
            // A server may drop the connection once it has said how it ended.
            Some(Err(_)) | None if !outcome.is_empty() => return ended(&outcome),
            Some(Err(Error::Io(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(broken(error.to_string()));
            }
            Some(Err(_)) | None => {
                return Err(broken("websocket: close 1006 (abnormal closure): unexpected EOF".into()));
            }
        }
    }
}

/// What the `Status` of the error channel says.
fn ended(outcome: &[u8]) -> Result<(), CommandError> {
    if outcome.is_empty() {
        return Ok(());
    }
    let protocol_error = |why: String| Err(CommandError::message(format!("error stream protocol error: {why}")));
    let Ok(status) = serde_json::from_slice::<Status>(outcome) else {
        return protocol_error(format!("no Status in {:?}", String::from_utf8_lossy(outcome)));
    };
    match (status.status.as_str(), status.reason.as_str()) {
        ("Success", _) => Ok(()),
        ("Failure", "NonZeroExitCode") => {
            let Some(details) = &status.details else { return protocol_error("details must be set".into()) };
            let Some(cause) = details.causes.iter().find(|cause| cause.reason == "ExitCode") else {
                return protocol_error("no ExitCode cause given".into());
            };
            match cause.message.parse::<u8>() {
                Ok(code) => {
                    let message = format!("command terminated with exit code {code}");
                    Err(CommandError::Terminated { message, code })
                }
                Err(_) => protocol_error(format!("invalid exit code value {:?}", cause.message)),
            }
        }
        ("Failure", _) => Err(CommandError::message(status.message)),
        _ => protocol_error("unknown error".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_how_it_ended() {
        let failed = |status: &str| ended(status.as_bytes()).unwrap_err();
        assert!(ended(b"").is_ok());
        assert!(ended(br#"{"metadata":{},"status":"Success"}"#).is_ok());
        let exit = r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",
            "details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
        let error = failed(exit);
        assert_eq!((error.render().as_str(), error.exit_code()), ("command terminated with exit code 3\n", 3));
        let error = failed(
            r#"{"status":"Failure","reason":"InternalError","message":"Internal error occurred: x","code":500}"#,
        );
        assert_eq!((error.render().as_str(), error.exit_code()), ("error: Internal error occurred: x\n", 1));
        for (wrong, why) in [
            (exit.replace("\"3\"", "\"300\""), "invalid exit code value \"300\""),
            (exit.replace("\"reason\":\"ExitCode\"", "\"reason\":\"Other\""), "no ExitCode cause given"),
            (r#"{"status":"Failure","reason":"NonZeroExitCode"}"#.into(), "details must be set"),
            ("{}".into(), "unknown error"),
            ("boom".into(), "no Status in \"boom\""),
        ] {
            assert_eq!(failed(&wrong).text(), format!("error stream protocol error: {why}"), "{wrong}");
        }
    }
}
