//! A buffer between TLS and the socket, so that the small records of many answers leave in one system call.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes go out when this many bytes are waiting, or at a flush.
const FULL: usize = 128 << 10;
/// As much at once is worth a system call of its own, and not a copy.
const LARGE: usize = 32 << 10;

/// A stream whose writes wait for a flush. It keeps no memory while nothing waits.
pub struct WriteBuffer<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How much of `waiting` is written.
    written: usize,
}

impl<S> WriteBuffer<S> {
    pub fn new(stream: S) -> WriteBuffer<S> {
        WriteBuffer { stream, waiting: Vec::new(), written: 0 }
    }
}

impl<S: AsyncWrite + Unpin> WriteBuffer<S> {
    /// Writes all that waits.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.written = 0;
        if self.waiting.capacity() > FULL / 8 {
            // A long answer was the exception.
            self.waiting = Vec::new();
        }
        self.waiting.clear();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteBuffer<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteBuffer<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= FULL {
            ready!(self.drain(cx))?;
        }
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length >= LARGE && self.waiting.is_empty() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        slices.iter().for_each(|slice| self.waiting.extend_from_slice(slice));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn everything_arrives_in_order_after_a_flush() {
        let (near, mut far) = tokio::io::duplex(1000);
        let mut buffer = WriteBuffer::new(near);
        buffer.write_all(b"small").await.unwrap();
        let nothing = tokio::time::timeout(std::time::Duration::ZERO, far.read_u8()).await;
        assert!(nothing.is_err(), "it waits for the flush");
        let long = vec![b'x'; 3 * FULL];
        let sending = tokio::spawn({
            let long = long.clone();
            async move {
                buffer.write_all(&long).await.unwrap();
                buffer.write_all(b"end").await.unwrap();
                buffer.shutdown().await.unwrap();
                assert!(buffer.waiting.capacity() <= FULL / 8, "a long answer leaves no memory behind");
            }
        });
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        sending.await.unwrap();
        assert_eq!(all, [b"small", &long[..], b"end"].concat());
    }
}
