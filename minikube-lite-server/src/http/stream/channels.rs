//! A WebSocket divided into numbered channels (the subprotocols `channel.k8s.io` and `base64.channel.k8s.io`, and their
//! later versions): each message begins with its channel's number.

use super::upgrade::{normal_closure, text_message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, PollSender};

/// How long a client may take to read the rest and close, once the server has said its last.
pub const LINGER: Duration = Duration::from_secs(15 * 60);
/// How long the server may say nothing before it pings, which finds out whether the client is still there.
const PING: Duration = Duration::from_secs(30);
/// The most that one message to the client holds (bytes).
const MESSAGE: usize = 32 << 10;
/// How many messages may wait, in each direction of each channel.
const QUEUE: usize = 8;
/// The channel on which v5 says that another one has ended (KEP-4006).
const CLOSE: u8 = 255;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Text, with the channel as a digit and the content in base64.
    pub base64: bool,
    /// Clients can end one channel and keep the others (v5).
    pub close: bool,
}

impl Encoding {
    /// The encoding that a subprotocol's name stands for.
    pub fn of(subprotocol: &str) -> Encoding {
        Encoding { base64: subprotocol.contains("base64."), close: subprotocol.starts_with("v5.") }
    }

    fn encode(self, channel: u8, data: &[u8]) -> Message {
        if self.base64 {
            let mut text = String::with_capacity(1 + data.len().div_ceil(3) * 4);
            text.push(char::from(b'0' + channel));
            STANDARD.encode_string(data, &mut text);
            return Message::Text(text.into());
        }
        Message::Binary([&[channel][..], data].concat().into())
    }

    /// The channel and content of a client's message.
    fn decode(self, message: Message) -> Option<(u8, Bytes)> {
        let mut data: Bytes = match message {
            Message::Binary(data) => data,
            Message::Text(text) => text.into(),
            _ => return None,
        };
        let channel = data.try_get_u8().ok()?;
        if !self.base64 {
            return Some((channel, data));
        }
        Some((channel.checked_sub(b'0')?, STANDARD.decode(&data).ok()?.into()))
    }
}

/// One channel, in both directions; each is used as its protocol says.
pub struct Channel {
    number: u8,
    encoding: Encoding,
    incoming: mpsc::Receiver<Bytes>,
    /// What has been received and not yet read.
    unread: Bytes,
    outgoing: PollSender<Message>,
}

impl Channel {
    /// Sends a message, be it empty.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send(&mut self, data: &[u8]) -> io::Result<()> {
        std::future::poll_fn(|context| self.outgoing.poll_reserve(context)).await.map_err(|_| gone())?;
        self.outgoing.send_item(self.encoding.encode(self.number, data)).map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Divides a WebSocket into so many channels. It is closed once the last of them is dropped. The token is cancelled when
/// it is over; cancelling `stop` ends it.
pub fn open<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    socket: WebSocketStream<S>,
    encoding: Encoding,
    count: u8,
    stop: CancellationToken,
) -> (Vec<Channel>, CancellationToken) {
    let (outgoing, messages) = mpsc::channel(QUEUE);
    let mut inputs = Vec::new();
    let channels = (0..count).map(|number| {
        let (input, incoming) = mpsc::channel(QUEUE);
        inputs.push(Some(input));
        let outgoing = PollSender::new(outgoing.clone());
        Channel { number, encoding, incoming, unread: Bytes::new(), outgoing }
    });
    let channels = channels.collect();
    let over = CancellationToken::new();
    let guard = over.clone().drop_guard();
    tokio::spawn(async move {
        tokio::select! {
            () = carry(socket, encoding, inputs, messages) => {}
            () = stop.cancelled() => {}
        }
        drop(guard);
    });
    (channels, over)
}

/// Carries messages both ways until either side ends it.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    encoding: Encoding,
    inputs: Vec<Option<mpsc::Sender<Bytes>>>,
    mut messages: mpsc::Receiver<Message>,
) {
    let (mut sink, mut stream) = socket.split();
    let reading = async {
        let mut inputs = inputs;
        while let Some(Ok(message)) = stream.next().await {
            let Some((channel, data)) = encoding.decode(message) else { continue };
            if encoding.close && channel == CLOSE {
                if let Some(ended) = data.first().and_then(|ended| inputs.get_mut(usize::from(*ended))) {
                    *ended = None;
                }
                continue;
            }
            if let Some(Some(input)) = inputs.get(usize::from(channel)).filter(|_| !data.is_empty()) {
                // What nobody reads is discarded.
                let _ = input.send(data).await;
            }
        }
    };
    let writing = async {
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                () = tokio::time::sleep(PING) => Some(Message::Ping(Bytes::new())),
            };
            let Some(message) = message else { break };
            sink.feed(message).await?;
            if messages.is_empty() {
                sink.flush().await?;
            }
        }
        sink.send(normal_closure()).await?;
        sink.close().await
    };
    let mut reading = std::pin::pin!(reading);
    let written = tokio::select! {
        () = &mut reading => false,
        written = writing => written.is_ok(),
    };
    if written {
        // Closing before the client has read everything could destroy what is under way to it.
        let _ = tokio::time::timeout(LINGER, reading).await;
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            match ready!(this.incoming.poll_recv(context)) {
                Some(data) => this.unread = data,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = this.unread.len().min(into.remaining());
        into.put_slice(&this.unread[..length]);
        this.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.outgoing.poll_reserve(context)).map_err(|_| gone())?;
        let length = data.len().min(MESSAGE);
        let message = this.encoding.encode(this.number, &data[..length]);
        this.outgoing.send_item(message).map_err(|_| gone())?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is sent is written without delay.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A server has no means to end a channel on its own.
        Poll::Ready(Ok(()))
    }
}

/// A message with text in it, or its base64, as `binary.k8s.io` and `base64.binary.k8s.io` have it.
pub fn whole_message(data: Bytes, subprotocol: &str) -> Message {
    if subprotocol.starts_with("base64.") { text_message(STANDARD.encode(data).into()) } else { Message::Binary(data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_both_encodings() {
        let (binary, text) = (Encoding::of("v4.channel.k8s.io"), Encoding::of("v4.base64.channel.k8s.io"));
        assert_eq!(binary.encode(1, b"\n"), Message::Binary(Bytes::from_static(b"\x01\n")));
        assert_eq!(text.encode(1, b"\n"), Message::Text("1Cg==".into()));
        assert_eq!(text.decode(Message::Text("0Zm9vCg==".into())), Some((0, Bytes::from_static(b"foo\n"))));
        assert_eq!(
            binary.decode(Message::Binary(Bytes::from_static(b"\x00foo"))),
            Some((0, Bytes::from_static(b"foo")))
        );
        for nonsense in ["", "!Cg==", "0%%%"] {
            assert_eq!(text.decode(Message::Text(nonsense.into())), None);
        }
        assert!(Encoding::of("v5.channel.k8s.io").close && !binary.close);
    }
}
