//! A stream of a connection.

use super::frame::Frame;
use super::headers::Headers;
use super::session::{Piece, Shared, gone};
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// The most that one frame of data holds (bytes).
const FRAME: usize = 32 << 10;

/// Bytes both ways. Shutting it down says that this side sends no more; dropping it before that resets it.
#[derive(Debug)]
pub struct Stream {
    id: u32,
    headers: Headers,
    outgoing: PollSender<Frame>,
    incoming: mpsc::Receiver<Piece>,
    /// What has been received and not yet read.
    unread: Bytes,
    /// The other side sends no more.
    ended: bool,
    shared: Arc<Shared>,
}

impl Stream {
    pub(super) fn new(
        id: u32,
        headers: Headers,
        outgoing: mpsc::Sender<Frame>,
        incoming: mpsc::Receiver<Piece>,
        shared: Arc<Shared>,
    ) -> Stream {
        let outgoing = PollSender::new(outgoing);
        Stream { id, headers, outgoing, incoming, unread: Bytes::new(), ended: false, shared }
    }

    /// What it was opened with.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Waits for a place in the connection's queue, unless this side has finished or the stream is gone.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outgoing.poll_reserve(context)).map_err(|_| gone())?;
        if !self.shared.is_open(self.id) {
            self.outgoing.abort_send();
            return Poll::Ready(Err(gone()));
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, data: Bytes, fin: bool) -> io::Result<()> {
        self.outgoing.send_item(Frame::Data { stream: self.id, data, fin }).map_err(|_| gone())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() && !this.ended {
            match ready!(this.incoming.poll_recv(context)) {
                Some(Piece::Data(data)) => this.unread = data,
                Some(Piece::End) => this.ended = true,
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        let length = this.unread.len().min(into.remaining());
        into.put_slice(&this.unread[..length]);
        this.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_ready(context))?;
        let length = data.len().min(FRAME);
        this.send(Bytes::copy_from_slice(&data[..length]), false)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection writes whatever it is given without delay.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shared.is_open(this.id) {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_ready(context))?;
        this.send(Bytes::new(), true)?;
        this.shared.finish(this.id);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.abandon(self.id);
    }
}
