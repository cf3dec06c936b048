//! Patterns of the shell: `*`, `?` and `[...]`.

/// A pattern. A backslash takes the meaning from what follows it.
#[derive(Debug)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Char(char),
    Any,
    Many,
    Set { negated: bool, items: Vec<Item> },
}

#[derive(Debug)]
enum Item {
    Range(char, char),
    Class(fn(&char) -> bool),
}

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        let chars: Vec<char> = text.chars().collect();
        let (mut pieces, mut at) = (Vec::new(), 0);
        while at < chars.len() {
            match chars[at] {
                '*' => {
                    // Several are as good as one.
                    if !matches!(pieces.last(), Some(Piece::Many)) {
                        pieces.push(Piece::Many);
                    }
                }
                '?' => pieces.push(Piece::Any),
                '[' => match set(&chars[at + 1..]) {
                    Some((piece, length)) => {
                        pieces.push(piece);
                        at += length;
                    }
                    None => pieces.push(Piece::Char('[')),
                },
                '\\' if at + 1 < chars.len() => {
                    at += 1;
                    pieces.push(Piece::Char(chars[at]));
                }
                c => pieces.push(Piece::Char(c)),
            }
            at += 1;
        }
        Pattern(pieces)
    }

    /// Whether all of the text is as the pattern says.
    pub fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        self.matches_chars(&chars)
    }

    pub(super) fn matches_chars(&self, text: &[char]) -> bool {
        let (mut piece, mut at) = (0, 0);
        // Where the last `*` is, and how far it reaches: only that one can be wrong.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.0.get(piece), text.get(at)) {
                (None, None) => return true,
                (Some(Piece::Many), _) => {
                    star = Some((piece, at));
                    piece += 1;
                    continue;
                }
                (Some(Piece::Char(c)), Some(t)) => c == t,
                (Some(Piece::Any), Some(_)) => true,
                (Some(Piece::Set { negated, items }), Some(t)) => {
                    let found = items.iter().any(|item| match item {
                        Item::Range(from, to) => (from..=to).contains(&t),
                        Item::Class(class) => class(t),
                    });
                    found != *negated
                }
                _ => false,
            };
            if fits {
                piece += 1;
                at += 1;
                continue;
            }
            match star {
                Some((many, reach)) if reach < text.len() => {
                    star = Some((many, reach + 1));
                    piece = many + 1;
                    at = reach + 1;
                }
                _ => return false,
            }
        }
    }
}

/// Whether the text has anything that is more than itself.
pub fn is_pattern(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// The text as a pattern that matches only itself.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '-' | '!' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A set after its `[`, and how long it is with its `]`.
fn set(chars: &[char]) -> Option<(Piece, usize)> {
    let negated = matches!(chars.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let (first, mut items) = (at, Vec::new());
    loop {
        match chars.get(at)? {
            ']' if at > first => return Some((Piece::Set { negated, items }, at + 1)),
            '[' if chars.get(at + 1) == Some(&':') => {
                let length = chars[at + 2..].iter().position(|c| *c == ':')?;
                let name: String = chars[at + 2..at + 2 + length].iter().collect();
                items.push(Item::Class(class(&name)?));
                at += length + 4;
            }
            _ => {
                let take = |at: &mut usize| -> Option<char> {
                    if chars.get(*at) == Some(&'\\') {
                        *at += 1;
                    }
                    let c = chars.get(*at).copied();
                    *at += 1;
                    c
                };
                let from = take(&mut at)?;
                let to = match (chars.get(at), chars.get(at + 1)) {
                    (Some('-'), Some(end)) if *end != ']' => {
                        at += 1;
                        take(&mut at)?
                    }
                    _ => from,
                };
                items.push(Item::Range(from, to));
            }
        }
    }
}

fn class(name: &str) -> Option<fn(&char) -> bool> {
    Some(match name {
        "alpha" => |c| c.is_alphabetic(),
        "digit" => char::is_ascii_digit,
        "alnum" => |c| c.is_alphanumeric(),
        "upper" => |c| c.is_uppercase(),
        "lower" => |c| c.is_lowercase(),
        "space" => |c| c.is_whitespace(),
        "blank" => |c| matches!(c, ' ' | '\t'),
        "punct" => char::is_ascii_punctuation,
        "cntrl" => |c| c.is_control(),
        "xdigit" => char::is_ascii_hexdigit,
        "print" => |c| !c.is_control(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_shell_says() {
        for (pattern, yes, no) in [
            ("*", &["", "abc"][..], &[][..]),
            ("a*c", &["ac", "abc", "abcbc"], &["ab", "bc"]),
            ("*.txt", &["a.txt", ".txt"], &["a.txt2"]),
            ("?", &["x", "é"], &["", "xy"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
            ("[!a-c]", &["d"], &["a", ""]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[[:digit:]_]*", &["1", "_x"], &["a"]),
            ("\\*", &["*"], &["a"]),
            ("[", &["["], &["a"]),
            ("a**b*", &["ab", "axbx"], &["a"]),
        ] {
            for text in yes {
                assert!(Pattern::new(pattern).matches(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!Pattern::new(pattern).matches(text), "{pattern} {text}");
            }
            assert!(Pattern::new(&escape(pattern)).matches(pattern));
        }
    }
}
