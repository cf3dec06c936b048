//! Templates to nodes.

use super::{Node, Slice};
use crate::go_format::unquote;
use shared_types::json::Value;

type Result<T> = std::result::Result<T, String>;

/// Reads a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>> {
    let mut parser = Parser { rest: text };
    let mut nodes = Vec::new();
    loop {
        let (before, action) = match parser.rest.find('{') {
            Some(at) => (&parser.rest[..at], true),
            None => (parser.rest, false),
        };
        if !before.is_empty() {
            nodes.push(Node::Literal(before.into()));
        }
        if !action {
            return Ok(nodes);
        }
        parser.rest = &parser.rest[before.len() + 1..];
        nodes.push(Node::Action(parser.action()?));
    }
}

/// Reads an expression as it stands inside braces.
fn expression(text: &str) -> Result<Vec<Node>> {
    let closed = format!("{text}}}");
    Parser { rest: &closed }.action()
}

struct Parser<'a> {
    rest: &'a str,
}

fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

impl<'a> Parser<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        head
    }

    /// Takes text up to the first character that ends a word. A backslash takes what follows along.
    fn word(&mut self, escapes: bool) -> &'a str {
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            if escapes && c == '\\' {
                chars.next();
            } else if ends_word(c) {
                return self.take(at);
            }
        }
        self.take(self.rest.len())
    }

    /// Reads to the brace that closes the action.
    fn action(&mut self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            if self.rest.starts_with('}') {
                self.take(1);
                return Ok(nodes);
            }
            if self.rest.starts_with("[?(") {
                nodes.push(self.filter()?);
                continue;
            }
            if self.rest.starts_with("..") {
                if nodes.last() == Some(&Node::Recursive) {
                    return Err("invalid multiple recursive descent".into());
                }
                self.take(2);
                nodes.push(Node::Recursive);
                if self.rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
                    nodes.push(self.field());
                }
                continue;
            }
            match self.rest.chars().next() {
                None | Some('\n' | '\r') => return Err("unclosed action".into()),
                Some(' ' | '@' | '$') => {
                    self.take(1);
                }
                Some('[') => self.array(&mut nodes)?,
                Some(quote @ ('"' | '\'')) => nodes.push(self.quoted(quote)?),
                Some('.') => {
                    self.take(1);
                    nodes.push(self.field());
                }
                Some(c) if matches!(c, '+' | '-') || c.is_ascii_digit() => nodes.push(self.number()?),
                Some(c) if c == '_' || c.is_alphanumeric() => {
                    let word = self.word(false);
                    nodes.push(match word {
                        "true" | "false" => Node::Literal(Value::Bool(word == "true")),
                        _ => Node::Word(word.into()),
                    });
                }
                Some(c) => return Err(format!("unrecognized character in action: U+{:04X} '{c}'", c as u32)),
            }
        }
    }

    fn field(&mut self) -> Node {
        match self.word(true) {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }

    fn number(&mut self) -> Result<Node> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest[sign..].find(|c: char| c != '.' && !c.is_ascii_digit());
        let text = self.take(digits.map_or(self.rest.len(), |end| end + sign));
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Node::Literal(int.into()));
        }
        let float: f64 = text.parse().map_err(|_| format!("cannot parse number {text}"))?;
        Ok(Node::Literal(float.into()))
    }

    fn quoted(&mut self, quote: char) -> Result<Node> {
        let mut before = quote;
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == '\n' || c == '\r' {
                break;
            }
            if c == quote && before != '\\' {
                let text = self.take(at + 1);
                let value = unquote(text).map_err(|why| format!("unquote string {text} error {why}"))?;
                return Ok(Node::Literal(value.into()));
            }
            before = c;
        }
        Err("unterminated quoted string".into())
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<()> {
        let end = match self.rest.find([']', '\n', '\r']) {
            Some(end) if self.rest[end..].starts_with(']') => end,
            _ => return Err("unterminated array".into()),
        };
        let text = &self.take(end + 1)[1..end];
        let text = if text == "*" { ":" } else { text };
        if text.contains(',') {
            let members = text.split(',').map(|member| expression(&format!("[{}]", member.trim_matches(' '))));
            nodes.push(Node::Union(members.collect::<Result<_>>()?));
            return Ok(());
        }
        let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        if let Some(key) = quoted.filter(|key| !key.contains('\'')) {
            nodes.extend(expression(&format!(".{key}"))?);
            return Ok(());
        }
        nodes.push(Node::Slice(slice(text)?));
        Ok(())
    }

    fn filter(&mut self) -> Result<Node> {
        self.take(3);
        // Quotes stand on one side of the comparison at most; a parenthesis inside of them does not close.
        let (mut open, mut closed) = (None, false);
        let mut before = ' ';
        let mut end = None;
        for (at, c) in self.rest.char_indices() {
            match c {
                '\n' | '\r' => break,
                '"' | '\'' if open.is_none() => open = Some(c),
                '"' | '\'' => closed |= Some(c) == open && before != '\\',
                ')' if open.is_some() == closed => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
            before = c;
        }
        let Some(end) = end else { return Err("unterminated filter".into()) };
        let text = &self.take(end + 1)[..end];
        if !self.rest.starts_with(']') {
            return Err("unclosed array expect ]".into());
        }
        self.take(1);
        let is_operator = |c: char| "!<>=".contains(c);
        let Some(start) = text.find(is_operator).filter(|start| *start > 0) else {
            return Ok(Node::Exists(expression(text)?));
        };
        let length = text[start..].find(|c| !is_operator(c)).unwrap_or(text.len() - start);
        // The operator leaves at least one character for the right side.
        let length = if start + length == text.len() { length - 1 } else { length };
        if length == 0 {
            return Ok(Node::Exists(expression(text)?));
        }
        let (left, rest) = text.split_at(start);
        let (operator, right) = rest.split_at(length);
        Ok(Node::Filter { left: expression(left)?, operator: operator.into(), right: expression(right)? })
    }
}

fn slice(text: &str) -> Result<Slice> {
    let wrong = || format!("invalid array index {text}");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(wrong());
    }
    let mut numbers = [None; 3];
    for (number, part) in numbers.iter_mut().zip(&parts) {
        if !part.strip_prefix('-').unwrap_or(part).bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        if !part.is_empty() {
            *number = Some(part.parse().map_err(|_| format!("array index {part} is not a number"))?);
        }
    }
    let single = parts.len() == 1;
    let [start, end, step] = numbers;
    Ok(Slice { start, end: if single { Some(start.unwrap_or(0) + 1) } else { end }, single, step })
}
