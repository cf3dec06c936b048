//! ConfigMaps and Secrets that a Pod takes variables and files from.

use crate::client::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of objects that hold data for Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    ConfigMap,
    Secret,
}

impl SourceKind {
    pub const ALL: [SourceKind; 2] = [SourceKind::ConfigMap, SourceKind::Secret];

    pub fn kind(self) -> &'static Kind {
        kinds::named(self.name())
    }
    /// The kind's name: `ConfigMap`.
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::ConfigMap => "ConfigMap",
            SourceKind::Secret => "Secret",
        }
    }
    /// The kind as errors of clients have it: `configmap`.
    pub fn lower(self) -> &'static str {
        match self {
            SourceKind::ConfigMap => "configmap",
            SourceKind::Secret => "secret",
        }
    }
}

/// A ConfigMap or Secret by kind and name.
pub type Source = (SourceKind, String);

/// The ConfigMaps and Secrets of a namespace that were asked for and are there.
#[derive(Debug, Default)]
pub struct Sources {
    objects: BTreeMap<Source, Value>,
}

impl Sources {
    /// Reads those that are wanted.
    ///
    /// # Errors
    /// What the API answers, unless it is that one does not exist.
    pub async fn read(client: &Client, namespace: &str, wanted: BTreeSet<Source>) -> Result<Sources, Status> {
        let mut objects = BTreeMap::new();
        for (kind, name) in wanted {
            match client.get(kind.kind(), namespace, &name).await {
                Ok(object) => {
                    objects.insert((kind, name), object);
                }
                Err(status) if status.is_not_found() => {}
                Err(status) => return Err(status),
            }
        }
        Ok(Sources { objects })
    }

    #[cfg(test)]
    pub fn of(objects: &[Value]) -> Sources {
        let kind = |object: &Value| match object.text("kind") {
            "Secret" => SourceKind::Secret,
            _ => SourceKind::ConfigMap,
        };
        Sources { objects: objects.iter().map(|o| ((kind(o), o.name().to_string()), o.clone())).collect() }
    }

    /// The object that a reference (`name`, `optional`) means; `None` when it is not there and need not be.
    ///
    /// # Errors
    /// `configmap "x" not found`.
    pub fn find(&self, kind: SourceKind, name: &str, optional: bool) -> Result<Option<&Value>, String> {
        match self.objects.get(&(kind, name.to_string())) {
            Some(object) => Ok(Some(object)),
            None if optional => Ok(None),
            None => Err(format!("{} \"{name}\" not found", kind.lower())),
        }
    }
}

/// What the object has under a key.
pub fn entry(kind: SourceKind, object: &Value, key: &str) -> Option<Vec<u8>> {
    let text = |field: &str| object.map(field).get(key).and_then(Value::as_str);
    match kind {
        SourceKind::ConfigMap => match text("data") {
            Some(text) => Some(text.as_bytes().to_vec()),
            None => STANDARD.decode(text("binaryData")?).ok(),
        },
        SourceKind::Secret => STANDARD.decode(text("data")?).ok(),
    }
}

/// All that the object has, by key.
pub fn entries(kind: SourceKind, object: &Value) -> BTreeMap<&str, Vec<u8>> {
    let keys = object.map("data").keys().chain(object.map("binaryData").keys());
    keys.filter_map(|key| Some((key.as_str(), entry(kind, object, key)?))).collect()
}

/// What a container's variables are taken from.
pub fn of_env(container: &Value) -> BTreeSet<Source> {
    let mut found = BTreeSet::new();
    let mut add = |kind, reference: &Value| {
        if !reference.text("name").is_empty() {
            found.insert((kind, reference.text("name").to_string()));
        }
    };
    for from in container.list("envFrom") {
        add(SourceKind::ConfigMap, from.at("configMapRef"));
        add(SourceKind::Secret, from.at("secretRef"));
    }
    for variable in container.list("env") {
        add(SourceKind::ConfigMap, variable.at("valueFrom.configMapKeyRef"));
        add(SourceKind::Secret, variable.at("valueFrom.secretKeyRef"));
    }
    found
}

/// What a Pod's volumes are taken from.
pub fn of_volumes(pod: &Value) -> BTreeSet<Source> {
    let mut found = BTreeSet::new();
    let mut add = |kind, name: &str| {
        if !name.is_empty() {
            found.insert((kind, name.to_string()));
        }
    };
    for volume in pod.list("spec.volumes") {
        add(SourceKind::ConfigMap, volume.text("configMap.name"));
        add(SourceKind::Secret, volume.text("secret.secretName"));
        for source in volume.list("projected.sources") {
            add(SourceKind::ConfigMap, source.text("configMap.name"));
            add(SourceKind::Secret, source.text("secret.name"));
        }
    }
    found
}
