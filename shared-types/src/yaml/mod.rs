//! YAML as Kubernetes reads and writes it: YAML 1.1 (`yes` is a boolean, `0777` is 511), turned into JSON, with the
//! messages and line numbers that its clients print; and back, in the one style that it writes (keys in natural order,
//! lists not indented below their key, long text folded at 80 columns).
//!
//! Nesting is bounded, and so is what aliases may expand to.

mod decode;
mod emit;
mod parse;
mod resolve;
mod scalar;
mod scan;

pub use emit::to_yaml;

use crate::json::Value;
use std::fmt;

/// Why a text is not YAML, or not YAML that JSON can express. The text is Kubernetes' own:
/// `error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    message: String,
}

impl YamlError {
    /// A problem at a line, which 0 leaves out.
    fn at(line: usize, problem: &str) -> YamlError {
        match line {
            0 => YamlError::syntax(problem),
            line => YamlError::syntax(&format!("line {line}: {problem}")),
        }
    }
    fn syntax(problem: &str) -> YamlError {
        YamlError { message: format!("yaml: {problem}") }
    }
    fn conversion(problem: &str) -> YamlError {
        YamlError { message: problem.into() }
    }
    /// The message without `error converting YAML to JSON: `, as those print it that read YAML alone (kubeconfig files).
    pub fn bare(&self) -> &str {
        &self.message
    }
}

impl std::error::Error for YamlError {}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error converting YAML to JSON: {}", self.message)
    }
}

/// A key that stands twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The line of the later value, from 1.
    pub line: usize,
    /// The key as messages quote it.
    pub key: String,
}

/// A document and what a strict reader has to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where a key stands twice, the later value.
    pub value: Value,
    pub duplicates: Vec<Duplicate>,
}

impl Document {
    /// The complaint of a strict reader: `yaml: unmarshal errors:` and a line for each key that stands twice.
    pub fn strict_error(&self) -> Option<YamlError> {
        if self.duplicates.is_empty() {
            return None;
        }
        let mut message = String::from("yaml: unmarshal errors:");
        for Duplicate { line, key } in &self.duplicates {
            message.push_str(&format!("\n  line {line}: key {key} already set in map"));
        }
        Some(YamlError { message })
    }
}

/// Whether a reader takes the unquoted text for a string.
pub fn is_plain_text(text: &str) -> bool {
    !resolve::needs_quotes(text)
}

/// Reads one document: the first of the text. A text without any is `null`.
pub fn parse_document(text: &str) -> Result<Document, YamlError> {
    let Some((tree, root)) = parse::Parser::document(text)? else {
        return Ok(Document { value: Value::Null, duplicates: Vec::new() });
    };
    let mut decoder = decode::Decoder::new(&tree);
    let value = decoder.value(root)?;
    Ok(Document { value, duplicates: decoder.duplicates })
}

/// Reads all documents of a text, those without content left out.
///
/// # Errors
/// The first document that is not YAML; lines count from that document's start, as everywhere in Kubernetes.
pub fn from_yaml(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut values = Vec::new();
    for part in documents(text) {
        let value = parse_document(part)?.value;
        if !value.is_null() {
            values.push(value);
        }
    }
    Ok(values)
}

/// Splits a text at its `---` lines (which nothing but a comment may follow), before any of it is read as YAML.
pub fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            let separates = line.strip_prefix("---").is_some_and(|after| {
                let after = after.trim();
                after.is_empty() || after.starts_with('#')
            });
            if separates && end > 0 {
                let part = &rest[..end];
                rest = &rest[end + line.len()..];
                return Some(part);
            }
            end += line.len();
        }
        Some(std::mem::take(&mut rest))
    })
}

#[cfg(test)]
mod tests;
