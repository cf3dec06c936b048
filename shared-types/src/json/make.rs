//! Writing values down in code.

use super::{CompactString, Object, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Makes a [`Value`](crate::json::Value) of JSON, with Rust expressions as values and, in variables or brackets, as
/// names: `json!({"name": name, (key): [1, null]})`. Expressions are borrowed; their types are those of
/// [`ToValue`](crate::json::ToValue).
#[macro_export]
macro_rules! json {
    (null) => { $crate::json::Value::Null };
    ([$($items:tt)*]) => { $crate::json::Value::Array($crate::json_items!([] $($items)*)) };
    ({$($fields:tt)*}) => { $crate::json::Value::Object($crate::json_fields!([] $($fields)*)) };
    ($value:expr) => { $crate::json::ToValue::to_value(&$value) };
}

/// The items of a list, for [`json!`]: those that are made, then the rest.
#[doc(hidden)]
#[macro_export]
macro_rules! json_items {
    ([$($made:expr),*]) => { ::std::vec![$($made),*] };
    ([$($made:expr),*] null $(, $($rest:tt)*)?) => {
        $crate::json_items!([$($made,)* $crate::json!(null)] $($($rest)*)?)
    };
    ([$($made:expr),*] [$($value:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json_items!([$($made,)* $crate::json!([$($value)*])] $($($rest)*)?)
    };
    ([$($made:expr),*] {$($value:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json_items!([$($made,)* $crate::json!({$($value)*})] $($($rest)*)?)
    };
    ([$($made:expr),*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::json_items!([$($made,)* $crate::json!($value)] $($($rest)*)?)
    };
}

/// The fields of an object, for [`json!`]: those that are made, then the rest.
#[doc(hidden)]
#[macro_export]
macro_rules! json_fields {
    ([$($made:expr),*]) => { $crate::json::Object::from_unsorted(::std::vec![$($made),*]) };
    ([$($made:expr),*] $name:tt: null $(, $($rest:tt)*)?) => {
        $crate::json_fields!([$($made,)* ($name.into(), $crate::json!(null))] $($($rest)*)?)
    };
    ([$($made:expr),*] $name:tt: [$($value:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json_fields!([$($made,)* ($name.into(), $crate::json!([$($value)*]))] $($($rest)*)?)
    };
    ([$($made:expr),*] $name:tt: {$($value:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json_fields!([$($made,)* ($name.into(), $crate::json!({$($value)*}))] $($($rest)*)?)
    };
    ([$($made:expr),*] $name:tt: $value:expr $(, $($rest:tt)*)?) => {
        $crate::json_fields!([$($made,)* ($name.into(), $crate::json!($value))] $($($rest)*)?)
    };
}

/// What [`json!`](crate::json!) takes as a value.
pub trait ToValue {
    /// The value as JSON.
    fn to_value(&self) -> Value;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue + ?Sized> ToValue for Box<T> {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl ToValue for Object {
    fn to_value(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl ToValue for CompactString {
    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        self.into()
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        self.into()
    }
}

impl ToValue for Cow<'_, str> {
    fn to_value(&self) -> Value {
        self.as_ref().into()
    }
}

macro_rules! to_value {
    ($($scalar:ty)*) => {$(
        impl ToValue for $scalar {
            fn to_value(&self) -> Value {
                (*self).into()
            }
        }
    )*};
}
to_value!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f64 bool);

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl<T: ToValue, const N: usize> ToValue for [T; N] {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<K: AsRef<str>, T: ToValue> ToValue for BTreeMap<K, T> {
    fn to_value(&self) -> Value {
        self.iter().map(|(name, value)| (name.as_ref(), value.to_value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::json::Value;

    #[test]
    fn json_is_written_as_json() {
        let (name, list) = ("web".to_string(), vec![1, 2]);
        let value = json!({
            "b": null, "a": [null, true, -1, 2.5, "x", [], {}, {"in": [name]}, list.len()], (&name): {"x": name}, (format!("{name}2")): list,
            "none": None::<u8>, "sum": 1 + 2, "first": [3, 4][0],
        });
        let text = r#"{"a":[null,true,-1,2.5,"x",[],{},{"in":["web"]},2],"b":null,"first":3,"none":null,"sum":3,"web":{"x":"web"},"web2":[1,2]}"#;
        assert_eq!(value.to_string(), text);
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
    }
}
