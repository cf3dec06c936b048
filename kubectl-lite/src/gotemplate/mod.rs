//! Go's `text/template`, over JSON: actions, pipelines, variables, blocks and all built-in functions, with kubectl's
//! `base64decode` and `exists`. What it takes, prints and says about mistakes follows the documentation of
//! `text/template` and `fmt`.

mod exec;
mod functions;
mod lex;
mod node;
mod parse;
mod printf;
#[cfg(test)]
mod tests;
mod value;

use shared_types::json::Value;

/// The name that messages give a template, as in kubectl's.
const NAME: &str = "output";

/// A template that has been read.
pub struct Template {
    text: String,
    templates: parse::Templates,
    allow_missing: bool,
}

impl Template {
    /// Reads a template. The error has Go's words: `template: output:1: unclosed action`.
    pub fn parse(text: &str, allow_missing: bool) -> Result<Template, String> {
        Ok(Template { text: text.into(), templates: parse::parse(NAME, text)?, allow_missing })
    }

    /// The template filled in for `data`: what it wrote, and how it ended.
    pub fn fill(&self, data: &Value) -> (String, Result<(), String>) {
        exec::execute(NAME, &self.text, &self.templates, !self.allow_missing, data)
    }
}
