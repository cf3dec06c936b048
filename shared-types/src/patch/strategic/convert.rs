//! Checking the types of a patched object.

use crate::json::Value;
use crate::schema::{Struct, Type};

/// Why an object that strategic merge patch made is not of type `ty`, in the words that the API server has for it
/// (`unrecognized type: int32`): it does not read such an object from text, and so does not say what its decoder says.
///
/// # Errors
/// The first field that does not fit, in the order of the type's fields.
pub fn check_types(ty: &'static Struct, object: &Value) -> Result<(), String> {
    let Value::Object(members) = object else {
        return Err(format!("cannot restore struct from: {}", go_kind(object)));
    };
    for field in &ty.fields {
        match members.get(&field.name) {
            None | Some(Value::Null) => {}
            Some(value) => check(&field.ty, value, &field.go_type)?,
        }
    }
    Ok(())
}

fn check(ty: &'static Type, value: &Value, go_type: &str) -> Result<(), String> {
    match (ty, value) {
        (_, Value::Null) => Ok(()),
        (Type::Struct(ty), value) => check_types(ty, value),
        (Type::List(item), Value::Array(items)) => {
            items.iter().try_for_each(|value| check(item, value, go_type.strip_prefix("[]").unwrap_or(go_type)))
        }
        (Type::List(_), other) => Err(format!("cannot restore slice from {}", go_kind(other))),
        (Type::Map(values), Value::Object(members)) => {
            let value_type = go_type.split_once(']').map_or(go_type, |(_, value_type)| value_type);
            members.values().try_for_each(|value| check(values, value, value_type))
        }
        (Type::Map(_), other) => Err(format!("cannot restore map from {}", go_kind(other))),
        (Type::String, Value::String(_)) | (Type::Bool, Value::Bool(_)) | (Type::Float64, Value::Number(_)) => Ok(()),
        (Type::Int32 | Type::Int64, Value::Number(number)) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
            Ok(())
        }
        (Type::String | Type::Int32 | Type::Int64, Value::Number(_)) => {
            Err(format!("cannot convert {} to {go_type}", go_kind(value)))
        }
        (Type::String, _) => Err("unrecognized type: string".into()),
        (Type::Bool, _) => Err("unrecognized type: bool".into()),
        (Type::Int32, _) => Err("unrecognized type: int32".into()),
        (Type::Int64, _) => Err("unrecognized type: int64".into()),
        (Type::Float64, _) => Err("unrecognized type: float64".into()),
        // These read themselves.
        (Type::Quantity | Type::IntOrString | Type::Time | Type::MicroTime | Type::Bytes | Type::Any, _) => Ok(()),
    }
}

/// What Go's reflection calls the kind of a decoded value.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use super::check_types;
    use crate::json::{Value, json};
    use crate::schema;

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let ty = schema::of_kind("apps/v1", "Deployment").unwrap();
        let error = |spec: Value| check_types(ty, &json!({"spec": spec})).unwrap_err();
        assert_eq!(error(json!({"replicas": "three"})), "unrecognized type: int32");
        assert_eq!(error(json!({"replicas": 1.5})), "cannot convert float64 to int32");
        assert_eq!(error(json!({"template": []})), "cannot restore struct from: slice");
        assert_eq!(error(json!({"template": {"spec": {"containers": {}}}})), "cannot restore slice from map");
        assert_eq!(error(json!({"template": {"metadata": {"labels": {"a": 1}}}})), "cannot convert int64 to string");
        assert_eq!(
            error(json!({"template": {"spec": {"restartPolicy": 1}}})),
            "cannot convert int64 to v1.RestartPolicy"
        );
        assert_eq!(check_types(ty, &json!({"spec": {"replicas": 2, "template": null}})), Ok(()));
    }
}
