//! The grammar of the shell (POSIX sh, chapter 2, without functions, case and here-documents).

/// A command.
#[derive(Debug)]
pub enum Command {
    Simple {
        words: Vec<Word>,
        redirects: Vec<Redirect>,
    },
    Pipeline(Vec<Command>),
    Not(Box<Command>),
    /// The first command, and each further one with what it comes after: `true` for `&&`, `false` for `||`.
    AndOr(Box<Command>, Vec<(bool, Command)>),
    Sequence(Vec<Command>),
    Background(Box<Command>),
    Subshell(Box<Command>),
    If {
        arms: Vec<(Command, Command)>,
        otherwise: Option<Box<Command>>,
    },
    While {
        condition: Box<Command>,
        until: bool,
        body: Box<Command>,
    },
    For {
        variable: String,
        items: Vec<Word>,
        body: Box<Command>,
    },
}

/// `> target`, `2>> target`, `< target`.
#[derive(Debug)]
pub struct Redirect {
    /// 0 input, 1 output, 2 errors.
    pub stream: u8,
    pub append: bool,
    /// `2>&1` has the target `&1`.
    pub target: Word,
}

/// A word before expansion.
pub type Word = Vec<Part>;

#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    /// `$name`, `${name}`, `${name:-default}`. Split into words unless quoted.
    Variable {
        name: String,
        default: Option<String>,
        quoted: bool,
    },
    /// `$(script)`.
    Substitution {
        script: String,
        quoted: bool,
    },
    /// `$((expression))`.
    Arithmetic(String),
}

