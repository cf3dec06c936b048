//! YAML 1.1 text to tokens. Block structure becomes explicit here: indentation turns into start and end tokens, and a
//! `:` after a scalar puts a key token before that scalar.

use super::YamlError;
use std::collections::VecDeque;

/// Where a token begins. Lines and columns count from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mark {
    pub index: usize,
    pub line: usize,
    pub column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    StreamEnd,
    VersionDirective(u32, u32),
    TagDirective(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag(String, String),
    /// The text, and whether it was written without quotes.
    Scalar(String, bool),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: Mark,
}

/// A place where a key may begin that only a later `:` makes one.
#[derive(Clone, Copy)]
struct SimpleKey {
    required: bool,
    token: usize,
    mark: Mark,
}

pub(super) struct Scanner {
    text: Vec<char>,
    pub(super) mark: Mark,
    tokens: VecDeque<Token>,
    /// Tokens handed out so far.
    taken: usize,
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) simple_key_allowed: bool,
    /// One slot per flow level, the block context first.
    simple_keys: Vec<Option<SimpleKey>>,
    done: bool,
}

/// Nesting beyond this is refused: what reads the tree is recursive.
pub(super) const MAX_DEPTH: usize = 256;

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}
/// Blank, line break or the end of the text.
pub(super) fn is_blank_z(c: char) -> bool {
    is_blank(c) || is_break(c) || c == '\0'
}
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

type Result<T> = std::result::Result<T, YamlError>;

impl Scanner {
    pub fn new(text: &str) -> Result<Scanner> {
        let text: Vec<char> = text.strip_prefix('\u{feff}').unwrap_or(text).chars().collect();
        let allowed = |c: char| {
            matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
                && c != '\u{feff}'
        };
        if !text.iter().all(|c| allowed(*c)) {
            return Err(YamlError::syntax("control characters are not allowed"));
        }
        Ok(Scanner {
            text,
            mark: Mark::default(),
            tokens: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![None],
            done: false,
        })
    }

