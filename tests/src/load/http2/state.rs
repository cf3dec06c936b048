//! The streams of a connection, and the frames that say what happens to them.

use super::Request;
use super::hpack::{Encoder, StatusReader};
use bytes::{Buf, Bytes};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::task::{Poll, Waker};

/// How much the server may send unasked, on the connection and on each stream.
const WINDOW: u32 = 4 << 20;
/// The frames that the server may send: longer ones are fewer.
const MAX_FRAME: u32 = 64 << 10;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;

// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

// Flags.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

// Settings.
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

const CANCEL: u32 = 8;

/// A request and its answer.
struct Stream {
    keep: bool,
    /// What of the request's body is still to be sent, and how much of it the server takes.
    unsent: Bytes,
    window: i64,
    status: Option<u16>,
    data: Vec<u8>,
    length: u64,
    /// Bytes that the server has not been given back for its window.
    owed: u32,
    ended: Option<Result<(), String>>,
    waker: Option<Waker>,
}

impl Stream {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What the server allows.
struct Limits {
    window: i64,
    frame: usize,
    streams: usize,
}

pub struct State {
    authority: String,
    encoder: Encoder,
    reader: StatusReader,
    outgoing: Vec<u8>,
    streams: HashMap<u32, Stream>,
    next: u32,
    limits: Limits,
    /// How much the server takes on this connection.
    window: i64,
    owed: u32,
    /// Streams with unsent bodies.
    sending: VecDeque<u32>,
    /// Clients that wait until there may be another stream.
    waiting: Vec<Waker>,
    problem: Option<String>,
    frame: Frame,
}

/// The frame that is being received.
#[derive(Default)]
struct Frame {
    header: [u8; HEADER],
    /// How much of the header is there.
    have: usize,
    /// How much of the payload is not.
    left: usize,
    payload: Vec<u8>,
    /// The headers' block so far, and whether it ends its stream.
    block: Vec<u8>,
    ends: bool,
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP/2: {why}"))
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Writes a frame.
fn put(outgoing: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let [_, high, middle, low] = (payload.len() as u32).to_be_bytes();
    outgoing.extend_from_slice(&[high, middle, low, kind, flags]);
    outgoing.extend_from_slice(&id.to_be_bytes());
    outgoing.extend_from_slice(payload);
}

impl State {
    pub fn new(authority: &str) -> State {
        let mut state = State {
            authority: authority.to_string(),
            encoder: Encoder::default(),
            reader: StatusReader::default(),
            outgoing: PREFACE.to_vec(),
            streams: HashMap::new(),
            next: 1,
            limits: Limits { window: 65_535, frame: 16 << 10, streams: usize::MAX },
            window: 65_535,
            owed: 0,
            sending: VecDeque::new(),
            waiting: Vec::new(),
            problem: None,
            frame: Frame::default(),
        };
        let settings = [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW), (MAX_FRAME_SIZE, MAX_FRAME)];
        let payload = settings.map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
        state.put(SETTINGS, 0, 0, &payload.concat());
        state.put(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes());
        state
    }

