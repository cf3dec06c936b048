//! Tokens to a tree.

use super::functions;
use super::lex::{Kind, Token, tokens};
use super::node::{Branch, Call, Command, Constant, Node, Operand, Pipe, Pos, Term};
use crate::go_format::unquote;
use shared_types::go_quote::quote;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, String>;

/// Templates by name; the main one is called like the whole.
pub(super) type Templates = HashMap<String, Vec<Node>>;

/// Reads the template `name`. The error has the form `template: NAME:LINE: ...`.
pub(super) fn parse(name: &str, text: &str) -> Result<Templates> {
    let mut parser = Parser {
        name,
        tokens: tokens(text),
        at: 0,
        variables: vec!["$".into()],
        ranges: 0,
        depth: 0,
        templates: HashMap::new(),
    };
    let mut nodes = Vec::new();
    while parser.peek().kind != Kind::End {
        if parser.is_definition() {
            parser.definition()?;
            continue;
        }
        match parser.text_or_action()? {
            Item::Node(node) => nodes.push(node),
            Item::End => return Err(parser.error("unexpected {{end}}")),
            Item::Else => return Err(parser.error("unexpected {{else}}")),
        }
    }
    parser.templates.insert(name.into(), nodes);
    Ok(parser.templates)
}

/// Templates nest no deeper than this: what reads and runs them is recursive.
const MAX_DEPTH: usize = 200;

enum Item {
    Node(Node),
    Else,
    End,
}

struct Parser<'a> {
    name: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Names in scope.
    variables: Vec<String>,
    /// How many ranges are open.
    ranges: usize,
    depth: usize,
    templates: Templates,
}

