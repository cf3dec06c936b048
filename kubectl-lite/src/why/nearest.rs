//! What somebody may have meant.

use crate::cli::flag_errors::distance;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};

/// The candidate that is written most like `text`, unless all are too different.
pub fn word<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let far = (text.chars().count() / 2).max(1);
    let near =
        candidates.into_iter().map(|candidate| (distance(&text.to_lowercase(), &candidate.to_lowercase()), candidate));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, candidate)| candidate)
}

/// A label that may have been meant, and a Pod that has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Label<'p> {
    pub key: &'p str,
    pub value: &'p str,
    pub pod: &'p str,
}

/// The label among those of `pods` that comes closest to `key=value`: the same key with another value before the same
/// value under another key, and Pods that have more of the `wanted` labels before others.
pub fn label<'p>(key: &str, value: &str, wanted: &Object, pods: &'p [Value]) -> Option<Label<'p>> {
    let mut best: Option<((usize, usize), Label<'p>)> = None;
    for pod in pods {
        let labels = pod.map("metadata.labels");
        let missing = wanted.iter().filter(|(key, value)| labels.get(key) != Some(value)).count();
        for (own_key, own_value) in labels {
            let own_value = own_value.as_str().unwrap_or_default();
            let apart = match (own_key == key, own_value == value) {
                (true, true) => continue,
                (true, false) => distance(&value.to_lowercase(), &own_value.to_lowercase()),
                (false, true) if word(key, [own_key.as_str()]).is_some() => 2 + distance(key, own_key),
                _ => continue,
            };
            let rank = (apart, missing);
            if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                best = Some((rank, Label { key: own_key, value: own_value, pod: pod.name() }));
            }
        }
    }
    best.map(|(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn the_nearest_label_is_suggested() {
        let pods = [
            json!({"metadata": {"name": "a", "labels": {"app": "database"}}}),
            json!({"metadata": {"name": "b", "labels": {"app": "web", "tier": "x"}}}),
            json!({"metadata": {"name": "c", "labels": {"App": "wbe"}}}),
        ];
        let wanted = json!({"app": "wbe", "tier": "x"});
        let found = label("app", "wbe", wanted.map(""), &pods);
        assert_eq!(found, Some(Label { key: "app", value: "web", pod: "b" }));
        let found = label("app", "wbe", wanted.map(""), &pods[2..]);
        assert_eq!(found, Some(Label { key: "App", value: "wbe", pod: "c" }));
        assert_eq!(label("colour", "red", wanted.map(""), &pods), None);
    }

    #[test]
    fn words_that_are_too_different_are_not_suggested() {
        assert_eq!(word("htpp", ["http", "https"]), Some("http"));
        assert_eq!(word("web", ["metrics"]), None);
    }
}
