//! Whether a text is JSON, in the words of Go's `encoding/json`.

use crate::go_quote::quote_char;

/// Nesting beyond which Go's scanner gives up.
const MAX_DEPTH: usize = 10_000;

/// What Go's decoder says of a text that is not JSON: `unexpected end of JSON input`,
/// `invalid character 'b' looking for beginning of object key string`. `None` for valid JSON.
pub fn json_syntax_error(text: &[u8]) -> Option<String> {
    check(text).err().map(|wrong| wrong.message(text))
}

/// Where and why a text is not JSON.
struct Wrong {
    at: usize,
    context: Context,
}

/// What was being read.
enum Context {
    /// "looking for beginning of value" and the like
    Text(&'static str),
    /// A literal, and how many of its letters were there.
    Literal(&'static str, usize),
    TooDeep,
}

impl Wrong {
    fn message(&self, text: &[u8]) -> String {
        if let Context::TooDeep = self.context {
            return "exceeded max depth".to_owned();
        }
        let Some(&byte) = text.get(self.at) else { return "unexpected end of JSON input".to_owned() };
        // The byte is taken for a Latin-1 character.
        let character = quote_char(char::from(byte));
        match self.context {
            Context::Literal(literal, read) => {
                let expected = literal.get(read..=read).unwrap_or_default();
                format!("invalid character {character} in literal {literal} (expecting '{expected}')")
            }
            Context::Text(context) => format!("invalid character {character} {context}"),
            Context::TooDeep => String::new(),
        }
    }
}

const BEGINNING_OF_VALUE: Context = Context::Text("looking for beginning of value");
const BEGINNING_OF_KEY: Context = Context::Text("looking for beginning of object key string");

/// Reads a whole text. Keeps its own stack, so that depth costs no more than a byte a level.
fn check(text: &[u8]) -> Result<(), Wrong> {
    let mut scan = Scan { text, at: 0 };
    let mut open: Vec<u8> = Vec::new();
    'value: loop {
        scan.blanks();
        match scan.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                scan.at += 1;
                if open.len() >= MAX_DEPTH {
                    return Err(scan.wrong(Context::TooDeep));
                }
                open.push(bracket);
                scan.blanks();
                let closing = if bracket == b'{' { b'}' } else { b']' };
                if scan.peek() != Some(closing) {
                    if bracket == b'{' {
                        scan.key()?;
                    }
                    continue 'value;
                }
            }
            Some(b'"') => scan.string()?,
            Some(b't') => scan.literal("true")?,
            Some(b'f') => scan.literal("false")?,
            Some(b'n') => scan.literal("null")?,
            Some(b'-' | b'0'..=b'9') => scan.number()?,
            _ => return Err(scan.wrong(BEGINNING_OF_VALUE)),
        }
        // After a value: close what ends here, until another value is due.
        loop {
            scan.blanks();
            match (open.last(), scan.peek()) {
                (None, None) => return Ok(()),
                (None, Some(_)) => return Err(scan.wrong(Context::Text("after top-level value"))),
                (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => {
                    scan.at += 1;
                    open.pop();
                }
                (Some(&bracket), Some(b',')) => {
                    scan.at += 1;
                    if bracket == b'{' {
                        scan.blanks();
                        scan.key()?;
                    }
                    continue 'value;
                }
                (Some(b'{'), _) => return Err(scan.wrong(Context::Text("after object key:value pair"))),
                (Some(_), _) => return Err(scan.wrong(Context::Text("after array element"))),
            }
        }
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn wrong(&self, context: Context) -> Wrong {
        Wrong { at: self.at, context }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// An object's key and its colon.
    fn key(&mut self) -> Result<(), Wrong> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong(BEGINNING_OF_KEY));
        }
        self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.wrong(Context::Text("after object key")));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Wrong> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {}
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return Err(self.wrong(Context::Text("in \\u hexadecimal character escape")));
                                }
                            }
                        }
                        _ => return Err(self.wrong(Context::Text("in string escape code"))),
                    }
                }
                Some(0x20..) => {}
                _ => return Err(self.wrong(Context::Text("in string literal"))),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Wrong> {
        for (read, &letter) in literal.as_bytes().iter().enumerate() {
            if self.peek() != Some(letter) {
                return Err(self.wrong(Context::Literal(literal, read)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self, context: &'static str) -> Result<(), Wrong> {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.wrong(Context::Text(context))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_are_in_gos_words() {
        for (text, error) in [
            ("", "unexpected end of JSON input"),
            (r#"{"apiVersion":"v1","#, "unexpected end of JSON input"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("bad", "invalid character 'b' looking for beginning of value"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u12g""#, "invalid character 'g' in \\u hexadecimal character escape"),
            ("'", r"invalid character '\'' looking for beginning of value"),
        ] {
            assert_eq!(json_syntax_error(text.as_bytes()).as_deref(), Some(error), "{text}");
        }
        let control = [0x81];
        let error = json_syntax_error(&control).unwrap();
        assert_eq!(error, r"invalid character '\u0081' looking for beginning of value");
        assert_eq!(json_syntax_error(&b"[".repeat(20_000)).unwrap(), "exceeded max depth");
    }

    #[test]
    fn json_has_no_error() {
        for text in ["{}", " [ ] ", "-0.5e+3", r#"{"a":[true,false,null,{"b":"\u00e9\n"}],"":0}"#, "\"\u{fc}\""] {
            assert_eq!(json_syntax_error(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:, "a\\u019.e+ntrls-]{0,12}"#) {
            let valid = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(json_syntax_error(text.as_bytes()).is_none(), valid);
        }
    }
}
