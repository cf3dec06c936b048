//! ServiceAccounts.

use super::*;

pub const COLUMNS: &[Column] = &[NAME, AGE];

pub fn cells(account: &Value, now: Timestamp) -> Vec<Value> {
    vec![account.name().into(), age(account, now)]
}
