//! What selectors look at, derived from every stored object.

use super::strategy_of;
use crate::store::Sketched;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::kinds::Kind;
use shared_types::selector::Labels;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An object's labels, and its values of the kind's [`Strategy::selectable_fields`](super::strategy::Strategy), in their
/// order. They lie in one piece: there is one of these for each object in memory and each state of it in history.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// The fields' values, then the labels' keys and values, one after the other.
    texts: Box<str>,
    /// Where each of the texts ends.
    ends: Box<[u32]>,
    /// How many of them are fields.
    fields: usize,
}

impl Attributes {
    /// The attributes of an object.
    pub fn of(kind: &'static Kind, object: &Value) -> Attributes {
        let strategy = strategy_of(kind);
        let fields: Vec<_> = strategy.selectable_fields().iter().map(|f| strategy.field_value(object, f)).collect();
        Attributes::new(fields.iter().map(|value| &**value), object.map("metadata.labels"))
    }

    /// The same with other labels.
    pub fn with_labels(&self, labels: &Object) -> Attributes {
        Attributes::new((0..self.fields).map(|index| self.text(index)), labels)
    }

    fn new<'a>(fields: impl Iterator<Item = &'a str>, labels: &'a Object) -> Attributes {
        let (mut texts, mut ends) = (String::new(), Vec::new());
        let mut add = |text: &str| {
            texts.push_str(text);
            // Requests of more than a few MB are refused.
            ends.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        };
        let mut count = 0;
        fields.for_each(|field| {
            add(field);
            count += 1;
        });
        for (key, value) in labels {
            add(key);
            add(value.as_str().unwrap_or(""));
        }
        Attributes { texts: texts.into(), ends: ends.into(), fields: count }
    }

    fn text(&self, index: usize) -> &str {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = if index == 0 { 0 } else { end(index - 1) };
        self.texts.get(start..end(index)).unwrap_or("")
    }

    /// The value of a selectable field, by its place among them; `""` where it is not set.
    pub fn field(&self, index: usize) -> &str {
        if index < self.fields { self.text(index) } else { "" }
    }

    /// The labels, as keys and values.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.fields..self.ends.len()).step_by(2).map(|index| (self.text(index), self.text(index + 1)))
    }
}

impl Labels for Attributes {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels().find(|(own, _)| *own == key).map(|(_, value)| value)
    }
}

/// Two bits that stand for a label.
pub fn label_sketch(key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    let hash = hasher.finish();
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

impl Sketched for Attributes {
    fn sketch(&self) -> u64 {
        self.labels().fold(0, |sketch, (key, value)| sketch | label_sketch(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::kinds;

    #[test]
    fn labels_and_fields_are_found() {
        let kind = kinds::named("Pod");
        let selectable = strategy_of(kind).selectable_fields();
        let place = |field: &str| selectable.iter().position(|known| *known == field).unwrap();
        let pod = json!({
            "metadata": {"name": "web", "labels": {"app": "wéb", "empty": "", "tier": "front"}},
            "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"},
        });
        let attributes = Attributes::of(kind, &pod);
        assert_eq!(attributes.field(place("status.phase")), "Running");
        assert_eq!(attributes.field(place("spec.nodeName")), "node-1");
        assert_eq!(attributes.field(place("status.podIP")), "");
        assert_eq!(attributes.field(99), "");
        let labels = ["app", "empty", "tier", "other", ""].map(|key| attributes.label(key));
        assert_eq!(labels, [Some("wéb"), Some(""), Some("front"), None, None]);
        let other = attributes.with_labels(json!({"x": "y"}).as_object().unwrap());
        assert_eq!(other.labels().collect::<Vec<_>>(), [("x", "y")]);
        assert_eq!(other.field(place("spec.nodeName")), "node-1");
        let none = Attributes::default();
        assert_eq!((none.field(0), none.label("app"), none.labels().count(), none.sketch()), ("", None, 0, 0));
    }
}
