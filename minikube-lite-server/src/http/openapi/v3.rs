//! OpenAPI 3.0: a document for each group and version.

use super::definitions::{Definitions, gvk, reachable};
use super::operations::{Operation, Parameter, Path};
use shared_types::json::{Object, Value, json};

const MEDIA: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// The formats of patches (RFC 6902, RFC 7396, and Kubernetes' own).
pub const PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// The document of some paths.
pub fn document(paths: &[Path], definitions: &Definitions) -> Value {
    let roots = paths.iter().flat_map(|path| &path.operations).flat_map(|operation| {
        operation.body.iter().map(|body| body.definition.clone()).chain(operation.answer.clone())
    });
    let schemas: Object = reachable(definitions, roots)
        .into_iter()
        .map(|(name, definition)| (name.to_string(), dialect(definition)))
        .collect();
    let paths: Object = paths.iter().map(|path| (path.path.clone(), path_item(path))).collect();
    let security = json!({"BearerToken": {
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
        "description": "Bearer Token authentication",
    }});
    json!({
        "openapi": "3.0.0",
        "info": super::info(),
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security},
    })
}

/// A schema in the words of OpenAPI 3.0, where a reference has nothing beside it and a value can be of several types.
fn dialect(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = Object::new();
    for (key, value) in map {
        match (key.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                let reference = json!({"$ref": reference.replace("#/", "#/components/schemas/")});
                if map.len() == 1 {
                    return reference;
                }
                out.insert("allOf", json!([reference]));
            }
            ("x-kubernetes-int-or-string", _) => {
                let integer_or_string = super::is_int_or_string(schema);
                let number = if integer_or_string { "integer" } else { "number" };
                let types = [json!({"type": "string"}), json!({"type": number})];
                if integer_or_string {
                    out.insert("format", "int-or-string".into());
                    out.insert("oneOf", json!([types[1], types[0]]));
                } else {
                    out.insert("oneOf", json!(types));
                }
            }
            ("properties", Value::Object(properties)) => {
                let properties: Object =
                    properties.iter().map(|(name, property)| (name.clone(), dialect(property))).collect();
                out.insert(key.clone(), properties.into());
            }
            ("items" | "additionalProperties", value) => {
                out.insert(key.clone(), dialect(value));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    out.into()
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{definition}")})
}

fn path_item(path: &Path) -> Value {
    let mut item: Object =
        path.operations.iter().map(|operation| (operation.method.to_string(), render(operation))).collect();
    if !path.parameters.is_empty() {
        item.insert("parameters", path.parameters.iter().map(parameter).collect());
    }
    item.into()
}

fn parameter(parameter: &Parameter) -> Value {
    let mut value = json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": {"type": parameter.ty, "uniqueItems": true},
    });
    if parameter.place == "path" {
        value["required"] = true.into();
    }
    value
}

fn content(media: &[&str], definition: &str) -> Value {
    media.iter().map(|media| (media.to_string(), json!({"schema": reference(definition)}))).collect::<Object>().into()
}

fn render(operation: &Operation) -> Value {
    let answer = match &operation.answer {
        Some(definition) => content(MEDIA, definition),
        None => json!({"text/plain": {"schema": {"type": "string"}}}),
    };
    let mut responses: Object = operation
        .codes
        .iter()
        .map(|(code, words)| (code.to_string(), json!({"description": words, "content": answer})))
        .collect();
    responses.insert("401", json!({"description": "Unauthorized"}));
    let mut value = json!({
        "operationId": operation.id,
        "description": operation.description,
        "responses": responses,
    });
    if !operation.parameters.is_empty() {
        value["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(body) = &operation.body {
        let media = if body.patch { PATCHES } else { &["*/*"] };
        value["requestBody"] = json!({"content": content(media, &body.definition)});
        if body.required {
            value["requestBody"]["required"] = true.into();
        }
    }
    if let Some((group, version, kind)) = operation.kind {
        value["x-kubernetes-action"] = operation.action.into();
        value["x-kubernetes-group-version-kind"] = gvk(group, version, kind);
    }
    value
}
