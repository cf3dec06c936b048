//! A connection of streams, for either side.

use super::frame::{Decoder, Encoder, Frame, reset};
use super::headers::Headers;
use super::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};

/// How many frames may wait to be written before writers wait.
const OUTGOING: usize = 8;
/// How many pieces of data may wait to be read from a stream before the whole connection waits.
pub(super) const PIECES: usize = 32;
/// How many new streams may wait to be taken.
const NEW_STREAMS: usize = 16;
/// How many streams one connection may have open.
const STREAMS: usize = 1 << 16;
/// How many bytes are read at once, and so the most that a piece holds.
const READ: usize = 32 << 10;
/// How many bytes are gathered before they are written.
const WRITE: usize = 64 << 10;
/// How long the other side may take to read the rest and close, once this one has closed. Until then what it still sends
/// is read, since closing with bytes unread would destroy what is under way to it.
const LINGER: Duration = Duration::from_secs(15 * 60);
/// How long this side may say nothing before it pings, which finds out whether the other one is still there.
const PING: Duration = Duration::from_secs(30);

/// A connection. It closes, once everything has been written, when this, its clones and all its streams are gone.
#[derive(Clone, Debug)]
pub struct Session {
    outgoing: mpsc::Sender<Frame>,
    shared: Arc<Shared>,
}

/// The streams that the other side opens.
#[derive(Debug)]
pub struct Incoming {
    streams: mpsc::Receiver<Stream>,
}

impl Incoming {
    /// The next stream, which has been accepted; `None` when the connection is over. Dropping this refuses further ones.
    pub async fn next(&mut self) -> Option<Stream> {
        self.streams.recv().await
    }
}

impl Session {
    /// Speaks as the client over a connection that has been upgraded. Must be called within a tokio runtime.
    pub fn client(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Session {
        Session::start(io, 1).0
    }

    /// Speaks as the server. Must be called within a tokio runtime.
    pub fn server(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> (Session, Incoming) {
        Session::start(io, 2)
    }

    fn start(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, first: u32) -> (Session, Incoming) {
        let (outgoing, frames) = mpsc::channel(OUTGOING);
        let (arrivals, streams) = mpsc::channel(NEW_STREAMS);
        let state = State { next: first, last: 0, lost: false, open: HashMap::new(), resets: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Notify::new() });
        let reader = Reader { shared: shared.clone(), outgoing: outgoing.downgrade(), arrivals };
        tokio::spawn(drive(io, reader, frames, shared.clone()));
        (Session { outgoing, shared }, Incoming { streams })
    }

    /// Opens a stream and waits until the other side accepts it.
    ///
    /// # Errors
    /// When it refuses, or the connection is lost.
    pub async fn open(&self, headers: impl Into<Headers>) -> io::Result<Stream> {
        let place = self.outgoing.reserve().await.map_err(|_| gone())?;
        let (accepted, accepting) = oneshot::channel();
        let (pieces, incoming) = mpsc::channel(PIECES);
        let headers = headers.into();
        let id = {
            // Numbers go up in the order of the wire.
            let mut state = self.shared.state();
            if state.lost {
                return Err(gone());
            }
            let id = state.next;
            state.next += 2;
            state.open.insert(id, Open { pieces: Some(pieces), accepted: Some(accepted), finished: false });
            place.send(Frame::SynStream { stream: id, headers: headers.clone(), fin: false, unidirectional: false });
            id
        };
        let stream = Stream::new(id, headers, self.outgoing.clone(), incoming, self.shared.clone());
        match accepting.await {
            Ok(()) => Ok(stream),
            Err(_) => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the stream was refused")),
        }
    }

    /// Resolves when the connection is over.
    pub async fn closed(&self) {
        self.outgoing.closed().await;
    }
}

pub(super) fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection is closed")
}

/// What a stream receives.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    /// The other side sends no more. Without it, the stream was cut off.
    End,
}

/// What the connection's tasks and its streams share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Streams to reset are waiting.
    wake: Notify,
}

#[derive(Debug)]
struct State {
    /// The next stream of this side.
    next: u32,
    /// The newest stream of the other side.
    last: u32,
    lost: bool,
    open: HashMap<u32, Open>,
    resets: Vec<u32>,
}

/// A stream that at least one side has not finished.
#[derive(Debug)]
struct Open {
    /// Absent once the other side has finished.
    pieces: Option<mpsc::Sender<Piece>>,
    /// Waits for the other side's acceptance.
    accepted: Option<oneshot::Sender<()>>,
    /// This side has finished.
    finished: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stream may still be written to.
    pub(super) fn is_open(&self, id: u32) -> bool {
        self.state().open.get(&id).is_some_and(|open| !open.finished)
    }

