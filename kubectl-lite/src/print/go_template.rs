//! `-o go-template` and `-o go-template-file`.

use super::Printer;
use crate::errors::CommandError;
use crate::go_format::plain;
use crate::gotemplate::Template;
use shared_types::go_quote::quote;
use shared_types::json::{Value, to_json};
use std::io::Write;

/// Fills in a template with each object.
pub struct GoTemplatePrinter {
    text: String,
    template: Template,
}

impl GoTemplatePrinter {
    /// # Errors
    /// The template cannot be read.
    pub fn new(text: &str, allow_missing: bool) -> Result<GoTemplatePrinter, CommandError> {
        let template = Template::parse(text, allow_missing)
            .map_err(|why| CommandError::message(format!("error parsing template {text}, {why}\n")))?;
        Ok(GoTemplatePrinter { text: text.into(), template })
    }
}

impl Printer for GoTemplatePrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        let (written, result) = self.template.fill(object);
        out.write_all(written.as_bytes())?;
        let Err(why) = result else { return Ok(()) };
        // The long form goes where the output goes, the short one to standard error.
        write!(
            out,
            "Error executing template: {why}. Printing more information for debugging the template:\n\ttemplate was:\
             \n\t\t{}\n\traw data was:\n\t\t{}\n\tobject given to template engine was:\n\t\t{}\n\n",
            self.text,
            to_json(object),
            plain(object)
        )?;
        Err(CommandError::message(format!("error executing template {}: {why}", quote(&self.text))))
    }
}
