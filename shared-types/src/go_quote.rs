//! Text as Go's `%q` prints it (`strconv.Quote`), as most error messages of Kubernetes show it.

use std::fmt::Write;

/// A string as `%q` prints it.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        push_escaped(&mut out, c, '"');
    }
    out.push('"');
    out
}

/// A character as `%q` prints it.
pub fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, c, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char, quote: char) {
    let letter = match c {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\\' => '\\',
        c if c == quote => c,
        ' '..='~' => return out.push(c),
        // Writing to a String cannot fail.
        c if c.is_ascii() => {
            let _ = write!(out, "\\x{:02x}", c as u32);
            return;
        }
        c if c.is_alphanumeric() || !c.escape_debug().eq(c.escape_unicode()) => return out.push(c),
        c if (c as u32) < 0x10000 => {
            let _ = write!(out, "\\u{:04x}", c as u32);
            return;
        }
        c => {
            let _ = write!(out, "\\U{:08x}", c as u32);
            return;
        }
    };
    out.push('\\');
    out.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_in_go() {
        assert_eq!(quote("a\"é\n\u{1}\u{7}\u{7f}\u{200b}'"), "\"a\\\"é\\n\\x01\\a\\x7f\\u200b'\"");
        assert_eq!(quote_char('\''), "'\\''");
    }
}
