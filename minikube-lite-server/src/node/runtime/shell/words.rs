//! Reads words: quotes and expansions.

use super::parse::{Parser, Problem, Result, is_blank, is_meta};
use super::syntax::{Operation, Part, Word};

/// Whether this can name a variable.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Where a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a blank or an operator.
    Blank,
    /// At this character, which is taken.
    At(char),
    /// At one of these two, which is left.
    Either(char, char),
    /// At the end of the script.
    Text,
}

/// The parts of a word that is being read.
#[derive(Default)]
struct Parts(Word);

impl Parts {
    fn text(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            _ => self.0.push(Part::Text(c.into())),
        }
    }
    fn quoted(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Quoted(before)) => before.push_str(text),
            _ => self.0.push(Part::Quoted(text.into())),
        }
    }
    fn literal(&mut self, c: char, quoted: bool) {
        if quoted { self.quoted(c.encode_utf8(&mut [0; 4])) } else { self.text(c) }
    }
}

impl Parser {
    /// The next word. `None` when there is an operator or the end.
    pub(super) fn word(&mut self) -> Result<Option<Word>> {
        if self.peek().is_none_or(|c| is_blank(c) || is_meta(c)) {
            return Ok(None);
        }
        self.parts(End::Blank, false).map(Some)
    }

    /// All that is left, as the text of a here-document.
    pub(super) fn here_text(&mut self) -> Result<Word> {
        self.parts(End::Text, true)
    }

    fn parts(&mut self, end: End, quoted: bool) -> Result<Word> {
        self.deeper(|parser| parser.parts_inner(end, quoted))
    }

    fn parts_inner(&mut self, end: End, quoted: bool) -> Result<Word> {
        let mut parts = Parts::default();
        loop {
            let Some(c) = self.peek() else {
                return match end {
                    End::Blank | End::Text => Ok(parts.0),
                    End::At('"') => self.error(Problem::UnterminatedQuote),
                    End::At(_) | End::Either(..) => self.error(Problem::EndOfFile { expecting: Some("}") }),
                };
            };
            match end {
                End::Blank if is_blank(c) || is_meta(c) => return Ok(parts.0),
                End::At(at) if c == at => {
                    self.bump();
                    return Ok(parts.0);
                }
                End::Either(one, other) if c == one || c == other => return Ok(parts.0),
                _ => {}
            }
            self.bump();
            match c {
                '\\' => match self.bump() {
                    Some('\n') => {}
                    Some(c) if !quoted => parts.quoted(c.encode_utf8(&mut [0; 4])),
                    Some(c @ ('$' | '`' | '\\')) => parts.quoted(c.encode_utf8(&mut [0; 4])),
                    Some(c) if c == '"' && end != End::Text => parts.quoted("\""),
                    Some(c) if c == '}' && end == End::At('}') => parts.quoted("}"),
                    Some(c) => parts.quoted(&format!("\\{c}")),
                    None => parts.literal('\\', true),
                },
                '\'' if !quoted => {
                    let text = self.until_quote()?;
                    parts.quoted(&text);
                }
                '"' if end != End::Text => {
                    let inner = self.parts(End::At('"'), true)?;
                    // An empty string is a word all the same.
                    parts.quoted("");
                    parts.0.extend(inner);
                }
                '$' if !quoted && self.peek() == Some('\'') => {
                    self.bump();
                    let text = self.escaped_quote()?;
                    parts.quoted(&text);
                }
                '$' => self.dollar(quoted, &mut parts)?,
                '`' => {
                    let mut script = String::new();
                    loop {
                        match self.bump() {
                            None => return self.error(Problem::UnterminatedQuote),
                            Some('`') => break,
                            Some('\\') => match self.bump() {
                                Some(c @ ('`' | '\\' | '$')) => script.push(c),
                                Some(c) => script.extend(['\\', c]),
                                None => {}
                            },
                            Some(c) => script.push(c),
                        }
                    }
                    let mut inner = Parser::new(&script);
                    (inner.depth, inner.line) = (self.depth, self.line);
                    let command = inner.list(&[], false)?;
                    parts.0.push(Part::Substitution { command, quoted });
                }
                c => parts.literal(c, quoted),
            }
        }
    }

