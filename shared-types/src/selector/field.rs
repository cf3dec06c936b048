//! Field selectors: `status.phase!=Running,metadata.name=web`.

use std::fmt;

/// Terms on fields, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    pub terms: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    pub field: String,
    pub value: String,
    /// `!=` instead of `=` or `==`.
    pub negated: bool,
}

impl FieldSelector {
    /// Reads the text form. The error is Kubernetes' own message: `invalid selector: 'metadata.name'; can't understand
    /// 'metadata.name'`.
    pub fn parse(text: &str) -> Result<FieldSelector, String> {
        let _ = text;
        todo!()
    }
    /// Whether all terms hold, given how to read a field's value (`""` where unset).
    pub fn matches<'a>(&self, read: impl Fn(&str) -> std::borrow::Cow<'a, str>) -> bool {
        self.terms.iter().all(|term| (read(&term.field) == term.value) != term.negated)
    }
    /// The value that a term demands of `field` by equality, if any (a list by `metadata.name` needs to look at one object only).
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.field == field && !t.negated).map(|t| t.value.as_str())
    }
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
