//! Writing answers: objects, lists, tables and statuses in the negotiated format.

use super::list_body::ListBody;
use super::negotiate::{Encoding, Format, Shape};
use super::pretty;
use crate::printers;
use crate::registry::{Entry, Listing};
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WARNING};
use http::{Response, StatusCode};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::{Value, json};
use shared_types::kinds::Kind;
use shared_types::schema;
use shared_types::status::Status;
use std::sync::Arc;

/// Which object a table's rows carry (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    None,
    Metadata,
    Object,
}

/// An answer with compact JSON in it, encoded as negotiated.
pub fn json(code: u16, format: Format, compact: Vec<u8>) -> Response<Body> {
    let body = match format.encoding {
        Encoding::Json { pretty: true } => pretty::indent(&compact),
        Encoding::Json { pretty: false } => {
            let mut body = compact;
            body.push(b'\n');
            body
        }
        Encoding::Yaml => match json::parse(&compact) {
            Ok(value) => shared_types::yaml::to_yaml(&value).into_bytes(),
            Err(_) => compact,
        },
    };
    bytes(code, format.content_type(), body)
}

/// An answer with any content.
pub fn bytes(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    with_body(code, content_type, Body::from(body.into()))
}

fn with_body(code: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// An object of a type that is not stored (a status, a discovery document), in its type's field order.
pub fn value(code: u16, format: Format, type_name: &str, value: &Value) -> Response<Body> {
    let compact = match schema::named(type_name) {
        Some(ty) => schema::encode(ty, value),
        None => serde_json::to_vec(value).unwrap_or_default(),
    };
    json(code, format, compact)
}

/// A status's compact JSON.
pub fn encode_status(status: &Status) -> Vec<u8> {
    let value = shared_types::json::to_value(status).unwrap_or_default();
    schema::named("meta/v1.Status").map_or_else(Vec::new, |ty| schema::encode(ty, &value))
}

/// A failure, or the success of a deletion.
pub fn status(status: &Status, format: Format) -> Response<Body> {
    let code = if status.code == 0 { 200 } else { status.code };
    let mut response = json(code, format, encode_status(status));
    if let Some(seconds) = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|s| *s > 0) {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Warnings go into a header each (RFC 9110 `Warning`, code 299, no agent).
pub fn add_warnings(response: &mut Response<Body>, warnings: &[String]) {
    for (index, warning) in warnings.iter().enumerate() {
        if warnings[..index].contains(warning) {
            continue;
        }
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", quote(warning))) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// One object in any shape.
///
/// # Errors
/// When what is stored cannot be read.
pub fn object(
    code: u16,
    format: Format,
    kind: &'static Kind,
    entry: &Entry,
    include: Include,
    now: Timestamp,
) -> Result<Response<Body>, Status> {
    let body = match format.shape {
        Shape::Object => entry.bytes.to_vec(),
        Shape::Metadata(version) => metadata_only(&entry.object()?, version),
        Shape::Table(version) => {
            let object = entry.object()?;
            let head = json!({"resourceVersion": object.text("metadata.resourceVersion")});
            table(kind, version, &head, include, now, [Ok(object)].into_iter(), true)?
        }
    };
    Ok(json(code, format, body))
}

/// How long the beginning of an object's bytes is that an item of a list leaves out: `{"kind":"...","apiVersion":"...",`.
fn lead(kind: &Kind) -> usize {
    let names = kind.kind.len() + kind.group.len() + usize::from(!kind.group.is_empty()) + kind.version.len();
    names + r#"{"kind":"","apiVersion":"","#.len()
}

/// A list in any shape.
///
/// # Errors
/// When what is stored cannot be read.
pub fn list(
    format: Format,
    kind: &'static Kind,
    listing: Listing,
    include: Include,
    now: Timestamp,
) -> Result<Response<Body>, Status> {
    let mut head = shared_types::json::Object::new();
    head.insert("resourceVersion", listing.revision.to_string().into());
    if let Some(token) = &listing.continue_token {
        head.insert("continue", token.as_str().into());
    }
    if let Some(remaining) = listing.remaining {
        head.insert("remainingItemCount", remaining.into());
    }
    let head = Value::Object(head);
    let objects = || listing.entries.iter().map(|entry| entry.object());
    let body = match format.shape {
        Shape::Object => return Ok(object_list(format, kind, &head, listing.entries)),
        Shape::Table(version) => table(kind, version, &head, include, now, objects(), true)?,
        Shape::Metadata(version) => {
            let lead = format!(
                r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{version}","metadata":{},"items":["#,
                ordered_head(&head)
            );
            let mut body = lead.into_bytes();
            for (index, object) in objects().enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(&metadata_only(&object?, version));
            }
            body.extend_from_slice(b"]}");
            body
        }
    };
    Ok(json(200, format, body))
}

/// A list of whole objects; `head` is its metadata.
fn object_list(format: Format, kind: &Kind, head: &Value, entries: Vec<Arc<Entry>>) -> Response<Body> {
    let (list_kind, api_version, metadata) = (kind.list_kind(), kind.api_version(), ordered_head(head));
    let begin = format!(r#"{{"kind":"{list_kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#);
    let body = ListBody::new(begin.into_bytes(), entries, lead(kind));
    match format.encoding {
        Encoding::Json { pretty: false } => with_body(200, format.content_type(), Body::new(body)),
        _ => {
            let mut compact: Vec<u8> = body.flatten().collect();
            // Without the newline, which `json` writes or not.
            compact.pop();
            json(200, format, compact)
        }
    }
}

/// List metadata in Kubernetes' field order.
fn ordered_head(head: &Value) -> String {
    let fields = ["resourceVersion", "continue", "remainingItemCount"];
    let present = fields.iter().filter_map(|field| head.get(field).map(|value| format!("\"{field}\":{value}")));
    format!("{{{}}}", present.collect::<Vec<_>>().join(","))
}

/// `PartialObjectMetadata` of an object.
pub fn metadata_only(object: &Value, version: &str) -> Vec<u8> {
    let mut body =
        format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{version}","metadata":"#).into_bytes();
    match schema::named("meta/v1.ObjectMeta") {
        Some(ty) => schema::encode_into(ty, object.at("metadata"), &mut body),
        None => body.extend_from_slice(object.at("metadata").to_string().as_bytes()),
    }
    body.push(b'}');
    body
}

/// A `Table` of objects; `columns` tells whether their definitions are written (a watch writes them once).
///
/// # Errors
/// When what is stored cannot be read.
pub fn table(
    kind: &'static Kind,
    version: &str,
    head: &Value,
    include: Include,
    now: Timestamp,
    objects: impl Iterator<Item = Result<Value, Status>>,
    columns: bool,
) -> Result<Vec<u8>, Status> {
    let definitions: Vec<Value> = match columns {
        true => printers::columns(kind)
            .iter()
            .map(|c| json!({"name": c.name, "type": c.ty, "format": c.format, "description": c.description, "priority": c.priority}))
            .collect(),
        false => Vec::new(),
    };
    let definitions = if columns { Value::from(definitions) } else { Value::Null };
    let mut body = format!(
        r#"{{"kind":"Table","apiVersion":"meta.k8s.io/{version}","metadata":{},"columnDefinitions":{definitions},"rows":["#,
        ordered_head(head)
    )
    .into_bytes();
    for (index, object) in objects.enumerate() {
        let object = object?;
        let row = printers::row(kind, &object, now);
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(format!(r#"{{"cells":{}"#, Value::from(row.cells)).as_bytes());
        if !row.conditions.is_empty() {
            body.extend_from_slice(format!(r#","conditions":{}"#, Value::from(row.conditions)).as_bytes());
        }
        match include {
            Include::None => body.extend_from_slice(br#","object":null"#),
            Include::Metadata => {
                body.extend_from_slice(br#","object":"#);
                body.extend_from_slice(&metadata_only(&object, version));
            }
            Include::Object => {
                body.extend_from_slice(br#","object":"#);
                match schema::of_kind(&kind.api_version(), kind.kind) {
                    Some(ty) => schema::encode_into(ty, &object, &mut body),
                    None => body.extend_from_slice(object.to_string().as_bytes()),
                }
            }
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}

/// Plain text, as kube-apiserver's mux answers what it does not know.
pub fn not_found_page() -> Response<Body> {
    text(404, "404 page not found\n")
}

/// Plain text.
pub fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    let mut response = bytes(code, "text/plain; charset=utf-8", text.into());
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
