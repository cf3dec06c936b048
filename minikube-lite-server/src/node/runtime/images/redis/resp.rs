//! RESP2, the protocol of Redis: commands as arrays of byte strings or as a plain line, and the values that answer them.

use bytes::{Buf, BytesMut};

/// The longest byte string, in bytes.
const LONGEST: usize = 16 << 20;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 64 << 10;
/// The most words of a command, and the most elements of an array that is read.
const MOST: usize = 1 << 20;
/// How deep arrays may nest.
const DEPTH: usize = 8;

/// A value of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Value>),
}

impl Value {
    pub fn ok() -> Value {
        Value::Simple("OK".into())
    }
    pub fn error(text: impl Into<String>) -> Value {
        Value::Error(text.into())
    }
    pub fn bulk(bytes: impl Into<Vec<u8>>) -> Value {
        Value::Bulk(bytes.into())
    }

    /// Appends the value as it travels.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Value::Simple(text) => line(out, b'+', text),
            Value::Error(text) => line(out, b'-', text),
            Value::Integer(number) => line(out, b':', &number.to_string()),
            Value::Bulk(bytes) => bulk(out, bytes),
            Value::Nil => out.extend_from_slice(b"$-1\r\n"),
            Value::Array(values) => {
                line(out, b'*', &values.len().to_string());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

fn line(out: &mut BytesMut, kind: u8, text: &str) {
    out.extend_from_slice(&[kind]);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}
fn bulk(out: &mut BytesMut, bytes: &[u8]) {
    line(out, b'$', &bytes.len().to_string());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a command as clients send it.
pub fn write_command(words: &[Vec<u8>], out: &mut BytesMut) {
    line(out, b'*', &words.len().to_string());
    words.iter().for_each(|word| bulk(out, word));
}

/// A reader over what has arrived; `None` everywhere: more is needed.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<Option<T>, String>;

impl<'a> Cursor<'a> {
    fn line(&mut self) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if rest.len() > LONGEST_LINE { Err("too big inline request".into()) } else { Ok(None) };
        };
        self.at += end + 1;
        Ok(Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])))
    }

    fn bulk(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at + length)?;
        (self.bytes.len() >= self.at + length + 2).then(|| self.at += length + 2)?;
        Some(bytes)
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, rest) = line.split_first().ok_or("an empty line")?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        let length = || number(rest).ok_or_else(|| "invalid length".to_string());
        Ok(Some(match kind {
            b'+' => Value::Simple(text()),
            b'-' => Value::Error(text()),
            b':' => Value::Integer(length()?),
            b'$' | b'*' if length()? < 0 => Value::Nil,
            b'$' => {
                let length = size(length()?, LONGEST).ok_or("invalid bulk length")?;
                let Some(bytes) = self.bulk(length) else { return Ok(None) };
                Value::Bulk(bytes.to_vec())
            }
            b'*' if depth < DEPTH => {
                let length = size(length()?, MOST).ok_or("invalid multibulk length")?;
                let mut values = Vec::new();
                for _ in 0..length {
                    let Some(value) = self.value(depth + 1)? else { return Ok(None) };
                    values.push(value);
                }
                Value::Array(values)
            }
            other => return Err(format!("unexpected '{}'", char::from(*other).escape_default())),
        }))
    }

    fn command(&mut self) -> Read<Vec<Vec<u8>>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let Some(count) = line.strip_prefix(b"*") else {
            return words(line).map(Some).ok_or_else(|| "unbalanced quotes in request".to_string());
        };
        let count = number(count).ok_or("invalid multibulk length")?.max(0);
        let count = size(count, MOST).ok_or("invalid multibulk length")?;
        let mut words = Vec::new();
        for _ in 0..count {
            let Some(line) = self.line()? else { return Ok(None) };
            let Some(length) = line.strip_prefix(b"$") else {
                let found = line.first().map_or(' ', |byte| char::from(*byte));
                return Err(format!("expected '$', got '{}'", found.escape_default()));
            };
            let length = number(length).and_then(|length| size(length, LONGEST)).ok_or("invalid bulk length")?;
            let Some(word) = self.bulk(length) else { return Ok(None) };
            words.push(word.to_vec());
        }
        Ok(Some(words))
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
fn size(length: i64, most: usize) -> Option<usize> {
    usize::try_from(length).ok().filter(|length| *length <= most)
}

