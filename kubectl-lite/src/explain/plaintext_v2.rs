//! Explanations from the OpenAPI v2 document, in their older form.

use super::wrap::fill;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::Value;

const WIDTH: usize = 80;
const GVK: &str = "x-kubernetes-group-version-kind";

/// What is to be explained.
pub struct Explanation<'d> {
    pub document: &'d Value,
    pub group: &'d str,
    pub version: &'d str,
    pub kind: &'d str,
    /// The way to the field; empty for the kind itself.
    pub path: &'d [String],
    /// Whether to show the names of all fields below instead of describing the next ones.
    pub recursive: bool,
}

/// What a schema is, which decides how it is followed and shown.
enum Shape<'v> {
    Reference(&'v str),
    /// Named fields.
    Kind,
    Array(&'v Value),
    /// What the values are; `null` for anything.
    Map(&'v Value),
    Primitive(&'v str),
    Arbitrary,
}

fn shape(schema: &Value) -> Shape<'_> {
    let reference = schema.text("$ref");
    if !reference.is_empty() {
        return Shape::Reference(reference);
    }
    match schema.text("type") {
        "" | "object" if schema.has("properties") => Shape::Kind,
        "" => Shape::Arbitrary,
        "object" => Shape::Map(schema.at("additionalProperties")),
        "array" => Shape::Array(schema.at("items")),
        name => Shape::Primitive(name),
    }
}

impl Explanation<'_> {
    /// # Errors
    /// The document knows no such kind or field.
    pub fn text(&self) -> Result<String, CommandError> {
        let (group, version, kind) = (self.group, self.version, self.kind);
        let is_it = |gvk: &Value| (gvk.text("group"), gvk.text("version"), gvk.text("kind")) == (group, version, kind);
        let definitions = self.document.map("definitions");
        let Some(root) = definitions.values().find(|schema| schema.list(GVK).iter().any(is_it)) else {
            let message = format!("couldn't find resource for \"{group}/{version}, Kind={kind}\"");
            return Err(CommandError::message(message));
        };
        let schema = self.find(root)?;
        let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
        let mut out = format!("KIND:     {kind}\nVERSION:  {group_version}\n\n");
        let name = self.path.last().map_or("", String::as_str);
        let mut descriptions = Vec::new();
        let end = self.end(schema, &mut descriptions);
        match shape(end) {
            Shape::Kind => {
                if !name.is_empty() {
                    out.push_str(&format!("RESOURCE: {name} <{}>\n\n", self.type_name(schema)));
                }
                describe(&mut out, &descriptions);
                out.push_str("\nFIELDS:\n");
                if self.recursive {
                    self.names(end, 3, &mut Vec::new(), &mut out);
                } else {
                    self.fields(end, &mut out);
                }
            }
            Shape::Primitive(_) => {
                out.push_str(&format!("FIELD:    {name} <{}>\n\n", self.type_name(schema)));
                describe(&mut out, &descriptions);
            }
            _ => describe(&mut out, &descriptions),
        }
        Ok(out)
    }

    /// The schema at the end of the path. What lies behind a plain value is that value.
    fn find<'v>(&'v self, root: &'v Value) -> Result<&'v Value, CommandError> {
        let mut schema = root;
        for name in self.path {
            schema = self.inside(schema);
            schema = match shape(schema) {
                Shape::Kind => schema
                    .map("properties")
                    .get(name)
                    .ok_or_else(|| CommandError::message(format!("field {name:?} does not exist")))?,
                _ => return Ok(schema),
            };
        }
        Ok(schema)
    }

    fn resolved(&self, reference: &str) -> &Value {
        let name = reference.strip_prefix("#/definitions/").unwrap_or(reference);
        self.document.map("definitions").get(name).unwrap_or(&Value::Null)
    }

    /// The schema behind references, lists and maps.
    fn inside<'v>(&'v self, schema: &'v Value) -> &'v Value {
        self.end(schema, &mut Vec::new())
    }

    /// [`Explanation::inside`], with the descriptions on the way.
    fn end<'v>(&'v self, mut schema: &'v Value, descriptions: &mut Vec<&'v str>) -> &'v Value {
        loop {
            descriptions.push(schema.text("description"));
            schema = match shape(schema) {
                Shape::Reference(reference) => self.resolved(reference),
                Shape::Array(inner) | Shape::Map(inner) => inner,
                _ => return schema,
            };
        }
    }

    fn fields(&self, kind: &Value, out: &mut String) {
        for (name, field) in kind.map("properties") {
            let required = kind.list("required").iter().any(|required| required == name.as_str());
            let required = if required { " -required-" } else { "" };
            out.push_str(&format!("   {name}\t<{}>{required}\n", self.type_name(field)));
            paragraph(out, field.text("description"), 5);
            out.push('\n');
        }
    }

    /// The names of all fields below; a reference is not followed inside itself.
    fn names<'v>(&'v self, schema: &'v Value, indent: usize, seen: &mut Vec<&'v str>, out: &mut String) {
        match shape(schema) {
            Shape::Reference(reference) if seen.contains(&reference) => {}
            Shape::Reference(reference) => {
                seen.push(reference);
                self.names(self.resolved(reference), indent, seen, out);
                seen.pop();
            }
            Shape::Array(inner) | Shape::Map(inner) => self.names(inner, indent, seen, out),
            Shape::Kind => {
                for (name, field) in schema.map("properties") {
                    out.push_str(&format!("{:indent$}{name}\t<{}>\n", "", self.type_name(field)));
                    self.names(field, indent + 3, seen, out);
                }
            }
            Shape::Primitive(_) | Shape::Arbitrary => {}
        }
    }

    fn type_name(&self, schema: &Value) -> String {
        match shape(schema) {
            Shape::Reference(reference) => self.type_name(self.resolved(reference)),
            Shape::Array(inner) => format!("[]{}", self.type_name(inner)),
            Shape::Map(inner) => format!("map[string]{}", self.type_name(inner)),
            Shape::Primitive(name) => name.to_string(),
            Shape::Kind => "Object".to_string(),
            Shape::Arbitrary => String::new(),
        }
    }
}