#[derive(Debug)]
enum Token {
    Word(Word),
    Operator(&'static str),
    /// The stream that is redirected, and whether it appends.
    Redirect(u8, bool),
}

/// How deep commands may be nested: a script must not be able to use up the stack.
const DEPTH: usize = 20;

/// Reads a script. `None` for a syntax error.
pub fn parse(script: &str) -> Option<Command> {
    let mut parser = Parser { tokens: tokens(script)?, at: 0, depth: 0 };
    let command = parser.list(&[])?;
    (parser.at == parser.tokens.len()).then_some(command)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn operator(&mut self, text: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Operator(op)) if *op == text);
        self.at += usize::from(is);
        is
    }
    /// The unquoted word that comes next, if it is one.
    fn plain(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => match word.as_slice() {
                [Part::Text(text)] => Some(text),
                _ => None,
            },
            Some(Token::Operator(op @ (")" | "}"))) => Some(op),
            _ => None,
        }
    }
    fn keyword(&mut self, text: &str) -> Option<()> {
        (self.plain() == Some(text)).then(|| self.at += 1)
    }
    fn skip_newlines(&mut self) {
        while self.operator("\n") || self.operator(";") {}
    }

    /// Commands up to one of the words in `ends`, which is left.
    fn list(&mut self, ends: &[&str]) -> Option<Command> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut commands = Vec::new();
        loop {
            self.skip_newlines();
            if self.at >= self.tokens.len() || self.plain().is_some_and(|word| ends.contains(&word)) {
                self.depth -= 1;
                return Some(Command::Sequence(commands));
            }
            let command = self.and_or()?;
            let background = self.operator("&");
            commands.push(if background { Command::Background(Box::new(command)) } else { command });
            let done = self.at >= self.tokens.len() || self.plain().is_some_and(|word| ends.contains(&word));
            if !(background || done || self.operator(";") || self.operator("\n")) {
                return None;
            }
        }
    }

    fn and_or(&mut self) -> Option<Command> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let and = self.operator("&&");
            if !and && !self.operator("||") {
                break;
            }
            self.skip_newlines();
            rest.push((and, self.pipeline()?));
        }
        Some(if rest.is_empty() { first } else { Command::AndOr(Box::new(first), rest) })
    }

    fn pipeline(&mut self) -> Option<Command> {
        let mut negated = false;
        while self.keyword("!").is_some() {
            negated = !negated;
        }
        let mut stages = vec![self.command()?];
        while self.operator("|") {
            self.skip_newlines();
            stages.push(self.command()?);
        }
        let pipeline = if stages.len() == 1 { stages.remove(0) } else { Command::Pipeline(stages) };
        Some(if negated { Command::Not(Box::new(pipeline)) } else { pipeline })
    }

    fn command(&mut self) -> Option<Command> {
        if self.operator("(") {
            let body = self.list(&[")"])?;
            return self.operator(")").then(|| Command::Subshell(Box::new(body)));
        }
        match self.plain() {
            Some("{") => {
                self.at += 1;
                let body = self.list(&["}"])?;
                self.keyword("}")?;
                Some(body)
            }
            Some("if") => self.conditional(),
            Some(word @ ("while" | "until")) => {
                let until = word == "until";
                self.at += 1;
                let condition = Box::new(self.list(&["do"])?);
                Some(Command::While { condition, until, body: self.body()? })
            }
            Some("for") => {
                self.at += 1;
                let variable = self.plain()?.to_string();
                self.at += 1;
                self.keyword("in")?;
                let mut items = Vec::new();
                while let Some(Token::Word(word)) = self.tokens.get(self.at) {
                    items.push(word.clone());
                    self.at += 1;
                }
                self.skip_newlines();
                Some(Command::For { variable, items, body: self.body()? })
            }
            Some("then" | "else" | "elif" | "fi" | "do" | "done" | ")" | "}") => None,
            _ => self.simple(),
        }
    }

    fn body(&mut self) -> Option<Box<Command>> {
        self.keyword("do")?;
        let body = self.list(&["done"])?;
        self.keyword("done")?;
        Some(Box::new(body))
    }

    fn conditional(&mut self) -> Option<Command> {
        let mut arms = Vec::new();
        let mut otherwise = None;
        self.keyword("if")?;
        loop {
            let condition = self.list(&["then"])?;
            self.keyword("then")?;
            arms.push((condition, self.list(&["elif", "else", "fi"])?));
            if self.keyword("elif").is_some() {
                continue;
            }
            if self.keyword("else").is_some() {
                otherwise = Some(Box::new(self.list(&["fi"])?));
            }
            self.keyword("fi")?;
            return Some(Command::If { arms, otherwise });
        }
    }

    fn simple(&mut self) -> Option<Command> {
        let (mut words, mut redirects) = (Vec::new(), Vec::new());
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Word(word)) => words.push(word.clone()),
                Some(Token::Redirect(stream, append)) => {
                    let (stream, append) = (*stream, *append);
                    self.at += 1;
                    let Some(Token::Word(target)) = self.tokens.get(self.at) else { return None };
                    redirects.push(Redirect { stream, append, target: target.clone() });
                }
                _ if words.is_empty() && redirects.is_empty() => return None,
                _ => return Some(Command::Simple { words, redirects }),
            }
            self.at += 1;
        }
    }
}

