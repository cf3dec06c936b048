//! Nodes.

use super::check;
use super::strategy::{Part, Strategy};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, FieldError, Path};

const TAINT_EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub struct Node;

impl Strategy for Node {
    fn default(&self, node: &mut Value) {
        if node.has("status.capacity") {
            let capacity = node.at("status.capacity").clone();
            node.set_default("status.allocatable", capacity);
        }
        // The single podCIDR and the first of the list are the same.
        if node.list("spec.podCIDRs").is_empty() && !node.text("spec.podCIDR").is_empty() {
            let cidr = node.at("spec.podCIDR").clone();
            node.set("spec.podCIDRs", vec![cidr]);
        } else if let Some(first) = node.list("spec.podCIDRs").first().cloned() {
            node.set("spec.podCIDR", first);
        }
    }

    fn validate(&self, node: &Value) -> ErrorList {
        let mut errors = taints(node);
        for list in ["status.capacity", "status.allocatable"] {
            let path = Path::new(list);
            for (resource, amount) in node.map(list) {
                let text = amount.as_str().unwrap_or("");
                if Quantity::parse(text).is_ok_and(|quantity| quantity.is_negative()) {
                    errors.push(FieldError::invalid(&path.key(resource), text, check::NEGATIVE));
                }
            }
        }
        let path = Path::new("spec.podCIDRs");
        let cidrs: Vec<&str> = node.list("spec.podCIDRs").iter().filter_map(Value::as_str).collect();
        for (index, cidr) in cidrs.iter().enumerate() {
            check::report(names::is_valid_cidr(cidr), cidr, &path.index(index), &mut errors);
        }
        let same_family = |a: &str, b: &str| a.contains(':') == b.contains(':');
        if cidrs.len() > 2 || matches!(cidrs[..], [a, b] if same_family(a, b)) {
            let why = "may specify no more than one CIDR for each IP family";
            errors.push(FieldError::invalid(&path, node.at("spec.podCIDRs").clone(), why));
        }
        errors
    }

    fn validate_update(&self, node: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = self.validate(node);
        for (field, name) in [("spec.podCIDRs", "podCIDR"), ("spec.providerID", "providerID")] {
            let was_set = !old.text(field).is_empty() || !old.list(field).is_empty();
            if was_set && node.at(field) != old.at(field) {
                let why = format!("node updates may not change {name} except from \"\" to valid");
                errors.push(FieldError::forbidden(&Path::new(field), why));
            }
        }
        errors
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }

    fn field_value<'a>(&self, node: &'a Value, field: &str) -> std::borrow::Cow<'a, str> {
        if node.flag(field) { "true" } else { "false" }.into()
    }
}

fn taints(node: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec.taints");
    let taints = node.list("spec.taints");
    for (index, taint) in taints.iter().enumerate() {
        let (path, key, value) = (path.index(index), taint.text("key"), taint.text("value"));
        check::report(names::is_qualified_name(key), key, &path.child("key"), &mut errors);
        check::report(names::is_valid_label_value(value), value, &path.child("value"), &mut errors);
        check::required_one_of(taint, "effect", TAINT_EFFECTS, &path, &mut errors);
        let same = |other: &Value| other.text("key") == key && other.at("effect") == taint.at("effect");
        if taints[..index].iter().any(same) {
            let mut error = FieldError::duplicate(&path, taint.clone());
            error.detail = "taints must be unique by key and effect pair".into();
            errors.push(error);
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn pod_cidrs_are_checked_and_stay() {
        let mut node = json!({"spec": {"podCIDR": "nonsense"}});
        Node.default(&mut node);
        assert_eq!(Node.validate(&node)[0].field, "spec.podCIDRs[0]");
        let old = json!({"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}});
        let new = json!({"spec": {"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.1.0/24"]}});
        assert_eq!(Node.validate_update(&new, &old, Part::Main)[0].field, "spec.podCIDRs");
        assert!(Node.validate_update(&new, &json!({}), Part::Main).is_empty());
    }

    #[test]
    fn taints_need_an_effect_and_are_unique() {
        let taint = json!({"key": "gpu", "effect": "NoSchedule"});
        let node = json!({"spec": {"taints": [taint, taint, {"key": "x", "effect": "Often"}]}});
        let fields: Vec<String> = Node.validate(&node).into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["spec.taints[1]", "spec.taints[2].effect"]);
    }
}
