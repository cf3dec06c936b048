//! Label selectors, in text form (`app in (a,b),!tier`) and as the API's `LabelSelector` object.

use crate::fields::Object;
use serde_json::Value;
use std::fmt;

/// Requirements on labels, all of which must hold. Without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    /// Sorted; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    NotEquals,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Reads the text form. The error is Kubernetes' own message, such as
    /// `unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt`.
    pub fn parse(text: &str) -> Result<LabelSelector, String> {
        let _ = text;
        todo!()
    }
    /// Reads a `meta/v1.LabelSelector` object (`matchLabels`, `matchExpressions`). `null` selects nothing: `None`.
    pub fn from_object(selector: &Value) -> Result<Option<LabelSelector>, String> {
        let _ = selector;
        todo!()
    }
    /// A selector that requires each of `labels`, as a Service's `spec.selector` does.
    pub fn from_labels(labels: &Object) -> LabelSelector {
        let _ = labels;
        todo!()
    }
    pub fn matches(&self, labels: &Object) -> bool {
        let _ = labels;
        todo!()
    }
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
