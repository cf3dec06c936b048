//! JSON to YAML.

use super::resolve::needs_quotes;
use crate::json::{CompactString, Value};
use crate::number::format_general;
use crate::sort::sort_by;

/// Folds text at the first space beyond this column.
const WIDTH: usize = 80;
/// A longer key is written with `? `.
const SIMPLE_KEY: usize = 128;

/// Writes a value as Kubernetes does, with a final newline.
pub fn to_yaml(value: &Value) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0 };
    emitter.node(value, -2, Place::Top);
    if emitter.column > 0 {
        emitter.line(0);
    }
    emitter.out
}

/// Where a node stands, which decides whether it continues the line.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Top,
    /// After `- ` or `? `: a collection begins on the same line.
    Item,
    /// After `key:`.
    Value,
}

struct Emitter {
    out: String,
    /// The column of the next character.
    column: usize,
}

impl Emitter {
    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
    fn text(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }
    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.column = 0;
        self.indent(indent);
    }
    fn indent(&mut self, indent: usize) {
        while self.column < indent {
            self.put(' ');
        }
    }
    /// Goes to the start of an entry of a collection.
    fn start_entry(&mut self, indent: usize, first: bool, place: Place) {
        match place {
            Place::Item if first => self.put(' '),
            Place::Value if first => self.line(indent),
            _ if self.column > 0 => self.line(indent),
            _ => self.indent(indent),
        }
    }

    /// `indent` is that of the collection the node is part of, -2 outside of any.
    fn node(&mut self, value: &Value, indent: isize, place: Place) {
        let inner = (indent + 2) as usize;
        match value {
            Value::Array(items) if !items.is_empty() => {
                // A list below a key keeps the key's indentation.
                let at = if place == Place::Value { indent.max(0) as usize } else { inner };
                for (number, item) in items.iter().enumerate() {
                    self.start_entry(at, number == 0, place);
                    self.put('-');
                    self.node(item, at as isize, Place::Item);
                }
            }
            Value::Object(map) if !map.is_empty() => {
                let pairs: Vec<(&CompactString, &Value)> = map.iter().collect();
                let pairs = sort_by(pairs, &mut |a, b| natural_order(a.0, b.0));
                for (number, (key, value)) in pairs.into_iter().enumerate() {
                    self.start_entry(inner, number == 0, place);
                    let place = self.key(key, inner);
                    self.node(value, inner as isize, place);
                }
            }
            _ => {
                if place != Place::Top {
                    self.put(' ');
                }
                self.scalar(value, inner);
            }
        }
    }

    /// Writes a key with its `:` and says how its value stands.
    fn key(&mut self, key: &str, indent: usize) -> Place {
        let simple = key.len() <= SIMPLE_KEY && !key.contains('\n');
        if simple {
            self.string(key, indent, true);
        } else {
            self.text("? ");
            self.string(key, indent + 2, false);
            if self.column > 0 { self.line(indent) } else { self.indent(indent) }
        }
        self.put(':');
        if simple { Place::Value } else { Place::Item }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.text("null"),
            Value::Bool(flag) => self.text(if *flag { "true" } else { "false" }),
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() => self.text(&format_general(float, false)),
                _ => self.text(&number.to_string()),
            },
            Value::String(text) => self.string(text, indent, false),
            Value::Array(_) => self.text("[]"),
            Value::Object(_) => self.text("{}"),
        }
    }

    /// `indent` is that of further lines. A key takes none.
    fn string(&mut self, text: &str, indent: usize, key: bool) {
        let form = Form::of(text);
        if text.contains('\n') {
            if form.block && !key { self.literal(text, indent) } else { self.double_quoted(text, indent, key) }
        } else if needs_quotes(text) {
            self.double_quoted(text, indent, key);
        } else if form.plain {
            self.folded(text, false, indent, key);
        } else if form.single_quoted {
            self.put('\'');
            self.folded(&text.replace('\'', "''"), true, indent, key);
            self.put('\'');
        } else {
            self.double_quoted(text, indent, key);
        }
    }

    fn folded(&mut self, text: &str, quoted: bool, indent: usize, key: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, c) in chars.iter().enumerate() {
            let next_is_space = chars.get(at + 1) == Some(&' ');
            let inside = !quoted || (at > 0 && at + 1 < chars.len());
            if *c == ' ' && !key && !after_space && self.column > WIDTH && inside && !next_is_space {
                self.line(indent);
            } else {
                self.put(*c);
            }
            after_space = *c == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.put('"');
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, c) in chars.iter().enumerate() {
            if !is_printable(*c) || is_break(*c) || matches!(c, '"' | '\\' | '\u{feff}') {
                self.text(&escape(*c));
                after_space = false;
            } else if *c == ' ' {
                if !key && !after_space && self.column > WIDTH && at > 0 && at + 1 < chars.len() {
                    self.line(indent);
                    if chars[at + 1] == ' ' {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                self.put(*c);
                after_space = false;
            }
        }
        self.put('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with([' ', '\n']) {
            self.put('2');
        }
        match text.strip_suffix('\n') {
            None => self.put('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.put('+'),
            Some(_) => {}
        }
        self.line(0);
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.indent(indent);
            }
            match line.strip_suffix('\n') {
                Some(content) => {
                    self.text(content);
                    self.line(0);
                }
                None => self.text(line),
            }
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn escape(c: char) -> String {
    match c {
        '\0' => "\\0".into(),
        '\u{7}' => "\\a".into(),
        '\u{8}' => "\\b".into(),
        '\t' => "\\t".into(),
        '\n' => "\\n".into(),
        '\u{b}' => "\\v".into(),
        '\u{c}' => "\\f".into(),
        '\r' => "\\r".into(),
        '\u{1b}' => "\\e".into(),
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\u{85}' => "\\N".into(),
        '\u{2028}' => "\\L".into(),
        '\u{2029}' => "\\P".into(),
        c if (c as u32) < 0x100 => format!("\\x{:02X}", c as u32),
        c if (c as u32) < 0x10000 => format!("\\u{:04X}", c as u32),
        c => format!("\\U{:08X}", c as u32),
    }
}

/// The ways in which a text may be written without changing it.
struct Form {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Form {
    fn of(text: &str) -> Form {
        let mut form = Form { plain: !text.is_empty(), single_quoted: true, block: !text.is_empty() };
        if text.starts_with("---")
            || text.starts_with("...")
            || text.starts_with([' ', '\n'])
            || text.ends_with([' ', '\n'])
        {
            form.plain = false;
        }
        if text.ends_with(' ') {
            form.block = false;
        }
        let is_white = |c: Option<char>| c.is_none_or(|c| c == ' ' || c == '\t' || is_break(c));
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let white_follows = is_white(chars.peek().copied());
            let indicator = match (before, c) {
                (None, c) if "#,[]{}&*!|>'\"%@`".contains(c) => true,
                (None, '?' | ':' | '-') | (Some(_), ':') => white_follows,
                (Some(_), '#') => is_white(before),
                _ => false,
            };
            if indicator || is_break(c) {
                form.plain = false;
            }
            if before.is_some_and(is_break) && c == ' ' {
                form.plain = false;
                form.single_quoted = false;
            }
            if !is_printable(c) || (before == Some(' ') && is_break(c)) {
                form = Form { plain: false, single_quoted: false, block: false };
            }
            before = Some(c);
        }
        form
    }
}

/// Numbers inside keys count as numbers, and letters come after everything else: `a2` before `a10`, `a-b` before `ab`.
fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Zeros inside a number count; zeros that lead it do not.
    let inside =
        (a[at] == '0' || b[at] == '0') && a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let number = |chars: &[char]| {
        let digits = chars[at..].iter().take_while(|c| c.is_ascii_digit());
        let value = digits.clone().filter_map(|c| c.to_digit(10));
        (value.fold(i64::from(inside), |n, d| n.wrapping_mul(10).wrapping_add(i64::from(d))), digits.count())
    };
    number(&a).cmp(&number(&b)).then(a[at].cmp(&b[at]))
}
