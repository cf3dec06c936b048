//! Explanations from an OpenAPI v3 document.

use super::wrap::wrap;
use crate::errors::CommandError;
use crate::go_format;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// The operations that tell a path's kind.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// How many values of an enumeration are shown in a list of fields.
const SHOWN_VALUES: usize = 4;
const GVK: &str = "x-kubernetes-group-version-kind";

/// What is to be explained.
pub struct Explanation<'d> {
    /// The document of the group and version.
    pub document: &'d Value,
    pub group: &'d str,
    pub version: &'d str,
    /// Plural.
    pub resource: &'d str,
    /// The way to the field; empty for the resource itself.
    pub path: &'d [String],
    /// Whether to show the names of all fields below instead of describing the next ones.
    pub recursive: bool,
}

impl Explanation<'_> {
    /// The text, as far as it goes, and why it goes no further.
    pub fn text(&self) -> (String, Result<(), CommandError>) {
        let Some(gvk) = self.kind() else {
            let (group, version, resource) = (self.group, self.version, self.resource);
            let message = format!("GVR ({group}/{version}, Resource={resource}) not found in OpenAPI schema");
            return (String::new(), Err(CommandError::message(message)));
        };
        let mut out = String::new();
        if !gvk.text("group").is_empty() {
            out.push_str(&format!("GROUP:      {}\n", gvk.text("group")));
        }
        out.push_str(&format!("KIND:       {}\nVERSION:    {}\n\n", gvk.text("kind"), gvk.text("version")));
        let is_it = |schema: &&Value| schema.list(GVK).contains(gvk);
        let Some(schema) = self.document.map("components.schemas").values().find(is_it) else {
            let message = format!("GVK {} not found in OpenAPI schema", go_format::plain(gvk));
            return (out, Err(CommandError::message(message)));
        };
        match self.found(schema, self.path, &mut Vec::new()) {
            Some(text) => out.push_str(&text),
            None => {
                let field = self.path.last().map_or("", String::as_str);
                return (out, Err(CommandError::message(format!("field \"{field}\" does not exist"))));
            }
        }
        out.push('\n');
        (out, Ok(()))
    }

    /// Group, version and kind, as one of the resource's paths says.
    fn kind(&self) -> Option<&Value> {
        let prefix = if self.group.is_empty() { "/api".to_string() } else { format!("/apis/{}", self.group) };
        let cluster = format!("{prefix}/{}/{}", self.version, self.resource);
        let namespaced = format!("{prefix}/{}/namespaces/{{namespace}}/{}", self.version, self.resource);
        let paths = self.document.map("paths");
        [format!("{cluster}/{{name}}"), cluster, format!("{namespaced}/{{name}}"), namespaced]
            .iter()
            .filter_map(|path| paths.get(path))
            .flat_map(|operations| METHODS.map(|method| operations.at(method).at(GVK)))
            .find(|gvk| !gvk.is_null())
    }

    /// The schema that a reference stands for, or the schema itself.
    fn resolved<'v>(&'v self, schema: &'v Value) -> &'v Value {
        self.referenced(schema.text("$ref")).unwrap_or(schema)
    }

    fn referenced(&self, reference: &str) -> Option<&Value> {
        let way = reference.strip_prefix('#')?.split('/').filter(|part| !part.is_empty());
        way.into_iter().try_fold(self.document, |value, part| value.get(part)).filter(|value| value.is_object())
    }

    /// Follows `path` from `schema` and describes what is there; `None` where there is no such field.
    fn found<'v>(&'v self, schema: &'v Value, path: &[String], seen: &mut Vec<&'v str>) -> Option<String> {
        let reference = schema.text("$ref");
        let resolved = self.resolved(schema);
        let Some((name, deeper)) = path.split_first() else {
            return Some(self.described(resolved));
        };
        if !reference.is_empty() {
            if seen.contains(&reference) {
                return None;
            }
            seen.push(reference);
        }
        if let Some(field) = resolved.map("properties").get(name) {
            let mut text = String::new();
            if deeper.is_empty() {
                text = format!("FIELD: {name} <{}>\n", self.type_name(field));
                let values = field.list("enum");
                if !values.is_empty() {
                    text.push_str("ENUM:");
                    values.iter().for_each(|value| text.push_str(&format!("\n    {}", value_text(value))));
                }
                text.push_str("\n\n");
            }
            return Some(text + &self.found(field, deeper, &mut Vec::new())?);
        }
        if let Some(inner) = items(resolved) {
            return self.found(inner, path, seen);
        }
        resolved.list("allOf").iter().find_map(|part| self.found(part, path, &mut seen.clone()))
    }

    fn described(&self, schema: &Value) -> String {
        let mut description = String::new();
        self.description(schema, &mut description);
        if description.is_empty() {
            description.push_str("<empty>");
        }
        let mut out = format!("DESCRIPTION:\n{}\n", indent(&wrap(&description, 76), 4));
        if schema.has("externalDocs") {
            out.push_str("\nEXTERNAL DOCS:\n");
            external_docs(&mut out, schema, 4);
        }
        let mut fields = String::new();
        self.fields(schema, 1, &mut Vec::new(), &mut fields);
        if !fields.is_empty() {
            out.push_str("FIELDS:\n");
            out.push_str(&fields);
        }
        out
    }

    /// The descriptions of a schema and of all that it is made of.
    fn description(&self, schema: &Value, out: &mut String) {
        let schema = self.resolved(schema);
        if !schema.text("description").is_empty() {
            out.push_str(schema.text("description"));
            out.push('\n');
        }
        schema.list("allOf").iter().chain(items(schema)).for_each(|part| self.description(part, out));
    }

    /// The fields of a schema, and where wanted those below them. `seen` are the references on the way, so that a kind
    /// that holds itself is shown once.
    fn fields<'v>(&'v self, schema: &'v Value, level: usize, seen: &mut Vec<&'v str>, out: &mut String) {
        let reference = schema.text("$ref");
        if !reference.is_empty() && seen.contains(&reference) {
            return;
        }
        let depth = seen.len();
        seen.push(reference);
        let schema = self.resolved(schema);
        for (name, field) in schema.map("properties") {
            self.field(schema, name, field, level, out);
            if self.recursive {
                self.fields(field, level + 1, seen, out);
            }
        }
        for part in schema.list("allOf").iter().chain(items(schema)) {
            self.fields(part, level, seen, out);
        }
        seen.truncate(depth);
    }

    fn field(&self, schema: &Value, name: &str, field: &Value, level: usize, out: &mut String) {
        let width = 2 * level;
        out.push_str(&format!("{:width$}{name}\t<{}>", "", self.type_name(field)));
        if schema.list("required").iter().any(|required| required == name) {
            out.push_str(" -required-");
        }
        let values = field.list("enum");
        if !values.is_empty() {
            let shown: Vec<String> = values.iter().take(SHOWN_VALUES).map(value_text).collect();
            let more = if values.len() > SHOWN_VALUES { ", ...." } else { "" };
            out.push_str(&format!("\n{:width$}enum: {}{more}", "", shown.join(", ")));
        }
        out.push('\n');
        if self.recursive {
            return;
        }
        let description = match field.text("description") {
            "" => "<no description>",
            text => text,
        };
        out.push_str(&indent(&wrap(description, 78 - width), width + 2));
        out.push('\n');
        if field.has("externalDocs") {
            out.push_str(&format!("\n{:1$}EXTERNAL DOCS:\n", "", width + 2));
            external_docs(out, field, width + 4);
        }
        out.push('\n');
    }

    /// `string`, `[]ServicePort`, `map[string]string`.
    fn type_name(&self, schema: &Value) -> String {
        if schema.has("items") {
            return format!("[]{}", self.type_name(schema.at("items")));
        }
        if let Some(inner) = items(schema) {
            return format!("map[string]{}", self.type_name(inner));
        }
        if let [only] = schema.list("allOf")
            && schema.map("properties").is_empty()
        {
            return self.type_name(only);
        }
        let named = |schema: &Value| match schema.text("type") {
            "" | "object" => None,
            name => Some(name.to_string()),
        };
        let reference = schema.text("$ref");
        if reference.is_empty() {
            return named(schema).unwrap_or("Object".to_string());
        }
        // Types that are written as plain values are called by what they are written as.
        self.referenced(reference).and_then(named).unwrap_or_else(|| {
            let name = reference.rsplit(['/', '.']).next().unwrap_or_default();
            if name.is_empty() { "Object".to_string() } else { name.to_string() }
        })
    }
}

