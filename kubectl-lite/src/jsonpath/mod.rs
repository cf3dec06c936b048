//! Kubernetes' JSONPath dialect: text with expressions in braces (`{range .items[*]}{.metadata.name}{"\n"}{end}`), with
//! filters, unions, slices, wildcards and recursive descent. What it takes and how it fails follows the
//! documentation "JSONPath Support" and what `kubectl` does.

mod eval;
mod parse;

use shared_types::json::Value;

/// A piece of an expression. Each takes the values so far to new ones.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Text outside of braces, or a literal.
    Literal(Value),
    Field(String),
    Slice(Slice),
    Wildcard,
    Recursive,
    Union(Vec<Vec<Node>>),
    /// Elements of a list where something exists.
    Exists(Vec<Node>),
    /// Elements of a list where a comparison holds.
    Filter {
        left: Vec<Node>,
        operator: String,
        right: Vec<Node>,
    },
    /// `range`, `end`, or a word that means nothing.
    Word(String),
    /// An expression in braces.
    Action(Vec<Node>),
}

/// `[start:end:step]`, or a single index.
#[derive(Clone, Debug, Default, PartialEq)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    /// The end was not written: it is the one after the start.
    single: bool,
    step: Option<i64>,
}

/// A template that has been read.
#[derive(Clone, Debug)]
pub struct JsonPath {
    nodes: Vec<Node>,
    allow_missing: bool,
}

impl JsonPath {
    /// Reads a template. The error has `kubectl`'s words (`unclosed action`).
    pub fn parse(template: &str) -> Result<JsonPath, String> {
        Ok(JsonPath { nodes: parse::template(template)?, allow_missing: false })
    }

    /// Reads a path that may come without braces and first dot, as `--sort-by` and `custom-columns` take it.
    pub fn parse_relaxed(path: &str) -> Result<JsonPath, String> {
        JsonPath::parse(&relaxed(path)?)
    }

    /// Whether a field that is absent gives nothing instead of an error.
    pub fn allow_missing(mut self, allow: bool) -> JsonPath {
        self.allow_missing = allow;
        self
    }

    /// The values that each piece of the template gives for `data`.
    pub fn find<'a>(&'a self, data: &'a Value) -> Result<Vec<Vec<&'a Value>>, String> {
        eval::Evaluator::new(self.allow_missing, &self.nodes).run(data)
    }

    /// The template filled in for `data`: values of one piece joined by spaces, objects and lists as JSON.
    pub fn fill(&self, data: &Value) -> Result<String, String> {
        let mut text = String::new();
        for piece in self.find(data)? {
            for (number, value) in piece.iter().enumerate() {
                if number > 0 {
                    text.push(' ');
                }
                text.push_str(&eval::print(value));
            }
        }
        Ok(text)
    }
}

/// A path in the full form: `.a`, `a` and `{a}` become `{.a}`.
pub fn relaxed(path: &str) -> Result<String, String> {
    let wrong =
        "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'";
    if path.is_empty() {
        return Ok(String::new());
    }
    let inner = path.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(path);
    let inner = inner.strip_prefix('.').unwrap_or(inner);
    if inner.is_empty() || inner.contains(['{', '}']) {
        return Err(wrong.into());
    }
    Ok(format!("{{.{inner}}}"))
}

#[cfg(test)]
mod tests;
