//! The body of an answer and how its end is told (RFC 9112, section 6.3).

use super::Head;
use bytes::{Buf, Bytes, BytesMut};
use std::io;

/// How much of a body is still to come.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    keep_alive: bool,
    /// What `Content-Length` said.
    pub length: Option<u64>,
}

#[derive(Debug, PartialEq)]
enum Framing {
    /// This many bytes.
    Length(u64),
    /// Pieces with their size before them.
    Chunked(Chunk),
    /// Until the connection ends.
    Close,
    Over,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, PartialEq)]
enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl Body {
    pub(super) fn of(method: &str, head: &Head) -> Body {
        let chunked = head.header("transfer-encoding").is_some_and(|value| value.to_lowercase().ends_with("chunked"));
        let length = head.header("content-length").and_then(|value| value.parse().ok());
        let framing = match length {
            _ if method == "HEAD" || head.status == 204 || head.status == 304 => Framing::Over,
            _ if chunked => Framing::Chunked(Chunk::Size),
            Some(0) => Framing::Over,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        let connection = head.header("connection").unwrap_or("").to_lowercase();
        let keep_alive = match head.version {
            "1.0" => connection == "keep-alive",
            _ => connection != "close",
        };
        Body { keep_alive: keep_alive && framing != Framing::Close, framing, length: length.filter(|_| !chunked) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.framing == Framing::Over
    }
    pub(super) fn leaves_open(&self) -> bool {
        self.keep_alive
    }

    /// How many bytes are missing, where that is known.
    pub fn missing(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(left) => Some(left),
            _ => None,
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self.framing {
            Framing::Close | Framing::Over => {
                self.framing = Framing::Over;
                Ok(())
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Takes what there is of the body out of what has been received.
    pub(super) fn take(&mut self, received: &mut BytesMut) -> io::Result<Option<Bytes>> {
        loop {
            let step = match &mut self.framing {
                Framing::Over => return Ok(None),
                _ if received.is_empty() => return Ok(None),
                Framing::Close => return Ok(Some(received.split().freeze())),
                Framing::Length(left) => {
                    let bytes = take_up_to(received, left);
                    if *left == 0 {
                        self.framing = Framing::Over;
                    }
                    return Ok(Some(bytes));
                }
                Framing::Chunked(Chunk::Data(left)) => {
                    let bytes = take_up_to(received, left);
                    if *left == 0 {
                        self.framing = Framing::Chunked(Chunk::DataEnd);
                    }
                    return Ok(Some(bytes));
                }
                Framing::Chunked(step) => step,
            };
            let Some(line) = take_line(received)? else { return Ok(None) };
            self.framing = match step {
                Chunk::Size => {
                    let digits = line.split(';').next().unwrap_or("").trim();
                    match u64::from_str_radix(digits, 16).map_err(|_| damaged())? {
                        0 => Framing::Chunked(Chunk::Trailer),
                        size => Framing::Chunked(Chunk::Data(size)),
                    }
                }
                Chunk::DataEnd if line.is_empty() => Framing::Chunked(Chunk::Size),
                Chunk::Trailer if line.is_empty() => Framing::Over,
                Chunk::Trailer => Framing::Chunked(Chunk::Trailer),
                Chunk::DataEnd | Chunk::Data(_) => return Err(damaged()),
            };
        }
    }
}

fn take_up_to(received: &mut BytesMut, left: &mut u64) -> Bytes {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
    *left -= count as u64;
    received.split_to(count).freeze()
}

/// A line without its end. `None` while it is not there as a whole.
fn take_line(received: &mut BytesMut) -> io::Result<Option<String>> {
    const MAX_LINE: usize = 16 * 1024;
    match received.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = received.split_to(end);
            received.advance(1);
            Ok(Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_string()))
        }
        None if received.len() > MAX_LINE => Err(damaged()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str, pieces: &[&str]) -> (String, bool, io::Result<()>) {
        let mut received = BytesMut::from(head);
        let head = super::super::parse(&mut received).unwrap().unwrap();
        let mut body = Body::of("GET", &head);
        let mut text = String::new();
        for piece in pieces {
            received.extend_from_slice(piece.as_bytes());
            while let Some(bytes) = body.take(&mut received).unwrap() {
                text += std::str::from_utf8(&bytes).unwrap();
            }
        }
        (text, body.is_over(), body.end())
    }

    #[test]
    fn bodies_end_as_the_head_says() {
        let of = |headers: &str, pieces: &[&str]| read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), pieces);
        let (text, over, _) = of("Content-Length: 5\r\n", &["he", "llo"]);
        assert_eq!((text.as_str(), over), ("hello", true));
        let (text, over, _) =
            of("Transfer-Encoding: chunked\r\n", &["5;x=y\r\nhel", "lo\r", "\n1\r\n!\r\n0\r\na: b\r\n", "\r\n"]);
        assert_eq!((text.as_str(), over), ("hello!", true));
        let (text, over, end) = of("", &["all ", "of it"]);
        assert_eq!((text.as_str(), over, end.is_ok()), ("all of it", false, true));
        let (_, over, end) = of("Content-Length: 5\r\n", &["he"]);
        assert_eq!((over, end.unwrap_err().kind()), (false, io::ErrorKind::UnexpectedEof));
    }
}
