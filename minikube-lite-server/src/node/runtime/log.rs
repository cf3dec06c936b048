//! The log of one run of a container: its lines with their times, as the CRI's log files have them, bounded, and readable
//! while it grows.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use shared_types::time::format_time;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How much of a log is kept (the kubelet's `containerLogMaxSize`), in bytes.
const MAX_SIZE: usize = 10 << 20;
/// How much of it is kept while all logs together take more than [`PLENTY`].
const MAX_SIZE_WHEN_SCARCE: usize = 256 << 10;
/// What all logs together may take before each is kept shorter.
const PLENTY: usize = 64 << 20;
/// What goes at once when a log is too long.
const SEGMENT: usize = 64 << 10;
/// A longer line is kept in several parts (containerd's `max_container_log_line_size`).
const MAX_LINE: usize = 16 << 10;
/// The size of the pieces in which a log is read.
const PIECE: usize = 32 << 10;

/// Which part of a container's log is wanted, and how (`core/v1.PodLogOptions`).
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Goes on with new lines until the container ends.
    pub follow: bool,
    /// The log of the run before the present one.
    pub previous: bool,
    /// Only this many lines from the end.
    pub tail: Option<i64>,
    /// Only lines written at this moment or later.
    pub since: Option<Timestamp>,
    /// Each line begins with its time (RFC 3339, nanoseconds).
    pub timestamps: bool,
    /// Ends after this many bytes.
    pub limit_bytes: Option<i64>,
    pub stream: LogStream,
}

/// Which of a container's outputs a log is read of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStream {
    #[default]
    All,
    Stdout,
    Stderr,
}

/// The memory that the logs of a server take together.
#[derive(Clone, Debug, Default)]
pub struct LogSpace(Arc<AtomicUsize>);

/// The log of one run of a container. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    records: Mutex<Records>,
    changed: Notify,
    space: LogSpace,
}

#[derive(Debug, Default)]
struct Records {
    segments: VecDeque<Segment>,
    /// The number of the first segment that is kept.
    first: u64,
    bytes: usize,
    ended: bool,
}

/// Records one after the other, each: its time (8 bytes, nanoseconds since 1970), its flags (1 byte), the length of its
/// text (4 bytes), its text.
#[derive(Debug, Default)]
struct Segment {
    data: Vec<u8>,
    records: usize,
}

const HEADER: usize = 13;
const STDERR: u8 = 1;
/// The line goes on in the next record, or ended without a line feed.
const PARTIAL: u8 = 2;

struct Record<'a> {
    nanoseconds: i64,
    flags: u8,
    text: &'a [u8],
}

impl Segment {
    fn push(&mut self, record: &Record<'_>) {
        self.data.reserve_exact(if self.data.is_empty() { HEADER + record.text.len() } else { 0 });
        self.data.extend_from_slice(&record.nanoseconds.to_le_bytes());
        self.data.push(record.flags);
        self.data.extend_from_slice(&u32::try_from(record.text.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.data.extend_from_slice(record.text);
        self.records += 1;
    }

    /// The record at this offset, and the offset of the next one.
    fn at(&self, offset: usize) -> Option<(Record<'_>, usize)> {
        let (time, rest) = self.data.get(offset..)?.split_first_chunk::<8>()?;
        let (&[flags, a, b, c, d], rest) = rest.split_first_chunk::<5>()?;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let record = Record { nanoseconds: i64::from_le_bytes(*time), flags, text: rest.get(..length)? };
        Some((record, offset + HEADER + length))
    }
}

impl Log {
    pub fn new(space: LogSpace) -> Log {
        Log { shared: Arc::new(Shared { records: Mutex::default(), changed: Notify::new(), space }) }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.shared.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What takes an output of the container.
    pub fn writer(&self, stderr: bool) -> LogWriter {
        LogWriter { log: self.clone(), stderr, line: Vec::new(), last: 0 }
    }

    fn append(&self, record: &Record<'_>) {
        let size = HEADER + record.text.len();
        let mut records = self.records();
        if records.segments.back().is_none_or(|segment| segment.data.len() + size > SEGMENT) {
            records.segments.push_back(Segment::default());
        }
        if let Some(segment) = records.segments.back_mut() {
            segment.push(record);
        }
        records.bytes += size;
        let total = self.shared.space.0.fetch_add(size, Ordering::Relaxed) + size;
        let limit = if total > PLENTY { MAX_SIZE_WHEN_SCARCE } else { MAX_SIZE };
        while records.bytes > limit {
            let Some(segment) = records.segments.pop_front() else { break };
            records.first += 1;
            records.bytes -= segment.data.len();
            self.shared.space.0.fetch_sub(segment.data.len(), Ordering::Relaxed);
        }
        drop(records);
        self.shared.changed.notify_waiters();
    }

    /// The container has ended: nothing more will be written.
    pub fn end(&self) {
        self.records().ended = true;
        self.shared.changed.notify_waiters();
    }

    /// Reads the log, in pieces of many lines. `previous` is not looked at: this is one run.
    pub fn read(&self, options: LogOptions) -> BoxStream<'static, Bytes> {
        let reader = Reader {
            position: self.start(options.tail),
            log: self.clone(),
            left: options.limit_bytes.map(|limit| usize::try_from(limit).unwrap_or(0)),
            since: options.since.map(nanoseconds),
            within_line: false,
            options,
        };
        futures_util::stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }).boxed()
    }

