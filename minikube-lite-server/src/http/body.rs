//! Reading request bodies: size limit, JSON or YAML, and decoding against the kind's schema.

use super::query::Query;
use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::schema::{self, Envelope};
use shared_types::status::Status;
use std::time::Duration;

/// The largest body that is read, in bytes, as kube-apiserver's.
const LIMIT: usize = 3 << 20;

/// For so long, what is sent beyond the limit is read and thrown away.
const LINGER: Duration = Duration::from_millis(500);

/// Reads a whole body.
///
/// # Errors
/// `RequestEntityTooLarge`, or `BadRequest` when the client goes away in the middle.
pub async fn read(mut body: Body) -> Result<Bytes, Status> {
    match Limited::new(&mut body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(problem) if problem.is::<LengthLimitError>() => {
            // Over HTTP/1.1 a client may look for the answer only when it has sent all.
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = tokio::time::timeout(LINGER, rest).await;
            Err(Status::request_too_large(format!("Request entity too large: limit is {LIMIT}")))
        }
        Err(problem) => Err(Status::bad_request(format!("the request body cannot be read: {problem}"))),
    }
}

/// The media type of the body, without parameters; `application/json` where the client names none.
pub fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match value.split(';').next().unwrap_or("").trim() {
        "" => "application/json",
        media => media,
    }
}

/// The error for a body in a format that is not read.
pub fn unsupported_media_type(accepted: &str) -> Status {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
    Status::failure(415, "UnsupportedMediaType", message)
}

/// JSON text of a body in any of the formats that are read.
///
/// # Errors
/// `UnsupportedMediaType`, or `BadRequest` for YAML that cannot be read.
pub fn as_json(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Status> {
    match media_type(headers) {
        "application/json" => Ok(body),
        "application/yaml" => yaml_to_json(&body).map(Bytes::from).map_err(Status::bad_request),
        "application/vnd.kubernetes.protobuf" => protobuf_to_json(&body).map(Bytes::from).map_err(Status::bad_request),
        _ => Err(unsupported_media_type("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
    }
}

/// The JSON form of an object in Kubernetes' protobuf encoding.
fn protobuf_to_json(body: &[u8]) -> Result<Vec<u8>, String> {
    let envelope = Envelope::open(body)?;
    let (api_version, kind) = (envelope.api_version, envelope.kind);
    // Options have the version of what they go with, and are of the same type for all.
    let ty = match kind {
        "DeleteOptions" => schema::named("meta/v1.DeleteOptions"),
        _ => schema::of_kind(api_version, kind),
    };
    let ty = ty.ok_or_else(|| format!("no kind {kind:?} is registered for version {api_version:?}"))?;
    let mut object = schema::decode_protobuf(ty, envelope.raw)?;
    object.set("apiVersion", api_version);
    object.set("kind", kind);
    serde_json::to_vec(&object).map_err(|problem| problem.to_string())
}

/// The JSON form of one YAML document, as sigs.k8s.io/yaml converts it.
pub fn yaml_to_json(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "yaml: invalid leading UTF-8 octet".to_string())?;
    let value = shared_types::yaml::parse_document(text).map_err(|problem| problem.to_string())?.value;
    serde_json::to_vec(&value).map_err(|problem| problem.to_string())
}

/// What is done about fields that the schema does not have, and about duplicates (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter.
    ///
    /// # Errors
    /// `Invalid`, of the options kind `options` (`CreateOptions`).
    pub fn from_query(query: &Query, options: &str) -> Result<FieldValidation, Status> {
        match query.get("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let path = shared_types::validation::Path::new("fieldValidation");
                let supported = &["", "Ignore", "Strict", "Warn"];
                let error = shared_types::validation::FieldError::not_supported(&path, other, supported);
                Err(Status::invalid(options, "meta.k8s.io", "", &[error]))
            }
        }
    }

    /// Turns what strict decoding found into warnings or an error.
    ///
    /// # Errors
    /// `BadRequest` under `Strict`.
    pub fn judge(self, kind: &Kind, strict_errors: Vec<String>, warnings: &mut Vec<String>) -> Result<(), Status> {
        match self {
            FieldValidation::Strict if !strict_errors.is_empty() => {
                let list = strict_errors.join(", ");
                Err(cannot_handle(kind, kind.kind, &format!("strict decoding error: {list}")))
            }
            FieldValidation::Warn => {
                warnings.extend(strict_errors);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn cannot_handle(kind: &Kind, sent_kind: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{sent_kind} in version {:?} cannot be handled as a {}: {why}",
        kind.version, kind.kind
    ))
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct TypeMeta {
    api_version: Option<String>,
    kind: Option<String>,
}

/// Decodes an object that should be of `kind`.
///
/// # Errors
/// `BadRequest` with kube-apiserver's words for whatever is wrong.
pub fn decode(
    kind: &'static Kind,
    json: &[u8],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let unrecognized = |why: String| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {why} \
             ({})",
            kind.kind,
            summary(json)
        ))
    };
    let meta: TypeMeta = match serde_json::from_slice(json) {
        Ok(meta) => meta,
        Err(problem) => {
            let why = schema::json_syntax_error(json).unwrap_or_else(|| {
                let what = match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    Some(b'[') => "array",
                    Some(b'"') => "string",
                    Some(b't' | b'f') => "bool",
                    Some(b'0'..=b'9' | b'-') => "number",
                    _ => return problem.to_string(),
                };
                format!(
                    "json: cannot unmarshal {what} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,\
                     omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
                )
            });
            return Err(unrecognized(why));
        }
    };
    let own_version = kind.api_version();
    let api_version = meta.api_version.filter(|v| !v.is_empty()).unwrap_or_else(|| own_version.clone());
    let sent_kind = meta.kind.filter(|k| !k.is_empty()).unwrap_or_else(|| kind.kind.to_string());
    if api_version != own_version || sent_kind != kind.kind {
        let (_, version) = kinds::split_api_version(&api_version);
        let why = wrong_kind(kind, &api_version, &sent_kind);
        let message = format!("{sent_kind} in version {version:?} cannot be handled as a {}: {why}", kind.kind);
        return Err(Status::bad_request(message));
    }
    let ty = schema::of_kind(&own_version, kind.kind)
        .ok_or_else(|| Status::internal(format!("kind {} has no schema", kind.kind)))?;
    let decoded = schema::decode(ty, json).map_err(|why| cannot_handle(kind, &sent_kind, &why))?;
    validation.judge(kind, decoded.strict_errors, warnings)?;
    Ok(decoded.object)
}

/// Why an object of another kind is not one of this kind.
pub fn wrong_kind(kind: &Kind, api_version: &str, sent_kind: &str) -> String {
    let (_, version) = kinds::split_api_version(api_version);
    if schema::of_kind(api_version, sent_kind).is_none() {
        return format!(
            "no kind {sent_kind:?} is registered for version {api_version:?} in scheme \
             \"pkg/api/legacyscheme/scheme.go:30\""
        );
    }
    // The package of a group's internal types is called by the group's first part.
    let package = match kind.group.split('.').next() {
        Some("") | None => "core",
        Some(first) => first,
    };
    format!("converting ({version}.{sent_kind}) to ({package}.{}): unknown conversion", kind.kind)
}

/// The beginning of a body, for a message.
fn summary(data: &[u8]) -> String {
    const SHOWN: usize = 30;
    let cut = &data[..data.len().min(SHOWN)];
    let more = if data.len() > SHOWN { " ..." } else { "" };
    match data.first() {
        None => "<empty>".to_string(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(cut)),
        Some(_) => format!("{}{more}", cut.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
