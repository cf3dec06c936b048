//! Label selectors as text.

use super::report::or;
use shared_types::json::{Object, Value};
use shared_types::selector::LabelSelector;

/// A `LabelSelector` object: `a=b,c in (d,e)`; `<none>` where it is empty.
pub fn label_selector(selector: &Value) -> String {
    let text = match LabelSelector::from_object(selector) {
        Ok(selector) => selector.map(|s| s.to_string()).unwrap_or_default(),
        Err(error) => format!("<error: {error}>"),
    };
    or(&text, "<none>").to_string()
}

/// Plain labels, as a Service selects by them: `a=b,c=d`; `<none>` where there are none.
pub fn labels(labels: &Object) -> String {
    or(&LabelSelector::from_labels(labels).to_string(), "<none>").to_string()
}
