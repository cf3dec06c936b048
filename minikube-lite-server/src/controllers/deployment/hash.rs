//! The hash of a Pod template that tells a Deployment's ReplicaSets apart.

use super::dump::dump;
use shared_types::json::Value;
use shared_types::schema;

/// The letters that apimachinery's `rand.SafeEncodeString` writes.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The value of the `pod-template-hash` label, as kube-controller-manager's `ComputeHash` gives it: FNV-1a of the template
/// as Go prints it and, after collisions, of their number. It is the same on every cluster of the same version.
pub(super) fn pod_template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    let ty = schema::named("core/v1.PodTemplateSpec");
    feed(ty.map(|ty| dump(ty, template)).unwrap_or_default().as_bytes());
    if let Some(collisions) = collisions {
        feed(&collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| char::from(SAFE[usize::from(digit) % SAFE.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    /// A template of one container after defaulting.
    fn template(container: &str, image: &str) -> Value {
        let container = json!({
            "name": container,
            "image": image,
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        });
        let app = if image == "nginx:1.28" && container["name"] == "api" { "backend" } else { "web" };
        json!({
            "metadata": {"labels": {"app": app}},
            "spec": {
                "containers": [container],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
            },
        })
    }

    #[test]
    fn hashes_are_those_of_kubernetes_1_36() {
        for (container, image, expected) in [
            ("c", "nginx:1.27", "79b4f7944d"),
            ("c", "nginx:1.28", "7947785775"),
            ("nginx", "nginx:1.27", "cc544bdcc"),
            ("nginx", "nginx:1.28", "89c7c5f94"),
            ("api", "nginx:1.28", "6dfc8757c6"),
        ] {
            assert_eq!(pod_template_hash(&template(container, image), None), expected);
        }
    }

    #[test]
    fn collisions_count() {
        let template = template("c", "nginx:1");
        assert_ne!(pod_template_hash(&template, None), pod_template_hash(&template, Some(1)));
        assert_ne!(pod_template_hash(&template, Some(1)), pod_template_hash(&template, Some(2)));
    }
}
