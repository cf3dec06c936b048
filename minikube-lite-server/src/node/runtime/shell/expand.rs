//! Expansion: from the words of a script to arguments.

use super::arithmetic::{self, evaluate};
use super::pattern::{Pattern, escape, is_pattern};
use super::syntax::{Operation, Part, Word};
use super::variables::LONGEST;
use super::{Flavor, Shell};
use crate::node::runtime::files;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// What went wrong, to be told to the user; it ends the script.
pub type Result<T> = std::result::Result<T, String>;

/// The most words that one word may become, and the most bytes of all arguments.
const WORDS: usize = 100_000;

/// The longest value in which patterns are looked for, in bytes.
const TRIED: usize = 64 * 1024;

/// A field that is being made: its text, and the same as a pattern in which only what was not quoted has a meaning.
#[derive(Default)]
struct Field {
    text: String,
    pattern: String,
    /// It is a field even if it is empty.
    is_there: bool,
}

impl Field {
    fn push(&mut self, text: &str, quoted: bool) {
        self.text.push_str(text);
        if quoted {
            self.pattern.push_str(&escape(text));
            self.is_there = true;
        } else {
            self.pattern.push_str(text);
        }
    }
}

/// The fields that a word becomes.
#[derive(Default)]
struct Fields {
    done: Vec<Field>,
    open: Field,
}

impl Fields {
    fn end(&mut self) {
        let field = std::mem::take(&mut self.open);
        if field.is_there || !field.text.is_empty() {
            self.done.push(field);
        }
    }

    /// Adds the value of an expansion, split at the characters of IFS.
    fn split(&mut self, value: &str, separators: &str) {
        let mut text = String::new();
        let flush = |text: &mut String, open: &mut Field| {
            open.push(text, false);
            text.clear();
        };
        // Whether the last separator was blank or a word's end already.
        let mut ended = false;
        for c in value.chars() {
            if !separators.contains(c) {
                text.push(c);
                ended = false;
                continue;
            }
            flush(&mut text, &mut self.open);
            if c.is_ascii_whitespace() {
                self.end();
            } else {
                // Between two of these there is an empty field.
                if !ended {
                    self.open.is_there = true;
                }
                self.end();
                ended = false;
            }
        }
        flush(&mut text, &mut self.open);
    }
}

impl Shell {
    /// The arguments that words become.
    pub(super) async fn expand_words(&mut self, words: &[Word]) -> Result<Vec<String>> {
        let mut arguments = Vec::with_capacity(words.len());
        let mut size = 0;
        for word in words {
            if let [Part::Text(text)] = word.as_slice()
                && !text.starts_with('~')
                && !is_pattern(text)
            {
                arguments.push(text.clone());
                continue;
            }
            let mut fields = Fields::default();
            self.parts(word, &mut fields, true).await?;
            fields.end();
            for field in fields.done {
                size += field.text.len();
                if size > LONGEST || arguments.len() > WORDS {
                    return Err("Argument list too long".into());
                }
                match self.glob(&field) {
                    Some(paths) => arguments.extend(paths),
                    None => arguments.push(field.text),
                }
            }
        }
        Ok(arguments)
    }

    /// The text that a word becomes where it is not split.
    pub(super) async fn expand_text(&mut self, word: &[Part]) -> Result<String> {
        if let [Part::Text(text) | Part::Quoted(text)] = word
            && !text.starts_with('~')
        {
            return Ok(text.clone());
        }
        Ok(self.joined(word).await?.text)
    }

    /// The same as a pattern.
    pub(super) async fn expand_pattern(&mut self, word: &[Part]) -> Result<Pattern> {
        Ok(Pattern::new(&self.joined(word).await?.pattern))
    }

    /// The file name that a word becomes in a redirection.
    pub(super) async fn expand_path(&mut self, word: &[Part]) -> Result<String> {
        let field = self.joined(word).await?;
        Ok(match self.glob(&field) {
            Some(mut paths) if paths.len() == 1 => paths.remove(0),
            _ => field.text,
        })
    }

    async fn joined(&mut self, word: &[Part]) -> Result<Field> {
        let mut fields = Fields::default();
        self.parts(word, &mut fields, false).await?;
        let mut fields = fields.done.into_iter().chain([fields.open]);
        let mut whole = fields.next().unwrap_or_default();
        for field in fields {
            whole.push(" ", false);
            whole.text += &field.text;
            whole.pattern += &field.pattern;
        }
        Ok(whole)
    }

