//! PATCH: JSON patch, merge patch, strategic merge patch, and apply.

use super::body::{self, FieldValidation};
use super::resource::{Call, check_names};
use super::{apply, options};
use crate::registry::Part;
use axum::body::Body;
use http::Response;
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Object, Value};
use shared_types::kinds::Kind;
use shared_types::patch::{go_format, json, merge, strategic};
use shared_types::schema::{self, Decoded, Struct};
use shared_types::status::Status;
use shared_types::validation::{FieldError, Path};

/// The most operations that a JSON patch may have, as kube-apiserver's.
const MAX_OPERATIONS: usize = 10_000;

/// A patch that has been read.
pub enum Patch {
    Json(json::Patch),
    Merge(Value),
    Strategic(Value),
}

/// Reads a patch of the media type.
///
/// # Errors
/// `UnsupportedMediaType`, `BadRequest`.
pub fn parse(media: &str, text: &[u8]) -> Result<Patch, Status> {
    let undecodable = |why: String| match media {
        "application/strategic-merge-patch+json" => Status::bad_request(why),
        _ => Status::bad_request(format!("error decoding patch: {why}")),
    };
    let value = || -> Result<Value, Status> {
        shared_types::json::parse(text)
            .map_err(|problem| undecodable(schema::json_syntax_error(text).unwrap_or_else(|| problem.to_string())))
    };
    let map = || match value()? {
        map @ Value::Object(_) => Ok(map),
        other => {
            let what = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                _ => return Ok(Value::Object(Default::default())),
            };
            Err(undecodable(format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")))
        }
    };
    match media {
        "application/json-patch+json" => {
            let patch = json::Patch::parse(&value()?).map_err(undecodable)?;
            if patch.len() > MAX_OPERATIONS {
                return Err(Status::request_too_large(format!(
                    "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                    patch.len()
                )));
            }
            Ok(Patch::Json(patch))
        }
        "application/merge-patch+json" => Ok(Patch::Merge(map()?)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(map()?)),
        _ => Err(body::unsupported_media_type(
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
             application/apply-patch+yaml",
        )),
    }
}

impl Patch {
    /// Whether the patch is of the object's metadata and nothing else.
    fn is_of_metadata(&self) -> bool {
        match self {
            Patch::Json(_) => false,
            Patch::Merge(patch) | Patch::Strategic(patch) => {
                patch.as_object().is_some_and(|patch| patch.keys().eq(["metadata"]))
            }
        }
    }

    /// The patched object, not yet held against its schema.
    ///
    /// # Errors
    /// What the patch does not fit.
    pub fn apply(&self, ty: &'static Struct, current: &Value) -> Result<Value, Status> {
        Ok(self.apply_and_show(ty, current)?.0)
    }

    /// The patched object, and what messages show when it turns out not to be valid, if that is not the object itself:
    /// what a strategic merge patch leaves of the patch.
    fn apply_and_show(&self, ty: &'static Struct, current: &Value) -> Result<(Value, Option<String>), Status> {
        let mut object = current.clone();
        match self {
            Patch::Json(patch) => patch.apply(&mut object).map_err(|_| unprocessable())?,
            Patch::Merge(patch) => merge::apply(&mut object, patch),
            Patch::Strategic(patch) => {
                let mut patch = patch.clone();
                strategic::apply(ty, &mut object, &mut patch).map_err(|problem| match problem {
                    strategic::Error::BadFormat(why) => Status::bad_request(why),
                    strategic::Error::Unprocessable(_) => unprocessable(),
                    strategic::Error::Other(why) => Status::failure(500, "", why),
                })?;
                return Ok((object, Some(go_format(&patch))));
            }
        }
        Ok((object, None))
    }

    /// The patched object as `kind`.
    ///
    /// # Errors
    /// `Invalid` when it isn't one.
    pub fn apply_as(
        &self,
        kind: &'static Kind,
        ty: &'static Struct,
        current: &Value,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let (mut patched, shown) = self.apply_and_show(ty, current)?;
        let invalid = |why: String| {
            let shown = shown.clone().unwrap_or_else(|| patched.to_string());
            Status::invalid("", "", "", &[FieldError::invalid(&Path::new("patch"), shown, why)])
        };
        let (api_version, sent_kind) = (patched.text("apiVersion"), patched.text("kind"));
        if api_version != kind.api_version() || sent_kind != kind.kind {
            return Err(invalid(body::wrong_kind(kind, api_version, sent_kind)));
        }
        if let Patch::Strategic(_) = self {
            strategic::check_types(ty, &patched).map_err(invalid)?;
        }
        let (changed, unchanged) = changes(&patched, current);
        let Decoded { mut object, strict_errors } = schema::decode_value(ty, changed).map_err(invalid)?;
        match validation {
            FieldValidation::Strict if !strict_errors.is_empty() => {
                return Err(invalid(format!("strict decoding error: {}", strict_errors.join(", "))));
            }
            FieldValidation::Warn => *warnings = strict_errors,
            _ => {}
        }
        for path in unchanged {
            object.set(&path, patched.remove(&path).unwrap_or_default());
        }
        Ok(object)
    }
}

/// Of a patched object, what is to be held against its schema, and the paths of the rest: fields that are as they were, of
/// the object and of its metadata.
fn changes(patched: &Value, current: &Value) -> (Value, Vec<String>) {
    let (mut changed, mut unchanged) = (Object::new(), Vec::new());
    for (name, value) in patched.as_object().into_iter().flatten() {
        match (name.as_str(), value, current.get(name)) {
            ("apiVersion" | "kind", ..) => drop(changed.insert(name.clone(), value.clone())),
            ("metadata", Value::Object(fields), Some(before)) => {
                let same = |(field, value): &(&CompactString, &Value)| before.get(field) == Some(value);
                let (kept, other): (Vec<_>, Vec<_>) = fields.iter().partition(same);
                unchanged.extend(kept.into_iter().map(|(field, _)| format!("metadata.{field}")));
                let other = other.into_iter().map(|(field, value)| (field.clone(), value.clone()));
                changed.insert(name.clone(), Value::Object(other.collect()));
            }
            (_, value, before) if before == Some(value) => unchanged.push(name.to_string()),
            _ => drop(changed.insert(name.clone(), value.clone())),
        }
    }
    (Value::Object(changed), unchanged)
}

/// A patch that cannot be applied to this object.
fn unprocessable() -> Status {
    let message = "the server rejected our request due to an error in our request";
    let mut status = Status::failure(422, "Invalid", message);
    status.details = Some(Box::default());
    status
}

/// Answers a PATCH of a part of an object.
pub async fn answer(call: &mut Call<'_>, part: Part, request_body: Body) -> Result<Response<Body>, Status> {
    let media = body::media_type(&call.headers).to_string();
    if media == "application/apply-patch+yaml" {
        return apply::answer(call, part, request_body).await;
    }
    call.format(super::negotiate::Answer::Single)?;
    let mut options = options::write("PatchOptions", call.query, &call.headers)?;
    let validation = FieldValidation::from_query(call.query, "PatchOptions")?;
    if call.query.flag("force") {
        let error = FieldError::forbidden(&Path::new("force"), "may not be specified for non-apply patch");
        return Err(Status::invalid("PatchOptions", "meta.k8s.io", "", &[error]));
    }
    let text = body::read(request_body).await?;
    let patch = parse(&media, &text)?;
    options.metadata_only = patch.is_of_metadata();
    let kind = call.kind;
    let ty = schema::of_kind(&kind.api_version(), kind.kind)
        .ok_or_else(|| Status::internal(format!("kind {} has no schema", kind.kind)))?;
    let (namespace, name) = (call.target.namespace.clone(), call.target.name.clone());
    let mut warnings = Vec::new();
    let mut change = |current: &Value| {
        if current.is_null() {
            return Err(Status::not_found(kind.plural, kind.group, &name));
        }
        let object = patch.apply_as(kind, ty, current, validation, &mut warnings)?;
        check_names(kind, &object, &namespace, &name)?;
        // An untouched resourceVersion is no precondition.
        let mut object = object;
        if object.text("metadata.resourceVersion") == current.text("metadata.resourceVersion") {
            object.remove("metadata.resourceVersion");
        }
        Ok(object)
    };
    let written = call.app.registry.update(kind, part, &namespace, &name, &mut change, options).await?;
    call.warnings.extend(warnings);
    call.written(written)
}
