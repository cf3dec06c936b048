//! The ResourceQuota admission plug-in: what a namespace may hold altogether.
//!
//! The quota's status says how much is used. Who makes or changes an object takes its part first, by writing the status
//! against its resourceVersion; the controller counts anew when objects come and go.

pub mod usage;

use super::{Entry, Expect, Part, Registry, WriteError, WriteOptions, encode, failed};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::pod_resources::{Amounts, add, amounts};
use shared_types::status::Status;
use std::sync::Arc;

/// Amounts as an object holds them.
pub fn resource_list(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name, amount.to_string())).collect()
}

/// `a=1,b=2`
fn shown(amounts: &Amounts, names: &[&String]) -> String {
    let one = |name: &&String| amounts.get(*name).map(|amount| format!("{name}={amount}"));
    names.iter().filter_map(one).collect::<Vec<_>>().join(",")
}

/// Takes `more` from a quota.
///
/// # Errors
/// What is exceeded.
fn take(quota: &mut Value, more: &Amounts) -> Result<(), String> {
    let (hard, used) = (amounts(quota.map("status.hard")), amounts(quota.map("status.used")));
    let mut after = used.clone();
    add(&mut after, more);
    let beyond = |name: &&String| matches!((after.get(*name), hard.get(*name)), (Some(a), Some(h)) if a > h);
    let exceeded: Vec<&String> = more.keys().filter(beyond).collect();
    if !exceeded.is_empty() {
        let [requested, used, limited] = [more, &used, &hard].map(|amounts| shown(amounts, &exceeded));
        let name = quota.name();
        return Err(format!("exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}"));
    }
    quota.set("status.used", resource_list(&after));
    Ok(())
}

impl Registry {
    /// Charges the quotas of its namespace with a new object, or with what a changed one takes more than before.
    ///
    /// # Errors
    /// `Forbidden` when one of them has not enough left.
    pub(super) async fn charge_quotas(
        &self,
        kind: &'static Kind,
        object: &Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<(), Status> {
        let quotas = kinds::named("ResourceQuota");
        if !kind.namespaced || self.count(quotas) == 0 {
            return Ok(());
        }
        let namespace = object.namespace();
        let forbidden = |why: &str| Status::forbidden(kind.plural, kind.group, object.name(), why);
        let mut wanted = usage::usage(kind, object);
        for (name, amount) in old.map(|old| usage::usage(kind, old)).into_iter().flatten() {
            *wanted.entry(name).or_default() -= amount;
        }
        for entry in self.snapshot(quotas, namespace).0 {
            let quota = entry.object()?;
            let hard = amounts(quota.map("status.hard"));
            if hard.is_empty() || !usage::in_scope(&quota, kind, object) {
                continue;
            }
            let name = quota.name();
            if old.is_none()
                && let Some(unsaid) = usage::unsaid(kind, object, &hard)
            {
                return Err(forbidden(&format!("failed quota: {name}: must specify {unsaid}")));
            }
            let more: Amounts = wanted
                .iter()
                .filter(|(name, amount)| hard.contains_key(*name) && **amount > Default::default())
                .map(|(name, amount)| (name.clone(), *amount))
                .collect();
            if more.is_empty() {
                continue;
            }
            if old.is_none() && self.get(kind, namespace, object.name()).is_ok() {
                // There is one already, which creating it will tell.
                return Ok(());
            }
            self.charge(entry, quota, &more, dry_run).await.map_err(|problem| match problem {
                Refusal::Exceeded(why) => forbidden(&why),
                Refusal::Failed(status) => status,
            })?;
        }
        Ok(())
    }
}

/// Why nothing was taken from a quota.
enum Refusal {
    Exceeded(String),
    Failed(Status),
}

impl Registry {
    /// Writes into the status of a quota, which is `old` in `entry`, that `more` is used: on whatever it is by then.
    async fn charge(
        &self,
        mut entry: Arc<Entry>,
        mut old: Value,
        more: &Amounts,
        dry_run: bool,
    ) -> Result<(), Refusal> {
        let kind = kinds::named("ResourceQuota");
        let options = WriteOptions { manager: "kube-apiserver".into(), ..WriteOptions::default() };
        loop {
            let mut new = old.clone();
            take(&mut new, more).map_err(Refusal::Exceeded)?;
            if dry_run {
                return Ok(());
            }
            self.track_managed_fields(kind, Some(&old), &mut new, &options, Part::Status);
            let bytes = encode(kind, &new).map_err(Refusal::Failed)?;
            match self.commit(kind, &new, bytes, Expect::Revision(entry.revision), false).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Failed(why)) => return Err(Refusal::Failed(failed(why))),
                Err(WriteError::Conflict) => match self.get(kind, new.namespace(), new.name()) {
                    Ok(current) => {
                        old = current.object().map_err(Refusal::Failed)?;
                        entry = current;
                    }
                    // Nobody limits any more.
                    Err(_) => return Ok(()),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::quantity::Quantity;

    #[test]
    fn what_is_left_can_be_taken() {
        let mut quota = json!({"metadata": {"name": "q"}, "status": {"hard": {"pods": "2", "cpu": "1"}, "used": {"pods": "1", "cpu": "500m"}}});
        let more = |pods: i64, milli: i64| {
            Amounts::from([("cpu".into(), Quantity::from_milli(milli)), ("pods".into(), Quantity::from_value(pods))])
        };
        assert_eq!(
            take(&mut quota, &more(2, 600)).unwrap_err(),
            "exceeded quota: q, requested: cpu=600m,pods=2, used: cpu=500m,pods=1, limited: cpu=1,pods=2"
        );
        take(&mut quota, &more(1, 500)).unwrap();
        assert_eq!(quota.at("status.used"), &json!({"cpu": "1", "pods": "2"}));
        assert_eq!(
            take(&mut quota, &more(0, 1)).unwrap_err(),
            "exceeded quota: q, requested: cpu=1m, used: cpu=1, limited: cpu=1"
        );
    }
}
