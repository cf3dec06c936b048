//! A JSON value.

use super::Object;
use compact_str::CompactString;
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// A JSON value.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of 64 bits or a float.
    Number(Number),
    /// A text.
    String(CompactString),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is an integer from -2^63 to 2^63-1.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The number, if it is an integer from 0 to 2^64-1.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&Vec<Value>> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it is a truth value.
    pub fn is_boolean(&self) -> bool {
        matches!(self, Value::Bool(_))
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Value::Number(_))
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Value::String(_))
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Value::Array(_))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    /// The value, with `null` left in its place.
    pub fn take(&mut self) -> Value {
        std::mem::take(self)
    }

    /// The field of an object or the item of a list.
    pub fn get(&self, index: impl Index) -> Option<&Value> {
        index.of(self)
    }

    /// The field of an object or the item of a list.
    pub fn get_mut(&mut self, index: impl Index) -> Option<&mut Value> {
        index.of_mut(self)
    }
}

/// JSON without white space.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Array(items) => items.fmt(f),
            Value::Object(object) => object.fmt(f),
            scalar => fmt::Display::fmt(scalar, f),
        }
    }
}

/// What leads to a value within another: a field's name or an item's number.
pub trait Index {
    /// The value there.
    fn of(self, value: &Value) -> Option<&Value>;
    /// The value there, for writing.
    fn of_mut(self, value: &mut Value) -> Option<&mut Value>;
    /// The value there, made where it is a field and absent.
    ///
    /// # Panics
    /// When there is no such item, or `value` is neither `null` nor what has fields or items of this sort.
    fn of_or_insert(self, value: &mut Value) -> &mut Value;
}

macro_rules! index_by_name {
    ($($name:ty)*) => {$(
        impl Index for $name {
            fn of(self, value: &Value) -> Option<&Value> {
                value.as_object()?.get(self.as_ref())
            }
            fn of_mut(self, value: &mut Value) -> Option<&mut Value> {
                value.as_object_mut()?.get_mut(self.as_ref())
            }
            fn of_or_insert(self, value: &mut Value) -> &mut Value {
                if value.is_null() {
                    *value = Value::Object(Object::new());
                }
                value.as_object_mut().expect("an object has fields").entry(self.as_ref()).or_insert(Value::Null)
            }
        }
    )*};
}
index_by_name!(&str &&str String &String &&String &CompactString &&CompactString);

impl Index for usize {
    fn of(self, value: &Value) -> Option<&Value> {
        value.as_array()?.get(self)
    }
    fn of_mut(self, value: &mut Value) -> Option<&mut Value> {
        value.as_array_mut()?.get_mut(self)
    }
    fn of_or_insert(self, value: &mut Value) -> &mut Value {
        self.of_mut(value).expect("a list has items up to its end")
    }
}

/// Reading an absent field or item gives `null`.
impl<I: Index> std::ops::Index<I> for Value {
    type Output = Value;
    fn index(&self, index: I) -> &Value {
        static NULL: Value = Value::Null;
        index.of(self).unwrap_or(&NULL)
    }
}

impl<I: Index> std::ops::IndexMut<I> for Value {
    fn index_mut(&mut self, index: I) -> &mut Value {
        index.of_or_insert(self)
    }
}

macro_rules! from_number {
    ($($number:ty)*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Value {
                Value::Number(number.into())
            }
        }
        impl PartialEq<$number> for Value {
            fn eq(&self, number: &$number) -> bool {
                matches!(self, Value::Number(own) if *own == Number::from(*number))
            }
        }
    )*};
}
from_number!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

/// What JSON has no number for is `null`.
impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        Value::Number(number)
    }
}

impl From<CompactString> for Value {
    fn from(text: CompactString) -> Value {
        Value::String(text)
    }
}

impl From<&CompactString> for Value {
    fn from(text: &CompactString) -> Value {
        Value::String(text.clone())
    }
}

macro_rules! from_text {
    ($($text:ty)*) => {$(
        impl From<$text> for Value {
            fn from(text: $text) -> Value {
                Value::String(text.into())
            }
        }
    )*};
}
from_text!(&str String &String Cow<'_, str>);

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        items.into_iter().collect()
    }
}

impl<T: Clone + Into<Value>> From<&[T]> for Value {
    fn from(items: &[T]) -> Value {
        items.iter().cloned().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Value {
        items.into_iter().collect()
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A list.
impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

/// An object.
impl<K: Into<CompactString>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Value {
        Value::Object(fields.into_iter().collect())
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == Some(*text)
    }
}

impl PartialEq<CompactString> for Value {
    fn eq(&self, text: &CompactString) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, text: &String) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, flag: &bool) -> bool {
        self.as_bool() == Some(*flag)
    }
}