    /// The end of the log as text: at most so many lines and bytes.
    pub fn end_of_text(&self, lines: usize, bytes: usize) -> String {
        let mut position = self.start(i64::try_from(lines).ok());
        let mut text = Vec::new();
        let records = self.records();
        while let Some(record) = records.next(&mut position) {
            text.extend_from_slice(record.text);
            if record.flags & PARTIAL == 0 {
                text.push(b'\n');
            }
        }
        String::from_utf8_lossy(&text[text.len().saturating_sub(bytes)..]).into_owned()
    }

    /// Where reading begins for the last `tail` lines.
    fn start(&self, tail: Option<i64>) -> Position {
        let records = self.records();
        let mut position = Position { segment: records.first, offset: 0 };
        let Some(tail) = tail.map(|tail| usize::try_from(tail).unwrap_or(0)) else { return position };
        let mut skip = records.segments.iter().map(|segment| segment.records).sum::<usize>().saturating_sub(tail);
        for segment in &records.segments {
            if segment.records > skip {
                break;
            }
            skip -= segment.records;
            position.segment += 1;
        }
        for _ in 0..skip {
            records.next(&mut position);
        }
        position
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let records = self.records.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.space.0.fetch_sub(records.bytes, Ordering::Relaxed);
    }
}

/// The place of a record: the number of its segment, and the offset there.
#[derive(Clone, Copy)]
struct Position {
    segment: u64,
    offset: usize,
}

impl Records {
    /// The record at the position or after it, which is moved on.
    fn next(&self, position: &mut Position) -> Option<Record<'_>> {
        if position.segment < self.first {
            // What a slow reader has not read yet is gone.
            *position = Position { segment: self.first, offset: 0 };
        }
        loop {
            let index = usize::try_from(position.segment - self.first).ok()?;
            if let Some((record, next)) = self.segments.get(index)?.at(position.offset) {
                position.offset = next;
                return Some(record);
            }
            if index + 1 >= self.segments.len() {
                return None;
            }
            *position = Position { segment: position.segment + 1, offset: 0 };
        }
    }
}

/// Somebody who reads a log from a position on.
struct Reader {
    log: Log,
    position: Position,
    options: LogOptions,
    since: Option<i64>,
    /// How many bytes may still be given.
    left: Option<usize>,
    /// The last record was a part of a line: the next one has no time of its own.
    within_line: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        let log = self.log.clone();
        loop {
            let changed = log.shared.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let (piece, ended) = self.piece();
            if !piece.is_empty() {
                return Some(piece);
            }
            if ended || !self.options.follow {
                return None;
            }
            changed.await;
        }
    }

    /// What there is, up to the size of a piece, and whether more can come.
    fn piece(&mut self) -> (Bytes, bool) {
        let mut piece = Vec::new();
        let records = self.log.records();
        while piece.len() < PIECE && self.left != Some(0) {
            let Some(record) = records.next(&mut self.position) else { break };
            let wanted = match self.options.stream {
                LogStream::All => true,
                LogStream::Stdout => record.flags & STDERR == 0,
                LogStream::Stderr => record.flags & STDERR != 0,
            };
            if !wanted || self.since.is_some_and(|since| record.nanoseconds < since) {
                continue;
            }
            let begin = piece.len();
            if self.options.timestamps && !self.within_line {
                piece.extend_from_slice(time(record.nanoseconds).as_bytes());
                piece.push(b' ');
            }
            piece.extend_from_slice(record.text);
            self.within_line = record.flags & PARTIAL != 0;
            if !self.within_line {
                piece.push(b'\n');
            }
            if let Some(left) = &mut self.left {
                piece.truncate(begin + *left);
                *left -= piece.len() - begin;
            }
        }
        (piece.into(), records.ended || self.left == Some(0))
    }
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// The time as the kubelet writes it before a line: always nine digits of a second.
fn time(nanoseconds: i64) -> String {
    let at = Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default();
    let seconds = format_time(at);
    format!("{}.{:09}Z", seconds.trim_end_matches('Z'), nanoseconds.rem_euclid(1_000_000_000))
}

/// Cuts an output of a container into lines. What is left when it goes is a line without its end.
#[derive(Debug)]
pub struct LogWriter {
    log: Log,
    stderr: bool,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// When the last write was, in nanoseconds.
    last: i64,
}

