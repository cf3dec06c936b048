//! Reads scripts: the grammar of the POSIX shell.

use super::syntax::{Command, Connector, Execution, Node, Part, Redirect, Simple, Target, Word};
use super::words::is_name;
use std::sync::{Arc, OnceLock};

/// How deep commands may be nested.
const DEPTH: usize = 48;

/// Why a script cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub problem: Problem,
    pub line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// A word or an operator in a place where it cannot be; `expecting` is what was missing.
    Unexpected {
        token: String,
        expecting: Option<&'static str>,
    },
    /// The script ends too early; more of it may help.
    EndOfFile {
        expecting: Option<&'static str>,
    },
    /// A quoted string without an end.
    UnterminatedQuote,
    BadSubstitution,
    /// Nested deeper than anybody would.
    TooDeep,
}

impl SyntaxError {
    /// Whether the rest of the script could put it right.
    pub fn is_incomplete(&self) -> bool {
        matches!(self.problem, Problem::EndOfFile { .. } | Problem::UnterminatedQuote)
    }
}

pub type Result<T> = std::result::Result<T, SyntaxError>;

/// A script that is being read.
pub struct Parser {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// The line of `at`, from 1.
    pub(super) line: usize,
    /// Here-documents whose text begins on the next line.
    here: Vec<Here>,
    /// Whether more may follow, so that a here-document may not simply end.
    partial: bool,
}

struct Here {
    delimiter: String,
    quoted: bool,
    tabs: bool,
    text: Arc<OnceLock<Word>>,
}

const RESERVED: &[&str] =
    &["!", "{", "}", "if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done", "case", "esac"];

impl Parser {
    /// Reads a whole script.
    pub fn new(script: &str) -> Parser {
        Parser { chars: script.chars().collect(), at: 0, depth: 0, line: 1, here: Vec::new(), partial: false }
    }

    /// Reads a script of which there may be more.
    pub fn partial(script: &str, line: usize) -> Parser {
        Parser { partial: true, line, ..Parser::new(script) }
    }

    /// The commands of the next line that has any, as far as they belong together. `None` at the end.
    ///
    /// # Errors
    /// When they are no commands.
    pub fn next(&mut self) -> Result<Option<Node>> {
        self.newlines()?;
        if self.at >= self.chars.len() {
            return Ok(None);
        }
        let list = self.list(&[], true)?;
        self.blanks();
        if let Some(c) = self.peek() {
            if c != '\n' {
                return self.unexpected(None);
            }
            self.newline()?;
        } else {
            self.here_documents()?;
        }
        Ok(Some(list))
    }

    /// Whether nothing but blanks is left.
    pub fn is_at_end(&self) -> bool {
        self.chars[self.at..].iter().all(|c| c.is_whitespace())
    }

