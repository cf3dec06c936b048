//! ServiceAccounts.

use super::strategy::Strategy;

pub struct ServiceAccount;

impl Strategy for ServiceAccount {
    fn returns_deleted_object(&self) -> bool {
        true
    }
}
