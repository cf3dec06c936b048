//! What environment variables take from their Pod (the downward API).

use crate::go_format;
use serde_json::Value;
use shared_types::fields::{Fields, Object};
use shared_types::quantity::Quantity;

/// A field of a Pod's metadata; `None` for those that only a kubelet knows.
pub fn field(pod: &Value, path: &str) -> Option<String> {
    if let Some((path, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match path {
            "metadata.labels" | "metadata.annotations" => {
                Some(pod.map(path).get(key).and_then(Value::as_str).unwrap_or_default().to_string())
            }
            _ => None,
        };
    }
    match path {
        "metadata.labels" | "metadata.annotations" => Some(pairs(pod.map(path))),
        "metadata.name" | "metadata.namespace" | "metadata.uid" => Some(pod.text(path).to_string()),
        _ => None,
    }
}

/// `key="value"`, a line each.
fn pairs(map: &Object) -> String {
    let pair =
        |(key, value): (&String, &Value)| format!("{key}={}", go_format::quote(value.as_str().unwrap_or_default()));
    map.iter().map(pair).collect::<Vec<_>>().join("\n")
}

/// An amount of a container's resources in units of the divisor, rounded up.
pub fn resource(container: &Value, from: &Value) -> Option<String> {
    let (list, name) = from.text("resource").split_once('.')?;
    if !matches!(list, "limits" | "requests") {
        return None;
    }
    let amount = |value: &Value| value.as_str().and_then(|text| Quantity::parse(text).ok());
    let zero = Quantity::from_value(0);
    let have = container.at("resources").map(list).get(name).and_then(amount).unwrap_or(zero);
    let divisor = amount(from.at("divisor")).filter(|d| !d.is_zero()).unwrap_or(Quantity::from_value(1));
    let (have, divisor) = match name {
        "cpu" => (have.milli_value(), divisor.milli_value()),
        _ => (have.value(), divisor.value()),
    };
    Some(have.div_euclid(divisor.max(1)).saturating_add(i64::from(have.rem_euclid(divisor.max(1)) > 0)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_the_metadata_are_known() {
        let pod =
            json!({"metadata": {"name": "p", "labels": {"a": "1", "b.c/d": "2"}}, "status": {"podIP": "10.0.0.1"}});
        assert_eq!(field(&pod, "metadata.name").as_deref(), Some("p"));
        assert_eq!(field(&pod, "metadata.labels['b.c/d']").as_deref(), Some("2"));
        assert_eq!(field(&pod, "metadata.labels").as_deref(), Some("a=\"1\"\nb.c/d=\"2\""));
        assert_eq!(field(&pod, "status.podIP"), None);
    }

    #[test]
    fn amounts_are_rounded_up_to_the_divisor() {
        let container = json!({"resources": {"limits": {"cpu": "500m", "memory": "100Mi"}}});
        let ask = |resource: &str, divisor: &str| {
            super::resource(&container, &json!({"resource": resource, "divisor": divisor}))
        };
        assert_eq!(ask("limits.cpu", "0").as_deref(), Some("1"));
        assert_eq!(ask("limits.cpu", "1m").as_deref(), Some("500"));
        assert_eq!(ask("limits.memory", "1Gi").as_deref(), Some("1"));
        assert_eq!(ask("limits.memory", "1Mi").as_deref(), Some("100"));
        assert_eq!(ask("requests.cpu", "0").as_deref(), Some("0"));
        assert_eq!(ask("cpu", "0"), None);
    }
}