fn describe(out: &mut String, descriptions: &[&str]) {
    out.push_str("DESCRIPTION:\n");
    if descriptions.iter().all(|text| text.is_empty()) {
        return paragraph(out, "<empty>", 5);
    }
    for (index, text) in descriptions.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        if index > 0 {
            out.push('\n');
        }
        paragraph(out, text, 5);
    }
}

fn paragraph(out: &mut String, text: &str, indent: usize) {
    for line in fill(text, WIDTH - indent) {
        if line.is_empty() {
            out.push('\n');
        } else {
            out.push_str(&format!("{:indent$}{line}\n", ""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn kinds_and_values() {
        let document = json!({"definitions": {
            "x.Thing": {GVK: [{"group": "g", "version": "v1", "kind": "Thing"}], "properties": {
                "spec": {"$ref": "#/definitions/x.Spec", "description": "Wanted."}}},
            "x.Spec": {"description": "A spec.", "type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "description": "How large."},
                "more": {"type": "array", "items": {"$ref": "#/definitions/x.Spec"}}}},
        }});
        let explain = |path: &[&str], recursive: bool| {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            let explanation =
                Explanation { document: &document, group: "g", version: "v1", kind: "Thing", path: &path, recursive };
            explanation.text().map_err(|error| error.text())
        };
        let head = "KIND:     Thing\nVERSION:  g/v1\n\n";
        let fields = "   more\t<[]Object>\n\n   size\t<integer> -required-\n     How large.\n\n";
        assert_eq!(
            explain(&["spec"], false).unwrap(),
            format!("{head}RESOURCE: spec <Object>\n\nDESCRIPTION:\n     Wanted.\n\n     A spec.\n\nFIELDS:\n{fields}")
        );
        assert_eq!(
            explain(&["spec", "more", "size"], false).unwrap(),
            format!("{head}FIELD:    size <integer>\n\nDESCRIPTION:\n     How large.\n")
        );
        let names = "   spec\t<Object>\n      more\t<[]Object>\n      size\t<integer>\n";
        assert_eq!(explain(&[], true).unwrap(), format!("{head}DESCRIPTION:\n     <empty>\n\nFIELDS:\n{names}"));
        assert_eq!(explain(&["spec", "no"], false), Err("field \"no\" does not exist".to_string()));
    }
}
