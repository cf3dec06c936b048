//! ConfigMaps.

use super::check;
use super::strategy::{Part, Strategy};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// What all data of a ConfigMap or Secret may take together, in bytes of values.
pub const MAX_DATA: usize = 1 << 20;

pub struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate(&self, config_map: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (data, binary) = (config_map.map("data"), config_map.map("binaryData"));
        let path = Path::new("data");
        for key in data.keys() {
            check::report(names::is_config_map_key(key), key, &path.key(key), &mut errors);
            if binary.contains_key(key) {
                let why = "duplicate of key present in binaryData";
                errors.push(FieldError::invalid(&path.key(key), key.as_str(), why));
            }
        }
        let path = Path::new("binaryData");
        for key in binary.keys() {
            check::report(names::is_config_map_key(key), key, &path.key(key), &mut errors);
        }
        if text_size(data) + binary_size(binary) > MAX_DATA {
            errors.push(FieldError::too_long(&Path::new(""), MAX_DATA));
        }
        errors
    }

    fn validate_update(&self, config_map: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = frozen(config_map, old, &["data", "binaryData"]);
        errors.extend(self.validate(config_map));
        errors
    }

    fn metadata_stands_alone(&self) -> bool {
        true
    }
}

/// Changes to `fields` of an object that has been declared immutable.
pub fn frozen(object: &Value, old: &Value, fields: &[&str]) -> ErrorList {
    const WHY: &str = "field is immutable when `immutable` is set";
    let mut errors = ErrorList::new();
    if !old.flag("immutable") {
        return errors;
    }
    if !object.flag("immutable") {
        errors.push(FieldError::forbidden(&Path::new("immutable"), WHY));
    }
    for field in fields {
        if object.map(field) != old.map(field) {
            errors.push(FieldError::forbidden(&Path::new(field), WHY));
        }
    }
    errors
}

fn text_size(data: &Object) -> usize {
    data.values().filter_map(Value::as_str).map(str::len).sum()
}

/// The size of base64 values once decoded.
pub fn binary_size(data: &Object) -> usize {
    data.values().filter_map(Value::as_str).map(|text| STANDARD.decode(text).map_or(0, |bytes| bytes.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn keys_are_checked_in_both_maps() {
        let errors = ConfigMap.validate(&json!({"data": {"a b": "1", "k": "2"}, "binaryData": {"k": "AA=="}}));
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["data[a b]", "data[k]"]);
    }

    #[test]
    fn immutable_data_stays() {
        let old = json!({"immutable": true, "data": {"a": "1"}});
        let thawed = json!({"data": {"a": "1"}});
        let changed = json!({"immutable": true, "data": {"a": "2"}});
        let errors = |new: &Value| ConfigMap.validate_update(new, &old, Part::Main);
        assert!(errors(&old).is_empty());
        assert_eq!(errors(&thawed)[0].to_string(), "immutable: Forbidden: field is immutable when `immutable` is set");
        assert_eq!(errors(&changed)[0].field, "data");
    }
}