/// What a list or map holds.
fn items(schema: &Value) -> Option<&Value> {
    [schema.at("items"), schema.at("additionalProperties")].into_iter().find(|inner| inner.is_object())
}

fn value_text(value: &Value) -> String {
    match value.as_str() {
        Some("") => "\"\"".to_string(),
        _ => go_format::plain(value),
    }
}

fn external_docs(out: &mut String, schema: &Value, width: usize) {
    let docs = schema.at("externalDocs");
    if !docs.text("description").is_empty() {
        out.push_str(&indent(&wrap(docs.text("description"), 80 - width), width));
        out.push('\n');
    }
    if !docs.text("url").is_empty() {
        out.push_str(&format!("{:width$}URL: {}\n", "", docs.text("url")));
    }
}

/// Moves every line in, empty ones too.
fn indent(text: &str, width: usize) -> String {
    let space = " ".repeat(width);
    format!("{space}{}", text.replace('\n', &format!("\n{space}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn document() -> Value {
        let gvk = json!({"group": "", "version": "v1", "kind": "Thing"});
        json!({
            "paths": {"/api/v1/namespaces/{namespace}/things": {"get": {GVK: gvk}}},
            "components": {"schemas": {
                "x.Thing": {GVK: [gvk], "description": "A thing.", "type": "object", "required": ["spec"], "properties": {
                    "spec": {"allOf": [{"$ref": "#/components/schemas/x.Spec"}], "description": "What is wanted."},
                }},
                "x.Spec": {"description": "Spec of a thing.", "type": "object", "properties": {
                    "children": {"type": "array", "items": {"$ref": "#/components/schemas/x.Spec"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels."},
                    "mode": {"type": "string", "enum": ["A", "", "B", "C", "D"], "description": "Mode."},
                    "when": {"$ref": "#/components/schemas/x.Time"},
                }},
                "x.Time": {"type": "string"},
            }},
        })
    }

    fn explain(path: &[&str], recursive: bool) -> (String, Option<String>) {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let document = document();
        let explanation =
            Explanation { document: &document, group: "", version: "v1", resource: "things", path: &path, recursive };
        let (text, result) = explanation.text();
        (text, result.err().map(|error| error.text()))
    }

    #[test]
    fn a_resource_and_its_fields() {
        let (text, error) = explain(&[], true);
        assert_eq!(error, None);
        let expected = "KIND:       Thing\nVERSION:    v1\n\nDESCRIPTION:\n    A thing.\n    \nFIELDS:\n  spec\t<Spec> -required-\n    \
            children\t<[]Spec>\n    labels\t<map[string]string>\n    mode\t<string>\n    enum: A, \"\", B, C, ....\n    \
            when\t<string>\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_field_with_its_values() {
        let (text, error) = explain(&["spec", "children", "mode"], false);
        assert_eq!(error, None);
        let expected = "KIND:       Thing\nVERSION:    v1\n\nFIELD: mode <string>\nENUM:\n    A\n    \"\"\n    B\n    C\n    D\n\n\
            DESCRIPTION:\n    Mode.\n    \n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn fields_that_do_not_exist() {
        let (text, error) = explain(&["spec", "nothing", "deeper"], false);
        assert_eq!(text, "KIND:       Thing\nVERSION:    v1\n\n");
        assert_eq!(error.as_deref(), Some("field \"deeper\" does not exist"));
        let document = json!({});
        let lost =
            Explanation { document: &document, group: "g", version: "v1", resource: "r", path: &[], recursive: false };
        let error = lost.text().1.unwrap_err();
        assert_eq!(error.text(), "GVR (g/v1, Resource=r) not found in OpenAPI schema");
    }
}
