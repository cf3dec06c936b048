//! Leases.

use super::*;

pub const COLUMNS: &[Column] = &[
    NAME,
    column(
        "Holder",
        "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.",
    ),
    AGE,
];

pub fn cells(lease: &Value, now: Timestamp) -> Vec<Value> {
    vec![lease.name().into(), lease.text("spec.holderIdentity").into(), age(lease, now)]
}
