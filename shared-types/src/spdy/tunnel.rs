//! A SPDY connection inside a WebSocket (KEP-4006): its bytes are the content of binary messages, cut anywhere.

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// The most that one message holds (bytes).
const MESSAGE: usize = 64 << 10;

/// A WebSocket as a stream of bytes.
#[derive(Debug)]
pub struct Tunnel<S> {
    socket: WebSocketStream<S>,
    /// What has been received and not yet read.
    unread: Bytes,
    /// The closing message has been sent.
    closed: bool,
}

impl<S> Tunnel<S> {
    pub fn new(socket: WebSocketStream<S>) -> Tunnel<S> {
        Tunnel { socket, unread: Bytes::new(), closed: false }
    }
}

fn io_error(problem: Error) -> io::Error {
    match problem {
        Error::Io(problem) => problem,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tunnel<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(context)) {
                Some(Ok(Message::Binary(data))) => this.unread = data,
                // Pings are answered by the socket itself; text has no meaning here.
                Some(Ok(message)) if !message.is_close() => {}
                Some(Ok(_)) | None | Some(Err(Error::ConnectionClosed)) => return Poll::Ready(Ok(())),
                Some(Err(problem)) => return Poll::Ready(Err(io_error(problem))),
            }
        }
        let length = this.unread.len().min(into.remaining());
        into.put_slice(&this.unread[..length]);
        this.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tunnel<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_ready(context)).map_err(io_error)?;
        let length = data.len().min(MESSAGE);
        let message = Message::Binary(Bytes::copy_from_slice(&data[..length]));
        Pin::new(&mut this.socket).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context).map_err(io_error)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.closed {
            ready!(Pin::new(&mut this.socket).poll_ready(context)).map_err(io_error)?;
            // One without a code is taken for a failure. The other side's answer is the end of what is read.
            let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            Pin::new(&mut this.socket).start_send(Message::Close(Some(normal))).map_err(io_error)?;
            this.closed = true;
        }
        Pin::new(&mut this.socket).poll_close(context).map_err(io_error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Session;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::tungstenite::protocol::Role;

    #[tokio::test]
    async fn a_session_runs_through_a_web_socket() {
        let (near, far) = tokio::io::duplex(1024);
        let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let (server, mut incoming) = Session::server(Tunnel::new(far));
        let client = Session::client(Tunnel::new(near));
        let serving = tokio::spawn(async move {
            let mut stream = incoming.next().await.unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.unwrap();
            stream.write_all(&got).await.unwrap();
            stream.shutdown().await.unwrap();
            drop(server);
        });
        let mut stream = client.open([("port", "80")]).await.unwrap();
        stream.write_all(&[9; 200_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        serving.await.unwrap();
        assert_eq!(got, [9; 200_000]);
        client.closed().await;
    }
}
