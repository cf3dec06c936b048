//! `-o name`, and the reports of what was done: `deployment.apps/web configured`.

use super::Printer;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::split_api_version;
use shared_types::status::qualified;
use std::io::Write;

/// Writes `KIND.GROUP/NAME`, and what was done after it unless that is empty.
pub struct NamePrinter {
    /// `created`, `configured (dry run)`; empty for `-o name`.
    pub operation: String,
}

impl Printer for NamePrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        if object.at("items").is_array() && object.text("kind").ends_with("List") {
            for item in object.list("items") {
                self.print(item, out)?;
            }
            return Ok(());
        }
        match self.operation.as_str() {
            "" => writeln!(out, "{}", reference(object))?,
            operation => writeln!(out, "{} {operation}", reference(object))?,
        }
        Ok(())
    }
}

/// `deployment.apps/web`.
pub fn reference(object: &Value) -> String {
    let name = match object.name() {
        "" => "<unknown>",
        name => name,
    };
    let kind = match object.text("kind") {
        "" => return format!("<unknown>/{name}"),
        kind => kind.to_lowercase(),
    };
    format!("{}/{name}", qualified(&kind, split_api_version(object.text("apiVersion")).0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn names_carry_the_group() {
        let mut out = Vec::new();
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
        NamePrinter { operation: "created".into() }.print(&web, &mut out).unwrap();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [web, pod]});
        NamePrinter { operation: String::new() }.print(&list, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "deployment.apps/web created\ndeployment.apps/web\npod/p\n");
    }
}
