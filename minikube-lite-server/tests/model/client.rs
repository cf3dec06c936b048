//! Clients that write at random, all to the same few objects.

use crate::history::{Action, FINALIZER, Key, Model, Record, Revision};
use fastrand::Rng;
use minikube_lite_server::registry::{DeleteOptions, Part, Registry, WriteOptions};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::patch::merge;
use shared_types::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const NAMESPACES: [&str; 2] = ["blue", "red"];
const NAMES: usize = 30;
const TIERS: [&str; 3] = ["gold", "silver", "bronze"];

/// A client and what it was told.
pub struct Client {
    registry: Arc<Registry>,
    number: usize,
    rng: Rng,
    count: usize,
    records: Vec<Record>,
    /// Objects on which somebody else was quicker, and the revision that this client built on.
    overtaken: Vec<(Key, Revision)>,
}

/// What a client was told in the end.
pub struct Told {
    pub records: Vec<Record>,
    pub overtaken: Vec<(Key, Revision)>,
}

impl Client {
    pub fn new(registry: Arc<Registry>, number: usize, seed: u64) -> Client {
        let rng = Rng::with_seed(seed);
        Client { registry, number, rng, count: 0, records: Vec::new(), overtaken: Vec::new() }
    }

    /// Does this many operations.
    ///
    /// # Panics
    /// When one is refused for a reason that these clients give no cause for, or its revision is not later than the one
    /// before.
    pub async fn run(mut self, operations: usize) -> Told {
        let kind = kinds::named("ConfigMap");
        let mut last = 0;
        for _ in 0..operations {
            let key = (self.rng.choice(NAMESPACES).expect("some").to_string(), format!("c{}", self.rng.usize(..NAMES)));
            let before = self.records.len();
            if let Err(status) = self.act(kind, &key).await {
                assert!(
                    ["AlreadyExists", "NotFound", "Conflict"].contains(&status.reason.as_str()),
                    "{key:?} refused: {status:?}"
                );
            }
            for record in &self.records[before..] {
                let repeats = matches!(record.action, Action::Delete);
                assert!(record.revision > last || repeats, "revision {} after {last}", record.revision);
                last = last.max(record.revision);
            }
        }
        Told { records: self.records, overtaken: self.overtaken }
    }

    async fn act(&mut self, kind: &'static Kind, key: &Key) -> Result<(), Status> {
        self.count += 1;
        let (registry, options) = (self.registry.clone(), WriteOptions::default());
        let (namespace, name) = (key.0.as_str(), key.1.as_str());
        let (action, entry) = match self.rng.usize(..10) {
            0..3 => {
                let model = self.model();
                let object = render(&model, json!({"metadata": {"name": name}}));
                (Action::Create(model), registry.create(kind, namespace, object, options).await?.entry)
            }
            3..6 => {
                let old = registry.get(kind, namespace, name)?;
                if self.rng.bool() {
                    // Time for others to come between.
                    tokio::task::yield_now().await;
                }
                let object = old.object()?;
                let model =
                    Model { held: !object.list("metadata.finalizers").is_empty() && self.rng.bool(), ..self.model() };
                let object = render(&model, object);
                let written =
                    registry.update(kind, Part::Main, namespace, name, &mut |_| Ok(object.clone()), options).await;
                if written.as_ref().is_err_and(|status| status.reason == "Conflict") {
                    self.overtaken.push((key.clone(), old.revision));
                }
                (Action::Replace(old.revision, model), written?.entry)
            }
            6..9 => {
                let mut labels = BTreeMap::from([("tier".to_string(), self.tier())]);
                let mut data = BTreeMap::new();
                let metadata_only = self.rng.bool();
                let signed = if metadata_only { &mut labels } else { &mut data };
                signed.insert("writer".to_string(), Some(self.signature()));
                let release = self.rng.u8(..3) == 0;
                let mut patch = json!({"metadata": {"labels": labels}});
                if !metadata_only {
                    patch.set("data", json!(data));
                }
                if release {
                    patch.set("metadata.finalizers", Value::Null);
                }
                let mut change = |current: &Value| {
                    let mut object = current.clone();
                    object.remove("metadata.resourceVersion");
                    merge::apply(&mut object, &patch);
                    Ok(object)
                };
                let options = WriteOptions { metadata_only, ..options };
                let written = registry.update(kind, Part::Main, namespace, name, &mut change, options).await?;
                (Action::Patch { labels, data, release }, written.entry)
            }
            _ => (Action::Delete, registry.delete(kind, namespace, name, DeleteOptions::default()).await?.entry),
        };
        let answer = entry.object()?;
        self.records.push(Record { revision: entry.revision, key: key.clone(), action, answer });
        Ok(())
    }

    fn model(&mut self) -> Model {
        let hidden = (self.rng.u8(..4) == 0).then(|| ("hidden".to_string(), String::new()));
        let tier = self.tier().map(|tier| ("tier".to_string(), tier));
        Model {
            labels: hidden.into_iter().chain(tier).collect(),
            data: BTreeMap::from([("writer".to_string(), self.signature())]),
            held: self.rng.u8(..4) == 0,
            terminating: false,
        }
    }
    fn tier(&mut self) -> Option<String> {
        TIERS.get(self.rng.usize(..4)).map(|tier| tier.to_string())
    }
    /// What no other write of any client holds.
    fn signature(&self) -> String {
        format!("{}-{}", self.number, self.count)
    }
}

/// The object with what the model says of it.
fn render(model: &Model, mut object: Value) -> Value {
    object.set("metadata.labels", json!(model.labels));
    object.set("data", json!(model.data));
    object.remove("metadata.finalizers");
    if model.held {
        object.set("metadata.finalizers", json!([FINALIZER]));
    }
    object
}
