//! `images`: other names, tags and digests.

use shared_types::fields::Fields;
use shared_types::json::Value;

/// An image as `change` wants it; `None` where it concerns another image.
pub(super) fn changed(image: &str, change: &Value) -> Option<String> {
    let (name, tag, digest) = parts(image);
    if name != change.text("name") {
        return None;
    }
    let new_name = match change.text("newName") {
        "" => name,
        new => new,
    };
    let (new_tag, new_digest) = (tag_text(change.at("newTag")), change.text("digest"));
    let suffix = change.text("tagSuffix");
    let (tag, digest) = match (new_tag.as_str(), new_digest) {
        ("", "") => (tag.to_string(), digest),
        (new, "") => (new.to_string(), ""),
        ("", new) => (String::new(), new),
        (tag, digest) => (tag.to_string(), digest),
    };
    let mut changed = new_name.to_string();
    if !tag.is_empty() {
        changed.push_str(&format!(":{tag}{suffix}"));
    }
    if !digest.is_empty() {
        changed.push_str(&format!("@{digest}"));
    }
    Some(changed)
}

/// A tag that YAML took for a number is one still.
fn tag_text(tag: &Value) -> String {
    match tag {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// Name, tag and digest.
fn parts(image: &str) -> (&str, &str, &str) {
    let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
    // A colon before the last slash belongs to a port.
    match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => (name, tag, digest),
        None => (rest, "", digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn images_change() {
        let tag = json!({"name": "nginx", "newTag": "2"});
        assert_eq!(changed("nginx:1", &tag).as_deref(), Some("nginx:2"));
        assert_eq!(changed("r.io:5000/nginx:1", &tag), None);
        let digest = json!({"name": "r.io:5000/a", "newName": "b", "digest": "sha256:1"});
        assert_eq!(changed("r.io:5000/a:1", &digest).as_deref(), Some("b@sha256:1"));
        let name = json!({"name": "busybox", "newName": "bb"});
        assert_eq!(changed("busybox@sha256:0", &name).as_deref(), Some("bb@sha256:0"));
    }
}
