//! Namespaces.

use super::*;

pub const COLUMNS: &[Column] = &[NAME, column("Status", "The status of the namespace"), AGE];

pub fn cells(namespace: &Value, now: Timestamp) -> Vec<Value> {
    vec![namespace.name().into(), namespace.text("status.phase").into(), age(namespace, now)]
}
