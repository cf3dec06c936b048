//! `-o yaml`.

use super::Printer;
use crate::errors::CommandError;
use shared_types::json::Value;
use shared_types::yaml::to_yaml;
use std::io::Write;

/// Writes YAML, with `---` between objects.
#[derive(Default)]
pub struct YamlPrinter {
    printed: bool,
}

impl Printer for YamlPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        if std::mem::replace(&mut self.printed, true) {
            out.write_all(b"---\n")?;
        }
        Ok(out.write_all(to_yaml(object).as_bytes())?)
    }
}
