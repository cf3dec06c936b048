//! `configMapGenerator` and `secretGenerator`.

use super::resource::Resource;
use super::{Kustomization, Result, add};
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn run(kustomization: &Kustomization, resources: &mut Vec<Resource>) -> Result<()> {
    for (field, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
        for generator in kustomization.document.list(field) {
            let resource = generate(kustomization, generator, kind)?;
            place(resources, resource, generator.text("behavior"))?;
        }
    }
    Ok(())
}

fn generate(kustomization: &Kustomization, generator: &Value, kind: &str) -> Result<Resource> {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": generator.name_of()?}});
    if !generator.text("namespace").is_empty() {
        object.set("metadata.namespace", generator.text("namespace"));
    }
    for (key, bytes) in contents(kustomization, generator)? {
        let packed = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        match String::from_utf8(bytes) {
            Ok(text) if kind == "ConfigMap" => object.map_mut("data").insert(key, text.into()),
            Ok(text) => object.map_mut("data").insert(key, packed(text.as_bytes()).into()),
            Err(other) if kind == "ConfigMap" => {
                object.map_mut("binaryData").insert(key, packed(other.as_bytes()).into())
            }
            Err(other) => object.map_mut("data").insert(key, packed(other.as_bytes()).into()),
        };
    }
    if kind == "Secret" {
        let secret_type = generator.text("type");
        object.set("type", if secret_type.is_empty() { "Opaque" } else { secret_type });
    }
    let mut hashed = true;
    for options in [kustomization.document.at("generatorOptions"), generator.at("options")] {
        for list in ["labels", "annotations"] {
            for (key, value) in options.map(list) {
                object.map_mut(&format!("metadata.{list}")).insert(key.clone(), value.clone());
            }
        }
        if options.flag("immutable") {
            object.set("immutable", true);
        }
        hashed &= !options.flag("disableNameSuffixHash");
    }
    Ok(Resource { hashed, ..Resource::new(object) })
}

trait Named {
    fn name_of(&self) -> Result<&str>;
}
impl Named for Value {
    fn name_of(&self) -> Result<&str> {
        match self.text("name") {
            "" => Err("a configmap or secret generator needs a name".into()),
            name => Ok(name),
        }
    }
}

fn contents(kustomization: &Kustomization, generator: &Value) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut data = BTreeMap::new();
    let mut put = |key: &str, bytes: Vec<u8>| match data.insert(key.to_string(), bytes) {
        Some(_) => Err(format!("cannot add key {key:?}, another key by that name already exists")),
        None => Ok(()),
    };
    let envs = generator.list("envs").iter().filter_map(Value::as_str);
    for path in envs.chain(Some(generator.text("env")).filter(|path| !path.is_empty())) {
        let text = kustomization.file(path)?;
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once('=') {
                Some((key, value)) => put(key, value.into())?,
                None => put(line, std::env::var(line).unwrap_or_default().into())?,
            }
        }
    }
    for literal in generator.list("literals").iter().filter_map(Value::as_str) {
        let Some((key, value)) = literal.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!(
                "loading KV pairs: literal sources [{literal}]: invalid literal source {literal}, expected key=value"
            ));
        };
        let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        put(key, inner.unwrap_or(value).into())?;
    }
    for file in generator.list("files").iter().filter_map(Value::as_str) {
        let (key, path) = file.split_once('=').unwrap_or((file.rsplit('/').next().unwrap_or(file), file));
        let bytes =
            kustomization.bytes(path).map_err(|why| format!("loading KV pairs: file sources: [{file}]: {why}"))?;
        put(key, bytes)?;
    }
    Ok(data)
}

/// Adds what was generated, or joins it with what stands under the name already.
fn place(resources: &mut Vec<Resource>, generated: Resource, behavior: &str) -> Result<()> {
    let name = generated.object.name().to_string();
    let known = resources.iter_mut().find(|known| known.kind() == generated.kind() && known.is_called(&name));
    match (behavior, known) {
        ("" | "create", None) => add(resources, generated),
        ("" | "create", Some(known)) => {
            Err(format!("behavior must be merge or replace; id {} already exists", known.id()))
        }
        ("merge" | "replace", None) => Err(format!("id {} does not exist; cannot merge or replace", generated.id())),
        ("merge", Some(known)) => {
            for list in ["data", "binaryData", "metadata.labels", "metadata.annotations"] {
                for (key, value) in generated.object.map(list) {
                    known.object.map_mut(list).insert(key.clone(), value.clone());
                }
            }
            known.hashed |= generated.hashed;
            Ok(())
        }
        ("replace", Some(known)) => {
            for field in ["data", "binaryData", "type", "immutable"] {
                known.object.remove(field);
                if generated.object.has(field) {
                    known.object.set(field, generated.object.at(field).clone());
                }
            }
            known.hashed |= generated.hashed;
            Ok(())
        }
        (other, _) => Err(format!("unknown behavior {other:?}: it is create, merge or replace")),
    }
}
