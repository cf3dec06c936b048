//! A command over a WebSocket: the protocol `v5.channel.k8s.io` (KEP-4006). Each message begins with the number of its
//! channel.

use super::{Input, Output, ended, next};
use crate::client::stream::upgrade::WebSocket;
use crate::errors::CommandError;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The subprotocol; those before it cannot tell the server that input has ended.
pub const PROTOCOL: &str = "v5.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// Closes the channel that the message names.
const CLOSE: u8 = 255;

/// How often the server is asked for a sign of life, so that nothing in between takes the connection for idle.
const PING_PERIOD: Duration = Duration::from_secs(5);

/// See [`super::run`].
pub async fn run(
    socket: WebSocket,
    input: Input,
    output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
) -> Result<(), CommandError> {
    let (sink, stream) = socket.split();
    // Both directions go on by themselves: a command may write more than is read before it reads what is written.
    tokio::select! {
        result = receive(stream, output) => result,
        never = send(sink, input) => never,
    }
}

/// Sends what comes in; never ends, because the other direction says when the command has.
async fn send<T>(mut sink: impl Sink<Message, Error = Error> + Unpin, mut input: Input) -> Result<T, CommandError> {
    let mut pings = interval_at(Instant::now() + PING_PERIOD, PING_PERIOD);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            piece = next(&mut input.stdin) => match piece {
                Some(piece) => channel(STDIN, &piece),
                None => {
                    input.stdin = None;
                    channel(CLOSE, &[STDIN])
                }
            },
            size = next(&mut input.sizes) => match size {
                Some(size) => channel(RESIZE, size.message().as_bytes()),
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
                // Channels begin with an empty message, and may be closed.
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