fn tokens(script: &str) -> Option<Vec<Token>> {
    let mut chars = script.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&c) = chars.peek() {
        match c {
            ' ' | '\t' | '\r' => {
                chars.next();
            }
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '\n' | ';' | '&' | '|' | '(' | ')' => {
                chars.next();
                let doubled = matches!(c, '&' | '|') && chars.next_if_eq(&c).is_some();
                tokens.push(Token::Operator(match (c, doubled) {
                    ('\n', _) => "\n",
                    (';', _) => ";",
                    ('&', false) => "&",
                    ('&', true) => "&&",
                    ('|', false) => "|",
                    ('|', true) => "||",
                    ('(', _) => "(",
                    _ => ")",
                }));
            }
            '>' | '<' => {
                chars.next();
                let append = c == '>' && chars.next_if_eq(&'>').is_some();
                tokens.push(Token::Redirect(u8::from(c == '>'), append));
                // `>&1`: the stream is a word of its own.
                if chars.next_if_eq(&'&').is_some() {
                    let digit = chars.next()?;
                    tokens.push(Token::Word(vec![Part::Text(format!("&{digit}"))]));
                }
            }
            _ => {
                let (word, quoted) = word(&mut chars)?;
                // `2>`: the digit before belongs to the redirection.
                match word.as_slice() {
                    [Part::Text(text)] if text == "2" && !quoted && chars.peek() == Some(&'>') => {
                        chars.next();
                        let append = chars.next_if_eq(&'>').is_some();
                        tokens.push(Token::Redirect(2, append));
                        if chars.next_if_eq(&'&').is_some() {
                            let digit = chars.next()?;
                            tokens.push(Token::Word(vec![Part::Text(format!("&{digit}"))]));
                        }
                    }
                    _ => tokens.push(Token::Word(word)),
                }
            }
        }
    }
    Some(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// A word and whether any of it was quoted.
fn word(chars: &mut Chars) -> Option<(Word, bool)> {
    let (mut parts, mut text, mut quoted) = (Vec::new(), String::new(), false);
    let flush = |text: &mut String, parts: &mut Word| {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text)));
        }
    };
    while let Some(&c) = chars.peek() {
        match c {
            ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
            '\'' => {
                chars.next();
                quoted = true;
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => text.push(c),
                    }
                }
                // An empty quoted string is a word all the same.
                flush(&mut text, &mut parts);
            }
            '"' => {
                chars.next();
                quoted = true;
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => text.push(c),
                            '\n' => {}
                            c => text.extend(['\\', c]),
                        },
                        '$' => {
                            flush(&mut text, &mut parts);
                            expansion(chars, &mut parts, &mut text, true)?;
                        }
                        c => text.push(c),
                    }
                }
            }
            '\\' => {
                chars.next();
                match chars.next() {
                    Some('\n') => {}
                    Some(c) => text.push(c),
                    None => text.push('\\'),
                }
            }
            '$' => {
                chars.next();
                flush(&mut text, &mut parts);
                expansion(chars, &mut parts, &mut text, false)?;
            }
            c => {
                chars.next();
                text.push(c);
            }
        }
    }
    flush(&mut text, &mut parts);
    if parts.is_empty() && quoted {
        parts.push(Part::Text(String::new()));
    }
    Some((parts, quoted))
}

/// What follows a `$`.
fn expansion(chars: &mut Chars, parts: &mut Word, text: &mut String, quoted: bool) -> Option<()> {
    match chars.peek() {
        Some('(') => {
            chars.next();
            let inner = balanced(chars)?;
            match inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                Some(expression) => parts.push(Part::Arithmetic(expression.to_string())),
                None => parts.push(Part::Substitution { script: inner, quoted }),
            }
        }
        Some('{') => {
            chars.next();
            let mut inner = String::new();
            loop {
                match chars.next()? {
                    '}' => break,
                    c => inner.push(c),
                }
            }
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name.to_string(), Some(default.to_string())),
                None => (inner, None),
            };
            parts.push(Part::Variable { name, default, quoted });
        }
        Some(c) if c.is_ascii_alphanumeric() || "_?$#@*!".contains(*c) => {
            let mut name = String::from(chars.next()?);
            if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
            parts.push(Part::Variable { name, default: None, quoted });
        }
        _ => text.push('$'),
    }
    Some(())
}

/// The text up to the parenthesis that closes one already read.
fn balanced(chars: &mut Chars) -> Option<String> {
    let (mut inner, mut open) = (String::new(), 1);
    loop {
        match chars.next()? {
            '(' => {
                open += 1;
                inner.push('(');
            }
            ')' if open == 1 => return Some(inner),
            ')' => {
                open -= 1;
                inner.push(')');
            }
            c => inner.push(c),
        }
    }
}
