//! The hash of a Pod template that tells a Deployment's ReplicaSets apart.

use shared_types::json::Value;

/// The letters that apimachinery's `rand.SafeEncodeString` writes.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The value of the `pod-template-hash` label: FNV-1a of the template and, after collisions, of their number.
pub(super) fn pod_template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    // Keys of JSON objects are sorted, so equal templates have equal text.
    feed(template.to_string().as_bytes());
    if let Some(collisions) = collisions {
        feed(&collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| char::from(SAFE[usize::from(digit) % SAFE.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn depends_on_the_template_and_collisions_only() {
        let template = json!({"spec": {"containers": [{"name": "c", "image": "nginx:1"}]}});
        let other = json!({"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}});
        let hash = pod_template_hash(&template, None);
        assert_eq!(hash, pod_template_hash(&template.clone(), None));
        assert_ne!(hash, pod_template_hash(&other, None));
        assert_ne!(hash, pod_template_hash(&template, Some(1)));
        assert!(hash.len() <= 10 && hash.bytes().all(|letter| SAFE.contains(&letter)));
    }
}
