//! Field paths and field errors, as the Kubernetes API reports them in a `Status` with reason `Invalid`.

use crate::go_quote::quote;
use crate::json::Value;
use std::fmt;

/// A path to a field, kept as a chain on the stack so that nothing is allocated unless an error is reported.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    element: Element<'a>,
}

#[derive(Clone, Copy)]
enum Element<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A path of one field. `name` may itself be dotted (`spec.template`). The empty name is the object itself.
    pub const fn new(name: &'a str) -> Path<'a> {
        Path { parent: None, element: Element::Field(name) }
    }
    /// The field `name` (may be dotted) below this one.
    pub const fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), element: Element::Field(name) }
    }
    /// The list element `index` of this field.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), element: Element::Index(index) }
    }
    /// The map entry `key` of this field.
    pub const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), element: Element::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = self.parent.filter(|p| !(p.parent.is_none() && matches!(p.element, Element::Field(""))));
        if let Some(parent) = parent {
            write!(f, "{parent}")?;
        }
        match self.element {
            Element::Field(name) if parent.is_some() => write!(f, ".{name}"),
            Element::Field(name) => f.write_str(name),
            Element::Index(index) => write!(f, "[{index}]"),
            Element::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    TypeInvalid,
    InternalError,
}

impl ErrorType {
    /// The `reason` of the cause in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorType::NotFound => "FieldValueNotFound",
            ErrorType::Required => "FieldValueRequired",
            ErrorType::Duplicate => "FieldValueDuplicate",
            ErrorType::Invalid => "FieldValueInvalid",
            ErrorType::NotSupported => "FieldValueNotSupported",
            ErrorType::Forbidden => "FieldValueForbidden",
            ErrorType::TooLong => "FieldValueTooLong",
            ErrorType::TooMany => "FieldValueTooMany",
            ErrorType::TypeInvalid => "FieldValueTypeInvalid",
            ErrorType::InternalError => "InternalError",
        }
    }
    fn words(self) -> &'static str {
        match self {
            ErrorType::NotFound => "Not found",
            ErrorType::Required => "Required value",
            ErrorType::Duplicate => "Duplicate value",
            ErrorType::Invalid | ErrorType::TypeInvalid => "Invalid value",
            ErrorType::NotSupported => "Unsupported value",
            ErrorType::Forbidden => "Forbidden",
            ErrorType::TooLong => "Too long",
            ErrorType::TooMany => "Too many",
            ErrorType::InternalError => "Internal error",
        }
    }
}

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub kind: ErrorType,
    pub field: String,
    /// The offending value, where the message shows it.
    pub value: Option<Value>,
    pub detail: String,
}

/// All that is wrong with an object, in the order in which it was found.
pub type ErrorList = Vec<FieldError>;

impl FieldError {
    fn new(kind: ErrorType, path: &Path, value: Option<Value>, detail: impl Into<String>) -> FieldError {
        FieldError { kind, field: path.to_string(), value, detail: detail.into() }
    }
    pub fn required(path: &Path, detail: impl Into<String>) -> FieldError {
        Self::new(ErrorType::Required, path, None, detail)
    }
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> FieldError {
        Self::new(ErrorType::Invalid, path, Some(value.into()), detail)
    }
    /// [`FieldError::invalid`], where the value is shown as `shown`: a struct with its fields in their own order, or as
    /// Kubernetes keeps it internally.
    pub fn invalid_shown(path: &Path, shown: &str, detail: &str) -> FieldError {
        Self::new(ErrorType::Invalid, path, None, format!("{shown}: {detail}"))
    }
    /// [`FieldError::not_supported`], where the value is shown as `shown`.
    pub fn not_supported_shown(path: &Path, shown: &str, supported: &[&str]) -> FieldError {
        let error = Self::not_supported(path, "", supported);
        FieldError { value: None, detail: format!("{shown}: {}", error.detail), ..error }
    }
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> FieldError {
        Self::new(ErrorType::TypeInvalid, path, Some(value.into()), detail)
    }
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> FieldError {
        Self::new(ErrorType::Duplicate, path, Some(value.into()), "")
    }
    pub fn not_found(path: &Path, value: impl Into<Value>) -> FieldError {
        Self::new(ErrorType::NotFound, path, Some(value.into()), "")
    }
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> FieldError {
        Self::new(ErrorType::Forbidden, path, None, detail)
    }
    /// The value is none of `supported`, which are listed as given.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> FieldError {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        Self::new(ErrorType::NotSupported, path, Some(value.into()), detail)
    }
    /// The value has more than `max` bytes.
    pub fn too_long(path: &Path, max: usize) -> FieldError {
        Self::new(ErrorType::TooLong, path, None, format!("may not be more than {max} bytes"))
    }
    /// The list has `actual` items, of which at most `max` are allowed.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> FieldError {
        Self::new(ErrorType::TooMany, path, Some(actual.into()), format!("must have at most {max} items"))
    }
    pub fn internal(path: &Path, detail: impl Into<String>) -> FieldError {
        Self::new(ErrorType::InternalError, path, None, detail)
    }

    /// The message without the field: `Invalid value: "x": must be ...`.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_string();
        if let Some(value) = &self.value {
            let shown = match value {
                Value::String(s) => quote(s),
                other => other.to_string(),
            };
            text = format!("{text}: {shown}");
        }
        if !self.detail.is_empty() {
            text = format!("{text}: {}", self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_kubernetes_prints_them() {
        let spec = Path::new("spec");
        let ports = spec.child("ports");
        let second = ports.index(1);
        assert_eq!(second.child("name").to_string(), "spec.ports[1].name");
        let labels = Path::new("metadata.labels");
        assert_eq!(labels.key("a/b").to_string(), "metadata.labels[a/b]");
        let root = Path::new("");
        assert_eq!(root.child("spec").to_string(), "spec");
    }

    #[test]
    fn errors_print_as_kubernetes_prints_them() {
        let path = Path::new("spec.type");
        assert_eq!(
            FieldError::not_supported(&path, "Fancy", &["ClusterIP", "NodePort"]).to_string(),
            "spec.type: Unsupported value: \"Fancy\": supported values: \"ClusterIP\", \"NodePort\""
        );
        assert_eq!(FieldError::invalid(&path, -1, "no").to_string(), "spec.type: Invalid value: -1: no");
        assert_eq!(FieldError::duplicate(&path, "x").to_string(), "spec.type: Duplicate value: \"x\"");
    }
}