    fn until_quote(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => return self.error(Problem::UnterminatedQuote),
            }
        }
    }

    /// `$'...'`
    fn escaped_quote(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('\'') => return Ok(text),
                Some('\\') => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('e') => text.push('\x1b'),
                    Some('0') => text.push('\0'),
                    Some(c @ ('\\' | '\'' | '"')) => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => return self.error(Problem::UnterminatedQuote),
                },
                Some(c) => text.push(c),
                None => return self.error(Problem::UnterminatedQuote),
            }
        }
    }

    /// What follows a `$`.
    fn dollar(&mut self, quoted: bool, parts: &mut Parts) -> Result<()> {
        if self.starts_with("((")
            && let Some(expression) = self.arithmetic()?
        {
            parts.0.push(Part::Arithmetic { expression, quoted });
            return Ok(());
        }
        if self.eat("(") {
            let command = self.list(&[")"], false)?;
            if !self.eat(")") {
                return self.error(Problem::EndOfFile { expecting: Some(")") });
            }
            parts.0.push(Part::Substitution { command, quoted });
            return Ok(());
        }
        if self.eat("{") {
            let part = self.braces(quoted)?;
            parts.0.push(part);
            return Ok(());
        }
        match self.parameter_name(false) {
            Some(name) => parts.0.push(Part::Parameter { name, operation: Operation::Get, quoted }),
            None => parts.literal('$', quoted),
        }
        Ok(())
    }

    /// `((expression))`; `None` when it is a subshell in a substitution instead.
    fn arithmetic(&mut self) -> Result<Option<Word>> {
        let (start, line) = (self.at, self.line);
        self.at += 2;
        let (mut text, mut open) = (String::new(), 0);
        while let Some(c) = self.bump() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => {
                    if self.eat(")") {
                        let mut inner = Parser::new(&text);
                        (inner.depth, inner.line) = (self.depth, self.line);
                        return inner.here_text().map(Some);
                    }
                    break;
                }
                ')' => open -= 1,
                _ => {}
            }
            text.push(c);
        }
        (self.at, self.line) = (start, line);
        Ok(None)
    }

    /// The name of a parameter; in braces it may have several digits.
    fn parameter_name(&mut self, braces: bool) -> Option<String> {
        let first = self.peek()?;
        let mut name = String::new();
        if first.is_ascii_alphabetic() || first == '_' || (braces && first.is_ascii_digit()) {
            let digits = first.is_ascii_digit();
            while let Some(c) = self.peek() {
                let belongs = if digits { c.is_ascii_digit() } else { c.is_ascii_alphanumeric() || c == '_' };
                if !belongs {
                    break;
                }
                name.push(c);
                self.at += 1;
            }
        } else if first.is_ascii_digit() || "@*#?$!-".contains(first) {
            name.push(first);
            self.at += 1;
        } else {
            return None;
        }
        Some(name)
    }

    /// What follows `${`.
    fn braces(&mut self, quoted: bool) -> Result<Part> {
        let next = self.chars.get(self.at + 1).copied();
        if self.peek() == Some('#') && next != Some('}') && next.is_some_and(|c| !"#%:-=?+".contains(c)) {
            self.at += 1;
            let Some(name) = self.parameter_name(true) else { return self.error(Problem::BadSubstitution) };
            if !self.eat("}") {
                return self.error(Problem::BadSubstitution);
            }
            return Ok(Part::Parameter { name, operation: Operation::Length, quoted });
        }
        let Some(name) = self.parameter_name(true) else { return self.error(Problem::BadSubstitution) };
        let operation = self.operation(quoted)?;
        Ok(Part::Parameter { name, operation, quoted })
    }

    fn operation(&mut self, quoted: bool) -> Result<Operation> {
        if self.eat("}") {
            return Ok(Operation::Get);
        }
        let or_empty = self.eat(":");
        match self.peek() {
            Some(kind @ ('-' | '=' | '?' | '+')) => {
                self.at += 1;
                Ok(Operation::Default { kind, or_empty, word: self.parts(End::At('}'), quoted)? })
            }
            Some(_) if or_empty => {
                let offset = self.parts(End::Either(':', '}'), true)?;
                let length = if self.eat(":") { Some(self.parts(End::Either('}', '}'), true)?) } else { None };
                self.at += 1;
                Ok(Operation::Substring { offset, length })
            }
            Some(c @ ('#' | '%')) => {
                self.at += 1;
                let longest = self.eat(c.encode_utf8(&mut [0; 4]));
                Ok(Operation::Trim { suffix: c == '%', longest, pattern: self.parts(End::At('}'), false)? })
            }
            Some('/') => {
                self.at += 1;
                let all = self.eat("/");
                let pattern = self.parts(End::Either('/', '}'), false)?;
                let text = if self.eat("/") { self.parts(End::Either('}', '}'), false)? } else { Word::new() };
                self.at += 1;
                Ok(Operation::Replace { all, pattern, text })
            }
            None => self.error(Problem::EndOfFile { expecting: Some("}") }),
            Some(_) => self.error(Problem::BadSubstitution),
        }
    }
}
