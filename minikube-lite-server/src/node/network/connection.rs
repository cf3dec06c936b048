//! Connections: streams of bytes between two ends, which the network can cut when a Pod goes.

use super::proxy::Requests;
use futures_util::task::AtomicWaker;
use std::io;
use std::net::SocketAddrV4;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// How many bytes may be on their way in each direction. Memory is only taken for those that are.
const WINDOW: usize = 64 * 1024;

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One end of a connection. Shutting down its writing half lets the other end read to the end; dropping it closes both.
pub type Connection = Box<dyn Stream>;

/// A connection as the server sees it.
pub struct Accepted {
    pub stream: Connection,
    /// The Pod's address and the port that the connection came to.
    pub local: SocketAddrV4,
    /// Who connected.
    pub peer: SocketAddrV4,
    /// Where a server that can tell requests apart counts them.
    pub requests: Requests,
}

/// What serves a port: it is called for each new connection, and starts a task of its own for it. A server that nobody
/// connects to costs no task.
pub type Handler = Arc<dyn Fn(Accepted) + Send + Sync>;

/// The means to cut a connection from outside.
#[derive(Default)]
pub(super) struct Line {
    is_cut: AtomicBool,
    ends: [End; 2],
}

/// Who waits at one end.
#[derive(Default)]
struct End {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Line {
    /// What has arrived can still be read at both ends, then they read the end; nothing can be written any more.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for end in &self.ends {
            end.reader.wake();
            end.writer.wake();
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }
}

/// The open connections of one Pod.
#[derive(Default)]
pub(super) struct Lines(Mutex<Open>);

#[derive(Default)]
struct Open {
    lines: Vec<Weak<Line>>,
    /// The length at which those that have ended are dropped.
    limit: usize,
    closed: bool,
}

impl Lines {
    pub(super) fn add(&self, line: &Arc<Line>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.closed {
            return line.cut();
        }
        if open.lines.len() >= open.limit {
            open.lines.retain(|line| line.strong_count() > 0);
            open.limit = (2 * open.lines.len()).max(8);
        }
        open.lines.push(Arc::downgrade(line));
    }

    /// Cuts all connections, also those to come.
    pub(super) fn cut(&self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.closed = true;
        for line in std::mem::take(&mut open.lines) {
            if let Some(line) = line.upgrade() {
                line.cut();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.lines.iter().filter(|line| line.strong_count() > 0).count()
    }
}

/// One end of a connection that can be cut.
pub(super) struct Cuttable<S> {
    stream: S,
    line: Arc<Line>,
    end: usize,
}

/// Both ends of a connection within the cluster.
pub(super) fn pair() -> (Cuttable<DuplexStream>, Cuttable<DuplexStream>, Arc<Line>) {
    let (client, server) = tokio::io::duplex(WINDOW);
    let line = Arc::new(Line::default());
    (
        Cuttable { stream: client, line: line.clone(), end: 0 },
        Cuttable { stream: server, line: line.clone(), end: 1 },
        line,
    )
}

/// The end of a connection whose other end is elsewhere.
pub(super) fn single<S>(stream: S) -> (Cuttable<S>, Arc<Line>) {
    let line = Arc::new(Line::default());
    (Cuttable { stream, line: line.clone(), end: 0 }, line)
}

impl<S> Cuttable<S> {
    fn writing<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>>
    where
        S: Unpin,
    {
        if self.line.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let result = write(Pin::new(&mut self.stream), context);
        if result.is_pending() {
            self.line.ends[self.end].writer.register(context.waker());
            // It may have been cut before it was known who waits.
            if self.line.is_cut() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_pending() {
            this.line.ends[this.end].reader.register(context.waker());
            if this.line.is_cut() {
                return Poll::Ready(Ok(()));
            }
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writing(context, |stream, context| stream.poll_write(context, bytes))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing(context, |stream, context| stream.poll_write_vectored(context, parts))
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing(context, |stream, context| stream.poll_flush(context))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.line.is_cut() {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_connection_gives_what_arrived_and_then_ends() {
        let (mut client, mut server, line) = pair();
        client.write_all(b"hello").await.unwrap();
        let waiting = tokio::spawn(async move {
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            (text, client.write_all(b"more").await.unwrap_err().kind())
        });
        tokio::task::yield_now().await;
        line.cut();
        assert_eq!(waiting.await.unwrap(), (String::new(), io::ErrorKind::ConnectionReset));
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn a_writer_that_waits_for_room_is_woken_by_a_cut() {
        let (mut client, _server, line) = pair();
        let waiting = tokio::spawn(async move { client.write_all(&vec![0; 2 * WINDOW]).await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        line.cut();
        assert_eq!(waiting.await.unwrap(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn ended_connections_are_forgotten() {
        let lines = Lines::default();
        for _ in 0..1000 {
            lines.add(&pair().2);
        }
        assert!(lines.0.lock().unwrap().lines.len() <= 8);
    }
}
