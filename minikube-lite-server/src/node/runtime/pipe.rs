//! The streams of processes: [`Input`] and [`Output`], and the [`pipe`] between two of them.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;

/// What a pipe holds before its writer waits, in bytes.
const CAPACITY: usize = 64 * 1024;
/// How much is read at once where the reader does not say.
const CHUNK: usize = 16 * 1024;
/// The longest line that is read as one, in bytes.
const LINE: usize = 1024 * 1024;

/// Where the bytes of an [`Input`] come from.
pub trait Source: Send {
    /// The next bytes, some as soon as there are some; empty at the end. What has been given must not be lost when the
    /// future is dropped before it ends.
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>>;
}

/// Where the bytes of an [`Output`] go.
pub trait Sink: Send + Sync {
    /// Takes all of the bytes.
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>>;
}

/// A stream that is read from. Clones share it, as file descriptors do: what one reads the others do not get.
#[derive(Clone)]
pub struct Input(Option<Arc<tokio::sync::Mutex<Reader>>>);

struct Reader {
    /// Read from the source, but not asked for yet.
    rest: Bytes,
    source: Option<Box<dyn Source>>,
}

impl Input {
    /// A stream that is at its end.
    pub fn empty() -> Input {
        Input(None)
    }

    /// A stream of these bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Input {
        Input(Some(Arc::new(tokio::sync::Mutex::new(Reader { rest: bytes.into(), source: None }))))
    }

    /// A stream of what `source` gives.
    pub fn from_source(source: impl Source + 'static) -> Input {
        let reader = Reader { rest: Bytes::new(), source: Some(Box::new(source)) };
        Input(Some(Arc::new(tokio::sync::Mutex::new(reader))))
    }

    /// A stream of what is read from `reader`.
    pub fn from_reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Input {
        Input::from_source(FromReader(reader))
    }

    /// The next bytes, at most `max`: as many as there are, or as soon as there are some. Empty at the end.
    pub async fn read(&self, max: usize) -> io::Result<Bytes> {
        let Some(reader) = &self.0 else { return Ok(Bytes::new()) };
        let mut reader = reader.lock().await;
        reader.fill().await?;
        let length = reader.rest.len().min(max);
        Ok(reader.rest.split_to(length))
    }

    /// The next bytes, as many as come at once.
    pub async fn chunk(&self) -> io::Result<Bytes> {
        self.read(CHUNK).await
    }

    /// The next line with its line feed, which the last one may lack. `None` at the end. A line of more than a megabyte
    /// is given in parts.
    pub async fn read_line(&self) -> io::Result<Option<Bytes>> {
        let Some(reader) = &self.0 else { return Ok(None) };
        let mut reader = reader.lock().await;
        let mut line = BytesMut::new();
        loop {
            reader.fill().await?;
            if reader.rest.is_empty() {
                return Ok((!line.is_empty()).then(|| line.freeze()));
            }
            let end = reader.rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let part = {
                let length = end.unwrap_or(reader.rest.len());
                reader.rest.split_to(length)
            };
            let done = end.is_some() || line.len() + part.len() > LINE;
            if done && line.is_empty() {
                return Ok(Some(part));
            }
            line.extend_from_slice(&part);
            if done {
                return Ok(Some(line.freeze()));
            }
        }
    }

    /// All up to the end.
    ///
    /// # Errors
    /// `OutOfMemory` when it is more than `limit` bytes.
    pub async fn read_to_end(&self, limit: usize) -> io::Result<Bytes> {
        let mut all = BytesMut::new();
        loop {
            let part = self.chunk().await?;
            if part.is_empty() {
                return Ok(all.freeze());
            }
            if all.len() + part.len() > limit {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            all.extend_from_slice(&part);
        }
    }

    /// Gives bytes back, to be read next.
    pub async fn unread(&self, bytes: &[u8]) {
        let (Some(reader), false) = (&self.0, bytes.is_empty()) else { return };
        let mut reader = reader.lock().await;
        reader.rest = [bytes, &reader.rest].concat().into();
    }

    /// The same stream for code that reads by [`AsyncRead`].
    pub fn reader(self) -> impl AsyncRead + Send + Unpin + 'static {
        let chunks = futures_util::stream::try_unfold(self, |input| async move {
            let chunk = input.chunk().await?;
            Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, input)))
        });
        tokio_util::io::StreamReader::new(Box::pin(chunks))
    }
}

impl Reader {
    /// Reads when nothing is left from before.
    async fn fill(&mut self) -> io::Result<()> {
        if let (true, Some(source)) = (self.rest.is_empty(), &mut self.source) {
            self.rest = source.next().await?;
        }
        Ok(())
    }
}

struct FromReader<R>(R);

impl<R: AsyncRead + Send + Unpin> Source for FromReader<R> {
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>> {
        // The buffer is on the stack, so that a quiet stream costs nothing.
        Box::pin(std::future::poll_fn(|context| {
            let mut buffer = [0; CHUNK];
            let mut buffer = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
            Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
        }))
    }
}

/// A stream that is written to. Clones share it, as file descriptors do; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Output(Option<Arc<dyn Sink>>);

impl Output {
    /// Takes everything and keeps nothing.
    pub fn null() -> Output {
        Output(None)
    }

    /// Hands all to `sink`.
    pub fn from_sink(sink: impl Sink + 'static) -> Output {
        Output(Some(Arc::new(sink)))
    }

    /// Calls `write` with everything that is written.
    pub fn from_fn(write: impl Fn(&[u8]) + Send + Sync + 'static) -> Output {
        Output::from_sink(FromFn(write))
    }