    fn parts<'a>(&'a mut self, word: &'a [Part], fields: &'a mut Fields, split: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.world.budget().clone().spend().await;
            for (index, part) in word.iter().enumerate() {
                match part {
                    Part::Text(text) if index == 0 && text.starts_with('~') => {
                        let (user, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
                        match (user, self.variables.get("HOME")) {
                            ("~", Some(home)) => fields.open.push(&home.clone(), true),
                            ("~" | "~root", _) => fields.open.push("/root", true),
                            _ => fields.open.push(user, false),
                        }
                        fields.open.push(rest, false);
                    }
                    Part::Text(text) => fields.open.push(text, false),
                    Part::Quoted(text) => fields.open.push(text, true),
                    Part::Parameter { name, operation, quoted } => {
                        self.parameter(name, operation, *quoted, fields, split).await?;
                    }
                    Part::Substitution { command, quoted } => {
                        let output = self.substitute(command.clone()).await?;
                        self.add(&output, *quoted, fields, split);
                    }
                    Part::Arithmetic { expression, quoted } => {
                        let expression = self.expand_text(expression).await?;
                        let value = self.evaluate(&expression)?.to_string();
                        self.add(&value, *quoted, fields, split);
                    }
                }
                if fields.open.text.len() > LONGEST {
                    return Err("out of memory".into());
                }
            }
            Ok(())
        })
    }

    /// Adds the value of an expansion.
    fn add(&self, value: &str, quoted: bool, fields: &mut Fields, split: bool) {
        if quoted || !split {
            fields.open.push(value, quoted);
            return;
        }
        let separators = self.variables.get("IFS").map_or(" \t\n", |ifs| ifs);
        fields.split(value, separators);
    }

    /// Works out an arithmetic expression.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<i64> {
        evaluate(expression, self)
    }

    async fn parameter(
        &mut self,
        name: &str,
        operation: &Operation,
        quoted: bool,
        fields: &mut Fields,
        split: bool,
    ) -> Result<()> {
        if let ("@" | "*", Operation::Get) = (name, operation) {
            self.all_arguments(name == "@", quoted, fields, split);
            return Ok(());
        }
        let value = self.value(name);
        let text = match operation {
            Operation::Default { kind, or_empty, word } => {
                let missing = value.as_ref().is_none_or(|value| *or_empty && value.is_empty());
                match kind {
                    '+' if missing => return Ok(()),
                    '+' => return self.parts(word, fields, split && !quoted).await,
                    '-' if missing => return self.parts(word, fields, split && !quoted).await,
                    '=' if missing => {
                        let text = self.expand_text(word).await?;
                        if !self.variables.set(name, &text) {
                            return Err(format!("{name}: is read only"));
                        }
                        text
                    }
                    '?' if missing => {
                        let text = self.expand_text(word).await?;
                        let usual = if *or_empty { "parameter not set or null" } else { "parameter not set" };
                        return Err(format!("{name}: {}", if text.is_empty() { usual } else { &text }));
                    }
                    _ => value.unwrap_or_default(),
                }
            }
            _ if value.is_none() && self.options.unset_is_error => {
                return Err(match self.flavor {
                    Flavor::Bash => format!("{name}: unbound variable"),
                    _ => format!("{name}: parameter not set"),
                });
            }
            Operation::Get => value.unwrap_or_default(),
            Operation::Length if matches!(name, "@" | "*") => self.arguments.len().to_string(),
            Operation::Length => value.unwrap_or_default().chars().count().to_string(),
            // Each place is tried, which is too much for long values.
            Operation::Trim { .. } | Operation::Replace { .. }
                if value.as_ref().is_some_and(|value| value.len() > TRIED) =>
            {
                return Err("out of memory".into());
            }
            Operation::Trim { suffix, longest, pattern } => {
                let pattern = self.expand_pattern(pattern).await?;
                trim(&value.unwrap_or_default(), &pattern, *suffix, *longest)
            }
            Operation::Replace { all, pattern, text } => {
                let pattern = self.expand_pattern(pattern).await?;
                let text = self.expand_text(text).await?;
                self.replace(&value.unwrap_or_default(), &pattern, &text, *all).await?
            }
            Operation::Substring { offset, length } => {
                let value: Vec<char> = value.unwrap_or_default().chars().collect();
                let offset = self.number(offset).await?;
                let start = if offset < 0 { value.len() as i64 + offset } else { offset };
                let start = usize::try_from(start).unwrap_or(0).min(value.len());
                let end = match length {
                    None => value.len() as i64,
                    Some(length) => match self.number(length).await? {
                        length if length < 0 => value.len() as i64 + length,
                        length => (start as i64).saturating_add(length),
                    },
                };
                let end = usize::try_from(end).unwrap_or(0).clamp(start, value.len());
                value[start..end].iter().collect()
            }
        };
        self.add(&text, quoted, fields, split);
        Ok(())
    }

    async fn number(&mut self, word: &[Part]) -> Result<i64> {
        let expression = self.expand_text(word).await?;
        self.evaluate(&expression)
    }

    /// `$@` and `$*`.
    fn all_arguments(&self, each: bool, quoted: bool, fields: &mut Fields, split: bool) {
        let arguments = self.arguments.clone();
        if quoted && !(each && split) {
            let separator = match self.variables.get("IFS") {
                Some(ifs) if !each => ifs.chars().next().map(String::from).unwrap_or_default(),
                _ => " ".into(),
            };
            fields.open.push(&arguments.join(&separator), true);
            return;
        }
        // An empty "$@" is no word, also between quotes.
        if quoted && arguments.is_empty() && fields.open.text.is_empty() {
            fields.open.is_there = false;
        }
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                fields.end();
            }
            self.add(argument, quoted, fields, split);
        }
    }

    /// The value of a variable or a special parameter.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        if let Ok(index) = name.parse::<usize>() {
            return match index {
                0 => Some(self.name.clone()),
                _ => self.arguments.get(index - 1).cloned(),
            };
        }
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(self.script_pid.to_string()),
            "#" => Some(self.arguments.len().to_string()),
            "@" | "*" => (!self.arguments.is_empty()).then(|| self.arguments.join(" ")),
            "!" => self.last_background.map(|pid| pid.to_string()),
            "-" => Some(self.flags()),
            "LINENO" => Some(self.line.to_string()),
            "PPID" => {
                let own = self.world.processes().into_iter().find(|process| process.pid == self.script_pid);
                Some(own.map_or(0, |process| process.parent).to_string())
            }
            _ => match self.variables.get(name) {
                Some(value) => Some(value.to_string()),
                None if name == "RANDOM" && self.flavor != Flavor::Dash => {
                    let purpose = format!("{}/RANDOM", self.world.hostname());
                    Some(self.world.environment().random(&purpose, |rng| rng.u16(..32768)).to_string())
                }
                None if name == "SECONDS" && self.flavor == Flavor::Bash => {
                    Some(self.started.elapsed().max(Duration::ZERO).as_secs().to_string())
                }
                None => None,
            },
        }
    }

    async fn replace(&self, value: &str, pattern: &Pattern, text: &str, all: bool) -> Result<String> {
        let chars: Vec<char> = value.chars().collect();
        let (mut result, mut at) = (String::new(), 0);
        'text: while at < chars.len() {
            self.world.budget().spend().await;
            for end in (at + 1..=chars.len()).rev() {
                if pattern.matches_chars(&chars[at..end]) {
                    result += text;
                    at = end;
                    if result.len() > LONGEST {
                        return Err("out of memory".into());
                    }
                    if all {
                        continue 'text;
                    }
                    result.extend(&chars[at..]);
                    return Ok(result);
                }
            }
            result.push(chars[at]);
            at += 1;
        }
        Ok(result)
    }

    /// The files that a field is a pattern of; `None` when there are none.
    fn glob(&self, field: &Field) -> Option<Vec<String>> {
        if self.options.no_glob || !is_pattern(&field.pattern) {
            return None;
        }
        let mut found = vec![String::new()];
        let absolute = field.pattern.starts_with('/');
        let parts: Vec<&str> = field.pattern.split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                found.iter_mut().for_each(|path| path.push('/'));
            }
            if (index == 0 && absolute) || part.is_empty() {
                continue;
            }
            let last = index + 1 == parts.len();
            if !is_pattern(part) {
                let plain = part.replace('\\', "");
                found.iter_mut().for_each(|path| path.push_str(&plain));
                if last {
                    found.retain(|path| self.world.files().link_stat(&files::absolute(&self.cwd, path)).is_ok());
                }
                continue;
            }
            let (pattern, hidden) = (Pattern::new(part), part.starts_with('.') || part.starts_with("\\."));
            let mut next = Vec::new();
            for path in &found {
                let directory = files::absolute(&self.cwd, path);
                for name in self.world.files().list(&directory).unwrap_or_default() {
                    let path = format!("{path}{name}");
                    let fits = (hidden || !name.starts_with('.')) && pattern.matches(&name);
                    if fits && (last || self.world.files().is_directory(&files::absolute(&self.cwd, &path))) {
                        next.push(path);
                    }
                    if next.len() > WORDS {
                        return None;
                    }
                }
            }
            found = next;
        }
        (!found.is_empty()).then_some(found)
    }
}

impl arithmetic::Variables for Shell {
    fn get(&self, name: &str) -> Option<String> {
        self.value(name)
    }
    fn set(&mut self, name: &str, value: String) -> bool {
        self.variables.set(name, &value)
    }
}

/// The value without the shortest or longest beginning or end that the pattern matches.
fn trim(value: &str, pattern: &Pattern, suffix: bool, longest: bool) -> String {
    let chars: Vec<char> = value.chars().collect();
    let length = chars.len();
    let fits = |size: &usize| {
        let part = if suffix { &chars[length - size..] } else { &chars[..*size] };
        pattern.matches_chars(part)
    };
    let size = if longest { (0..=length).rev().find(fits) } else { (0..=length).find(fits) };
    let size = size.unwrap_or(0);
    if suffix { chars[..length - size].iter().collect() } else { chars[size..].iter().collect() }
}
