//! JSON values: what every object is throughout the project.
//!
//! [`Value`] is used as [`serde_json::Value`] is, and read and written by serde_json; it differs in how it lies in
//! memory. An object is one list of fields sorted by name, in one piece, and a text of up to 24 bytes (most of
//! Kubernetes' names and values) lies within the value itself. A decoded Pod takes about a sixth of what the same Pod
//! takes as B-trees of separately allocated texts, and is made and freed several times as fast.

mod make;
mod object;
mod parse;
mod serde;
mod value;
mod write;

pub use crate::json;
pub use compact_str::CompactString;
pub use make::ToValue;
pub use object::{Entry, Object};
pub use parse::parse;
pub(crate) use parse::parse_masked;
pub use serde::{from_value, to_value};
pub use serde_json::Number;
pub use value::{Index, Value};
pub use write::{to_json, to_json_indented, write_string};
