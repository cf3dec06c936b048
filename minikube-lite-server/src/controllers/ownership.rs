//! Adoption and release: which objects a controller counts as its own (controller references).

use super::runtime::{Meta, owner_reference};
use crate::client::{Client, Part};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::selector::LabelSelector;
use shared_types::status::Status;

/// How an object stands to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Ours,
    Not,
    /// An orphan that the selector matches.
    Adopt,
    /// Ours, but the selector no longer matches it.
    Release,
}

/// How `object` stands to `owner`. An orphan is adopted only where `adoptable`.
pub(super) fn claim(owner: &Meta, selector: &LabelSelector, object: &Meta, adoptable: bool) -> Claim {
    let matches = || selector.matches(&*object.labels);
    match object.controller() {
        Some(controller) if controller.uid != owner.uid => Claim::Not,
        Some(_) if matches() => Claim::Ours,
        Some(_) if owner.terminating => Claim::Not,
        Some(_) => Claim::Release,
        None if owner.terminating || object.terminating || !adoptable || !matches() => Claim::Not,
        None => Claim::Adopt,
    }
}

/// Carries out claims of an owner.
pub(super) struct Claimed<'a> {
    pub client: &'a Client,
    pub owner: &'a Meta,
}

impl Claimed<'_> {
    /// Adopts or releases; the revision of the change, or `None` when the object or the owner is not what it was.
    pub(super) async fn carry_out(&self, claim: Claim, object: &Meta) -> Result<Option<u64>, Status> {
        let (owner, client) = (self.owner, self.client);
        if claim == Claim::Adopt {
            // The informer may be behind: never adopt for an owner that is gone.
            let found = client.get(owner.kind, &owner.namespace, &owner.name).await;
            match found {
                Ok(found) if found.uid() == &*owner.uid && !found.is_terminating() => {}
                Ok(_) => return Ok(None),
                Err(status) if status.is_not_found() => return Ok(None),
                Err(status) => return Err(status),
            }
        }
        let reference = owner_reference(owner);
        let mut changed = false;
        let change = |current: &mut Value| {
            changed = current.uid() == &*object.uid && refer(current, claim, &reference);
        };
        match client.modify(object.kind, Part::Main, &object.namespace, &object.name, change).await {
            Ok(written) => Ok(changed.then_some(written.entry.revision)),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// Adds or removes the owner reference; whether that could be done.
fn refer(object: &mut Value, claim: Claim, reference: &Value) -> bool {
    let mut owners = object.list("metadata.ownerReferences").to_vec();
    match claim {
        Claim::Adopt => {
            if object.controller_ref().is_some() || object.is_terminating() {
                return false;
            }
            owners.retain(|owner| owner.text("uid") != reference.text("uid"));
            owners.push(reference.clone());
        }
        Claim::Release => owners.retain(|owner| owner.text("uid") != reference.text("uid")),
        Claim::Ours | Claim::Not => return false,
    }
    if owners.is_empty() {
        object.remove("metadata.ownerReferences");
    } else {
        object.set("metadata.ownerReferences", owners);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::runtime::Interner;
    use super::*;
    use shared_types::json::json;
    use shared_types::kinds;

    fn meta(object: Value) -> Meta {
        Meta::read(kinds::named("ReplicaSet"), &object, &mut Interner::default())
    }

    #[test]
    fn claims() {
        let owner = meta(json!({"metadata": {"name": "o", "uid": "o"}}));
        let dying = meta(json!({"metadata": {"name": "o", "uid": "o", "deletionTimestamp": "2024-01-01T00:00:00Z"}}));
        let labels = json!({"app": "web"});
        let selector = LabelSelector::from_labels(labels.as_object().unwrap());
        let object = |labels: Value, owner: Option<&str>| {
            let owners = owner.map(|uid| json!({"uid": uid, "controller": true}));
            meta(json!({"metadata": {"labels": labels, "ownerReferences": owners.into_iter().collect::<Vec<_>>()}}))
        };
        let claim = |owner: &Meta, object: &Meta| claim(owner, &selector, object, true);
        assert_eq!(claim(&owner, &object(labels.clone(), Some("o"))), Claim::Ours);
        assert_eq!(claim(&owner, &object(labels.clone(), Some("x"))), Claim::Not);
        assert_eq!(claim(&owner, &object(labels.clone(), None)), Claim::Adopt);
        assert_eq!(claim(&owner, &object(json!({}), None)), Claim::Not);
        assert_eq!(claim(&owner, &object(json!({}), Some("o"))), Claim::Release);
        assert_eq!(claim(&dying, &object(labels, None)), Claim::Not);
    }
}
