//! Reading a value from text, in one pass and without the detours that a reader for any type needs.

use super::{CompactString, Number, Object, Value};
use crate::mask::Mask;

/// As deep as serde_json reads.
const MAX_DEPTH: usize = 127;

/// Reads a value from text.
///
/// # Errors
/// What serde_json says of a text that is not JSON, or is nested more than 127 deep.
pub fn parse(json: &[u8]) -> serde_json::Result<Value> {
    read(json, |parser| parser.value(0))
}

/// Reads the fields of a mask from an object's text.
///
/// # Errors
/// As [`parse`], but what is passed over need not be JSON in all detail.
pub fn parse_masked(json: &[u8], mask: &Mask) -> serde_json::Result<Value> {
    read(json, |parser| parser.masked(mask, 0))
}

fn read(json: &[u8], value: impl FnOnce(&mut Parser) -> Option<Value>) -> serde_json::Result<Value> {
    let read = std::str::from_utf8(json).ok().and_then(|text| {
        let mut parser = Parser { text, at: 0 };
        let value = value(&mut parser)?;
        parser.token().is_none().then_some(value)
    });
    // Whatever is wrong, serde_json finds the words for it.
    read.map_or_else(|| serde_json::from_slice(json), Ok)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    /// The first byte that is not white space, which is not passed.
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.token()? {
            b'"' => self.string().map(Value::String),
            b'{' if depth < MAX_DEPTH => self.object(|parser, _| parser.value(depth + 1).map(Some)).map(Value::Object),
            b'[' if depth < MAX_DEPTH => self.array(|parser| parser.value(depth + 1)).map(Value::Array),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            value
        })
    }

    fn number(&mut self) -> Option<Value> {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let raw = &rest[..end.unwrap_or(rest.len())];
        self.at += raw.len();
        let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
        if digits && raw.len() < 19 && (raw.len() == 1 || !raw.starts_with('0')) {
            return raw.parse::<u64>().ok().map(Value::from);
        }
        serde_json::from_str::<Number>(raw).ok().map(Value::Number)
    }

    /// A text, its quotes passed.
    fn string(&mut self) -> Option<CompactString> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        loop {
            match bytes.get(end)? {
                b'"' => {
                    self.at = end + 1;
                    return Some(self.text[start..end].into());
                }
                b'\\' => return self.escaped_string(),
                0..0x20 => return None,
                _ => end += 1,
            }
        }
    }

    fn escaped_string(&mut self) -> Option<CompactString> {
        let mut rest = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<String>();
        let text = rest.next()?.ok()?;
        self.at += rest.byte_offset();
        Some(text.into())
    }

    /// Passes what stands between two items, or the end.
    fn more(&mut self, end: u8) -> Option<bool> {
        let token = self.token()?;
        self.at += 1;
        match token {
            b',' => Some(true),
            token => (token == end).then_some(false),
        }
    }

    fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<Value>) -> Option<Vec<Value>> {
        self.at += 1;
        let mut items = Vec::new();
        if self.token()? == b']' {
            self.at += 1;
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if !self.more(b']')? {
                return Some(items);
            }
        }
    }

    /// An object of what `field` makes of each name, the value of which comes next.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Option<Option<Value>>) -> Option<Object> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.token()? == b'}' {
            self.at += 1;
            return Some(Object::new());
        }
        loop {
            if self.token()? != b'"' {
                return None;
            }
            let name = self.string()?;
            if self.token()? != b':' {
                return None;
            }
            self.at += 1;
            if let Some(value) = field(self, &name)? {
                fields.push((name, value));
            }
            if !self.more(b'}')? {
                return Some(Object::from_unsorted(fields));
            }
        }
    }

    /// The fields of a mask, also of each object in a list.
    fn masked(&mut self, mask: &Mask, depth: usize) -> Option<Value> {
        match self.token()? {
            b'{' if depth < MAX_DEPTH => self
                .object(|parser, name| match mask.field(name) {
                    None => parser.skip().map(|()| None),
                    Some(field) if field.is_whole() => parser.value(depth + 1).map(Some),
                    Some(field) => parser.masked(field, depth + 1).map(Some),
                })
                .map(Value::Object),
            b'[' if depth < MAX_DEPTH => self.array(|parser| parser.masked(mask, depth + 1)).map(Value::Array),
            _ => self.value(depth),
        }
    }

    /// Passes a value: its text up to where its brackets are closed.
    fn skip(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut open = 0_usize;
        self.token()?;
        loop {
            match bytes.get(self.at)? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\n' | b'\t' | b'\r' if open > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let length = bytes[self.at..].iter().position(|byte| b",:]} \n\t\r".contains(byte));
                    self.at += length.filter(|length| *length > 0)?;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            let length = bytes.get(self.at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            self.at += length + 1;
            if bytes[self.at - 1] == b'"' {
                return Some(());
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same answer, and in other words where it is no.
    fn same(text: &[u8]) -> Result<(), TestCaseError> {
        let theirs = serde_json::from_slice::<serde_json::Value>(text);
        match parse(text) {
            Ok(value) => prop_assert_eq!(value.to_string(), theirs.expect("it is JSON").to_string()),
            Err(error) => prop_assert_eq!(error.to_string(), theirs.expect_err("it is not JSON").to_string()),
        }
        Ok(())
    }

    #[test]
    fn odd_texts_are_read_as_by_serde_json() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let deep_objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        for text in [
            "",
            " ",
            "{",
            "}",
            "{}",
            "[]",
            " { } ",
            "[ ]",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{a:1}",
            "{1:1}",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "1",
            "-1",
            "-0",
            "0",
            "00",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "-1.5e3",
            "1e5",
            "1e",
            "1E+2",
            "+1",
            "--1",
            "18446744073709551615",
            "18446744073709551616",
            "999999999999999999",
            "9223372036854775808",
            "-9223372036854775809",
            "1e400",
            "true",
            "tru",
            "truex",
            "false",
            "null",
            "nul",
            "nulll",
            "\"a\"",
            "\"a",
            "\"a\\\"",
            "\"\\u00e9\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\x\"",
            "\"\n\"",
            "\"\u{7f}\u{e9}\"",
            "\"a\" \"b\"",
            "1 1",
            "[\"\\n\",\"x\"]",
            "{\"a\\tb\":1,\"a\":2,\"a\":3}",
            "\u{feff}1",
            &deep(127),
            &deep(128),
            &deep_objects(127),
            &deep_objects(128),
        ] {
            same(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        same(b"\"\xff\"").unwrap();
        same(b"[1, \xc3]").unwrap();
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_by_serde_json(text in r#"([\[\]{},:"\\ \-+.a-eu0-9]|true|null|"a":|"b":|\\u00e9|\{\}|1\.5){0,24}"#) {
            same(text.as_bytes())?;
        }
    }
}
