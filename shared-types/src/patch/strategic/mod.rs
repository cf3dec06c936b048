//! Strategic merge patch: a merge patch that knows the types of the fields, so that lists are merged item by item where
//! the API declares a merge key. [`apply`] applies one; [`two_way_diff`] and [`three_way_diff`] make one.
//!
//! Directives in a patch (API conventions, "strategic merge patch"): `$patch: replace|delete`, `$retainKeys`,
//! `$setElementOrder/FIELD` and `$deleteFromPrimitiveList/FIELD`.

mod apply;
mod convert;
mod diff;

#[cfg(test)]
mod tests;

pub use apply::apply;
pub use convert::check_types;
pub use diff::{three_way_diff, two_way_diff};

use super::go_format;
use crate::json::{Object, Value};
use crate::schema::{Merge, Struct, Type};
use std::fmt;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";

/// Why a patch cannot be applied or made. The variants differ in the code of the API server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The patch is malformed: `BadRequest`.
    BadFormat(&'static str),
    /// The patch does not fit the object: code 422.
    Unprocessable(&'static str),
    /// Anything else: code 500 without a reason.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadFormat(text) | Error::Unprocessable(text) => f.write_str(text),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    fn no_merge_key(item: &Object, key: &str) -> Error {
        let item = go_format(&Value::Object(item.clone()));
        Error::Other(format!("map: {item} does not contain declared merge key: {key}"))
    }
    fn unknown_directive(directive: &Value, map: &Object) -> Error {
        let map = go_format(&Value::Object(map.clone()));
        Error::Other(format!("unknown patch type: {} in map: {map}", go_format(directive)))
    }
    const LISTS_OF_LISTS: Error = Error::Unprocessable("lists of lists are not supported");
}

/// What is known about the members of an object.
#[derive(Clone, Copy)]
enum Shape {
    Struct(&'static Struct),
    Map(&'static Type),
    Unknown,
}

/// What is known about one member: the shape of it (of its items, when it is a list) and how it merges.
#[derive(Clone, Copy)]
struct Member {
    shape: Shape,
    merge: Option<&'static Merge>,
}

impl Shape {
    fn of(ty: &'static Type) -> Shape {
        match ty {
            Type::Struct(inner) => Shape::Struct(inner),
            Type::Map(values) => Shape::Map(values),
            Type::List(items) => Shape::of(items),
            _ => Shape::Unknown,
        }
    }
    fn member(self, name: &str) -> Member {
        match self {
            Shape::Struct(ty) => ty.field(name).map_or(Member { shape: Shape::Unknown, merge: None }, |field| Member {
                shape: Shape::of(&field.ty),
                merge: Some(&field.merge),
            }),
            Shape::Map(values) => Member { shape: Shape::of(values), merge: None },
            Shape::Unknown => Member { shape: Shape::Unknown, merge: None },
        }
    }
}

impl Member {
    /// Whether lists are merged, not replaced.
    fn merges(&self) -> bool {
        self.merge.is_some_and(|merge| merge.patch_merge)
    }
    fn retains_keys(&self) -> bool {
        self.merge.is_some_and(|merge| merge.patch_retain_keys)
    }
    fn key(&self) -> Option<&'static str> {
        self.merge.and_then(|merge| merge.patch_merge_key.as_deref())
    }
}

/// What tells an item of a merged list from the others: the value of its merge key, or a primitive itself.
fn identity<'v>(item: &'v Value, key: Option<&str>) -> Option<&'v Value> {
    match (item, key) {
        (Value::Object(item), Some(key)) => item.get(key),
        (Value::Object(_), None) => None,
        (item, _) => Some(item),
    }
}

/// Whether lists hold objects (and not primitives).
///
/// # Errors
/// If they hold lists, or both objects and primitives.
fn holds_objects<'v>(lists: impl Iterator<Item = &'v Value>) -> Result<bool, Error> {
    let mut objects = None;
    for item in lists {
        if item.is_array() {
            return Err(Error::LISTS_OF_LISTS);
        }
        if objects.is_some_and(|objects: bool| objects != item.is_object()) {
            return Err(Error::Other("list element types are not identical".into()));
        }
        objects = Some(item.is_object());
    }
    Ok(objects.unwrap_or(false))
}
