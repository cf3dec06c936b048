//! Writing objects: one file per output format.

mod custom_columns;
mod go_template;
mod json;
mod jsonpath;
pub mod name;
pub mod table;
mod yaml;

use crate::errors::CommandError;
use serde_json::Value;
use std::io::Write;

/// Writes objects one after the other. A `List` comes as one object.
pub trait Printer {
    /// # Errors
    /// The template does not fit the object, or the writer fails.
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError>;
}
