//! What environment variables take from their Pod (the downward API).

use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::quantity::Quantity;

/// A field of a Pod's metadata. kubectl shows no others, and no single labels or annotations.
pub fn field<'p>(pod: &'p Value, path: &str) -> Option<&'p str> {
    matches!(path, "metadata.name" | "metadata.namespace" | "metadata.uid").then(|| pod.text(path))
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
    use shared_types::json::json;

    #[test]
    fn fields_of_the_metadata_are_known() {
        let pod = json!({"metadata": {"name": "p", "labels": {"a": "1"}}, "status": {"podIP": "10.0.0.1"}});
        assert_eq!(field(&pod, "metadata.name"), Some("p"));
        assert_eq!(field(&pod, "metadata.labels['a']"), None);
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