    /// The next token, left in place.
    pub fn peek(&mut self) -> Result<&Token> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(self.tokens.front().expect("needs_more answers no only with a token in the queue"))
    }

    /// Takes the next token. After the end of the stream, the end again.
    pub fn next(&mut self) -> Result<Token> {
        let token = self.peek()?.clone();
        if token.kind != Kind::StreamEnd {
            self.tokens.pop_front();
            self.taken += 1;
        }
        Ok(token)
    }

    fn needs_more(&mut self) -> Result<bool> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        if self.done {
            return Ok(false);
        }
        // A later `:` may still put tokens before the first of the queue.
        self.drop_stale_keys()?;
        Ok(self.simple_keys.iter().flatten().any(|key| key.token == self.taken))
    }

    pub(super) fn error(&self, context: Mark, problem: &str) -> YamlError {
        // Lines as clients know them: the problem's own, counted from 1, is left out on the first line.
        let line = if self.mark.line != 0 { self.mark.line + 1 } else { context.line };
        YamlError::at(line, problem)
    }

    pub(super) fn look(&self, ahead: usize) -> char {
        self.text.get(self.mark.index + ahead).copied().unwrap_or('\0')
    }
    pub(super) fn here(&self) -> char {
        self.look(0)
    }
    pub(super) fn at_end(&self) -> bool {
        self.mark.index >= self.text.len()
    }
    pub(super) fn skip(&mut self) {
        self.mark.index += 1;
        self.mark.column += 1;
    }
    /// Takes a line break and gives it in normal form.
    pub(super) fn take_break(&mut self) -> char {
        let c = self.here();
        self.mark.index += if c == '\r' && self.look(1) == '\n' { 2 } else { 1 };
        self.mark.line += 1;
        self.mark.column = 0;
        if matches!(c, '\r' | '\n' | '\u{85}') { '\n' } else { c }
    }
    pub(super) fn flow_level(&self) -> usize {
        self.simple_keys.len() - 1
    }
    pub(super) fn at_document_indicator(&self) -> bool {
        let three = (self.here(), self.look(1), self.look(2));
        self.mark.column == 0 && (three == ('-', '-', '-') || three == ('.', '.', '.')) && is_blank_z(self.look(3))
    }
    fn push(&mut self, kind: Kind, start: Mark) {
        self.tokens.push_back(Token { kind, start });
    }

    fn fetch(&mut self) -> Result<()> {
        self.skip_to_token();
        self.drop_stale_keys()?;
        self.unroll(self.mark.column as isize);
        let start = self.mark;
        if self.at_end() {
            if self.mark.column != 0 {
                self.mark.column = 0;
                self.mark.line += 1;
            }
            self.unroll(-1);
            self.forget_simple_key()?;
            self.simple_key_allowed = false;
            self.done = true;
            self.push(Kind::StreamEnd, self.mark);
            return Ok(());
        }
        if self.mark.column == 0 && self.here() == '%' {
            self.leave_block()?;
            let kind = self.scan_directive(start)?;
            self.push(kind, start);
            return Ok(());
        }
        if self.at_document_indicator() {
            self.leave_block()?;
            let kind = if self.here() == '-' { Kind::DocumentStart } else { Kind::DocumentEnd };
            (0..3).for_each(|_| self.skip());
            self.push(kind, start);
            return Ok(());
        }
        let (c, next) = (self.here(), self.look(1));
        let in_flow = self.flow_level() > 0;
        match c {
            '[' => self.open_flow(Kind::FlowSequenceStart),
            '{' => self.open_flow(Kind::FlowMappingStart),
            ']' => self.close_flow(Kind::FlowSequenceEnd),
            '}' => self.close_flow(Kind::FlowMappingEnd),
            ',' => {
                self.forget_simple_key()?;
                self.simple_key_allowed = true;
                self.skip();
                self.push(Kind::FlowEntry, start);
                Ok(())
            }
            '-' if is_blank_z(next) => {
                if !in_flow {
                    if !self.simple_key_allowed {
                        return Err(self.error(start, "block sequence entries are not allowed in this context"));
                    }
                    self.roll(start, None, Kind::BlockSequenceStart)?;
                }
                self.forget_simple_key()?;
                self.simple_key_allowed = true;
                self.skip();
                self.push(Kind::BlockEntry, start);
                Ok(())
            }
            '?' if in_flow || is_blank_z(next) => {
                if !in_flow {
                    if !self.simple_key_allowed {
                        return Err(self.error(start, "mapping keys are not allowed in this context"));
                    }
                    self.roll(start, None, Kind::BlockMappingStart)?;
                }
                self.forget_simple_key()?;
                self.simple_key_allowed = !in_flow;
                self.skip();
                self.push(Kind::Key, start);
                Ok(())
            }
            ':' if in_flow || is_blank_z(next) => self.fetch_value(),
            '*' | '&' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let kind = self.scan_anchor(c == '*')?;
                self.push(kind, start);
                Ok(())
            }
            '!' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let kind = self.scan_tag()?;
                self.push(kind, start);
                Ok(())
            }
            '|' | '>' if !in_flow => {
                self.forget_simple_key()?;
                self.simple_key_allowed = true;
                let text = self.scan_block_scalar(c == '|')?;
                self.push(Kind::Scalar(text, false), start);
                Ok(())
            }
            '\'' | '"' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let text = self.scan_quoted(c)?;
                self.push(Kind::Scalar(text, false), start);
                Ok(())
            }
            _ if self.plain_starts(c, next, in_flow) => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let text = self.scan_plain()?;
                self.push(Kind::Scalar(text, true), start);
                Ok(())
            }
            _ => Err(self.error(start, "found character that cannot start any token")),
        }
    }

    fn plain_starts(&self, c: char, next: char, in_flow: bool) -> bool {
        match c {
            '-' => !is_blank(next),
            '?' | ':' => !in_flow && !is_blank_z(next),
            _ => !is_blank_z(c) && !",[]{}#&*!|>'\"%@`".contains(c),
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            while self.here() == ' ' || (self.here() == '\t' && (self.flow_level() > 0 || !self.simple_key_allowed)) {
                self.skip();
            }
            if self.here() == '#' {
                while !self.at_end() && !is_break(self.here()) {
                    self.skip();
                }
            }
            if self.at_end() || !is_break(self.here()) {
                return;
            }
            self.take_break();
            if self.flow_level() == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    fn leave_block(&mut self) -> Result<()> {
        self.unroll(-1);
        self.forget_simple_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    /// Opens a block collection where the column goes beyond the current indentation. `before` is the token it goes in
    /// front of; without it, it goes last.
    fn roll(&mut self, mark: Mark, before: Option<usize>, kind: Kind) -> Result<()> {
        if self.flow_level() > 0 || self.indent >= mark.column as isize {
            return Ok(());
        }
        self.indents.push(self.indent);
        if self.indents.len() > MAX_DEPTH {
            return Err(self.error(mark, &format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.indent = mark.column as isize;
        let token = Token { kind, start: mark };
        match before {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    fn unroll(&mut self, column: isize) {
        if self.flow_level() > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn save_simple_key(&mut self) -> Result<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let required = self.flow_level() == 0 && self.indent == self.mark.column as isize;
        self.forget_simple_key()?;
        let key = SimpleKey { required, token: self.taken + self.tokens.len(), mark: self.mark };
        if let Some(slot) = self.simple_keys.last_mut() {
            *slot = Some(key);
        }
        Ok(())
    }

    fn forget_simple_key(&mut self) -> Result<()> {
        match self.simple_keys.last_mut().and_then(Option::take) {
            Some(key) if key.required => Err(self.error(key.mark, "could not find expected ':'")),
            _ => Ok(()),
        }
    }

    /// A simple key ends on its own line, within 1024 characters.
    fn drop_stale_keys(&mut self) -> Result<()> {
        let here = self.mark;
        for slot in &mut self.simple_keys {
            if let Some(key) = *slot
                && (key.mark.line < here.line || key.mark.index + 1024 < here.index)
            {
                *slot = None;
                if key.required {
                    return Err(self.error(key.mark, "could not find expected ':'"));
                }
            }
        }
        Ok(())
    }

    fn open_flow(&mut self, kind: Kind) -> Result<()> {
        self.save_simple_key()?;
        let start = self.mark;
        self.simple_keys.push(None);
        if self.flow_level() > MAX_DEPTH {
            return Err(self.error(start, &format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.simple_key_allowed = true;
        self.skip();
        self.push(kind, start);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind) -> Result<()> {
        self.forget_simple_key()?;
        let start = self.mark;
        if self.flow_level() > 0 {
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.skip();
        self.push(kind, start);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        let start = self.mark;
        if let Some(key) = self.simple_keys.last_mut().and_then(Option::take) {
            self.tokens.insert(key.token - self.taken, Token { kind: Kind::Key, start: key.mark });
            self.roll(key.mark, Some(key.token), Kind::BlockMappingStart)?;
            self.simple_key_allowed = false;
        } else {
            let in_flow = self.flow_level() > 0;
            if !in_flow {
                if !self.simple_key_allowed {
                    return Err(self.error(start, "mapping values are not allowed in this context"));
                }
                self.roll(start, None, Kind::BlockMappingStart)?;
            }
            self.simple_key_allowed = !in_flow;
        }
        self.skip();
        self.push(Kind::Value, start);
        Ok(())
    }

    fn take_word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.here()) {
            word.push(self.here());
            self.skip();
        }
        word
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.here()) {
            self.skip();
        }
    }

    fn scan_directive(&mut self, start: Mark) -> Result<Kind> {
        self.skip();
        let name = self.take_word();
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !is_blank_z(self.here()) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        self.skip_blanks();
        let kind = match name.as_str() {
            "YAML" => {
                let major = self.scan_version_number(start)?;
                if self.here() != '.' {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.skip();
                Kind::VersionDirective(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                let handle = self.scan_tag_handle(true, start)?;
                if !is_blank(self.here()) {
                    return Err(self.error(start, "did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri(String::new(), start)?;
                if !is_blank_z(self.here()) {
                    return Err(self.error(start, "did not find expected whitespace or line break"));
                }
                Kind::TagDirective(handle, prefix)
            }
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        self.skip_blanks();
        if self.here() == '#' {
            while !self.at_end() && !is_break(self.here()) {
                self.skip();
            }
        }
        if !self.at_end() && !is_break(self.here()) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        Ok(kind)
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u32> {
        let mut number = 0;
        let mut digits = 0;
        while let Some(digit) = self.here().to_digit(10) {
            digits += 1;
            if digits > 9 {
                return Err(self.error(start, "found extremely long version number"));
            }
            number = number * 10 + digit;
            self.skip();
        }
        if digits == 0 {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(number)
    }

    fn scan_anchor(&mut self, alias: bool) -> Result<Kind> {
        let start = self.mark;
        self.skip();
        let name = self.take_word();
        if name.is_empty() || !(is_blank_z(self.here()) || "?:,]}%@`".contains(self.here())) {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        Ok(if alias { Kind::Alias(name) } else { Kind::Anchor(name) })
    }

    fn scan_tag(&mut self) -> Result<Kind> {
        let start = self.mark;
        let (handle, suffix);
        if self.look(1) == '<' {
            self.skip();
            self.skip();
            handle = String::new();
            suffix = self.scan_tag_uri(String::new(), start)?;
            if self.here() != '>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.skip();
        } else {
            let first = self.scan_tag_handle(false, start)?;
            if first.len() > 1 && first.ends_with('!') {
                suffix = self.scan_tag_uri(String::new(), start)?;
                handle = first;
            } else {
                let rest = self.scan_tag_uri(first[1..].to_string(), start)?;
                // A lone `!` is a tag without a handle.
                (handle, suffix) = if rest.is_empty() { (String::new(), "!".to_string()) } else { ("!".into(), rest) };
            }
        }
        let ends = is_blank_z(self.here()) || (self.flow_level() > 0 && self.here() == ',');
        if !ends {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(Kind::Tag(handle, suffix))
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Result<String> {
        if self.here() != '!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        self.skip();
        let mut handle = format!("!{}", self.take_word());
        if self.here() == '!' {
            self.skip();
            handle.push('!');
        } else if directive && handle != "!" {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    fn scan_tag_uri(&mut self, head: String, start: Mark) -> Result<String> {
        let given = !head.is_empty();
        let mut bytes = head.into_bytes();
        loop {
            let c = self.here();
            if c == '%' {
                let hex: String = [self.look(1), self.look(2)].iter().collect();
                let Ok(byte) = u8::from_str_radix(&hex, 16) else {
                    return Err(self.error(start, "did not find URI escaped octet"));
                };
                bytes.push(byte);
                (0..3).for_each(|_| self.skip());
            } else if is_word(c)
                || (c != '\0' && ";/?:@&=+$.!~*'()[]".contains(c))
                || (c == ',' && self.flow_level() == 0)
            {
                bytes.push(c as u8);
                self.skip();
            } else {
                break;
            }
        }
        if bytes.is_empty() && !given && self.text.get(self.mark.index.wrapping_sub(1)) != Some(&'!') {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        String::from_utf8(bytes).map_err(|_| self.error(start, "found an incorrect trailing UTF-8 octet"))
    }
}