impl Parser<'_> {
    fn error(&self, message: impl std::fmt::Display) -> String {
        // The line is that of the token last taken.
        let line = self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].line;
        format!("template: {}:{line}: {message}", self.name)
    }
    fn unexpected(&self, token: &Token, context: &str) -> String {
        if token.kind == Kind::Error {
            return format!("template: {}:{}: {token}", self.name, token.line);
        }
        self.error(format!("unexpected {token} in {context}"))
    }
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }
    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len());
        token
    }
    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }
    fn peek_word(&mut self) -> &Token {
        self.skip_space();
        self.peek()
    }
    fn next_word(&mut self) -> Token {
        self.skip_space();
        self.next()
    }
    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token> {
        let token = self.next_word();
        if token.kind != kind {
            return Err(self.unexpected(&token, context));
        }
        Ok(token)
    }
    fn is_keyword(token: &Token, word: &str) -> bool {
        token.kind == Kind::Keyword && token.text == word
    }
    fn is_definition(&self) -> bool {
        let rest = &self.tokens[self.at..];
        let mut inside = rest.iter().skip(1).skip_while(|token| token.kind == Kind::Space);
        rest[0].kind == Kind::LeftDelimiter && inside.next().is_some_and(|token| Self::is_keyword(token, "define"))
    }

    fn definition(&mut self) -> Result<()> {
        self.next();
        self.next_word();
        let name = self.template_name("define clause")?;
        self.expect(Kind::RightDelimiter, "define clause")?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let (body, end) = self.list()?;
        self.variables = outer;
        if !matches!(end, Item::End) {
            return Err(self.error("unexpected {{else}} in define clause"));
        }
        self.templates.insert(name, body);
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Result<String> {
        let token = self.next_word();
        match token.kind {
            Kind::String | Kind::RawString => self.string(&token),
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn string(&self, token: &Token) -> Result<String> {
        match token.kind {
            Kind::RawString => Ok(token.text[1..token.text.len() - 1].replace('\r', "")),
            _ => unquote(&token.text).map_err(|why| self.error(why)),
        }
    }

    /// Nodes up to an `{{else}}` or `{{end}}`.
    fn list(&mut self) -> Result<(Vec<Node>, Item)> {
        let mut nodes = Vec::new();
        while self.peek_word().kind != Kind::End {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                end => return Ok((nodes, end)),
            }
        }
        self.next();
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Item> {
        let token = self.next_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::LeftDelimiter => self.action(),
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.peek_word().clone();
        if token.kind != Kind::Keyword || token.text == "define" {
            return Ok(Item::Node(Node::Action(self.pipe("command", Kind::RightDelimiter)?)));
        }
        self.next();
        match token.text.as_str() {
            "if" => Ok(Item::Node(Node::If(self.branch("if")?))),
            "with" => Ok(Item::Node(Node::With(self.branch("with")?))),
            "range" => Ok(Item::Node(Node::Range(self.branch("range")?))),
            "end" => self.expect(Kind::RightDelimiter, "end").map(|_| Item::End),
            "else" => {
                let next = self.peek_word().clone();
                if Self::is_keyword(&next, "if") || Self::is_keyword(&next, "with") {
                    return Ok(Item::Else);
                }
                self.expect(Kind::RightDelimiter, "else").map(|_| Item::Else)
            }
            "template" => {
                let pos = self.peek_word().pos;
                let name = self.template_name("template clause")?;
                let pipe = self.optional_pipe("template clause")?;
                Ok(Item::Node(Node::Template(Call { pos, name, pipe })))
            }
            "block" => {
                let pos = self.peek_word().pos;
                let name = self.template_name("block clause")?;
                let pipe = self.pipe("block clause", Kind::RightDelimiter)?;
                let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
                let (body, end) = self.list()?;
                self.variables = outer;
                if !matches!(end, Item::End) {
                    return Err(self.error("unexpected {{else}} in block clause"));
                }
                self.templates.entry(name.clone()).or_insert(body);
                Ok(Item::Node(Node::Template(Call { pos, name, pipe: Some(pipe) })))
            }
            word => {
                let shown = format!("{{{{{word}}}}}");
                self.expect(Kind::RightDelimiter, &shown)?;
                if self.ranges == 0 {
                    return Err(self.error(format!("{shown} outside {{{{range}}}}")));
                }
                Ok(Item::Node(if word == "break" { Node::Break } else { Node::Continue }))
            }
        }
    }

    fn optional_pipe(&mut self, context: &str) -> Result<Option<Pipe>> {
        if self.peek_word().kind == Kind::RightDelimiter {
            self.next();
            return Ok(None);
        }
        self.pipe(context, Kind::RightDelimiter).map(Some)
    }

    fn branch(&mut self, context: &str) -> Result<Branch> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipe(context, Kind::RightDelimiter)?;
        let is_range = usize::from(context == "range");
        self.ranges += is_range;
        let (body, end) = self.list()?;
        self.ranges -= is_range;
        let mut otherwise = Vec::new();
        if matches!(end, Item::Else) {
            let next = self.peek_word().clone();
            if next.kind == Kind::Keyword && next.text == context && context != "range" {
                // `{{else if}}` is an `{{if}}` inside the `{{else}}` that shares its `{{end}}`.
                self.next();
                let inner = self.branch(context)?;
                otherwise.push(if context == "if" { Node::If(inner) } else { Node::With(inner) });
            } else if next.kind == Kind::Keyword && matches!(next.text.as_str(), "if" | "with") && self.follows_else() {
                return Err(self.unexpected(&next, "input"));
            } else {
                let (nodes, end) = self.list()?;
                if !matches!(end, Item::End) {
                    return Err(self.error("expected end; found {{else}}"));
                }
                otherwise = nodes;
            }
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// Whether the token before the next word is an `else`, so that the word is still inside its action.
    fn follows_else(&self) -> bool {
        self.tokens[..self.at].iter().rev().find(|t| t.kind != Kind::Space).is_some_and(|t| Self::is_keyword(t, "else"))
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error("exceeded maximum nesting depth")) } else { Ok(()) }
    }

    fn pipe(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        self.deeper()?;
        let mut pipe = Pipe { pos: self.peek_word().pos, variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(context, &mut pipe)?;
        loop {
            let token = self.peek_word().clone();
            match token.kind {
                kind if kind == end => {
                    self.next();
                    break;
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => pipe.commands.push(self.command()?),
                _ => {
                    self.next();
                    return Err(self.unexpected(&token, context));
                }
            }
        }
        if pipe.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (number, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(command.operands[0].term, Term::Dot | Term::Nil | Term::Constant(..)) {
                return Err(self.error(format!("non executable command in pipeline stage {}", number + 1)));
            }
        }
        self.depth -= 1;
        Ok(pipe)
    }

    fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Result<()> {
        while self.peek_word().kind == Kind::Variable {
            let back = self.at;
            let variable = self.next().text;
            let next = self.peek_word().clone();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next();
                    pipe.assigns = next.kind == Kind::Assign;
                    pipe.variables.push(variable);
                    break;
                }
                Kind::Char if next.text == "," => {
                    self.next();
                    pipe.variables.push(variable);
                    if context != "range" || pipe.variables.len() > 1 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    let kind = self.peek_word().kind;
                    if !matches!(kind, Kind::Variable | Kind::RightDelimiter | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    self.at = back;
                    break;
                }
            }
        }
        // Whether a variable that is assigned to exists shows when the template runs.
        self.variables.extend(pipe.variables.iter().cloned());
        Ok(())
    }

    fn check_variable(&self, name: &str) -> Result<()> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(self.error(format!("undefined variable {}", quote(name))))
    }

    fn command(&mut self) -> Result<Command> {
        let pos = self.peek_word().pos;
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            let token = self.peek().clone();
            match token.kind {
                Kind::Space => {
                    self.next();
                }
                Kind::RightDelimiter | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next();
                    if matches!(self.peek_word().kind, Kind::RightDelimiter | Kind::RightParen) {
                        return Err(self.error("missing value for command"));
                    }
                    break;
                }
                _ => {
                    self.next();
                    return Err(self.unexpected(&token, "operand"));
                }
            }
        }
        if operands.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { pos, operands })
    }

    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        let pos = self.peek().pos;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.next().text[1..].to_string());
        }
        if names.is_empty() {
            return Ok(Some(operand));
        }
        match &mut operand.term {
            Term::Field(fields) | Term::Variable(fields) => {
                fields.extend(names);
                operand.pos = pos;
            }
            Term::Constant(..) | Term::Nil | Term::Dot => {
                return Err(self.error(format!("unexpected . after term {}", quote(&operand.to_string()))));
            }
            _ => operand = Operand { pos, term: Term::Chain(Box::new(operand), names) },
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let token = self.next_word();
        let pos: Pos = token.pos;
        let constant = |value: Constant| Term::Constant(value, token.text.clone());
        let term = match token.kind {
            Kind::Identifier if functions::exists(&token.text) => Term::Function(token.text),
            Kind::Identifier => return Err(self.error(format!("function {} not defined", quote(&token.text)))),
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                self.check_variable(&token.text)?;
                Term::Variable(vec![token.text])
            }
            Kind::Field => Term::Field(vec![token.text[1..].into()]),
            Kind::Bool => constant(Constant::Value((token.text == "true").into())),
            Kind::CharConstant => match unquote(&token.text).ok().filter(|text| text.chars().count() == 1) {
                Some(text) => constant(Constant::Int(text.chars().next().map_or(0, |c| i64::from(c as u32)))),
                None => return Err(self.error(format!("malformed character constant: {}", token.text))),
            },
            Kind::Number => match number(&token.text) {
                Some(Constant::TooLarge) if token.text.trim_start_matches('+').parse::<u64>().is_err() => {
                    return Err(self.error(format!("integer overflow: {}", quote(&token.text))));
                }
                Some(value) => constant(value),
                None => return Err(self.error(format!("illegal number syntax: {}", quote(&token.text)))),
            },
            Kind::LeftParen => Term::Pipe(Box::new(self.pipe("parenthesized pipeline", Kind::RightParen)?)),
            Kind::String | Kind::RawString => constant(Constant::Value(self.string(&token)?.into())),
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { pos, term }))
    }
}

/// A number of Go's source form.
pub(super) fn number(text: &str) -> Option<Constant> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(|b| b.is_ascii_digit() || *b == b'_') => {
            (8, &lower[1..])
        }
        _ => (10, lower.as_str()),
    };
    let plain: String = body.chars().filter(|c| *c != '_').collect();
    if !plain.is_empty() && plain.chars().all(|c| c.is_digit(radix)) {
        let Ok(magnitude) = u64::from_str_radix(&plain, radix) else { return Some(Constant::TooLarge) };
        let int = if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
        return Some(int.map_or(Constant::TooLarge, Constant::Int));
    }
    if radix != 10 || !plain.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
        return None;
    }
    let float: f64 = plain.parse().ok()?;
    Some(Constant::Value((if negative { -float } else { float }).into()))
}
