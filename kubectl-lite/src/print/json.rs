//! `-o json`.

use super::Printer;
use crate::errors::CommandError;
use serde_json::Value;
use shared_types::json::to_json_indented;
use std::io::Write;

/// Writes JSON, each level four spaces deeper.
pub struct JsonPrinter;

impl Printer for JsonPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        Ok(writeln!(out, "{}", to_json_indented(object, "    "))?)
    }
}
