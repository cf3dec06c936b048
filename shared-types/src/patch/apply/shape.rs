//! How a value is divided into fields that can have different managers.

use crate::json::{CompactString, Object, Value};
use crate::schema::{Field, ListType, Merge, Struct, Type, is_empty};
use std::fmt::Write;
use std::sync::LazyLock;

/// What a value of a type consists of.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// One field: a scalar, or something that is replaced as a whole.
    Leaf,
    Struct(&'static Struct),
    /// An entry per key, with values of the type.
    Map(&'static Type),
    /// A list whose items have an identity.
    Items(Items),
}

/// A list whose items have an identity: by keys or, in a set, by themselves.
#[derive(Clone, Copy)]
pub(super) struct Items {
    pub item: &'static Type,
    merge: &'static Merge,
}

impl Shape {
    pub(super) fn of(ty: &'static Type, merge: Option<&'static Merge>) -> Shape {
        let atomic = merge.is_some_and(|merge| merge.atomic);
        match (ty, merge) {
            (Type::Struct(ty), _) if !atomic && !ty.atomic => Shape::Struct(ty),
            (Type::Map(values), _) if !atomic => Shape::Map(values),
            (Type::List(item), Some(merge)) if matches!(merge.list_type, Some(ListType::Map | ListType::Set)) => {
                Shape::Items(Items { item, merge })
            }
            _ => Shape::Leaf,
        }
    }

    pub(super) fn of_field(field: &'static Field) -> Shape {
        Shape::of(&field.ty, Some(&field.merge))
    }
}

impl Items {
    /// The path element of an item: `k:{"name":"web"}`, `v:"a"`.
    ///
    /// # Errors
    /// If the item has no identity.
    pub(super) fn element(self, item: &Value) -> Result<String, String> {
        if self.merge.list_type == Some(ListType::Set) {
            return match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
                item => Ok(format!("v:{item}")),
            };
        }
        let item = match item {
            Value::Object(item) => item,
            Value::Null => return Err("associative list with keys may not have a null element".into()),
            _ => return Err("associative list with keys may not have non-map elements".into()),
        };
        let mut element = String::with_capacity(40);
        element.push_str("k:{");
        let mut keys: Vec<&str> = self.merge.list_map_keys.iter().map(String::as_str).collect();
        keys.sort_unstable();
        for (i, key) in keys.into_iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let default = self.merge.key_defaults.iter().find(|(name, _)| name == key);
            // Writing to a string does not fail.
            let _ = match (item.get(key).filter(|value| !value.is_null()), default) {
                (Some(value), _) => write!(element, "{comma}\"{key}\":{value}"),
                (None, Some((_, default))) => write!(element, "{comma}\"{key}\":{}", Value::from(default.as_str())),
                (None, None) => {
                    return Err(format!(
                        "associative list with keys has an element that omits key field {key:?} (and doesn't have \
                         default value)"
                    ));
                }
            };
        }
        element.push('}');
        Ok(element)
    }

    /// The path element of an item of a stored object, in which the keys that are absent are empty.
    pub(super) fn stored_element(self, item: &Value) -> String {
        self.element(item).unwrap_or_else(|_| {
            let mut whole = item.clone();
            if let (Value::Object(whole), Type::Struct(ty)) = (&mut whole, self.item) {
                for field in self.merge.list_map_keys.iter().filter_map(|key| ty.field(key)) {
                    whole.entry(field.name.as_str()).or_insert_with(|| zero(&field.ty).clone());
                }
            }
            self.element(&whole).unwrap_or_else(|_| format!("v:{item}"))
        })
    }

    /// The shape of the items.
    pub(super) fn item_shape(self) -> Shape {
        Shape::of(self.item, None)
    }
}

/// The field as Kubernetes' encoder sees it: `None` where it would be left out, and its zero value where it is written
/// even when empty.
pub(super) fn written<'v>(field: &'static Field, value: Option<&'v Value>) -> Option<&'v Value> {
    match value.filter(|value| !value.is_null()) {
        Some(value) if field.omitempty && !field.pointer && is_empty(value, &field.ty) => None,
        Some(value) => Some(value),
        None if field.omitempty => None,
        None if field.pointer => Some(&Value::Null),
        None => Some(zero(&field.ty)),
    }
}

/// Go's zero value of a type, as JSON.
fn zero(ty: &Type) -> &'static Value {
    static ZEROS: LazyLock<[Value; 3]> = LazyLock::new(|| [Value::Object(Object::new()), 0.into(), "0".into()]);
    const NOTHING: &Value = &Value::Null;
    const FALSE: &Value = &Value::Bool(false);
    const EMPTY: &Value = &Value::String(CompactString::const_new(""));
    match ty {
        Type::Struct(_) => &ZEROS[0],
        Type::Int32 | Type::Int64 | Type::Float64 | Type::IntOrString => &ZEROS[1],
        Type::Quantity => &ZEROS[2],
        Type::Bool => FALSE,
        Type::String => EMPTY,
        _ => NOTHING,
    }
}
