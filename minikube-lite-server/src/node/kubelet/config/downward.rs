//! What a Pod can be told about itself: the downward API.

use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::{Object, Value};
use shared_types::quantity::Quantity;
use std::net::Ipv4Addr;

/// A Pod and what its node knows of it.
pub struct Downward<'a> {
    pub pod: &'a Value,
    pub pod_ip: Option<Ipv4Addr>,
    pub node_name: &'a str,
    pub node_ip: Ipv4Addr,
}

impl Downward<'_> {
    /// The value of a field (`core/v1.ObjectFieldSelector`): `metadata.labels['app']`, `status.podIP`, ...
    ///
    /// # Errors
    /// The kubelet's message for a field that there is none of.
    pub fn field(&self, path: &str) -> Result<String, String> {
        let pod = self.pod;
        let ip = || self.pod_ip.map(|ip| ip.to_string()).unwrap_or_default();
        if let Some((map, key)) = subscript(path) {
            return match map {
                "metadata.labels" | "metadata.annotations" => {
                    Ok(pod.map(map).get(key).and_then(Value::as_str).unwrap_or_default().to_string())
                }
                _ => Err(format!("invalid fieldPath {path:?}")),
            };
        }
        Ok(match path {
            "metadata.name" | "metadata.namespace" | "metadata.uid" => pod.text(path).to_string(),
            "metadata.labels" | "metadata.annotations" => lines(pod.map(path)),
            "spec.nodeName" => self.node_name.to_string(),
            "spec.serviceAccountName" => pod.text(path).to_string(),
            "spec.restartPolicy" | "spec.schedulerName" => pod.text(path).to_string(),
            "status.hostIP" | "status.hostIPs" => self.node_ip.to_string(),
            "status.podIP" | "status.podIPs" => ip(),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        })
    }

    /// The value of a resource (`core/v1.ResourceFieldSelector`) of a container, in units of the divisor, rounded up.
    ///
    /// # Errors
    /// The kubelet's message for a resource that there is none of.
    pub fn resource(&self, container: &Value, selector: &Value) -> Result<String, String> {
        let resource = selector.text("resource");
        let (list, name) = resource.split_once('.').unwrap_or((resource, ""));
        let quantity = |text: &str| Quantity::parse(text).unwrap_or_default();
        if !matches!(list, "limits" | "requests") {
            return Err(format!("unsupported container resource : {resource}"));
        }
        let given = container.map(&format!("resources.{list}")).get(name).and_then(Value::as_str).map(quantity);
        let amount = match given.filter(|amount| !amount.is_zero()) {
            Some(amount) => amount,
            // Without a limit, there is all that the node has.
            None if list == "limits" => quantity(crate::node::registration::allocatable(name)),
            None => Quantity::default(),
        };
        let divisor = match selector.at("divisor") {
            Value::String(text) => quantity(text),
            _ => Quantity::default(),
        };
        let divisor = if divisor.is_zero() { Quantity::from_value(1) } else { divisor };
        let (amount, divisor) = match name {
            "cpu" => (amount.milli_value(), divisor.milli_value()),
            _ => (amount.value(), divisor.value()),
        };
        let whole = amount.checked_div(divisor).unwrap_or(0);
        let rest = amount.checked_rem(divisor).unwrap_or(0);
        Ok((whole + i64::from(rest != 0)).to_string())
    }

    /// The value that a file or variable refers to by `fieldRef` or `resourceFieldRef`.
    ///
    /// # Errors
    /// As [`Downward::field`] and [`Downward::resource`].
    pub fn value(&self, reference: &Value, own: Option<&Value>) -> Result<String, String> {
        if reference.has("fieldRef") {
            return self.field(reference.text("fieldRef.fieldPath"));
        }
        let selector = reference.at("resourceFieldRef");
        let named = selector.text("containerName");
        let containers = self.pod.list("spec.containers").iter().chain(self.pod.list("spec.initContainers"));
        let container = match (named, own) {
            ("", Some(own)) => Some(own),
            _ => containers.into_iter().find(|container| container.text("name") == named),
        };
        self.resource(container.ok_or_else(|| format!("container {named} not found"))?, selector)
    }
}

/// `metadata.labels['app']` in its parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    Some((map, key))
}

/// Labels or annotations as lines of a file: `app="web"`.
fn lines(map: &Object) -> String {
    let line = |(key, value): (_, &Value)| format!("{key}={}", quote(value.as_str().unwrap_or("")));
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn fields_and_resources_have_values() {
        let pod = json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"b/x": "2", "a": "say \"1\"\n"}},
            "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}]},
        });
        let ip = Some(Ipv4Addr::new(10, 244, 0, 5));
        let downward = Downward { pod: &pod, pod_ip: ip, node_name: "node-1", node_ip: Ipv4Addr::new(192, 168, 49, 2) };
        for (path, expected) in [
            ("metadata.name", "web"),
            ("metadata.labels['b/x']", "2"),
            ("metadata.labels['none']", ""),
            ("metadata.labels", "a=\"say \\\"1\\\"\\n\"\nb/x=\"2\""),
            ("spec.nodeName", "node-1"),
            ("status.podIP", "10.244.0.5"),
            ("status.hostIP", "192.168.49.2"),
        ] {
            assert_eq!(downward.field(path).as_deref(), Ok(expected), "{path}");
        }
        assert!(downward.field("spec.containers").is_err());
        let resource = |resource: &str, divisor: &str| {
            let selector = json!({"resource": resource, "divisor": divisor, "containerName": "c"});
            downward.value(&json!({"resourceFieldRef": selector}), None).unwrap()
        };
        assert_eq!(resource("limits.cpu", "0"), "2");
        assert_eq!(resource("limits.cpu", "1m"), "1500");
        assert_eq!(resource("limits.memory", "1Mi"), "64");
        assert_eq!(resource("requests.cpu", "1m"), "0");
        assert_eq!(resource("limits.ephemeral-storage", "1Gi"), "100", "all of the node's");
    }
}
