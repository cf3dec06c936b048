//! Reads `sed`'s scripts.

use crate::node::runtime::tools::regex::{Syntax, compile};
use regex_lite::Regex;

pub enum Address {
    Line(u64),
    Last,
    Match(Regex),
    /// `first~step`
    Step(u64, u64),
}

pub struct Command {
    pub from: Option<Address>,
    pub to: Option<Address>,
    pub negated: bool,
    pub action: Action,
    /// Within its range.
    pub active: bool,
}

pub enum Action {
    Substitute {
        regex: Regex,
        replacement: Vec<Piece>,
        which: usize,
        all: bool,
        print: bool,
    },
    Delete,
    DeleteFirst,
    Print,
    Quit(i32),
    Append(String),
    Insert(String),
    Change(String),
    Translate(Vec<char>, Vec<char>),
    Number,
    Next,
    Join,
    Hold(bool),
    Get(bool),
    Exchange,
    /// Jumps behind its end unless it is chosen.
    Block(usize),
    Nothing,
}

/// A part of a replacement.
pub enum Piece {
    Text(String),
    Group(usize),
    /// What follows is put in capitals (`\U`), in small letters (`\L`), or as it is (`\E`).
    Case(char),
}

/// Reads a script. `extended`: its patterns are extended regular expressions.
///
/// # Errors
/// What is wrong with it.
pub fn parse(script: &str, extended: bool) -> Result<Vec<Command>, String> {
    let mut commands = Vec::new();
    Parser { rest: script, extended, depth: 0 }.commands(&mut commands)?;
    Ok(commands)
}

