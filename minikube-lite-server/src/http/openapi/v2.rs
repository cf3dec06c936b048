//! OpenAPI 2.0 (Swagger): one document for everything.

use super::definitions::{Definitions, gvk, reachable};
use super::operations::{Operation, Parameter, Path};
use super::v3::PATCHES;
use shared_types::json::{Object, Value, json};

const MEDIA: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// The document of all paths.
pub fn document(paths: &[Path], definitions: &Definitions) -> Value {
    let definitions: Object = reachable(definitions, definitions.keys().cloned())
        .into_iter()
        .map(|(name, definition)| (name.to_string(), dialect(definition)))
        .collect();
    let mut shared = Object::new();
    for parameter in paths.iter().flat_map(|path| {
        path.parameters.iter().chain(path.operations.iter().flat_map(|operation| &operation.parameters))
    }) {
        if is_shared(parameter) && !shared.contains_key(parameter.name) {
            shared.insert(parameter.name.to_string(), plain_parameter(parameter));
        }
    }
    let paths: Object = paths.iter().map(|path| (path.path.clone(), path_item(path))).collect();
    json!({
        "swagger": "2.0",
        "info": super::info(),
        "paths": paths,
        "definitions": definitions,
        "parameters": shared,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication",
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
        }},
        "security": [{"BearerToken": []}],
    })
}

/// A schema in the words of OpenAPI 2.0, where values that can be of several types count as strings.
fn dialect(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out: Object = map
                .iter()
                .filter(|(key, _)| *key != "x-kubernetes-int-or-string")
                .map(|(key, value)| match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        (key.clone(), reference.replace("#/", "#/definitions/").into())
                    }
                    _ => (key.clone(), dialect(value)),
                })
                .collect();
            if map.contains_key("x-kubernetes-int-or-string") {
                out.insert("type", "string".into());
                if super::is_int_or_string(schema) {
                    out.insert("format", "int-or-string".into());
                }
            }
            out.into()
        }
        Value::Array(list) => list.iter().map(dialect).collect(),
        other => other.clone(),
    }
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/definitions/{definition}")})
}

/// Whether the parameter means the same everywhere, and is therefore described once.
fn is_shared(parameter: &Parameter) -> bool {
    parameter.name != "name"
}

fn plain_parameter(parameter: &Parameter) -> Value {
    let mut value = json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "type": parameter.ty,
        "uniqueItems": true,
    });
    if parameter.place == "path" {
        value["required"] = true.into();
    }
    value
}

fn parameter(parameter: &Parameter) -> Value {
    if is_shared(parameter) {
        json!({"$ref": format!("#/parameters/{}", parameter.name)})
    } else {
        plain_parameter(parameter)
    }
}

fn path_item(path: &Path) -> Value {
    let mut item: Object =
        path.operations.iter().map(|operation| (operation.method.to_string(), render(operation))).collect();
    if !path.parameters.is_empty() {
        item.insert("parameters", path.parameters.iter().map(parameter).collect());
    }
    item.into()
}

fn render(operation: &Operation) -> Value {
    let answer = operation.answer.as_ref().map_or_else(|| json!({"type": "string"}), |name| reference(name));
    let mut responses: Object = operation
        .codes
        .iter()
        .map(|(code, words)| (code.to_string(), json!({"description": words, "schema": answer})))
        .collect();
    responses.insert("401", json!({"description": "Unauthorized"}));
    let mut parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
    let mut consumes: &[&str] = &["*/*"];
    if let Some(body) = &operation.body {
        let mut value = json!({"name": "body", "in": "body", "schema": reference(&body.definition)});
        if body.required {
            value["required"] = true.into();
        }
        parameters.push(value);
        if body.patch {
            consumes = PATCHES;
        }
    }
    let produces = if operation.answer.is_some() { MEDIA } else { &["*/*"] };
    let mut value = json!({
        "operationId": operation.id,
        "description": operation.description,
        "consumes": consumes,
        "produces": produces,
        "schemes": ["https"],
        "responses": responses,
    });
    if !parameters.is_empty() {
        value["parameters"] = parameters.into();
    }
    if let Some((group, version, kind)) = operation.kind {
        value["x-kubernetes-action"] = operation.action.into();
        value["x-kubernetes-group-version-kind"] = gvk(group, version, kind);
    }
    value
}