fn take<T>(buffer: &mut BytesMut, read: impl FnOnce(&mut Cursor<'_>) -> Read<T>) -> Read<T> {
    let mut cursor = Cursor { bytes: buffer, at: 0 };
    let result = read(&mut cursor)?;
    let at = cursor.at;
    if result.is_some() {
        buffer.advance(at);
    }
    Ok(result)
}

/// Takes a value off the front of the buffer. `None`: more bytes are needed.
///
/// # Errors
/// When the bytes are not RESP.
pub fn read_value(buffer: &mut BytesMut) -> Result<Option<Value>, String> {
    take(buffer, |cursor| cursor.value(0))
}

/// Takes a command off the front of the buffer; an empty one where a line is empty. `None`: more bytes are needed.
///
/// # Errors
/// What follows `ERR Protocol error: ` in the server's answer.
pub fn read_command(buffer: &mut BytesMut) -> Result<Option<Vec<Vec<u8>>>, String> {
    take(buffer, |cursor| cursor.command())
}

/// Splits a line into words as Redis does, with `"..."` and `'...'`. `None`: quotes are not balanced.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut bytes = line.iter().copied().peekable();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        if bytes.peek().is_none() {
            return Some(words);
        }
        let mut word = Vec::new();
        while let Some(byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
            let quote = match byte {
                b'"' | b'\'' => byte,
                _ => {
                    word.push(byte);
                    continue;
                }
            };
            loop {
                match bytes.next()? {
                    byte if byte == quote => break,
                    b'\\' if quote == b'"' => word.push(match bytes.next()? {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => other,
                    }),
                    byte => word.push(byte),
                }
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Result<Option<Vec<String>>, String> {
        let words = read_command(&mut BytesMut::from(text))?;
        Ok(words.map(|words| words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()))
    }

    #[test]
    fn commands_are_read_in_both_forms() {
        assert_eq!(command("*2\r\n$3\r\nGET\r\n$1\r\na\r\n").unwrap().unwrap(), ["GET", "a"]);
        assert_eq!(command("SET a \"b c\"\r\n").unwrap().unwrap(), ["SET", "a", "b c"]);
        for part in ["", "*2\r\n", "*1\r\n$3\r\nGE", "*1\r\n$3\r\nGET\r", "PING"] {
            assert_eq!(command(part), Ok(None), "{part:?}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        assert_eq!(command("*x\r\n").unwrap_err(), "invalid multibulk length");
        assert_eq!(command("*1\r\nGET\r\n").unwrap_err(), "expected '$', got 'G'");
        assert_eq!(command("*1\r\n$99999999999\r\n").unwrap_err(), "invalid bulk length");
        assert_eq!(command("SET \"a\r\n").unwrap_err(), "unbalanced quotes in request");
    }

    #[test]
    fn values_come_back_as_they_were_written() {
        let value = Value::Array(vec![Value::ok(), Value::Integer(-3), Value::bulk("a\r\nb"), Value::Nil]);
        let mut buffer = BytesMut::new();
        value.write(&mut buffer);
        Value::error("ERR no").write(&mut buffer);
        assert_eq!(read_value(&mut buffer).unwrap(), Some(value));
        assert_eq!(read_value(&mut buffer).unwrap(), Some(Value::error("ERR no")));
        assert_eq!(read_value(&mut buffer).unwrap(), None);
        let mut deep = BytesMut::from("*1\r\n".repeat(100).as_str());
        assert!(read_value(&mut deep).is_err());
    }
}
