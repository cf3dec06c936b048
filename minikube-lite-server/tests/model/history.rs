//! The model: what every acknowledged write makes of a ConfigMap, replayed in the order of revisions.

use shared_types::fields::Fields;
use shared_types::json::Value;
use std::collections::BTreeMap;

/// A finalizer that nobody but the clients of this test takes away.
pub const FINALIZER: &str = "example.com/held";

pub type Key = (String, String);
pub type Revision = u64;

/// As much of a ConfigMap as the model knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub labels: BTreeMap<String, String>,
    pub data: BTreeMap<String, String>,
    pub held: bool,
    pub terminating: bool,
}

impl Model {
    /// The model of a stored object.
    pub fn of(object: &Value) -> Model {
        let texts = |path: &str| {
            let map = object.map(path).iter();
            map.map(|(key, value)| (key.to_string(), value.as_str().expect("a text").to_string())).collect()
        };
        Model {
            labels: texts("metadata.labels"),
            data: texts("data"),
            held: !object.list("metadata.finalizers").is_empty(),
            terminating: object.is_terminating(),
        }
    }
}

/// What a client did.
#[derive(Clone, Debug)]
pub enum Action {
    Create(Model),
    /// A PUT on top of this revision.
    Replace(Revision, Model),
    /// A merge patch: values to set, or to take out.
    Patch {
        labels: BTreeMap<String, Option<String>>,
        data: BTreeMap<String, Option<String>>,
        release: bool,
    },
    Delete,
}

/// An acknowledged write.
#[derive(Clone, Debug)]
pub struct Record {
    pub revision: Revision,
    pub key: Key,
    pub action: Action,
    /// The object that the client was answered with.
    pub answer: Value,
}

/// A revision of an object: what it was and what it became. `None` stands for no object.
pub struct Step {
    pub key: Key,
    pub before: Option<Model>,
    pub after: Option<Model>,
}

/// All that happened, by revision.
pub struct History {
    pub start: Revision,
    pub steps: BTreeMap<Revision, Step>,
}

impl History {
    /// Replays what clients were answered since revision `start`.
    ///
    /// # Panics
    /// When an answer is not what the model gives, a revision is missing, or two writes claim the same one.
    pub fn replay(start: Revision, records: Vec<Record>) -> History {
        let mut by_revision: BTreeMap<Revision, Record> = BTreeMap::new();
        for record in records {
            // Deletions of what waits already are answered with the last write, which is another client's.
            match by_revision.get(&record.revision) {
                None => drop(by_revision.insert(record.revision, record)),
                Some(other) if matches!(other.action, Action::Delete) => {
                    assert_eq!(other.answer, record.answer, "two answers for one revision");
                    by_revision.insert(record.revision, record);
                }
                Some(other) => {
                    assert!(
                        matches!(record.action, Action::Delete),
                        "one revision for two writes: {other:?} {record:?}"
                    );
                    assert_eq!(other.answer, record.answer, "two answers for one revision");
                }
            }
        }
        let mut live: BTreeMap<Key, (Revision, Model)> = BTreeMap::new();
        let mut steps = BTreeMap::new();
        for (expected, (revision, record)) in (start + 1..).zip(by_revision) {
            assert_eq!(revision, expected, "a write that nobody was told of");
            let before = live.remove(&record.key);
            let after = next(before.as_ref(), &record);
            if let Some(after) = &after {
                assert_eq!(Model::of(&record.answer), *after, "revision {revision}: {record:?} on {before:?}");
                live.insert(record.key.clone(), (revision, after.clone()));
            }
            let before = before.map(|(_, model)| model);
            steps.insert(revision, Step { key: record.key, before, after });
        }
        History { start, steps }
    }

    /// The revisions of the objects that are there at a revision and are selected.
    pub fn at(&self, revision: Revision, selects: impl Fn(&Key, &Model) -> bool) -> BTreeMap<Key, Revision> {
        let mut live = BTreeMap::new();
        for (at, step) in self.steps.range(..=revision) {
            match step.after.as_ref().filter(|model| selects(&step.key, model)) {
                Some(_) => drop(live.insert(step.key.clone(), *at)),
                None => drop(live.remove(&step.key)),
            }
        }
        live
    }
}

/// What the action makes of an object; `None` when it is gone.
fn next(before: Option<&(Revision, Model)>, record: &Record) -> Option<Model> {
    if let Action::Create(model) = &record.action {
        assert!(before.is_none(), "revision {}: created on top of {before:?}", record.revision);
        return Some(model.clone());
    }
    let (revision, model) = before.unwrap_or_else(|| panic!("revision {}: {record:?} of nothing", record.revision));
    let mut model = model.clone();
    match &record.action {
        Action::Create(_) => unreachable!("returned above"),
        Action::Replace(expected, wanted) => {
            assert_eq!(revision, expected, "revision {}: replaced an object that nobody saw", record.revision);
            model = Model { terminating: model.terminating, ..wanted.clone() };
        }
        Action::Patch { labels, data, release } => {
            for (map, changes) in [(&mut model.labels, labels), (&mut model.data, data)] {
                for (key, value) in changes {
                    match value {
                        Some(value) => drop(map.insert(key.clone(), value.clone())),
                        None => drop(map.remove(key)),
                    }
                }
            }
            model.held &= !release;
        }
        Action::Delete if model.held => model.terminating = true,
        Action::Delete => return None,
    }
    (model.held || !model.terminating).then_some(model)
}
