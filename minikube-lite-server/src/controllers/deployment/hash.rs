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
    use shared_types::fields::Fields;
    use shared_types::json::json;

    /// A template after defaulting.
    fn template(labels: Value, containers: Value) -> Value {
        let mut containers = containers;
        for container in containers.as_array_mut().into_iter().flatten() {
            container.set("resources", json!({}));
            container.set("terminationMessagePath", "/dev/termination-log");
            container.set("terminationMessagePolicy", "File");
            container.set("imagePullPolicy", "IfNotPresent");
        }
        json!({
            "metadata": {"labels": labels},
            "spec": {
                "containers": containers,
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
        let ports = json!([{"containerPort": 80, "protocol": "TCP"}]);
        let named = json!([
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "adm", "containerPort": 9000, "protocol": "TCP"},
        ]);
        let (web, front) = (json!({"app": "web"}), json!({"app": "web", "tier": "front"}));
        let side = json!({"name": "side", "image": "busybox:1.37", "command": ["sleep", "9999"]});
        for (labels, containers, expected) in [
            (&web, json!([{"name": "c", "image": "nginx:1.27", "ports": ports.clone()}]), "79b4f7944d"),
            (&web, json!([{"name": "nginx", "image": "nginx:1.28", "ports": ports.clone()}]), "89c7c5f94"),
            (&web, json!([{"name": "c", "image": "nginx:1.28", "ports": named}]), "5df4866878"),
            (&front, json!([{"name": "nginx", "image": "nginx:1.28", "ports": ports}, side]), "bfc78f449"),
            (&json!({"app": "rec"}), json!([{"name": "c", "image": "i:2"}]), "65989f9c54"),
        ] {
            assert_eq!(pod_template_hash(&template(labels.clone(), containers), None), expected);
        }
    }

    #[test]
    fn collisions_count() {
        let template = template(json!({"app": "web"}), json!([{"name": "c", "image": "nginx:1"}]));
        assert_ne!(pod_template_hash(&template, None), pod_template_hash(&template, Some(1)));
        assert_ne!(pod_template_hash(&template, Some(1)), pod_template_hash(&template, Some(2)));
    }
}
