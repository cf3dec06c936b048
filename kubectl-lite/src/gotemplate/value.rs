//! What templates compute with: JSON, and the few values of Go that JSON has no name for.

use crate::go_format;
use shared_types::json::Value;
use std::borrow::Cow;

/// A value, and whether Go sees it through an `interface {}` (as it does the fields of objects).
#[derive(Clone, Debug)]
pub(super) struct Datum<'d> {
    pub kind: Kind<'d>,
    pub boxed: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind<'d> {
    /// No value at all: what an absent field gives.
    Missing,
    /// `nil`, inside an `interface {}`.
    Nil,
    Json(Cow<'d, Value>),
    /// Go's `int`: constants, lengths, positions. JSON's whole numbers are `int64`.
    Int(i64),
    /// A byte of a string.
    Byte(u8),
}

impl<'d> Datum<'d> {
    pub const MISSING: Datum<'static> = Datum { kind: Kind::Missing, boxed: false };

    pub fn new(value: &'d Value) -> Datum<'d> {
        let kind = if value.is_null() { Kind::Nil } else { Kind::Json(Cow::Borrowed(value)) };
        Datum { kind, boxed: false }
    }
    /// A field of an object, or an element of a list.
    pub fn boxed(value: &'d Value) -> Datum<'d> {
        Datum { boxed: true, ..Datum::new(value) }
    }
    pub fn owned(value: impl Into<Value>) -> Datum<'d> {
        Datum { kind: Kind::Json(Cow::Owned(value.into())), boxed: false }
    }
    pub fn int(value: i64) -> Datum<'d> {
        Datum { kind: Kind::Int(value), boxed: false }
    }
    /// The value itself, out of its `interface {}`; a `nil` in it is nothing.
    pub fn unboxed(self) -> Datum<'d> {
        match self.kind {
            Kind::Nil => Datum::MISSING,
            kind => Datum { kind, boxed: false },
        }
    }
    /// The value as an argument that may be anything: nothing is `nil` then.
    pub fn argument(self) -> Datum<'d> {
        match self.kind {
            Kind::Missing => Datum { kind: Kind::Nil, boxed: true },
            kind => Datum { kind, boxed: self.boxed },
        }
    }
    pub fn is_nothing(&self) -> bool {
        matches!(self.kind, Kind::Missing | Kind::Nil)
    }
    pub fn json(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Json(value) => Some(value),
            _ => None,
        }
    }
    pub fn text(&self) -> Option<&str> {
        self.json().and_then(Value::as_str)
    }
    /// The whole number that this is.
    pub fn as_int(&self) -> Option<i64> {
        match &self.kind {
            Kind::Int(value) => Some(*value),
            Kind::Byte(value) => Some(i64::from(*value)),
            Kind::Json(value) => value.as_i64(),
            _ => None,
        }
    }
    pub fn as_float(&self) -> Option<f64> {
        match self.json()? {
            Value::Number(number) if number.is_f64() => number.as_f64(),
            _ => None,
        }
    }

    /// Takes `field` of an object, or an element of a list.
    pub fn child(&self, pick: impl for<'v> Fn(&'v Value) -> Option<&'v Value>) -> Option<Datum<'d>> {
        match &self.kind {
            Kind::Json(Cow::Borrowed(value)) => pick(value).map(Datum::boxed),
            Kind::Json(Cow::Owned(value)) => pick(value).cloned().map(|value| {
                if value.is_null() {
                    Datum { kind: Kind::Nil, boxed: true }
                } else {
                    Datum { boxed: true, ..Datum::owned(value) }
                }
            }),
            _ => None,
        }
    }

    /// Go's name of the type, as messages have it.
    pub fn type_name(&self) -> &'static str {
        if self.boxed {
            return "interface {}";
        }
        self.inner_type_name()
    }
    /// The type of what is in the `interface {}`.
    pub fn inner_type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Missing | Kind::Nil => "<nil>",
            Kind::Json(value) => go_format::type_name(value),
            Kind::Int(_) => "int",
            Kind::Byte(_) => "uint8",
        }
    }

    /// Whether `{{if}}` takes it for true: not empty and not zero.
    pub fn is_true(&self) -> bool {
        match &self.kind {
            Kind::Missing | Kind::Nil => false,
            Kind::Int(value) => *value != 0,
            Kind::Byte(value) => *value != 0,
            Kind::Json(value) => match value.as_ref() {
                Value::Null => false,
                Value::Bool(flag) => *flag,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::Object(map) => !map.is_empty(),
            },
        }
    }
}

/// As `%v` prints it.
impl std::fmt::Display for Datum<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Missing | Kind::Nil => f.write_str("<nil>"),
            Kind::Json(value) => f.write_str(&go_format::plain(value)),
            Kind::Int(value) => write!(f, "{value}"),
            Kind::Byte(value) => write!(f, "{value}"),
        }
    }
}
