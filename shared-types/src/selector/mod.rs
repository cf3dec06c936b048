//! Label selectors and field selectors.

pub mod field;
pub mod label;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Labels};
