//! Leases.

use super::check::NEGATIVE;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::validation::{ErrorList, FieldError, Path};

pub struct Lease;

impl Strategy for Lease {
    fn validate(&self, lease: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut at_least = |field: &str, least: i64, why: &str| {
            if let Some(value) = lease.int(field).filter(|value| *value < least) {
                errors.push(FieldError::invalid(&Path::new(field), value, why));
            }
        };
        at_least("spec.leaseDurationSeconds", 1, "must be greater than 0");
        at_least("spec.leaseTransitions", 0, NEGATIVE);
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
    fn allows_unconditional_update(&self) -> bool {
        false
    }
}