    /// This side has sent its last.
    pub(super) fn finish(&self, id: u32) {
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(&id) {
            open.finished = true;
            if open.pieces.is_none() {
                state.open.remove(&id);
            }
        }
    }

    /// This side has dropped a stream, which is reset unless its last has been sent. What still comes is discarded.
    pub(super) fn abandon(&self, id: u32) {
        let mut state = self.state();
        if state.open.get(&id).is_some_and(|open| !open.finished) {
            state.open.remove(&id);
            state.resets.push(id);
            self.wake.notify_one();
        }
    }

    /// The connection is over: no stream gets any more.
    fn lose(&self) {
        let mut state = self.state();
        state.lost = true;
        state.open.clear();
    }
}

/// Carries frames both ways until either side ends it.
async fn drive(
    io: impl AsyncRead + AsyncWrite + Send + Unpin,
    reader: Reader,
    frames: mpsc::Receiver<Frame>,
    shared: Arc<Shared>,
) {
    let (input, output) = tokio::io::split(io);
    let mut reading = std::pin::pin!(reader.run(input));
    let closed = tokio::select! {
        _ = &mut reading => false,
        outcome = write(output, frames, &shared) => outcome.is_ok(),
    };
    shared.lose();
    if closed {
        // Whether or not it ends by itself.
        let _ = tokio::time::timeout(LINGER, reading).await;
    }
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Frame>,
    shared: &Shared,
) -> io::Result<()> {
    let mut encoder = Encoder::default();
    let mut open = true;
    // Odd or even as this side's streams are.
    let mut ping = shared.state().next;
    while open {
        let mut wire = Vec::new();
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => encoder.encode(&frame, &mut wire),
                None => open = false,
            },
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(PING) => {
                encoder.encode(&Frame::Ping(ping), &mut wire);
                ping = ping.wrapping_add(2);
            }
        }
        while open && wire.len() < WRITE {
            match frames.try_recv() {
                Ok(frame) => encoder.encode(&frame, &mut wire),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => open = false,
            }
        }
        for stream in std::mem::take(&mut shared.state().resets) {
            encoder.encode(&Frame::Reset { stream, status: reset::CANCEL }, &mut wire);
        }
        if !open {
            let last = shared.state().last;
            encoder.encode(&Frame::GoAway { last, status: 0 }, &mut wire);
        }
        output.write_all(&wire).await?;
        output.flush().await?;
    }
    output.shutdown().await
}

/// Reads frames and hands them to the streams.
struct Reader {
    shared: Arc<Shared>,
    /// Weak, since reading alone does not keep the connection open.
    outgoing: mpsc::WeakSender<Frame>,
    arrivals: mpsc::Sender<Stream>,
}

