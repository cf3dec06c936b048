//! `patches`, and their older forms `patchesStrategicMerge` and `patchesJson6902`.

use super::resource::Resource;
use super::{Kustomization, Result};
use regex::Regex;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::split_api_version;
use shared_types::selector::LabelSelector;
use shared_types::{patch, schema, yaml};

pub(super) fn run(kustomization: &Kustomization, resources: &mut Vec<Resource>) -> Result<()> {
    for entry in kustomization.strings("patchesStrategicMerge") {
        let text = if entry.contains('\n') { entry.to_string() } else { kustomization.file(entry)? };
        apply_text(&text, &Value::Null, &Value::Null, resources)?;
    }
    for field in ["patches", "patchesJson6902"] {
        for entry in kustomization.document.list(field) {
            let text = match (entry.text("patch"), entry.text("path")) {
                ("", "") => return Err("must specify one of patch and path in patch".into()),
                ("", path) => kustomization
                    .file(path)
                    .map_err(|why| format!("failed to get the patch file from path({path}): {why}"))?,
                (text, "") => text.to_string(),
                _ => return Err("patch and path can't be set at the same time".into()),
            };
            apply_text(&text, entry.at("target"), entry.at("options"), resources)?;
        }
    }
    Ok(())
}

fn apply_text(text: &str, target: &Value, options: &Value, resources: &mut Vec<Resource>) -> Result<()> {
    let documents = yaml::from_yaml(text)
        .map_err(|error| format!("unable to parse SM or JSON patch from [{text}]: {}", error.bare()))?;
    for document in documents {
        if document.is_array() {
            if target.is_null() {
                return Err("must specify a target for JSON patch".into());
            }
            let operations = patch::json::Patch::parse(&document)?;
            for resource in chosen(resources, target)? {
                operations.apply(&mut resource.object)?;
            }
            continue;
        }
        if target.is_null() {
            check_target(&document, resources)?;
        }
        let mut gone = Vec::new();
        for (number, resource) in resources.iter_mut().enumerate() {
            let meant = match target {
                Value::Null => is_meant(&document, resource),
                target => Selector::new(target)?.takes(resource),
            };
            if meant && !merge(resource, &document, options)? {
                gone.push(number);
            }
        }
        gone.into_iter().rev().for_each(|number| drop(resources.remove(number)));
    }
    Ok(())
}

/// Whether a patch without a target, which names its object itself, means `resource`.
fn is_meant(document: &Value, resource: &Resource) -> bool {
    let (group, _) = split_api_version(document.text("apiVersion"));
    let namespace = document.namespace();
    resource.kind() == document.text("kind")
        && resource.group() == group
        && resource.is_called(document.name())
        && (namespace.is_empty() || resource.object.namespace() == namespace)
}

fn check_target(document: &Value, resources: &[Resource]) -> Result<()> {
    let id = Resource::new(document.clone()).id();
    match resources.iter().any(|resource| is_meant(document, resource)) {
        true => Ok(()),
        false => Err(format!(
            "no resource matches strategic merge patch {id:?}: no matches for Id {id}; failed to find unique target for patch {id}"
        )),
    }
}

/// Merges a patch into an object; `false` where it removes it.
fn merge(resource: &mut Resource, document: &Value, options: &Value) -> Result<bool> {
    if document.text("$patch") == "delete" {
        return Ok(false);
    }
    let (name, namespace) = (resource.object.name().to_string(), resource.object.at("metadata.namespace").clone());
    let kind = (resource.object.at("apiVersion").clone(), resource.object.at("kind").clone());
    let mut patch = document.clone();
    match schema::of_kind(resource.object.text("apiVersion"), resource.kind()) {
        Some(ty) => patch::strategic::apply(ty, &mut resource.object, &mut patch).map_err(|error| error.to_string())?,
        None => patch::merge::apply(&mut resource.object, &patch),
    }
    if !options.flag("allowNameChange") {
        resource.object.set("metadata.name", name);
        match namespace {
            Value::Null => drop(resource.object.remove("metadata.namespace")),
            namespace => resource.object.set("metadata.namespace", namespace),
        }
    }
    if !options.flag("allowKindChange") {
        resource.object.set("apiVersion", kind.0);
        resource.object.set("kind", kind.1);
    }
    Ok(true)
}

/// The resources that `target` takes.
pub(super) fn chosen<'a>(
    resources: &'a mut [Resource],
    target: &Value,
) -> Result<impl Iterator<Item = &'a mut Resource>> {
    let selector = Selector::new(target)?;
    Ok(resources.iter_mut().filter(move |resource| selector.takes(resource)))
}

/// What a `target` or `select` asks for; names and kinds are regular expressions.
pub(super) struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: LabelSelector,
    annotations: LabelSelector,
}

impl Selector {
    pub fn new(target: &Value) -> Result<Selector> {
        let pattern = |field: &str| match target.text(field) {
            "" => Ok(None),
            text => Regex::new(&format!("^(?:{text})$")).map(Some).map_err(|error| error.to_string()),
        };
        Ok(Selector {
            group: pattern("group")?,
            version: pattern("version")?,
            kind: pattern("kind")?,
            name: pattern("name")?,
            namespace: pattern("namespace")?,
            labels: LabelSelector::parse(target.text("labelSelector"))?,
            annotations: LabelSelector::parse(target.text("annotationSelector"))?,
        })
    }

    pub fn takes(&self, resource: &Resource) -> bool {
        let fits = |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
        let object = &resource.object;
        let (group, version) = split_api_version(object.text("apiVersion"));
        let called = fits(&self.name, object.name()) || resource.names.iter().any(|name| fits(&self.name, name));
        fits(&self.group, group)
            && fits(&self.version, version)
            && fits(&self.kind, resource.kind())
            && called
            && fits(&self.namespace, object.namespace())
            && self.labels.matches(object.map("metadata.labels"))
            && self.annotations.matches(object.map("metadata.annotations"))
    }
}
