//! Template text to tokens.

use super::node::Pos;
use shared_types::go_quote::quote;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    LeftDelimiter,
    RightDelimiter,
    LeftParen,
    RightParen,
    Space,
    Pipe,
    Assign,
    Declare,
    /// Any other single character.
    Char,
    /// `.name`
    Field,
    /// `$name`
    Variable,
    Dot,
    Identifier,
    Bool,
    Nil,
    Number,
    CharConstant,
    String,
    RawString,
    Keyword,
    Error,
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    /// The text, or the message of an error.
    pub text: String,
    pub pos: Pos,
    pub line: usize,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::End => f.write_str("EOF"),
            Kind::Error => f.write_str(&self.text),
            Kind::Keyword | Kind::Dot | Kind::Nil => write!(f, "<{}>", self.text),
            _ => {
                let short: String = self.text.chars().take(10).collect();
                let more = if self.text.chars().count() > 10 { "..." } else { "" };
                write!(f, "{}{more}", quote(&short))
            }
        }
    }
}

const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// Splits a template into tokens. The last is the end or an error.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), parens: 0, counted: (0, 1) };
    if let Err(message) = lexer.run() {
        let (pos, line) = (lexer.at, lexer.line(lexer.at));
        lexer.tokens.push(Token { kind: Kind::Error, text: message, pos, line });
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    parens: usize,
    /// A place, and its line.
    counted: (usize, usize),
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
/// A character as messages name it: `U+0023 '#'`.
fn named(c: char) -> String {
    format!("U+{:04X} '{c}'", c as u32)
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    /// The line of a place that lies no further back than the last one asked for.
    fn line(&mut self, at: usize) -> usize {
        let (counted, line) = self.counted;
        self.counted = (at, line + self.text[counted..at].matches('\n').count());
        self.counted.1
    }
    fn push(&mut self, kind: Kind, length: usize) {
        let (pos, line) = (self.at, self.line(self.at));
        self.tokens.push(Token { kind, text: self.rest()[..length].into(), pos, line });
        self.at += length;
    }
    /// The length of the delimiter that closes an action, and whether it trims the text after it.
    fn right_delimiter(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with(is_space) && rest[1..].starts_with("-}}") {
            return Some((4, true));
        }
        rest.starts_with("}}").then_some((2, false))
    }

    fn run(&mut self) -> Result<(), String> {
        let mut trim = false;
        loop {
            let rest = self.rest();
            let Some(open) = rest.find("{{") else {
                self.push_text(rest.len(), trim, false);
                self.push(Kind::End, 0);
                return Ok(());
            };
            let inside = &rest[open + 2..];
            let trims = inside.starts_with('-') && inside[1..].starts_with(is_space);
            self.push_text(open, trim, trims);
            let marker = if trims { 2 } else { 0 };
            if inside[marker..].starts_with("/*") {
                self.at += 2 + marker;
                let Some(end) = self.rest().find("*/") else { return Err("unclosed comment".into()) };
                self.at += end + 2;
                let Some((length, trims)) = self.right_delimiter() else {
                    return Err("comment ends before closing delimiter".into());
                };
                self.at += length;
                trim = trims;
                continue;
            }
            self.push(Kind::LeftDelimiter, 2);
            self.at += marker;
            self.parens = 0;
            trim = self.action()?;
        }
    }

    fn push_text(&mut self, length: usize, trim_start: bool, trim_end: bool) {
        let whole = &self.rest()[..length];
        let mut text = whole;
        if trim_start {
            text = text.trim_start_matches(is_space);
        }
        if trim_end {
            text = text.trim_end_matches(is_space);
        }
        if !text.is_empty() {
            let start = self.at + (whole.len() - whole.trim_start_matches(is_space).len()) * usize::from(trim_start);
            let line = self.line(start);
            self.tokens.push(Token { kind: Kind::Text, text: text.into(), pos: start, line });
        }
        self.at += length;
    }

    /// Reads to the end of an action, and says whether the text after it is trimmed.
    fn action(&mut self) -> Result<bool, String> {
        loop {
            if let Some((length, trims)) = self.right_delimiter() {
                if self.parens > 0 {
                    return Err("unclosed left paren".into());
                }
                let marker = length - 2;
                self.at += marker;
                self.push(Kind::RightDelimiter, 2);
                return Ok(trims);
            }
            let Some(c) = self.peek() else { return Err("unclosed action".into()) };
            match c {
                c if is_space(c) => {
                    let mut length = 0;
                    for (at, c) in self.rest().char_indices() {
                        // The blank of a closing ` -}}` belongs to it.
                        if !is_space(c) || self.rest()[at + 1..].starts_with("-}}") {
                            break;
                        }
                        length = at + 1;
                    }
                    if length == 0 {
                        continue;
                    }
                    self.push(Kind::Space, length);
                }
                '=' => self.push(Kind::Assign, 1),
                ':' if self.rest().starts_with(":=") => self.push(Kind::Declare, 2),
                ':' => return Err("expected :=".into()),
                '|' => self.push(Kind::Pipe, 1),
                '"' => self.quoted('"', Kind::String, "unterminated quoted string")?,
                '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
                '`' => {
                    let end = self.rest()[1..].find('`').ok_or("unterminated raw quoted string")?;
                    self.push(Kind::RawString, end + 2);
                }
                '$' => self.name(Kind::Variable)?,
                '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.name(Kind::Field)?,
                '+' | '-' | '.' | '0'..='9' => self.number()?,
                c if is_word(c) => self.identifier()?,
                '(' => {
                    self.parens += 1;
                    self.push(Kind::LeftParen, 1);
                }
                ')' if self.parens == 0 => return Err("unexpected right paren".into()),
                ')' => {
                    self.parens -= 1;
                    self.push(Kind::RightParen, 1);
                }
                c if c.is_ascii_graphic() => self.push(Kind::Char, 1),
                c => return Err(format!("unrecognized character in action: {}", named(c))),
            }
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), String> {
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.push(kind, at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated.into())
    }

    fn word_length(&self, from: usize) -> usize {
        let rest = &self.rest()[from..];
        from + rest.find(|c| !is_word(c)).unwrap_or(rest.len())
    }

    /// A name must be followed by something that ends it.
    fn check_end(&self, length: usize) -> Result<(), String> {
        match self.rest()[length..].chars().next() {
            None => Ok(()),
            Some(c) if is_space(c) || ".,|:)(".contains(c) || self.rest()[length..].starts_with("}}") => Ok(()),
            Some(c) => Err(format!("bad character {}", named(c))),
        }
    }

    fn name(&mut self, kind: Kind) -> Result<(), String> {
        let length = self.word_length(1);
        self.check_end(length)?;
        let kind = if length == 1 && kind == Kind::Field { Kind::Dot } else { kind };
        self.push(kind, length);
        Ok(())
    }

    fn identifier(&mut self) -> Result<(), String> {
        let length = self.word_length(0);
        self.check_end(length)?;
        let kind = match &self.rest()[..length] {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => Kind::Identifier,
        };
        self.push(kind, length);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with(['+', '-']));
        let digits = |from: usize, radix: u32| {
            let is_digit = |c: char| c == '_' || c.is_digit(radix);
            from + rest[from..].find(|c| !is_digit(c)).unwrap_or(rest.len() - from)
        };
        let prefix = rest[length..].get(..2).map(str::to_ascii_lowercase);
        let radix = match prefix.as_deref() {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => 10,
        };
        length = digits(length + if radix == 10 { 0 } else { 2 }, radix);
        if rest[length..].starts_with('.') {
            length = digits(length + 1, radix);
        }
        if radix == 10 && rest[length..].starts_with(['e', 'E']) {
            length += 1;
            length = digits(length + usize::from(rest[length..].starts_with(['+', '-'])), 10);
        }
        // Nothing that could continue a word may follow.
        let next = rest[length..].chars().next().filter(|c| is_word(*c));
        let text = &rest[..length + next.map_or(0, char::len_utf8)];
        if next.is_some() || super::parse::number(text).is_none() {
            return Err(format!("bad number syntax: {}", quote(text)));
        }
        self.push(Kind::Number, length);
        Ok(())
    }
}
