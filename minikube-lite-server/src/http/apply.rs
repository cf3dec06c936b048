//! Server-side apply (KEP-555).

use super::body;
use super::negotiate::Answer;
use super::options;
use super::resource::{Call, check_names};
use crate::registry::Part;
use axum::body::Body;
use http::Response;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::schema;
use shared_types::status::Status;
use shared_types::validation::{FieldError, Path};
use shared_types::yaml;

/// Answers an apply patch.
///
/// # Errors
/// `Invalid` without a field manager, `BadRequest` for what is no configuration of the kind, `Conflict`.
pub async fn answer(call: &mut Call<'_>, part: Part, request_body: Body) -> Result<Response<Body>, Status> {
    call.format(Answer::Single)?;
    let mut options = options::write("PatchOptions", call.query, &call.headers)?;
    body::FieldValidation::from_query(call.query, "PatchOptions")?;
    let manager = call.query.get("fieldManager").to_string();
    if manager.is_empty() {
        let error = FieldError::required(&Path::new("fieldManager"), "is required for apply patch");
        return Err(Status::invalid("PatchOptions", "meta.k8s.io", "", &[error]));
    }
    let force = call.query.flag("force");
    let text = body::read(request_body).await?;
    let mut config = read(&text)?;
    let (kind, registry) = (call.kind, &call.app.registry);
    let (namespace, name) = (call.target.namespace.clone(), call.target.name.clone());
    let (api_version, sent_kind) = (config.text("apiVersion"), config.text("kind"));
    if (api_version, sent_kind) != (kind.api_version().as_str(), kind.kind) {
        return Err(mismatch(kind, api_version, sent_kind));
    }
    check_names(kind, &config, &namespace, &name)?;
    config.set("metadata.name", name.as_str());
    if kind.namespaced {
        config.set("metadata.namespace", namespace.as_str());
    }
    let ty = schema::of_kind(&kind.api_version(), kind.kind)
        .ok_or_else(|| Status::internal(format!("kind {} has no schema", kind.kind)))?;
    let version = config.text("metadata.resourceVersion").to_string();
    let mut change = |current: &Value| {
        let live = (!current.is_null()).then_some(current);
        let applied = registry.apply(kind, part, live, &config, &manager, force)?;
        let mut object = schema::decode_value(ty, applied).map_err(|why| Status::failure(500, "", why))?.object;
        match version.as_str() {
            "" => drop(object.remove("metadata.resourceVersion")),
            version => object.set("metadata.resourceVersion", version),
        }
        Ok(object)
    };
    options.applied = true;
    options.create_on_update = true;
    let written = registry.update(kind, part, &namespace, &name, &mut change, options).await?;
    call.written(written)
}

/// Reads a configuration, which is YAML or JSON.
fn read(text: &[u8]) -> Result<Value, Status> {
    let undecodable = |why: String| Status::bad_request(format!("error decoding YAML: {why}"));
    let text = std::str::from_utf8(text).map_err(|_| undecodable("yaml: invalid leading UTF-8 octet".into()))?;
    let document = yaml::parse_document(text).map_err(|problem| undecodable(problem.to_string()))?;
    if let Some(problem) = document.strict_error() {
        return Err(undecodable(problem.to_string()));
    }
    match document.value {
        object @ Value::Object(_) => Ok(object),
        other => {
            let what = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                _ => return Ok(Value::Object(Default::default())),
            };
            Err(undecodable(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into Go value of type \
                 map[string]interface {{}}"
            )))
        }
    }
}

/// The configuration is of another kind.
fn mismatch(kind: &shared_types::kinds::Kind, api_version: &str, sent_kind: &str) -> Status {
    let (group, version) = shared_types::kinds::split_api_version(api_version);
    let show = |group: &str, version: &str, kind: &str| format!("{group}/{version}, Kind={kind}");
    Status::bad_request(format!(
        "invalid object type: {}, expected {}",
        show(group, version, sent_kind),
        show(kind.group, kind.version, kind.kind)
    ))
}