struct Parser<'a> {
    rest: &'a str,
    extended: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }
    fn eat(&mut self, c: char) -> bool {
        let found = self.rest.starts_with(c);
        if found {
            self.rest = &self.rest[c.len_utf8()..];
        }
        found
    }
    fn skip(&mut self, chars: &[char]) {
        self.rest = self.rest.trim_start_matches(chars);
    }
    fn number(&mut self) -> Option<u64> {
        let length = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let number = self.rest[..length].parse().ok()?;
        self.rest = &self.rest[length..];
        Some(number)
    }

    /// Text up to a delimiter, with what stands before it escaped left as it is.
    fn until(&mut self, delimiter: char) -> Result<String, String> {
        let (mut text, mut in_set) = (String::new(), false);
        while let Some(c) = self.next() {
            match c {
                '\\' => match self.next() {
                    Some(c) if c == delimiter => text.push(c),
                    Some('n') => text.push_str("\\n"),
                    Some(c) => text.extend(['\\', c]),
                    None => break,
                },
                '[' if !in_set && delimiter != '[' => {
                    in_set = true;
                    text.push(c);
                }
                ']' => {
                    in_set = false;
                    text.push(c);
                }
                c if c == delimiter => return Ok(text),
                c => text.push(c),
            }
        }
        Err(format!("unmatched '{delimiter}'"))
    }

    fn regex(&self, pattern: &str, ignore_case: bool) -> Result<Regex, String> {
        compile(&[pattern], &Syntax { extended: self.extended, ignore_case, ..Syntax::default() })
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        if let Some(number) = self.number() {
            if self.eat('~') {
                return Ok(Some(Address::Step(number, self.number().unwrap_or(0))));
            }
            return Ok(Some(Address::Line(number)));
        }
        if self.eat('$') {
            return Ok(Some(Address::Last));
        }
        let delimiter = match self.rest.chars().next() {
            Some('/') => '/',
            Some('\\') => {
                self.next();
                self.rest.chars().next().ok_or("bad address")?
            }
            _ => return Ok(None),
        };
        self.next();
        let pattern = self.until(delimiter)?;
        let ignore_case = self.eat('I');
        Ok(Some(Address::Match(self.regex(&pattern, ignore_case)?)))
    }

    /// Reads commands up to the end, or to the brace that closes a block.
    fn commands(&mut self, commands: &mut Vec<Command>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > 30 {
            return Err("blocks are nested too deep".into());
        }
        loop {
            self.skip(&[' ', '\t', '\n', ';']);
            if self.rest.is_empty() {
                return if self.depth == 1 { Ok(()) } else { Err("unmatched '{'".into()) };
            }
            if self.eat('}') {
                self.depth -= 1;
                return if self.depth > 0 { Ok(()) } else { Err("unexpected '}'".into()) };
            }
            let from = self.address()?;
            let to = if from.is_some() && self.eat(',') {
                match (self.eat('+'), &from) {
                    (true, Some(Address::Line(line))) => Some(Address::Line(line + self.number().unwrap_or(0))),
                    (true, _) => return Err("unsupported address".into()),
                    (false, _) => Some(self.address()?.ok_or("no address after comma")?),
                }
            } else {
                None
            };
            self.skip(&[' ', '\t']);
            let mut negated = false;
            while self.eat('!') {
                negated = true;
                self.skip(&[' ', '\t']);
            }
            let letter = self.next().ok_or("missing command")?;
            let at = commands.len();
            if letter == '{' {
                commands.push(Command { from, to, negated, action: Action::Nothing, active: false });
                self.commands(commands)?;
                commands[at].action = Action::Block(commands.len());
                continue;
            }
            let action = self.action(letter)?;
            commands.push(Command { from, to, negated, action, active: false });
        }
    }

    fn action(&mut self, letter: char) -> Result<Action, String> {
        let action = match letter {
            's' => return self.substitution(),
            'y' => {
                let delimiter = self.next().ok_or("bad y command")?;
                let (from, to) = (self.until(delimiter)?, self.until(delimiter)?);
                let chars = |text: String| text.replace("\\n", "\n").chars().collect::<Vec<_>>();
                let (from, to) = (chars(from), chars(to));
                if from.len() != to.len() {
                    return Err("strings for 'y' command are different lengths".into());
                }
                Action::Translate(from, to)
            }
            'd' => Action::Delete,
            'D' => Action::DeleteFirst,
            'p' => Action::Print,
            'q' | 'Q' => {
                self.skip(&[' ']);
                Action::Quit(self.number().and_then(|code| i32::try_from(code).ok()).unwrap_or(0))
            }
            '=' => Action::Number,
            'n' => Action::Next,
            'N' => Action::Join,
            'h' => Action::Hold(false),
            'H' => Action::Hold(true),
            'g' => Action::Get(false),
            'G' => Action::Get(true),
            'x' => Action::Exchange,
            '#' => {
                self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
                Action::Nothing
            }
            'a' | 'i' | 'c' => {
                self.skip(&[' ', '\t']);
                if self.eat('\\') {
                    self.skip(&[' ', '\t']);
                    self.eat('\n');
                }
                let mut text = String::new();
                while let Some(c) = self.next() {
                    match c {
                        '\n' => break,
                        '\\' => match self.next() {
                            Some('t') => text.push('\t'),
                            Some(c) => text.push(c),
                            None => {}
                        },
                        c => text.push(c),
                    }
                }
                return Ok(match letter {
                    'a' => Action::Append(text),
                    'i' => Action::Insert(text),
                    _ => Action::Change(text),
                });
            }
            other => return Err(format!("unsupported command {other}")),
        };
        self.skip(&[' ', '\t']);
        if self.rest.is_empty() || self.rest.starts_with([';', '\n', '}', '#']) {
            Ok(action)
        } else {
            Err("extra characters after command".into())
        }
    }

    fn substitution(&mut self) -> Result<Action, String> {
        let delimiter = self.next().ok_or("bad s command")?;
        let pattern = self.until(delimiter)?;
        let written = self.replacement(delimiter)?;
        let (mut all, mut print, mut ignore_case, mut which) = (false, false, false, 1);
        loop {
            match self.rest.chars().next() {
                Some('g') => all = true,
                Some('p') => print = true,
                Some('i' | 'I') => ignore_case = true,
                Some(c) if c.is_ascii_digit() => {
                    which = self.number().and_then(|which| usize::try_from(which).ok()).unwrap_or(1).max(1);
                    continue;
                }
                None | Some(';' | '\n' | '}' | ' ' | '#') => break,
                Some(_) => return Err("unknown option to 's'".into()),
            }
            self.next();
        }
        Ok(Action::Substitute { regex: self.regex(&pattern, ignore_case)?, replacement: written, which, all, print })
    }

    fn replacement(&mut self, delimiter: char) -> Result<Vec<Piece>, String> {
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            let c = self.next().ok_or_else(|| format!("unmatched '{delimiter}'"))?;
            let piece = match c {
                c if c == delimiter => {
                    pieces.push(Piece::Text(text));
                    return Ok(pieces);
                }
                '&' => Piece::Group(0),
                '\\' => match self.next() {
                    Some(c) if c.is_ascii_digit() => Piece::Group(usize::from(c as u8 - b'0')),
                    Some(c @ ('U' | 'L' | 'E')) => Piece::Case(c),
                    Some('n') => {
                        text.push('\n');
                        continue;
                    }
                    Some('t') => {
                        text.push('\t');
                        continue;
                    }
                    Some(c) => {
                        text.push(c);
                        continue;
                    }
                    None => return Err(format!("unmatched '{delimiter}'")),
                },
                c => {
                    text.push(c);
                    continue;
                }
            };
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(piece);
        }
    }
}
