//! The arithmetic of rolling updates and of scaling in the middle of one.

use super::revision::max_replicas;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// `spec.replicas`.
pub(super) fn replicas(object: &Value) -> i64 {
    object.int("spec.replicas").unwrap_or(1)
}
pub(super) fn available(set: &Value) -> i64 {
    set.int("status.availableReplicas").unwrap_or(0)
}
pub(super) fn total<'a>(sets: impl IntoIterator<Item = &'a Value>) -> i64 {
    sets.into_iter().map(replicas).sum()
}

fn is_rolling(deployment: &Value) -> bool {
    deployment.text("spec.strategy.type") != "Recreate"
}

/// A number or a percentage of `whole`.
fn scaled(value: &Value, whole: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent: i64 = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).unwrap_or(0);
    let product = percent.saturating_mul(whole);
    if round_up { product.saturating_add(99).div_euclid(100) } else { product.div_euclid(100) }
}

/// How many Pods more than asked for there may be, and how many fewer may be available, during an update. The first is
/// rounded up, the second down, and both together are never zero.
fn fenceposts(deployment: &Value) -> (i64, i64) {
    let wanted = replicas(deployment);
    let rolling = deployment.at("spec.strategy.rollingUpdate");
    let surge = scaled(rolling.at("maxSurge"), wanted, true);
    let unavailable = scaled(rolling.at("maxUnavailable"), wanted, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

pub(super) fn max_surge(deployment: &Value) -> i64 {
    if is_rolling(deployment) { fenceposts(deployment).0 } else { 0 }
}

pub(super) fn max_unavailable(deployment: &Value) -> i64 {
    let wanted = replicas(deployment);
    if !is_rolling(deployment) || wanted == 0 {
        return 0;
    }
    fenceposts(deployment).1.min(wanted)
}

/// How large the newest ReplicaSet, now of size `newest`, may be made when all have `total` replicas together.
pub(super) fn newest_size(deployment: &Value, total: i64, newest: i64) -> i64 {
    let wanted = replicas(deployment);
    if !is_rolling(deployment) {
        return wanted;
    }
    let room = wanted + max_surge(deployment) - total;
    if room <= 0 { newest } else { newest + room.min(wanted - newest) }
}

/// New sizes of old ReplicaSets (given as size and available Pods, oldest first), so that no more Pods are unavailable
/// than allowed. First go replicas that aren't available anyway.
pub(super) fn shrink_old(deployment: &Value, newest: Option<(i64, i64)>, old: &[(i64, i64)]) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|(size, _)| *size).collect();
    let (newest_size, newest_available) = newest.unwrap_or((0, 0));
    let all = sizes.iter().sum::<i64>() + newest_size;
    let least = replicas(deployment) - max_unavailable(deployment);
    let mut spare = all - least - (newest_size - newest_available);
    if spare <= 0 {
        return sizes;
    }
    for (size, (_, available)) in sizes.iter_mut().zip(old) {
        let cut = (*size - available).clamp(0, spare.max(0));
        *size -= cut;
        spare -= cut;
    }
    // What is still available above the least may go, the oldest first. An old replica that was cut above was not
    // counted as available.
    let available = old.iter().map(|(_, available)| available).sum::<i64>() + newest_available;
    let mut surplus = available - least;
    for size in &mut sizes {
        let cut = (*size).clamp(0, surplus.max(0));
        *size -= cut;
        surplus -= cut;
    }
    sizes
}

/// New sizes of the active ReplicaSets of a Deployment that was scaled during an update, in proportion to their sizes. In
/// `sets` the largest come first.
pub(super) fn proportional_sizes(deployment: &Value, sets: &[&Value]) -> Vec<i64> {
    let wanted = replicas(deployment);
    let allowed = if wanted > 0 { wanted + max_surge(deployment) } else { 0 };
    let to_add = allowed - total(sets.iter().copied());
    let mut added = 0;
    let mut sizes = Vec::with_capacity(sets.len());
    for set in sets {
        let size = replicas(set);
        let left = to_add - added;
        let share = if size == 0 || left == 0 { 0 } else { fraction(deployment, set) };
        let share = if to_add > 0 { share.min(left) } else { share.max(left) };
        sizes.push(size + share);
        added += share;
    }
    // What rounding left over goes to the largest.
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    sizes
}

/// By how much a ReplicaSet grows when it keeps its share of the Deployment.
fn fraction(deployment: &Value, set: &Value) -> i64 {
    let size = replicas(set);
    if replicas(deployment) == 0 {
        return -size;
    }
    let before = max_replicas(set).filter(|max| *max > 0).or_else(|| deployment.int("status.replicas"));
    let Some(before) = before.filter(|before| *before > 0) else { return 0 };
    let after = replicas(deployment) + max_surge(deployment);
    (size as f64 * after as f64 / before as f64).round() as i64 - size
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
        json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}})
    }
    fn set(replicas: i64, max: i64) -> Value {
        json!({"spec": {"replicas": replicas}, "metadata": {"annotations": {
            "deployment.kubernetes.io/max-replicas": max.to_string()}}})
    }

    #[test]
    fn surge_rounds_up_and_unavailable_down() {
        let d = deployment(3, json!("25%"), json!("25%"));
        assert_eq!((max_surge(&d), max_unavailable(&d)), (1, 0));
        let d = deployment(10, json!("25%"), json!("25%"));
        assert_eq!((max_surge(&d), max_unavailable(&d)), (3, 2));
        let d = deployment(3, json!(0), json!("1%"));
        assert_eq!((max_surge(&d), max_unavailable(&d)), (0, 1));
        assert_eq!(max_unavailable(&deployment(2, json!(1), json!(9))), 2);
        assert_eq!(max_unavailable(&deployment(0, json!(1), json!(9))), 0);
    }

    #[test]
    fn an_update_goes_step_by_step() {
        // 3 replicas, one more allowed, none unavailable.
        let d = deployment(3, json!(1), json!(0));
        assert_eq!(newest_size(&d, 3, 0), 1);
        assert_eq!(shrink_old(&d, Some((1, 0)), &[(3, 3)]), [3]);
        assert_eq!(shrink_old(&d, Some((1, 1)), &[(3, 3)]), [2]);
        assert_eq!(newest_size(&d, 3, 1), 2);
        assert_eq!(shrink_old(&d, Some((3, 3)), &[(1, 1)]), [0]);
    }

    #[test]
    fn unhealthy_old_replicas_go_first() {
        // Of four, one may be unavailable. A broken update (2 of 2 not available) is replaced by a third template.
        let d = deployment(4, json!(1), json!(1));
        assert_eq!(shrink_old(&d, Some((0, 0)), &[(3, 3), (2, 0)]), [3, 0]);
        assert_eq!(newest_size(&d, 3, 0), 2);
        assert_eq!(shrink_old(&d, Some((2, 2)), &[(3, 3)]), [1]);
    }

    #[test]
    fn scaling_keeps_proportions() {
        // 10 + 3 surge, as 8 old and 5 new, scaled to 15: the example of Kubernetes' documentation.
        let d = deployment(15, json!(3), json!(2));
        assert_eq!(proportional_sizes(&d, &[&set(8, 13), &set(5, 13)]), [11, 7]);
        let d = deployment(0, json!(3), json!(2));
        assert_eq!(proportional_sizes(&d, &[&set(8, 13), &set(5, 13)]), [0, 0]);
        let d = deployment(5, json!(3), json!(2));
        let sizes = proportional_sizes(&d, &[&set(8, 13), &set(5, 13)]);
        assert_eq!(sizes, [5, 3]);
    }
}