impl Reader {
    async fn run(self, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
        let (mut decoder, mut received) = (Decoder::default(), BytesMut::new());
        loop {
            while let Some(frame) = decoder.decode(&mut received).map_err(io::Error::other)? {
                self.handle(frame).await;
            }
            received.reserve(READ);
            if input.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn handle(&self, frame: Frame) {
        match frame {
            Frame::SynStream { stream, headers, fin, unidirectional } => {
                self.accept(stream, headers, fin, unidirectional).await;
            }
            Frame::SynReply { stream, fin, .. } => {
                let accepted = self.shared.state().open.get_mut(&stream).and_then(|open| open.accepted.take());
                if let Some(accepted) = accepted {
                    // Whoever opened it may have lost interest.
                    let _ = accepted.send(());
                }
                if fin {
                    self.end(stream).await;
                }
            }
            Frame::Data { stream, data, fin } => {
                let pieces = self.shared.state().open.get(&stream).and_then(|open| open.pieces.clone());
                if let Some(pieces) = pieces.filter(|_| !data.is_empty()) {
                    // One that nobody reads any more is discarded.
                    let _ = pieces.send(Piece::Data(data)).await;
                }
                if fin {
                    self.end(stream).await;
                }
            }
            Frame::Reset { stream, .. } => drop(self.shared.state().open.remove(&stream)),
            // The other side's are odd or even as its streams are; the rest answers this side's.
            Frame::Ping(number) if number % 2 != self.shared.state().next % 2 => self.send(Frame::Ping(number)).await,
            // The other side closes the connection when it is done with the streams that it has.
            Frame::Ping(_) | Frame::GoAway { .. } | Frame::Other => {}
        }
    }

    async fn send(&self, frame: Frame) {
        if let Some(outgoing) = self.outgoing.upgrade() {
            // Nobody writes any more: the connection is about to end.
            let _ = outgoing.send(frame).await;
        }
    }

    async fn accept(&self, id: u32, headers: Headers, fin: bool, unidirectional: bool) {
        let Some(outgoing) = self.outgoing.upgrade() else { return };
        let (pieces, incoming) = mpsc::channel(PIECES);
        let refused = {
            let mut state = self.shared.state();
            if id % 2 == state.next % 2 || id <= state.last {
                Some(reset::PROTOCOL_ERROR)
            } else if state.open.len() >= STREAMS || self.arrivals.is_closed() {
                Some(reset::REFUSED_STREAM)
            } else {
                state.last = id;
                let open = Open { pieces: Some(pieces), accepted: None, finished: unidirectional };
                state.open.insert(id, open);
                None
            }
        };
        if let Some(status) = refused {
            return self.send(Frame::Reset { stream: id, status }).await;
        }
        let stream = Stream::new(id, headers, outgoing, incoming, self.shared.clone());
        self.send(Frame::SynReply { stream: id, headers: Headers::default(), fin: false }).await;
        if fin {
            self.end(id).await;
        }
        // If nobody takes it, it is dropped here, which resets it.
        let _ = self.arrivals.send(stream).await;
    }

    /// The other side has finished a stream.
    async fn end(&self, id: u32) {
        let pieces = {
            let mut state = self.shared.state();
            let Some(open) = state.open.get_mut(&id) else { return };
            let pieces = open.pieces.take();
            if open.finished {
                state.open.remove(&id);
            }
            pieces
        };
        if let Some(pieces) = pieces {
            let _ = pieces.send(Piece::End).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Session, Session, Incoming) {
        let (near, far) = tokio::io::duplex(4096);
        let (server, incoming) = Session::server(far);
        (Session::client(near), server, incoming)
    }

    #[tokio::test]
    async fn streams_carry_bytes_both_ways_and_end_each_way() {
        let (client, _server, mut incoming) = pair();
        let serving = tokio::spawn(async move {
            let mut stream = incoming.next().await.unwrap();
            assert_eq!(stream.headers().get("streamType"), "data");
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let mut stream = client.open([("streamType", "data")]).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "HELLO");
        serving.await.unwrap();
        assert!(client.shared.state().open.is_empty());
    }

    #[tokio::test]
    async fn many_streams_lose_no_byte() {
        let (client, _server, mut incoming) = pair();
        tokio::spawn(async move {
            while let Some(stream) = incoming.next().await {
                tokio::spawn(async move {
                    let (mut input, mut output) = tokio::io::split(stream);
                    tokio::io::copy(&mut input, &mut output).await.unwrap();
                    output.shutdown().await.unwrap();
                });
            }
        });
        let echoes = (0..20_u8).map(|seed| {
            let client = client.clone();
            tokio::spawn(async move {
                let sent: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(31) >> 3) as u8 ^ seed).collect();
                let (mut input, mut output) = tokio::io::split(client.open([("a", "b")]).await.unwrap());
                let mut got = Vec::new();
                let writing = async {
                    output.write_all(&sent).await.unwrap();
                    output.shutdown().await.unwrap();
                };
                let ((), read) = tokio::join!(writing, input.read_to_end(&mut got));
                read.unwrap();
                assert!(got == sent);
            })
        });
        for echo in echoes.collect::<Vec<_>>() {
            echo.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_dropped_stream_is_reset() {
        let (client, _server, mut incoming) = pair();
        let mut near = client.open([("a", "b")]).await.unwrap();
        drop(incoming.next().await.unwrap());
        let error = near.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(near.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn what_was_written_before_the_end_arrives() {
        let (client, server, mut incoming) = pair();
        let mut near = client.open([("a", "b")]).await.unwrap();
        let mut far = incoming.next().await.unwrap();
        let writing = tokio::spawn(async move {
            far.write_all(&[7; 100_000]).await.unwrap();
            far.shutdown().await.unwrap();
            drop((server, incoming));
        });
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap();
        writing.await.unwrap();
        assert_eq!(got.len(), 100_000);
        client.closed().await;
    }

    #[tokio::test]
    async fn a_lost_connection_ends_everything() {
        let (near, far) = tokio::io::duplex(4096);
        let client = Session::client(near);
        let opening = tokio::spawn(async move { client.open([("a", "b")]).await });
        drop(far);
        assert!(opening.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn refuses_streams_when_nobody_takes_them() {
        let (client, _server, incoming) = pair();
        drop(incoming);
        assert_eq!(client.open([("a", "b")]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn garbage_ends_the_connection() {
        let (mut near, far) = tokio::io::duplex(4096);
        let (server, mut incoming) = Session::server(far);
        near.write_all(b"\xff\xffGET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(incoming.next().await.is_none());
        server.closed().await;
    }
}
