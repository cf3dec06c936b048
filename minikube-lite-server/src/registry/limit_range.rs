//! LimitRanges.

use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, FieldError, Path};

pub struct LimitRange;

impl Strategy for LimitRange {
    /// Containers' missing limits follow the maximum, their missing requests the limit or else the minimum.
    fn default(&self, range: &mut Value) {
        for item in range.list_mut("spec.limits").iter_mut().filter(|item| item.text("type") == "Container") {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                let values = item.map(from).clone();
                for (resource, value) in values {
                    item.map_mut(to).entry(&resource).or_insert(value);
                }
            }
        }
    }

    fn validate(&self, range: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let limits = Path::new("spec.limits");
        let items = range.list("spec.limits");
        for (index, item) in items.iter().enumerate() {
            let (path, ty) = (limits.index(index), item.text("type"));
            if ty.is_empty() {
                errors.push(FieldError::required(&path.child("type"), ""));
            } else if items[..index].iter().any(|other| other.text("type") == ty) {
                errors.push(FieldError::duplicate(&path.child("type"), ty));
            }
            if ty == "Pod" {
                for field in ["default", "defaultRequest"] {
                    if !item.map(field).is_empty() {
                        let why = "may not be specified when `type` is 'Pod'";
                        errors.push(FieldError::forbidden(&path.child(field), why));
                    }
                }
            }
            validate_order(item, &path, &mut errors);
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

/// For each resource, the minimum, the default request, the default and the maximum must not decrease.
fn validate_order(item: &Value, path: &Path, errors: &mut ErrorList) {
    const ORDER: [(&str, &str); 4] =
        [("min", "min"), ("defaultRequest", "default request"), ("default", "default"), ("max", "max")];
    // What is compared with what, in the order in which it is reported: indexes into ORDER and the field that is blamed.
    const PAIRS: [(usize, usize, &str); 6] = [
        (0, 3, "min"),
        (0, 1, "defaultRequest"),
        (1, 3, "defaultRequest"),
        (1, 2, "defaultRequest"),
        (0, 2, "default"),
        (2, 3, "default"),
    ];
    let read = |field: &str, resource: &str| {
        let text = item.map(field).get(resource).and_then(Value::as_str)?;
        Some((text, Quantity::parse(text).ok()?))
    };
    let resources: Object = ORDER.iter().flat_map(|(field, _)| item.map(field).clone()).collect();
    for resource in resources.keys() {
        for (low, high, blamed) in PAIRS {
            let ((low, low_name), (high, high_name)) = (ORDER[low], ORDER[high]);
            if let (Some((low_text, a)), Some((high_text, b))) = (read(low, resource), read(high, resource))
                && a > b
            {
                let why = format!("{low_name} value {low_text} is greater than {high_name} value {high_text}");
                let shown = read(blamed, resource).map_or("", |(text, _)| text);
                let field = path.child(blamed);
                errors.push(FieldError::invalid(&field.key(resource), shown, why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn container_defaults_follow_the_bounds() {
        let mut range =
            json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}});
        LimitRange.default(&mut range);
        let item = &range.list("spec.limits")[0];
        assert_eq!(item.at("default"), &json!({"cpu": "2"}));
        assert_eq!(item.at("defaultRequest"), &json!({"cpu": "2", "memory": "1Mi"}));
    }

    #[test]
    fn bounds_do_not_cross() {
        let range = json!({"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "1500m"}}, {"type": "Pod"}]}});
        let errors: Vec<String> = LimitRange.validate(&range).iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "spec.limits[0].min[cpu]: Invalid value: \"1500m\": min value 1500m is greater than max value 1",
                "spec.limits[1].type: Duplicate value: \"Pod\""
            ]
        );
    }
}