impl LogWriter {
    /// Takes what the container wrote at `now`.
    pub fn write(&mut self, bytes: &[u8], now: Timestamp) {
        self.last = nanoseconds(now);
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                self.append(&rest[..end]);
            } else {
                self.line.extend_from_slice(&rest[..end]);
                let line = std::mem::take(&mut self.line);
                self.append(&line);
            }
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        while self.line.len() >= MAX_LINE {
            let after = self.line.split_off(MAX_LINE);
            let part = std::mem::replace(&mut self.line, after);
            self.push(&part, PARTIAL);
        }
    }

    fn append(&self, line: &[u8]) {
        let mut parts = line.chunks(MAX_LINE).peekable();
        if parts.peek().is_none() {
            self.push(&[], 0);
        }
        while let Some(part) = parts.next() {
            self.push(part, if parts.peek().is_some() { PARTIAL } else { 0 });
        }
    }

    fn push(&self, text: &[u8], flags: u8) {
        let flags = flags | if self.stderr { STDERR } else { 0 };
        self.log.append(&Record { nanoseconds: self.last, flags, text });
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.push(&line, PARTIAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
    async fn text(log: &Log, options: LogOptions) -> String {
        let pieces: Vec<Bytes> = log.read(options).collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }
    fn options() -> LogOptions {
        LogOptions::default()
    }

    #[tokio::test]
    async fn lines_are_read_as_they_were_written() {
        let log = Log::new(LogSpace::default());
        let (mut out, mut err) = (log.writer(false), log.writer(true));
        out.write(b"one\ntw", at(1));
        err.write(b"oops\n", at(2));
        out.write(b"o\n\nlast", at(3));
        assert_eq!(text(&log, options()).await, "one\noops\ntwo\n\n");
        drop(out);
        assert_eq!(text(&log, options()).await, "one\noops\ntwo\n\nlast");
        assert_eq!(text(&log, LogOptions { stream: LogStream::Stderr, ..options() }).await, "oops\n");
        assert_eq!(text(&log, LogOptions { stream: LogStream::Stdout, ..options() }).await, "one\ntwo\n\nlast");
        assert_eq!(text(&log, LogOptions { since: Some(at(3)), ..options() }).await, "two\n\nlast");
        assert_eq!(text(&log, LogOptions { limit_bytes: Some(6), ..options() }).await, "one\noo");
        assert_eq!(text(&log, LogOptions { tail: Some(3), ..options() }).await, "two\n\nlast");
        assert_eq!(text(&log, LogOptions { tail: Some(0), ..options() }).await, "");
        assert_eq!(text(&log, LogOptions { tail: Some(99), ..options() }).await.lines().count(), 5);
        let with_times = text(&log, LogOptions { timestamps: true, tail: Some(1), ..options() }).await;
        assert_eq!(with_times, "1970-01-01T00:00:03.000000000Z last");
        assert_eq!(log.end_of_text(2, 5), "\nlast");
    }

    #[tokio::test]
    async fn long_and_binary_lines_come_back_whole() {
        let log = Log::new(LogSpace::default());
        let long: Vec<u8> = (0..100_000u32).map(|n| if n % 256 == 10 { 0 } else { n as u8 }).collect();
        let mut writer = log.writer(false);
        for part in long.chunks(7_000) {
            writer.write(part, at(1));
        }
        writer.write(b"\n", at(1));
        writer.write(&[long.as_slice(), b"\n"].concat(), at(1));
        let pieces: Vec<Bytes> = log.read(options()).collect().await;
        assert_eq!(pieces.concat(), [&long[..], b"\n", &long[..], b"\n"].concat());
        let times = log.read(LogOptions { timestamps: true, ..options() }).collect::<Vec<_>>().await.concat();
        assert_eq!(times.len(), 2 * (long.len() + 1 + 31), "a line has one time, however long it is");
    }

    #[tokio::test]
    async fn a_log_is_bounded_and_keeps_its_end() {
        let space = LogSpace::default();
        let log = Log::new(space.clone());
        let mut writer = log.writer(false);
        for n in 0..200_000 {
            writer.write(format!("line {n} {}\n", "x".repeat(60)).as_bytes(), at(1));
        }
        let all = text(&log, options()).await;
        assert!((MAX_SIZE * 7 / 10..MAX_SIZE).contains(&all.len()), "{}", all.len());
        assert!(all.lines().last().unwrap().starts_with("line 199999 "));
        assert_eq!(text(&log, LogOptions { tail: Some(1500), ..options() }).await.lines().count(), 1500);
        assert!(space.0.load(Ordering::Relaxed) > 0);
        drop((log, writer));
        assert_eq!(space.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_follower_sees_everything_until_the_end() {
        let log = Log::new(LogSpace::default());
        let follower = tokio::spawn({
            let log = log.clone();
            async move { text(&log, LogOptions { follow: true, ..LogOptions::default() }).await }
        });
        let mut writer = log.writer(false);
        for n in 0..1000 {
            writer.write(format!("{n}\n").as_bytes(), at(1));
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        drop(writer);
        log.end();
        assert_eq!(follower.await.unwrap(), (0..1000).map(|n| format!("{n}\n")).collect::<String>());
    }
}
