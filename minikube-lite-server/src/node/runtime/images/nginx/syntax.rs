//! The grammar of nginx's configuration: directives of words, ended by `;` or by a block of further directives.

/// A directive with what is in its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    pub name: String,
    pub args: Vec<String>,
    /// `None` for one that ends with `;`.
    pub block: Option<Vec<Directive>>,
    pub file: String,
    pub line: usize,
}

/// A mistake and where it is. Shown as nginx does: `unexpected "}" in /etc/nginx/nginx.conf:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub message: String,
    pub file: String,
    pub line: usize,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.message),
            line => write!(f, "{} in {}:{line}", self.message, self.file),
        }
    }
}

impl Directive {
    /// The first argument; empty without.
    pub fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }
    /// What is in its block.
    pub fn body(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), file: self.file.clone(), line: self.line }
    }
}

/// How deep blocks may nest.
const DEPTH: usize = 16;

struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    file: &'a str,
    line: usize,
}

#[derive(PartialEq, Eq)]
enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
    End,
}

/// Reads a file's text.
///
/// # Errors
/// The first mistake.
pub fn parse(file: &str, text: &str) -> Result<Vec<Directive>, Mistake> {
    let mut parser = Parser { rest: text.chars().peekable(), file, line: 1 };
    parser.directives(0)
}

impl Parser<'_> {
    fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), file: self.file.to_string(), line: self.line }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        loop {
            match self.rest.peek() {
                None => return Ok(Token::End),
                Some('#') => while self.next().is_some_and(|c| c != '\n') {},
                Some(c) if c.is_whitespace() => drop(self.next()),
                Some(_) => break,
            }
        }
        Ok(match self.next() {
            Some(';') => Token::Semicolon,
            Some('{') => Token::Open,
            Some('}') => Token::Close,
            Some(quote @ ('"' | '\'')) => Token::Word(self.quoted(quote)?),
            Some(first) => Token::Word(self.word(first)),
            None => Token::End,
        })
    }

    fn quoted(&mut self, quote: char) -> Result<String, Mistake> {
        let mut word = String::new();
        loop {
            match self.next() {
                None => return Err(self.mistake("unexpected end of file, expecting \";\" or \"}\"")),
                Some('\\') => word.extend(self.escaped()),
                Some(c) if c == quote => return Ok(word),
                Some(c) => word.push(c),
            }
        }
    }

    /// What a backslash and the next letter mean. Others than these keep the backslash.
    fn escaped(&mut self) -> Vec<char> {
        match self.next() {
            Some('n') => vec!['\n'],
            Some('t') => vec!['\t'],
            Some('r') => vec!['\r'],
            Some(c @ ('"' | '\'' | '\\')) => vec![c],
            Some(c) => vec!['\\', c],
            None => vec!['\\'],
        }
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::new();
        match first {
            '\\' => word.extend(self.escaped()),
            first => word.push(first),
        }
        while let Some(&c) = self.rest.peek() {
            match c {
                '{' if word.ends_with('$') => {}
                ';' | '{' => break,
                c if c.is_whitespace() => break,
                _ => {}
            }
            self.next();
            match c {
                '\\' => word.extend(self.escaped()),
                c => word.push(c),
            }
        }
        word
    }

    fn directives(&mut self, depth: usize) -> Result<Vec<Directive>, Mistake> {
        let mut directives = Vec::new();
        loop {
            match self.token()? {
                Token::End if depth == 0 => return Ok(directives),
                Token::End => return Err(self.mistake("unexpected end of file, expecting \"}\"")),
                Token::Close if depth > 0 => return Ok(directives),
                Token::Close => return Err(self.mistake("unexpected \"}\"")),
                Token::Open => return Err(self.mistake("unexpected \"{\"")),
                Token::Semicolon => return Err(self.mistake("unexpected \";\"")),
                Token::Word(name) => directives.push(self.directive(name, depth)?),
            }
        }
    }

    fn directive(&mut self, name: String, depth: usize) -> Result<Directive, Mistake> {
        let line = self.line;
        let mut args = Vec::new();
        let block = loop {
            match self.token()? {
                Token::Word(word) => args.push(word),
                Token::Semicolon => break None,
                Token::Open if depth < DEPTH => break Some(self.directives(depth + 1)?),
                Token::Open => return Err(self.mistake("blocks are nested too deep")),
                Token::Close => return Err(self.mistake("unexpected \"}\"")),
                Token::End => return Err(self.mistake("unexpected end of file, expecting \";\" or \"}\"")),
            }
        };
        Ok(Directive { name, args, block, file: self.file.to_string(), line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_have_words_and_blocks() {
        let text = "# all\nserver {\n  listen 80; # the port\n  location ~ \\.php$ { return 200 \"a; \\\"b\\\"\\n\"; }\n  set ${x}y 'c d';\n}\n";
        let found = parse("f", text).unwrap();
        let [server] = found.as_slice() else { panic!("{found:?}") };
        let [listen, location, set] = server.body() else { panic!("{server:?}") };
        assert_eq!((listen.name.as_str(), listen.arg(), listen.line), ("listen", "80", 3));
        assert_eq!(location.args, ["~", "\\.php$"]);
        assert_eq!(location.body()[0].args, ["200", "a; \"b\"\n"]);
        assert_eq!(set.args, ["${x}y", "c d"]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, expected) in [
            ("a;\n}", "unexpected \"}\" in f:2"),
            ("http {\n a;", "unexpected end of file, expecting \"}\" in f:2"),
            ("a b\n", "unexpected end of file, expecting \";\" or \"}\" in f:2"),
            ("http {\n listen 80\n}", "unexpected \"}\" in f:3"),
            ("a \"b", "unexpected end of file, expecting \";\" or \"}\" in f:1"),
            (";", "unexpected \";\" in f:1"),
        ] {
            assert_eq!(parse("f", text).unwrap_err().to_string(), expected, "{text:?}");
        }
        assert!(parse("f", &"a {".repeat(1000)).is_err());
    }
}