    /// Begins a stream, as soon as the server allows another.
    pub fn begin(&mut self, request: &Request<'_>, waker: &Waker) -> Poll<Result<u32, String>> {
        if let Some(problem) = &self.problem {
            return Poll::Ready(Err(problem.clone()));
        }
        if self.streams.len() >= self.limits.streams {
            self.waiting.push(waker.clone());
            return Poll::Pending;
        }
        let id = self.next;
        self.next += 2;
        let at = self.outgoing.len();
        let flags = END_HEADERS | if request.body.is_none() { END_STREAM } else { 0 };
        self.put(HEADERS, flags, id, &[]);
        let block = &mut self.outgoing;
        self.encoder.begin(block);
        self.encoder.repeated(":method", request.method, block);
        self.encoder.repeated(":scheme", "https", block);
        self.encoder.repeated(":authority", &self.authority, block);
        self.encoder.once(":path", request.path, block);
        for (name, value) in request.fields {
            self.encoder.repeated(name, value, block);
        }
        let length = block.len() - at - HEADER;
        if length > self.limits.frame {
            self.outgoing.truncate(at);
            return Poll::Ready(Err("the request's headers are too long".to_string()));
        }
        self.outgoing[at..at + 3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        let unsent = request.body.clone().unwrap_or_default();
        if request.body.is_some() {
            self.sending.push_back(id);
        }
        let stream = Stream {
            keep: request.keep,
            unsent,
            window: self.limits.window,
            status: None,
            data: Vec::new(),
            length: 0,
            owed: 0,
            ended: None,
            waker: None,
        };
        self.streams.insert(id, stream);
        self.send_bodies();
        Poll::Ready(Ok(id))
    }

    pub fn status(&mut self, id: u32, waker: &Waker) -> Poll<Result<u16, String>> {
        self.of(id, waker, |stream| match (stream.status, &stream.ended) {
            (Some(status), _) => Some(Ok(status)),
            (None, Some(Err(problem))) => Some(Err(problem.clone())),
            (None, Some(Ok(()))) => Some(Err("an answer without a status".to_string())),
            (None, None) => None,
        })
    }

    pub fn data(&mut self, id: u32, waker: &Waker) -> Poll<Option<Result<Bytes, String>>> {
        self.of(id, waker, |stream| match &stream.ended {
            _ if !stream.data.is_empty() => Some(Some(Ok(std::mem::take(&mut stream.data).into()))),
            Some(ended) => Some(ended.clone().err().map(Err)),
            None => None,
        })
    }

    pub fn length(&mut self, id: u32, waker: &Waker) -> Poll<Result<u64, String>> {
        self.of(id, waker, |stream| stream.ended.clone().map(|ended| ended.map(|()| stream.length)))
    }

    /// What a stream has to say, or it wakes who asks.
    fn of<T>(&mut self, id: u32, waker: &Waker, say: impl FnOnce(&mut Stream) -> Option<T>) -> Poll<T> {
        // A stream is there until its response is dropped.
        let Some(stream) = self.streams.get_mut(&id) else { return Poll::Pending };
        match say(stream) {
            Some(said) => Poll::Ready(said),
            None => {
                stream.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Nobody asks for this stream any more. Whether the server is told so.
    pub fn forget(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.remove(&id) else { return false };
        self.waiting.drain(..).for_each(Waker::wake);
        let early = stream.ended.is_none() && self.problem.is_none();
        if early {
            self.put(RST_STREAM, 0, id, &CANCEL.to_be_bytes());
        }
        early
    }

    /// The connection is over.
    pub fn end(&mut self, problem: String) {
        self.waiting.drain(..).for_each(Waker::wake);
        for stream in self.streams.values_mut() {
            stream.ended.get_or_insert_with(|| Err(problem.clone()));
            stream.wake();
        }
        self.problem = Some(problem);
    }

    /// Swaps the frames that are to be sent for an empty buffer.
    pub fn take_outgoing(&mut self, into: &mut Vec<u8>) {
        into.clear();
        std::mem::swap(&mut self.outgoing, into);
    }

    fn put(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        put(&mut self.outgoing, kind, flags, id, payload);
    }

    /// Sends as much of the bodies as the server takes.
    fn send_bodies(&mut self) {
        for _ in 0..self.sending.len() {
            let Some(id) = self.sending.pop_front() else { break };
            // One that was given up.
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            loop {
                let room = self.window.min(stream.window).max(0) as usize;
                let part = stream.unsent.split_to(stream.unsent.len().min(room).min(self.limits.frame));
                let done = stream.unsent.is_empty();
                if part.is_empty() && !done {
                    self.sending.push_back(id);
                    break;
                }
                self.window -= part.len() as i64;
                stream.window -= part.len() as i64;
                put(&mut self.outgoing, DATA, if done { END_STREAM } else { 0 }, id, &part);
                if done {
                    break;
                }
            }
        }
    }

    /// Takes the next bytes of the connection.
    ///
    /// # Errors
    /// What is not HTTP/2, and that the server ends the connection.
    pub fn receive(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            if self.frame.have < HEADER {
                let length = bytes.len().min(HEADER - self.frame.have);
                let (part, rest) = bytes.split_at(length);
                self.frame.header[self.frame.have..self.frame.have + length].copy_from_slice(part);
                self.frame.have += length;
                bytes = rest;
                if self.frame.have < HEADER {
                    return Ok(());
                }
                let [high, middle, low, ..] = self.frame.header;
                self.frame.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                if self.frame.left > MAX_FRAME as usize {
                    return Err(malformed("a frame is too long"));
                }
            }
            let [_, _, _, kind, flags, id @ ..] = self.frame.header;
            let id = u32::from_be_bytes(id) & 0x7fff_ffff;
            let (part, rest) = bytes.split_at(bytes.len().min(self.frame.left));
            self.frame.left -= part.len();
            bytes = rest;
            if kind == DATA && flags & PADDED == 0 {
                // The bulk of all bytes: taken as it comes.
                self.take_data(id, part);
            } else {
                self.frame.payload.extend_from_slice(part);
            }
            if self.frame.left > 0 {
                return Ok(());
            }
            self.frame.have = 0;
            let mut payload = std::mem::take(&mut self.frame.payload);
            self.take_frame(kind, flags, id, &payload)?;
            payload.clear();
            self.frame.payload = payload;
        }
    }

    fn take_data(&mut self, id: u32, part: &[u8]) {
        self.owed += part.len() as u32;
        if self.owed >= WINDOW / 2 {
            let owed = std::mem::take(&mut self.owed);
            self.put(WINDOW_UPDATE, 0, 0, &owed.to_be_bytes());
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.length += part.len() as u64;
        if stream.keep || stream.status.is_none_or(|status| status >= 300) {
            stream.data.extend_from_slice(part);
            stream.wake();
        }
        stream.owed += part.len() as u32;
        if stream.owed >= WINDOW / 2 {
            let owed = std::mem::take(&mut stream.owed);
            self.put(WINDOW_UPDATE, 0, id, &owed.to_be_bytes());
        }
    }

    /// Takes a frame of which all is there; of unpadded data only its end is new.
    fn take_frame(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
        match kind {
            DATA => {
                if flags & PADDED != 0 {
                    let data = unpadded(payload)?;
                    self.take_data(id, data);
                    // Padding counts as well.
                    self.owed += (payload.len() - data.len()) as u32;
                }
                if flags & END_STREAM != 0 {
                    self.ended(id, Ok(()));
                }
            }
            HEADERS => {
                let mut block = if flags & PADDED != 0 { unpadded(payload)? } else { payload };
                if flags & PRIORITY != 0 {
                    block = block.get(5..).ok_or_else(|| malformed("a priority is cut off"))?;
                }
                self.frame.block.clear();
                self.frame.block.extend_from_slice(block);
                self.frame.ends = flags & END_STREAM != 0;
                self.take_headers(flags, id)?;
            }
            CONTINUATION => {
                self.frame.block.extend_from_slice(payload);
                self.take_headers(flags, id)?;
            }
            RST_STREAM => {
                let code = be32(payload).unwrap_or_default();
                self.ended(id, Err(format!("the server gave up the stream (code {code})")));
            }
            SETTINGS if flags & ACK == 0 => {
                self.take_settings(payload);
                self.put(SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => self.put(PING, ACK, 0, payload),
            GOAWAY => return Err(io::Error::other("the server goes away")),
            WINDOW_UPDATE => {
                let more = i64::from(be32(payload).unwrap_or_default());
                match self.streams.get_mut(&id) {
                    Some(stream) => stream.window += more,
                    None if id == 0 => self.window += more,
                    None => {}
                }
                self.send_bodies();
            }
            // Answers to ours, and what is not known.
            _ => {}
        }
        Ok(())
    }

    fn take_headers(&mut self, flags: u8, id: u32) -> io::Result<()> {
        if flags & END_HEADERS == 0 {
            return Ok(());
        }
        let status = self.reader.read(&self.frame.block).map_err(|_| malformed("headers"))?;
        if let Some(stream) = self.streams.get_mut(&id) {
            // Neither an interim answer nor trailers.
            if let Some(status) = status.filter(|status| *status >= 200) {
                stream.status = Some(status);
                if stream.keep || status >= 300 {
                    stream.wake();
                }
            }
        }
        if self.frame.ends {
            self.ended(id, Ok(()));
        }
        Ok(())
    }

    fn ended(&mut self, id: u32, how: Result<(), String>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ended.get_or_insert(how);
            stream.wake();
        }
    }

    fn take_settings(&mut self, mut payload: &[u8]) {
        while payload.len() >= 6 {
            let (name, value) = (payload.get_u16(), payload.get_u32());
            match name {
                HEADER_TABLE_SIZE => self.encoder.resize(value as usize),
                MAX_CONCURRENT_STREAMS => self.limits.streams = value as usize,
                MAX_FRAME_SIZE => self.limits.frame = value as usize,
                INITIAL_WINDOW_SIZE => {
                    let more = i64::from(value) - self.limits.window;
                    self.limits.window += more;
                    self.streams.values_mut().for_each(|stream| stream.window += more);
                    self.send_bodies();
                }
                _ => {}
            }
        }
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

fn unpadded(payload: &[u8]) -> io::Result<&[u8]> {
    let (padding, rest) = payload.split_first().ok_or_else(|| malformed("no padding"))?;
    let length = rest.len().checked_sub(usize::from(*padding)).ok_or_else(|| malformed("too much padding"))?;
    Ok(&rest[..length])
}
