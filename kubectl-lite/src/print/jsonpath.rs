//! `-o jsonpath`, `-o jsonpath-file` and `-o jsonpath-as-json`.

use super::Printer;
use crate::errors::CommandError;
use crate::go_format::syntax;
use crate::jsonpath::JsonPath;
use shared_types::go_quote::quote;
use shared_types::json::{Value, to_json_indented};
use std::io::Write;

/// Fills in a template with each object.
pub struct JsonPathPrinter {
    template: String,
    path: JsonPath,
    as_json: bool,
}

impl JsonPathPrinter {
    /// A printer for `template`. With `as_json` each piece of it is written as a JSON list of what it gave.
    ///
    /// # Errors
    /// The template cannot be read.
    pub fn new(template: &str, allow_missing: bool, as_json: bool) -> Result<JsonPathPrinter, CommandError> {
        let path = JsonPath::parse(template)
            .map_err(|why| CommandError::message(format!("error parsing jsonpath {template}, {why}\n")))?;
        Ok(JsonPathPrinter { template: template.into(), path: path.allow_missing(allow_missing), as_json })
    }

    fn fill(&self, object: &Value) -> Result<String, String> {
        if !self.as_json {
            return self.path.fill(object);
        }
        let lists = self.path.find(object)?;
        let lists = lists.into_iter().map(|list| Value::Array(list.into_iter().cloned().collect()));
        Ok(lists.map(|list| to_json_indented(&list, "    ") + "\n").collect())
    }
}

impl Printer for JsonPathPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        let text = self.fill(object).map_err(|why| {
            let template = &self.template;
            CommandError::message(format!(
                "error executing jsonpath {}: Error executing template: {why}. Printing more information for debugging \
                 the template:\n\ttemplate was:\n\t\t{template}\n\tobject given to jsonpath engine was:\n\t\t{}\n\n\n",
                quote(template),
                syntax(object),
            ))
        })?;
        Ok(out.write_all(text.as_bytes())?)
    }
}
