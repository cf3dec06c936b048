//! What the admission plug-ins of a usual cluster do to new Pods: ServiceAccount, DefaultTolerationSeconds, Priority.

use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// Where containers find the credentials of their Pod's ServiceAccount.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
/// How long the token in that volume is valid: an hour, and a little that tells these requests from others.
const TOKEN_SECONDS: i64 = 3607;
/// How long Pods stay on a node that went away.
const NODE_GONE_SECONDS: i64 = 300;
/// Marks the image of a Pod that a kubelet runs by itself; no plug-in touches these.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Names the ServiceAccount `default` where the Pod names none.
pub fn default_service_account(pod: &mut Value) {
    if pod.annotation(MIRROR).is_some() {
        return;
    }
    if pod.text("spec.serviceAccountName").is_empty() {
        pod.set("spec.serviceAccountName", "default");
    }
    let account = pod.text("spec.serviceAccountName").to_string();
    pod.set("spec.serviceAccount", account);
}

/// Gives the Pod what its ServiceAccount `account` provides: the volume with its credentials, named by the random
/// `suffix`, and the Secrets to pull images with.
pub fn apply_service_account(pod: &mut Value, account: &Value, suffix: &str) {
    if pod.annotation(MIRROR).is_some() {
        return;
    }
    let wanted = [pod.at("spec"), account].into_iter().map(|object| object.at("automountServiceAccountToken"));
    if wanted.filter_map(Value::as_bool).next().unwrap_or(true) {
        mount_credentials(pod, suffix);
    }
    if pod.list("spec.imagePullSecrets").is_empty() && !account.list("imagePullSecrets").is_empty() {
        pod.set("spec.imagePullSecrets", account.at("imagePullSecrets").clone());
    }
}

fn mount_credentials(pod: &mut Value, suffix: &str) {
    let existing = pod.list("spec.volumes").iter().map(|volume| volume.text("name"));
    let existing = existing.filter(|name| name.starts_with(VOLUME_PREFIX)).map(String::from).next();
    let name = existing.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{suffix}"));
    let mut needed = false;
    for list in ["spec.initContainers", "spec.containers"] {
        for container in pod.list_mut(list) {
            if container.list("volumeMounts").iter().any(|mount| mount.text("mountPath") == TOKEN_PATH) {
                continue;
            }
            needed = true;
            push(container, "volumeMounts", json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
        }
    }
    if needed && existing.is_none() {
        let volume = json!({"name": name, "projected": {
            "defaultMode": 0o644,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ],
        }});
        push(pod, "spec.volumes", volume);
    }
}

/// Adds `item` to the list at `path`, which is made where it is absent.
fn push(object: &mut Value, path: &str, item: Value) {
    match object.at_mut(path) {
        Value::Array(list) => list.push(item),
        other => *other = Value::Array(vec![item]),
    }
}

/// Lets the Pod stay five minutes on a node that is not ready or unreachable, unless it says how long itself.
pub fn default_tolerations(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            let (own, effect) = (toleration.text("key"), toleration.text("effect"));
            (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !pod.list("spec.tolerations").iter().any(covers) {
            let toleration = json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_GONE_SECONDS,
            });
            push(pod, "spec.tolerations", toleration);
        }
    }
}

/// The priority of a built-in PriorityClass.
pub fn built_in_priority(class: &str) -> Option<i64> {
    match class {
        "" => Some(0),
        "system-cluster-critical" => Some(2_000_000_000),
        "system-node-critical" => Some(2_000_001_000),
        _ => None,
    }
}

/// Sets the priority that the Pod's PriorityClass stands for.
///
/// # Errors
/// What stands in the Pod already differs: why that is forbidden.
pub fn set_priority(pod: &mut Value, priority: i64, preemption: &str) -> Result<(), String> {
    if let Some(given) = pod.int("spec.priority").filter(|given| *given != priority) {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        ));
    }
    if pod.has("spec.preemptionPolicy") && pod.text("spec.preemptionPolicy") != preemption {
        let given = pod.text("spec.preemptionPolicy");
        return Err(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {preemption} from the given PriorityClass name"
        ));
    }
    pod.set("spec.priority", priority);
    pod.set("spec.preemptionPolicy", preemption);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_mounted_once() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "b"}]}});
        default_service_account(&mut pod);
        apply_service_account(&mut pod, &json!({"imagePullSecrets": [{"name": "s"}]}), "abcde");
        assert_eq!(pod.text("spec.serviceAccount"), "default");
        assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "s"}]));
        assert_eq!(pod["spec"]["volumes"][0]["name"], "kube-api-access-abcde");
        for list in ["containers", "initContainers"] {
            assert_eq!(pod["spec"][list][0]["volumeMounts"][0]["mountPath"], TOKEN_PATH);
        }
        let once = pod.clone();
        apply_service_account(&mut pod, &json!({}), "vwxyz");
        assert_eq!(pod, once);
    }

    #[test]
    fn no_credentials_for_who_wants_none() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}]}});
        apply_service_account(&mut pod, &json!({"automountServiceAccountToken": false}), "abcde");
        assert!(!pod.has("spec.volumes"));
        pod.set("spec.automountServiceAccountToken", true);
        apply_service_account(&mut pod, &json!({"automountServiceAccountToken": false}), "abcde");
        assert!(pod.has("spec.volumes"));
    }

    #[test]
    fn tolerations_are_added_where_none_covers() {
        let mut pod = json!({"spec": {"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]}});
        default_tolerations(&mut pod);
        let tolerations = pod.list("spec.tolerations");
        assert_eq!(tolerations.len(), 2);
        assert_eq!(tolerations[1].text("key"), "node.kubernetes.io/unreachable");
        let mut pod = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        default_tolerations(&mut pod);
        assert_eq!(pod.list("spec.tolerations").len(), 1);
    }

    #[test]
    fn priority_follows_the_class() {
        let mut pod = json!({"spec": {}});
        set_priority(&mut pod, 0, "PreemptLowerPriority").unwrap();
        assert_eq!(pod["spec"], json!({"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}));
        let mut pod = json!({"spec": {"priority": 7}});
        assert!(set_priority(&mut pod, 0, "PreemptLowerPriority").unwrap_err().contains("(7) must not be provided"));
    }
}
