//! The patch formats of the API: JSON patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge patch and
//! server-side apply (KEP-555).

pub mod apply;
pub mod json;
pub mod merge;
pub mod strategic;

#[cfg(test)]
mod properties;

use crate::json::Value;

/// A value as Go's `%v` prints it: `map[image:noname ports:[80 443]]`.
pub fn go_format(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone().into(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_format).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{}", go_format(value))).collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_print_as_go_prints_them() {
        let value = crate::json!({"b": [1, true, null], "a": {"x": "y z"}});
        assert_eq!(super::go_format(&value), "map[a:map[x:y z] b:[1 true <nil>]]");
    }
}