    /// Writes all to `writer`.
    pub fn from_writer(writer: impl AsyncWrite + Send + Unpin + 'static) -> Output {
        Output::from_sink(FromWriter(tokio::sync::Mutex::new(writer)))
    }

    /// Writes all of the bytes; waits while whoever reads them is slower.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody reads any more, and what a file's limits refuse.
    pub async fn write(&self, data: &[u8]) -> io::Result<()> {
        match &self.0 {
            Some(sink) if !data.is_empty() => sink.write(data).await,
            _ => Ok(()),
        }
    }

    /// The same stream for code that writes by [`AsyncWrite`].
    pub fn writer(self) -> impl AsyncWrite + Send + Unpin + 'static {
        Writer { output: self, pending: None }
    }
}

struct FromFn<F>(F);

impl<F: Fn(&[u8]) + Send + Sync> Sink for FromFn<F> {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        (self.0)(data);
        Box::pin(std::future::ready(Ok(())))
    }
}

struct FromWriter<W>(tokio::sync::Mutex<W>);

impl<W: AsyncWrite + Send + Unpin> Sink for FromWriter<W> {
    fn write<'a>(&'a self, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let mut writer = self.0.lock().await;
            writer.write_all(data).await?;
            writer.flush().await
        })
    }
}

struct Writer {
    output: Output,
    pending: Option<(usize, BoxFuture<'static, io::Result<()>>)>,
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.pending.is_none() {
            let (output, data) = (self.output.clone(), Bytes::copy_from_slice(&data[..data.len().min(CHUNK)]));
            self.pending = Some((data.len(), Box::pin(async move { output.write(&data).await })));
        }
        let Some((length, write)) = &mut self.pending else { return Poll::Ready(Ok(0)) };
        let length = *length;
        let done = ready!(write.as_mut().poll(context));
        self.pending = None;
        Poll::Ready(done.map(|()| length))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output = Output::null();
        Poll::Ready(Ok(()))
    }
}

/// A pipe: what is written to one end is read from the other. It holds 64 KiB; its writer waits while it is full.
pub fn pipe() -> (Output, Input) {
    let pipe = Arc::new(Pipe::default());
    (Output::from_sink(WriteEnd(pipe.clone())), Input::from_source(ReadEnd(pipe)))
}

#[derive(Default)]
struct Pipe {
    state: Mutex<PipeState>,
    readable: Notify,
    writable: Notify,
}

#[derive(Default)]
struct PipeState {
    held: BytesMut,
    no_writer: bool,
    no_reader: bool,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, PipeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct WriteEnd(Arc<Pipe>);
struct ReadEnd(Arc<Pipe>);

impl Sink for WriteEnd {
    fn write<'a>(&'a self, mut data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            while data.has_remaining() {
                // Before the look at the state, so that no call is missed.
                let writable = self.0.writable.notified();
                let taken = {
                    let mut state = self.0.state();
                    if state.no_reader {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    let taken = data.len().min(CAPACITY - state.held.len());
                    state.held.extend_from_slice(&data[..taken]);
                    taken
                };
                data.advance(taken);
                if taken > 0 {
                    self.0.readable.notify_one();
                } else {
                    writable.await;
                }
            }
            Ok(())
        })
    }
}

impl Source for ReadEnd {
    fn next(&mut self) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async {
            // Reading without ever waiting must not keep others from running.
            tokio::task::coop::consume_budget().await;
            loop {
                let (taken, end) = {
                    let mut state = self.0.state();
                    (state.held.split().freeze(), state.no_writer)
                };
                if end || !taken.is_empty() {
                    self.0.writable.notify_waiters();
                    return Ok(taken);
                }
                self.0.readable.notified().await;
            }
        })
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.state().no_writer = true;
        self.0.readable.notify_one();
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.no_reader = true;
        state.held = BytesMut::new();
        drop(state);
        self.0.writable.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_pipe_carries_more_than_it_holds() {
        let (output, input) = pipe();
        let writer = tokio::spawn(async move { output.write(&vec![7; 1_000_000]).await });
        assert_eq!(input.read_to_end(2_000_000).await.unwrap().len(), 1_000_000);
        writer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn writing_to_nobody_fails_also_while_waiting() {
        let (output, input) = pipe();
        output.write(&[0; CAPACITY]).await.unwrap();
        let waiting = tokio::spawn({
            let output = output.clone();
            async move { output.write(b"more").await }
        });
        tokio::task::yield_now().await;
        drop(input);
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(output.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn lines_and_bytes_share_one_position() {
        let input = Input::from_bytes("one\ntwo\nthree");
        assert_eq!(input.read_line().await.unwrap().unwrap(), "one\n");
        assert_eq!(input.clone().read(2).await.unwrap(), "tw");
        assert_eq!(input.read_line().await.unwrap().unwrap(), "o\n");
        assert_eq!(input.read_line().await.unwrap().unwrap(), "three");
        assert_eq!(input.read_line().await.unwrap(), None);
    }

    #[tokio::test]
    async fn tokios_readers_and_writers_are_streams_too() {
        let (client, server) = tokio::io::duplex(10);
        let (output, input) = (Output::from_writer(client), Input::from_reader(server));
        let writer = tokio::spawn(async move { output.write(&[b'x'; 1000]).await });
        assert_eq!(input.read_to_end(1000).await.unwrap().len(), 1000);
        writer.await.unwrap().unwrap();

        let (output, input) = pipe();
        let (mut writer, mut reader) = (output.writer(), input.reader());
        writer.write_all(b"hello").await.unwrap();
        writer.shutdown().await.unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }
}
