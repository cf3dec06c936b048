//! The hash that `--append-hash` adds to a name, so that new contents make a new object.

use sha2::{Digest as _, Sha256};
use shared_types::fields::Fields;
use shared_types::json::{Value, json, to_json};

/// The hash of a ConfigMap's or Secret's contents. `name` counts too; a kustomization leaves it empty.
pub fn of(object: &Value, name: &str) -> String {
    let kind = object.text("kind");
    let mut content = json!({"kind": kind, "name": name, "data": object.map("data")});
    if kind == "Secret" {
        content.set("type", object.text("type"));
    } else if object.has("binaryData") {
        content.set("binaryData", object.at("binaryData").clone());
    }
    if object.has("immutable") {
        content.set("immutable", object.flag("immutable"));
    }
    let sum = Sha256::digest(to_json(&content));
    let digits = sum.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(10);
    // Vowels, and digits that look like them, are replaced so that no words come out.
    digits.map(|digit| char::from(b"gh2k456789mbcdtf"[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_have_equal_hashes() {
        let map = json!({"kind": "ConfigMap", "metadata": {"name": "hashed"}, "data": {"k": "v"}});
        assert_eq!(of(&map, "hashed"), "6872fmt6d6");
        let secret = json!({"kind": "Secret", "metadata": {"name": "hs"}, "data": {"k": "dg=="}});
        assert_eq!(of(&secret, "hs"), "tb4c8gh4b4");
    }
}
