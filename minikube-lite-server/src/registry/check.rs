//! Checks that the validations of many kinds share.

use super::metadata;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// What is said of a number that may not be below zero.
pub const NEGATIVE: &str = "must be greater than or equal to 0";
/// What is said of a number that must be above zero.
pub const NOT_POSITIVE: &str = "must be greater than zero";
/// What is said of a field that may not change.
pub const IMMUTABLE: &str = "field is immutable";

/// Reports each of `problems`, as the functions of [`names`] return them, of `value` at `path`.
pub fn report(problems: Vec<String>, value: &str, path: &Path, errors: &mut ErrorList) {
    errors.extend(problems.into_iter().map(|problem| FieldError::invalid(path, value, problem)));
}

/// The number at `field` may not be below zero.
pub fn non_negative(object: &Value, field: &str, path: &Path, errors: &mut ErrorList) {
    if let Some(number) = object.int(field).filter(|number| *number < 0) {
        errors.push(FieldError::invalid(&path.child(field), number, NEGATIVE));
    }
}

/// The text at `field` must be there.
pub fn required(object: &Value, field: &str, path: &Path, errors: &mut ErrorList) {
    if object.text(field).is_empty() {
        errors.push(FieldError::required(&path.child(field), ""));
    }
}

/// The text at `field`, if there is any, must be one of `supported`.
pub fn one_of(object: &Value, field: &str, supported: &[&str], path: &Path, errors: &mut ErrorList) {
    if object.has(field) && !supported.contains(&object.text(field)) {
        errors.push(FieldError::not_supported(&path.child(field), object.text(field), supported));
    }
}

/// The text at `field` must be there and one of `supported`.
pub fn required_one_of(object: &Value, field: &str, supported: &[&str], path: &Path, errors: &mut ErrorList) {
    match object.text(field) {
        "" => errors.push(FieldError::required(&path.child(field), "")),
        _ => one_of(object, field, supported, path, errors),
    }
}

/// The value at `path` may not differ from what it was.
pub fn immutable(object: &Value, old: &Value, path: &Path, errors: &mut ErrorList) {
    if object != old {
        errors.push(FieldError::invalid(path, object.clone(), IMMUTABLE));
    }
}

/// A number or name of a port.
pub fn port_number_or_name(port: &Value, path: &Path, errors: &mut ErrorList) {
    match port.as_str() {
        Some(name) => report(names::is_valid_port_name(name), name, path, errors),
        None => {
            let number = port.as_i64().unwrap_or(0);
            let problems = names::is_valid_port_num(number).into_iter();
            errors.extend(problems.map(|problem| FieldError::invalid(path, number, problem)));
        }
    }
}

/// A `meta/v1.LabelSelector`; absent is fine.
pub fn label_selector(selector: &Value, path: &Path, errors: &mut ErrorList) {
    errors.extend(metadata::validate_labels(selector.map("matchLabels"), &path.child("matchLabels")));
    let path = path.child("matchExpressions");
    for (i, expression) in selector.list("matchExpressions").iter().enumerate() {
        let path = path.index(i);
        let values = expression.list("values");
        match expression.text("operator") {
            "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "Exists" | "DoesNotExist" => {}
            other => {
                errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator"));
            }
        }
        let key = expression.text("key");
        report(names::is_qualified_name(key), key, &path.child("key"), errors);
        label_values(values, &path.child("values"), errors);
    }
}

/// Values that labels are compared with.
pub fn label_values(values: &[Value], path: &Path, errors: &mut ErrorList) {
    for (i, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        report(names::is_valid_label_value(value), value, &path.index(i), errors);
    }
}