    pub(super) fn error<T>(&self, problem: Problem) -> Result<T> {
        Err(SyntaxError { problem, line: self.line })
    }
    /// Complains of what is next.
    pub(super) fn unexpected<T>(&mut self, expecting: Option<&'static str>) -> Result<T> {
        self.blanks();
        if self.at >= self.chars.len() {
            return self.error(Problem::EndOfFile { expecting });
        }
        let token = match self.operator() {
            Some(operator) => operator.to_string(),
            None => {
                let rest = &self.chars[self.at..];
                rest.iter().take_while(|c| !is_blank(**c) && !is_meta(**c)).collect()
            }
        };
        let token = if token == "\n" { "newline".to_string() } else { token };
        self.error(Problem::Unexpected { token, expecting })
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }
    pub(super) fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }
    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    /// Skips blanks, comments and continued lines.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(c) if is_blank(c) => self.at += 1,
                Some('\\') if self.starts_with("\\\n") => {
                    self.at += 2;
                    self.line += 1;
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Takes a line feed, and the here-documents that begin after it.
    fn newline(&mut self) -> Result<()> {
        self.bump();
        self.here_documents()
    }

    pub(super) fn newlines(&mut self) -> Result<()> {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    fn here_documents(&mut self) -> Result<()> {
        for here in std::mem::take(&mut self.here) {
            let mut text = String::new();
            loop {
                if self.at >= self.chars.len() {
                    if self.partial {
                        return self.error(Problem::EndOfFile { expecting: None });
                    }
                    break;
                }
                let mut line = String::new();
                while let Some(c) = self.bump() {
                    if c == '\n' {
                        break;
                    }
                    line.push(c);
                }
                let line = if here.tabs { line.trim_start_matches('\t') } else { &line };
                if line == here.delimiter {
                    break;
                }
                text += line;
                text.push('\n');
            }
            let word = if here.quoted { vec![Part::Quoted(text)] } else { Parser::new(&text).here_text()? };
            // It is set once: each here-document is read once.
            let _ = here.text.set(word);
        }
        Ok(())
    }

    /// The operator that is next, which is left.
    pub(super) fn operator(&self) -> Option<&'static str> {
        const OPERATORS: &[&str] = &[
            "&>>", "&>", "&&", "||", ";;&", ";;", ";&", "<<-", "<<", ">>", "<&", ">&", "<>", ">|", "\n", ";", "&", "|",
            "(", ")", "<", ">",
        ];
        OPERATORS.iter().copied().find(|operator| self.starts_with(operator))
    }
    pub(super) fn eat_operator(&mut self, operator: &str) -> bool {
        self.blanks();
        let found = self.operator() == Some(operator);
        if found {
            self.at += operator.len();
        }
        found
    }

    /// The reserved word that is next, which is left.
    pub(super) fn reserved(&mut self) -> Option<&'static str> {
        self.blanks();
        RESERVED.iter().copied().find(|word| {
            let after = self.chars.get(self.at + word.len());
            self.starts_with(word) && after.is_none_or(|c| is_blank(*c) || is_meta(*c))
        })
    }
    pub(super) fn eat_reserved(&mut self, word: &str) -> bool {
        let found = self.reserved() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }
    pub(super) fn expect(&mut self, word: &'static str) -> Result<()> {
        if self.eat_reserved(word) { Ok(()) } else { self.unexpected(Some(word)) }
    }

    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return self.error(Problem::TooDeep);
        }
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// Commands up to one of the reserved words or operators in `ends`, which is left; up to the end of the line where
    /// that is asked for.
    pub(super) fn list(&mut self, ends: &[&'static str], line: bool) -> Result<Node> {
        self.deeper(|parser| parser.commands(ends, line))
    }

    fn commands(&mut self, ends: &[&'static str], line: bool) -> Result<Node> {
        let mut commands: Vec<(Node, Execution)> = Vec::new();
        loop {
            if line {
                self.blanks();
            } else {
                self.newlines()?;
            }
            let ended = self.reserved().is_some_and(|word| ends.contains(&word))
                || self.operator().is_some_and(|operator| ends.contains(&operator));
            let over = self.at >= self.chars.len();
            if over && !ends.is_empty() {
                return self.error(Problem::EndOfFile { expecting: ends.first().copied() });
            }
            if ended || over || (line && self.peek() == Some('\n')) {
                break;
            }
            let command = self.and_or()?;
            let background = self.eat_operator("&");
            commands.push((command, if background { Execution::Background } else { Execution::Foreground }));
            if !background && !self.eat_operator(";") {
                self.blanks();
                match self.operator() {
                    Some("\n") => {}
                    Some(operator) if ends.contains(&operator) => {}
                    None if self.at >= self.chars.len() => {}
                    _ => return self.unexpected(None),
                }
            }
        }
        Ok(match commands.as_slice() {
            [(command, Execution::Foreground)] => command.clone(),
            _ => Arc::new(Command::List(commands)),
        })
    }

    fn and_or(&mut self) -> Result<Node> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let connector = if self.eat_operator("&&") {
                Connector::And
            } else if self.eat_operator("||") {
                Connector::Or
            } else {
                break;
            };
            self.newlines()?;
            rest.push((connector, self.pipeline()?));
        }
        Ok(if rest.is_empty() { first } else { Arc::new(Command::AndOr(first, rest)) })
    }

    fn pipeline(&mut self) -> Result<Node> {
        if self.eat_reserved("!") {
            return Ok(Arc::new(Command::Not(self.deeper(Parser::pipeline)?)));
        }
        let first = self.command()?;
        let mut stages = vec![first];
        while self.eat_operator("|") {
            self.newlines()?;
            stages.push(self.command()?);
        }
        Ok(if stages.len() == 1 { stages.remove(0) } else { Arc::new(Command::Pipeline(stages)) })
    }

    fn command(&mut self) -> Result<Node> {
        let compound = match self.reserved() {
            Some("{") => {
                self.at += 1;
                let body = self.list(&["}"], false)?;
                self.expect("}")?;
                body
            }
            Some("if") => self.conditional()?,
            Some(word @ ("while" | "until")) => {
                self.at += word.len();
                let condition = self.list(&["do"], false)?;
                Arc::new(Command::While { condition, until: word == "until", body: self.body()? })
            }
            Some("for") => self.iteration()?,
            Some("case") => self.case()?,
            Some(_) => return self.unexpected(None),
            None if self.operator() == Some("(") => {
                self.at += 1;
                let body = self.list(&[")"], false)?;
                if !self.eat_operator(")") {
                    return self.unexpected(Some(")"));
                }
                Arc::new(Command::Subshell(body))
            }
            None => return self.simple(),
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.extend(redirect);
        }
        Ok(if redirects.is_empty() { compound } else { Arc::new(Command::Redirected(compound, redirects)) })
    }

    /// A word without quotes and expansions.
    pub(super) fn plain_word(&mut self) -> Result<Option<String>> {
        self.blanks();
        let start = self.at;
        Ok(match self.word()?.as_deref() {
            Some([Part::Text(text)]) => Some(text.clone()),
            _ => {
                self.at = start;
                None
            }
        })
    }

    fn simple(&mut self) -> Result<Node> {
        let mut simple = Simple::default();
        self.blanks();
        simple.line = self.line;
        loop {
            if let Some(redirects) = self.redirect()? {
                simple.redirects.extend(redirects);
                continue;
            }
            if simple.words.is_empty()
                && let Some(name) = self.assignment()
            {
                simple.assignments.push((name, self.word()?.unwrap_or_default()));
                continue;
            }
            let Some(word) = self.word()? else { break };
            let first = simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty();
            if first && let [Part::Text(name)] = word.as_slice() {
                if self.eat_operator("(") {
                    if !self.eat_operator(")") {
                        return self.unexpected(Some(")"));
                    }
                    return self.function(name.clone());
                }
                // bash's way of saying it.
                if name == "function"
                    && let Some(name) = self.plain_word()?
                {
                    if self.eat_operator("(") && !self.eat_operator(")") {
                        return self.unexpected(Some(")"));
                    }
                    return self.function(name);
                }
            }
            simple.words.push(word);
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return self.unexpected(None);
        }
        Ok(Arc::new(Command::Simple(simple)))
    }

    fn function(&mut self, name: String) -> Result<Node> {
        self.newlines()?;
        Ok(Arc::new(Command::Function(name, self.deeper(Parser::command)?)))
    }

    /// `name=`, which is taken.
    fn assignment(&mut self) -> Option<String> {
        self.blanks();
        let rest = &self.chars[self.at..];
        let length = rest.iter().position(|c| *c == '=')?;
        let name: String = rest[..length].iter().collect();
        is_name(&name).then(|| {
            self.at += length + 1;
            name
        })
    }

    /// A redirection, if one is next: two for `>&file` of both streams.
    fn redirect(&mut self) -> Result<Option<Vec<Redirect>>> {
        self.blanks();
        let start = self.at;
        let digit = self.peek().and_then(|c| c.to_digit(10));
        if digit.is_some() {
            self.at += 1;
        }
        let operator = match self.operator() {
            Some(operator) if operator.starts_with(['<', '>']) || (digit.is_none() && operator.starts_with("&>")) => {
                operator
            }
            _ => {
                self.at = start;
                return Ok(None);
            }
        };
        self.at += operator.len();
        self.blanks();
        let fd = digit.map_or(usize::from(operator.starts_with(['>', '&'])), |digit| digit as usize);
        if operator.starts_with("<<") {
            let start = self.at;
            if self.word()?.is_none() {
                return self.unexpected(None);
            }
            let written: String = self.chars[start..self.at].iter().collect();
            let quoted = written.contains(['\'', '"', '\\']);
            let delimiter = written.replace(['\'', '"', '\\'], "");
            let text = Arc::new(OnceLock::new());
            self.here.push(Here { delimiter, quoted, tabs: operator == "<<-", text: text.clone() });
            return Ok(Some(vec![Redirect { fd, target: Target::Here(text) }]));
        }
        let Some(word) = self.word()? else { return self.unexpected(None) };
        let target = match operator {
            "<" | "<>" => Target::Read(word),
            ">>" => Target::Append(word),
            "<&" | ">&" => Target::Duplicate(word),
            "&>" | "&>>" => Target::Both(word, operator == "&>>"),
            _ => Target::Write(word),
        };
        Ok(Some(vec![Redirect { fd, target }]))
    }
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}
pub(super) fn is_meta(c: char) -> bool {
    matches!(c, '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
