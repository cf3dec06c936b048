//! Reads awk programs: patterns and actions without user functions and getline.

/// How deep expressions and statements may be nested.
const DEPTH: usize = 40;

#[derive(Debug, Clone)]
pub enum Expr {
    Number(f64),
    Text(String),
    /// Matched against `$0` where it stands alone.
    Regex(String),
    Variable(String),
    Element(String, Vec<Expr>),
    Field(Box<Expr>),
    Assign(Box<Expr>, Option<&'static str>, Box<Expr>),
    /// The change, and whether the value is that before it.
    Step(Box<Expr>, f64, bool),
    Unary(char, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    In(Vec<Expr>, String),
    Call(String, Vec<Expr>),
}

#[derive(Debug)]
pub enum Statement {
    Print(Vec<Expr>),
    Printf(Vec<Expr>),
    Value(Expr),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    For(Box<Statement>, Option<Expr>, Box<Statement>, Box<Statement>),
    ForIn(String, String, Box<Statement>),
    Block(Vec<Statement>),
    Delete(String, Vec<Expr>),
    Next,
    Exit(Option<Expr>),
    Break,
    Continue,
}

#[derive(Debug)]
pub enum Pattern {
    Begin,
    End,
    Every,
    If(Expr),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name with `(` right behind it.
    Call(String),
    Sign(&'static str),
    End,
}

/// Reads a program.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<(Pattern, Statement)>, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, in_print: false };
    let mut rules = Vec::new();
    loop {
        parser.ends();
        if *parser.peek() == Token::End {
            return Ok(rules);
        }
        let pattern = match parser.peek() {
            Token::Name(name) if name == "BEGIN" => {
                parser.at += 1;
                Pattern::Begin
            }
            Token::Name(name) if name == "END" => {
                parser.at += 1;
                Pattern::End
            }
            Token::Name(name) if name == "function" => return Err("functions are not supported".into()),
            Token::Sign("{") => Pattern::Every,
            _ => Pattern::If(parser.expression()?),
        };
        let action =
            if *parser.peek() == Token::Sign("{") { parser.statement()? } else { Statement::Print(Vec::new()) };
        rules.push((pattern, action));
    }
}

const SIGNS: &[&str] = &[
    "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "!~", "{", "}", "(", ")", "[", "]",
    ";", "\n", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "~", "?", ":", "=", "$",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        let length_of = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        match c {
            ' ' | '\t' | '\r' => rest = &rest[1..],
            '\\' if rest.starts_with("\\\n") => rest = &rest[2..],
            '#' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            '"' => {
                let (value, after) = quoted(&rest[1..], '"').ok_or("unterminated string")?;
                tokens.push(Token::Text(value));
                rest = after;
            }
            // A slash after a value divides.
            '/' if !matches!(
                tokens.last(),
                Some(Token::Number(_) | Token::Text(_) | Token::Name(_) | Token::Sign(")" | "]" | "++" | "--"))
            ) =>
            {
                let mut end = None;
                let mut escaped = false;
                for (at, c) in rest.char_indices().skip(1) {
                    if c == '/' && !escaped {
                        end = Some(at);
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
                let end = end.ok_or("unterminated regular expression")?;
                tokens.push(Token::Regex(rest[1..end].replace("\\/", "/")));
                rest = &rest[end + 1..];
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let mut length = length_of(|c| c.is_ascii_digit() || c == '.');
                // `1e6`, `2.5e-3`
                if let Some(exponent) = rest[length..].strip_prefix(['e', 'E']) {
                    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                    let count = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                    if count > 0 {
                        length += 1 + exponent.len() - digits.len() + count;
                    }
                }
                tokens.push(Token::Number(rest[..length].parse().map_err(|_| "bad number")?));
                rest = &rest[length..];
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let length = length_of(|c| c.is_ascii_alphanumeric() || c == '_');
                let name = rest[..length].to_string();
                rest = &rest[length..];
                let calls = rest.starts_with('(')
                    && !matches!(name.as_str(), "if" | "while" | "for" | "in" | "print" | "printf" | "exit" | "delete");
                tokens.push(if calls { Token::Call(name) } else { Token::Name(name) });
            }
            c => {
                let sign =
                    SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or_else(|| format!("unexpected '{c}'"))?;
                tokens.push(Token::Sign(sign));
                rest = &rest[sign.len()..];
            }
        }
    }
    tokens.push(Token::End);
    Ok(tokens)
}

fn quoted(text: &str, end: char) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                c @ ('"' | '\\' | '/') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c if c == end => return Some((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

/// The binary operators, those that bind least first; concatenation stands between the comparisons and `+`.
const LEVELS: &[&[&str]] =
    &[&["||"], &["&&"], &["~", "!~"], &["==", "!=", "<=", ">=", "<", ">"], &[" "], &["+", "-"], &["*", "/", "%"]];

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// In the arguments of `print`, where `>` compares nothing.
    in_print: bool,
}

type Result<T, E = String> = std::result::Result<T, E>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }
    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(other) if *other == sign);
        self.at += usize::from(found);
        found
    }
    fn eat_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(other) if other == name);
        self.at += usize::from(found);
        found
    }
    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.eat(sign) { Ok(()) } else { Err(format!("expected '{sign}'")) }
    }
    fn name(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err("expected a name".into()),
        }
    }
    fn ends(&mut self) {
        while self.eat(";") || self.eat("\n") {}
    }
    fn newlines(&mut self) {
        while self.eat("\n") {}
    }
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return Err("nested too deep".into());
        }
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn statement(&mut self) -> Result<Statement> {
        self.deeper(Parser::one_statement)
    }

    fn body(&mut self) -> Result<Box<Statement>> {
        self.newlines();
        if self.eat(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    fn one_statement(&mut self) -> Result<Statement> {
        if self.eat("{") {
            let mut statements = Vec::new();
            loop {
                self.ends();
                if self.eat("}") {
                    return Ok(Statement::Block(statements));
                }
                if *self.peek() == Token::End {
                    return Err("expected '}'".into());
                }
                statements.push(self.statement()?);
            }
        }
        if self.eat_name("if") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            let yes = self.body()?;
            let before = self.at;
            self.ends();
            if self.eat_name("else") {
                return Ok(Statement::If(condition, yes, Some(self.body()?)));
            }
            self.at = before;
            return Ok(Statement::If(condition, yes, None));
        }
        if self.eat_name("while") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            return Ok(Statement::While(condition, self.body()?));
        }
        if self.eat_name("for") {
            return self.iteration();
        }
        let statement = self.simple()?;
        if !matches!(self.peek(), Token::Sign(";" | "\n" | "}") | Token::End) {
            return Err("unexpected token".into());
        }
        Ok(statement)
    }

    fn iteration(&mut self) -> Result<Statement> {
        self.expect("(")?;
        if let (Token::Name(key), Some(Token::Name(word)), Some(Token::Name(array)), Some(Token::Sign(")"))) = (
            self.peek().clone(),
            self.tokens.get(self.at + 1),
            self.tokens.get(self.at + 2).cloned(),
            self.tokens.get(self.at + 3),
        ) && word == "in"
        {
            self.at += 4;
            return Ok(Statement::ForIn(key, array, self.body()?));
        }
        let empty = || Statement::Block(Vec::new());
        let first = if *self.peek() == Token::Sign(";") { empty() } else { self.simple()? };
        self.expect(";")?;
        let condition = if *self.peek() == Token::Sign(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        let step = if *self.peek() == Token::Sign(")") { empty() } else { self.simple()? };
        self.expect(")")?;
        Ok(Statement::For(Box::new(first), condition, Box::new(step), self.body()?))
    }

    fn simple(&mut self) -> Result<Statement> {
        let starts_nothing = |token: &Token| matches!(token, Token::Sign(";" | "\n" | "}") | Token::End);
        for (name, formats) in [("print", false), ("printf", true)] {
            if self.eat_name(name) {
                let mut arguments = Vec::new();
                self.in_print = true;
                // Parentheses around all of the arguments mean nothing.
                let before = self.at;
                if self.eat("(") {
                    arguments = self.arguments(")")?;
                    if !starts_nothing(self.peek()) {
                        self.at = before;
                        arguments.clear();
                    }
                }
                if arguments.is_empty() && !starts_nothing(self.peek()) {
                    arguments.push(self.expression()?);
                    while self.eat(",") {
                        arguments.push(self.expression()?);
                    }
                }
                self.in_print = false;
                if matches!(self.peek(), Token::Sign(">")) {
                    return Err("redirections are not supported".into());
                }
                return Ok(if formats { Statement::Printf(arguments) } else { Statement::Print(arguments) });
            }
        }
        if self.eat_name("next") {
            return Ok(Statement::Next);
        }
        if self.eat_name("break") {
            return Ok(Statement::Break);
        }
        if self.eat_name("continue") {
            return Ok(Statement::Continue);
        }
        if self.eat_name("exit") {
            let code = if starts_nothing(self.peek()) { None } else { Some(self.expression()?) };
            return Ok(Statement::Exit(code));
        }
        if self.eat_name("delete") {
            let array = self.name()?;
            let keys = if self.eat("[") { self.arguments("]")? } else { Vec::new() };
            return Ok(Statement::Delete(array, keys));
        }
        Ok(Statement::Value(self.expression()?))
    }

    fn arguments(&mut self, end: &str) -> Result<Vec<Expr>> {
        let mut arguments = Vec::new();
        let in_print = std::mem::take(&mut self.in_print);
        if !self.eat(end) {
            loop {
                self.newlines();
                arguments.push(self.expression()?);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(end)?;
        }
        self.in_print = in_print;
        Ok(arguments)
    }

    fn expression(&mut self) -> Result<Expr> {
        self.deeper(Parser::assignment)
    }

    fn assignment(&mut self) -> Result<Expr> {
        let left = self.conditional()?;
        if !matches!(left, Expr::Variable(_) | Expr::Element(..) | Expr::Field(_)) {
            return Ok(left);
        }
        for (sign, binary) in
            [("=", None), ("+=", Some("+")), ("-=", Some("-")), ("*=", Some("*")), ("/=", Some("/")), ("%=", Some("%"))]
        {
            if self.eat(sign) {
                return Ok(Expr::Assign(Box::new(left), binary, Box::new(self.expression()?)));
            }
        }
        Ok(left)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.expression()?;
        self.expect(":")?;
        Ok(Expr::Conditional(Box::new(condition), Box::new(yes), Box::new(self.expression()?)))
    }

    fn binary(&mut self, level: usize) -> Result<Expr> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            if level == 0 && self.eat_name("in") {
                left = Expr::In(vec![left], self.name()?);
                continue;
            }
            let sign = match self.peek() {
                // Values side by side are joined.
                Token::Number(_) | Token::Text(_) | Token::Call(_) | Token::Sign("$" | "(" | "!")
                    if signs[0] == " " =>
                {
                    " "
                }
                Token::Name(name) if signs[0] == " " && name != "in" => " ",
                Token::Sign(">") if self.in_print => return Ok(left),
                Token::Sign(sign) if signs.contains(sign) => {
                    let sign = *sign;
                    self.at += 1;
                    self.newlines();
                    sign
                }
                _ => return Ok(left),
            };
            left = Expr::Binary(sign, Box::new(left), Box::new(self.binary(level + 1)?));
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        for sign in ["!", "-", "+"] {
            if self.eat(sign) {
                let operand = self.deeper(Parser::unary)?;
                return Ok(Expr::Unary(sign.as_bytes()[0] as char, Box::new(operand)));
            }
        }
        let base = self.stepped()?;
        if self.eat("^") {
            return Ok(Expr::Binary("^", Box::new(base), Box::new(self.deeper(Parser::unary)?)));
        }
        Ok(base)
    }

    fn stepped(&mut self) -> Result<Expr> {
        for (sign, step) in [("++", 1.0), ("--", -1.0)] {
            if self.eat(sign) {
                return Ok(Expr::Step(Box::new(self.deeper(Parser::primary)?), step, false));
            }
        }
        let value = self.primary()?;
        if matches!(value, Expr::Variable(_) | Expr::Element(..) | Expr::Field(_)) {
            for (sign, step) in [("++", 1.0), ("--", -1.0)] {
                if self.eat(sign) {
                    return Ok(Expr::Step(Box::new(value), step, true));
                }
            }
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr> {
        let token = self.peek().clone();
        self.at += 1;
        Ok(match token {
            Token::Number(number) => Expr::Number(number),
            Token::Text(text) => Expr::Text(text),
            Token::Regex(regex) => Expr::Regex(regex),
            Token::Sign("$") => {
                let minus = self.eat("-");
                let field = self.deeper(Parser::primary)?;
                Expr::Field(Box::new(if minus { Expr::Unary('-', Box::new(field)) } else { field }))
            }
            Token::Sign("(") => {
                let mut inner = self.arguments(")")?;
                if self.eat_name("in") {
                    return Ok(Expr::In(inner, self.name()?));
                }
                match (inner.pop(), inner.is_empty()) {
                    (Some(inner), true) => inner,
                    _ => return Err("unexpected ','".into()),
                }
            }
            Token::Call(name) => {
                self.expect("(")?;
                Expr::Call(name, self.arguments(")")?)
            }
            Token::Name(name) if self.eat("[") => Expr::Element(name, self.arguments("]")?),
            Token::Name(name) if name == "length" => Expr::Call(name, Vec::new()),
            Token::Name(name) if name == "getline" => return Err("getline is not supported".into()),
            Token::Name(name) => Expr::Variable(name),
            Token::Sign("\n") => return Err("unexpected newline".into()),
            Token::Sign(sign) => return Err(format!("unexpected '{sign}'")),
            Token::End => return Err("unexpected end of program".into()),
        })
    }
}
