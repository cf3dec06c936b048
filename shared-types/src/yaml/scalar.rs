//! The text of scalars: plain, quoted and block.

use super::YamlError;
use super::scan::{Mark, Scanner};
use super::scan::{is_blank, is_blank_z, is_break};

type Result<T> = std::result::Result<T, YamlError>;

/// White space between two pieces of a scalar, which line folding turns into a space or line breaks.
#[derive(Default)]
struct Gap {
    spaces: String,
    first_break: Option<char>,
    more_breaks: String,
}

impl Gap {
    /// Takes blanks and line breaks.
    fn take(&mut self, scanner: &mut Scanner) {
        if is_break(scanner.here()) {
            let c = scanner.take_break();
            if self.first_break.is_none() {
                self.spaces.clear();
                self.first_break = Some(c);
            } else {
                self.more_breaks.push(c);
            }
        } else {
            if self.first_break.is_none() {
                self.spaces.push(scanner.here());
            }
            scanner.skip();
        }
    }
    /// Writes the gap in folded form, and empties it.
    fn fold_into(&mut self, text: &mut String) {
        match self.first_break {
            None => text.push_str(&self.spaces),
            Some('\n') if self.more_breaks.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more_breaks),
            Some(c) => {
                text.push(c);
                text.push_str(&self.more_breaks);
            }
        }
        *self = Gap::default();
    }
}

impl Scanner {
    pub(super) fn scan_plain(&mut self) -> Result<String> {
        let start = self.mark;
        let indent = self.indent + 1;
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.at_document_indicator() || self.here() == '#' {
                break;
            }
            while !is_blank_z(self.here()) {
                let c = self.here();
                if (c == ':' && is_blank_z(self.look(1))) || (self.flow_level() > 0 && ",?[]{}".contains(c)) {
                    break;
                }
                gap.fold_into(&mut text);
                text.push(c);
                self.skip();
            }
            if self.at_end() || !(is_blank(self.here()) || is_break(self.here())) {
                break;
            }
            while is_blank(self.here()) || is_break(self.here()) {
                if gap.first_break.is_some() && (self.mark.column as isize) < indent && self.here() == '\t' {
                    return Err(self.error(start, "found a tab character that violates indentation"));
                }
                gap.take(self);
            }
            if self.flow_level() == 0 && (self.mark.column as isize) < indent {
                break;
            }
        }
        if gap.first_break.is_some() {
            self.simple_key_allowed = true;
        }
        Ok(text)
    }

    pub(super) fn scan_quoted(&mut self, quote: char) -> Result<String> {
        let start = self.mark;
        self.skip();
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.at_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.at_end() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut continued = false;
            while !is_blank_z(self.here()) {
                let c = self.here();
                if c == '\'' && quote == '\'' && self.look(1) == '\'' {
                    text.push('\'');
                    self.skip();
                    self.skip();
                } else if c == quote {
                    break;
                } else if c == '\\' && quote == '"' {
                    self.skip();
                    if is_break(self.here()) {
                        self.take_break();
                        continued = true;
                        break;
                    }
                    text.push(self.scan_escape(start)?);
                } else {
                    text.push(c);
                    self.skip();
                }
            }
            if !continued && self.here() == quote {
                self.skip();
                return Ok(text);
            }
            if continued {
                // An escaped line break joins without a space, and the breaks after it count in full.
                gap.first_break = Some('\n');
                while is_blank(self.here()) || is_break(self.here()) {
                    gap.take(self);
                }
                text.push_str(&gap.more_breaks);
                gap = Gap::default();
                continue;
            }
            while is_blank(self.here()) || is_break(self.here()) {
                gap.take(self);
            }
            gap.fold_into(&mut text);
        }
    }

    fn scan_escape(&mut self, start: Mark) -> Result<char> {
        let c = self.here();
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits == 0 {
            let value = match c {
                '0' => '\0',
                'a' => '\u{7}',
                'b' => '\u{8}',
                't' | '\t' => '\t',
                'n' => '\n',
                'v' => '\u{b}',
                'f' => '\u{c}',
                'r' => '\r',
                'e' => '\u{1b}',
                ' ' | '"' | '\'' | '\\' => c,
                'N' => '\u{85}',
                '_' => '\u{a0}',
                'L' => '\u{2028}',
                'P' => '\u{2029}',
                _ => return Err(self.error(start, "found unknown escape character")),
            };
            self.skip();
            return Ok(value);
        }
        self.skip();
        let mut code = 0u32;
        for _ in 0..digits {
            let Some(digit) = self.here().to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = (code << 4) | digit;
            self.skip();
        }
        char::from_u32(code).ok_or_else(|| self.error(start, "found invalid Unicode character escape code"))
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<String> {
        let start = self.mark;
        self.skip();
        let (mut chomping, mut increment) = (None, None);
        for _ in 0..2 {
            match self.here() {
                c @ ('+' | '-') if chomping.is_none() => chomping = Some(c),
                '0' if increment.is_none() => {
                    return Err(self.error(start, "found an indentation indicator equal to 0"));
                }
                c @ '1'..='9' if increment.is_none() => increment = c.to_digit(10),
                _ => break,
            }
            self.skip();
        }
        self.skip_blanks();
        if self.here() == '#' {
            while !self.at_end() && !is_break(self.here()) {
                self.skip();
            }
        }
        if !self.at_end() {
            if !is_break(self.here()) {
                return Err(self.error(start, "did not find expected comment or line break"));
            }
            self.take_break();
        }
        let mut indent = increment.map_or(0, |n| self.indent.max(0) as usize + n as usize);
        let mut text = String::new();
        let mut line_break = None;
        let mut after_blank = false;
        let mut breaks = self.scan_block_breaks(&mut indent, start)?;
        while self.mark.column == indent && !self.at_end() {
            let blank = is_blank(self.here());
            match line_break {
                Some('\n') if !literal && !after_blank && !blank => {
                    text.push_str(if breaks.is_empty() { " " } else { "" })
                }
                Some(c) => text.push(c),
                None => {}
            }
            text.push_str(&breaks);
            after_blank = blank;
            while !self.at_end() && !is_break(self.here()) {
                text.push(self.here());
                self.skip();
            }
            line_break = (!self.at_end()).then(|| self.take_break());
            breaks = self.scan_block_breaks(&mut indent, start)?;
        }
        if chomping != Some('-') {
            text.extend(line_break);
        }
        if chomping == Some('+') {
            text.push_str(&breaks);
        }
        Ok(text)
    }

    /// Takes indentation and empty lines. An `indent` of 0 is found out from the first line with text.
    fn scan_block_breaks(&mut self, indent: &mut usize, start: Mark) -> Result<String> {
        let mut breaks = String::new();
        let mut widest = 0;
        loop {
            while (*indent == 0 || self.mark.column < *indent) && self.here() == ' ' {
                self.skip();
            }
            widest = widest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && self.here() == '\t' {
                return Err(self.error(start, "found a tab character where an indentation space is expected"));
            }
            if self.at_end() || !is_break(self.here()) {
                break;
            }
            breaks.push(self.take_break());
        }
        if *indent == 0 {
            *indent = widest.max((self.indent + 1).max(1) as usize);
        }
        Ok(breaks)
    }
}
