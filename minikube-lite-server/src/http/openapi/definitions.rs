//! The types of the API as JSON schemas: words, types and required fields as the build took them from k8s-openapi; how
//! fields are merged from [`shared_types::schema`]; values of enumerations from `enums.txt`.
//!
//! References read `#/NAME` here; each document writes them in its own way.

use flate2::read::DeflateDecoder;
use shared_types::json::{Value, json};
use shared_types::kinds::{KINDS, Kind};
use shared_types::schema::{self, Field, ListType, Merge};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;

static WORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/definitions.json.deflate"));

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
/// How k8s-openapi's definitions refer to each other.
const BUILT_REFERENCE: &str = "#/$defs/";

/// Schemas by the name of their type.
pub type Definitions = BTreeMap<String, Value>;

/// The definition of a kind: `io.k8s.api.apps.v1.Deployment`.
pub fn kind_name(group: &str, version: &str, kind: &str) -> String {
    let package = match group {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    format!("io.k8s.api.{package}.{version}.{kind}")
}

/// The definition of a type of `meta/v1`: `io.k8s.apimachinery.pkg.apis.meta.v1.Status`.
pub fn meta_name(name: &str) -> String {
    format!("{META}.{name}")
}

/// Every type that the table of kinds reaches.
pub fn load() -> Definitions {
    let mut json = Vec::new();
    let mut words = match DeflateDecoder::new(WORDS).read_to_end(&mut json) {
        Ok(_) => serde_json::from_slice::<Definitions>(&json).unwrap_or_default(),
        Err(_) => Definitions::new(),
    };
    let enums = enumerations();
    for (name, definition) in &mut words {
        shorten_references(definition);
        relax_metadata(definition);
        if let Some(ty) = schema::named(&struct_name(name)) {
            if ty.atomic {
                definition["x-kubernetes-map-type"] = "atomic".into();
            }
            for field in &ty.fields {
                if let Some(property) = definition.get_mut("properties").and_then(|p| p.get_mut(&field.name)) {
                    add_merge(property, field);
                    add_values(property, field, &enums);
                }
            }
        }
    }
    words.insert(meta_name("Patch"), patch());
    let group_versions: BTreeSet<(&str, &str)> =
        KINDS.iter().filter(|kind| kind.is_described()).map(|kind| (kind.group, kind.version)).collect();
    for name in ["DeleteOptions", "WatchEvent"] {
        let kinds = group_versions.iter().map(|(group, version)| gvk(group, version, name)).collect();
        set_kinds(&mut words, &meta_name(name), kinds);
    }
    set_kinds(&mut words, &meta_name("Status"), vec![gvk("", "v1", "Status")]);
    for kind in KINDS.iter().filter(|kind| kind.is_described()) {
        let name = kind_name(kind.group, kind.version, kind.kind);
        set_kinds(&mut words, &name, vec![gvk(kind.group, kind.version, kind.kind)]);
        if kind.is_stored() {
            let properties = words.get(&name).map_or(Value::Null, |definition| definition["properties"].clone());
            words.insert(kind_name(kind.group, kind.version, &kind.list_kind()), list(kind, &properties));
        }
        for (group, version, name) in kind.subresources.iter().filter_map(|sub| sub.gvk) {
            set_kinds(&mut words, &kind_name(group, version, name), vec![gvk(group, version, name)]);
        }
    }
    words
}

/// The definitions that `roots` refer to, directly or not, and they themselves.
pub fn reachable(all: &Definitions, roots: impl IntoIterator<Item = String>) -> BTreeMap<&str, &Value> {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/")) {
                    found.push(name.to_string());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some((name, definition)) = all.get_key_value(&name)
            && found.insert(name.as_str(), definition).is_none()
        {
            references(definition, &mut open);
        }
    }
    found
}

/// The entry of an `x-kubernetes-group-version-kind` list.
pub fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn set_kinds(definitions: &mut Definitions, name: &str, kinds: Vec<Value>) {
    if let Some(definition) = definitions.get_mut(name) {
        definition["x-kubernetes-group-version-kind"] = kinds.into();
    }
}

/// `core/v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn struct_name(definition: &str) -> String {
    if let Some(name) = definition.strip_prefix(META) {
        return format!("meta/v1{name}");
    }
    let mut parts = definition.rsplit('.');
    let (name, version, package) = (parts.next(), parts.next(), parts.next());
    format!("{}/{}.{}", package.unwrap_or(""), version.unwrap_or(""), name.unwrap_or(""))
}

/// k8s-openapi has every object's metadata required, which the API does not.
fn relax_metadata(definition: &mut Value) {
    let Value::Object(map) = definition else { return };
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|field| field != "metadata");
        if required.is_empty() {
            map.remove("required");
        }
    }
}

fn shorten_references(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(BUILT_REFERENCE)
            {
                *reference = format!("#/{name}").into();
            }
            map.values_mut().for_each(shorten_references);
        }
        Value::Array(list) => list.iter_mut().for_each(shorten_references),
        _ => {}
    }
}

/// How server-side apply and strategic merge patch treat the field.
fn add_merge(property: &mut Value, field: &Field) {
    let Merge { list_type, list_map_keys, atomic, patch_merge_key, patch_merge, patch_retain_keys, .. } = &field.merge;
    let mut set = |name: &str, value: Value| property[format!("x-kubernetes-{name}")] = value;
    match list_type {
        Some(ListType::Atomic) => set("list-type", "atomic".into()),
        Some(ListType::Set) => set("list-type", "set".into()),
        Some(ListType::Map) => {
            set("list-type", "map".into());
            set("list-map-keys", json!(list_map_keys));
        }
        None => {}
    }
    if *atomic {
        set("map-type", "atomic".into());
    }
    if let Some(key) = patch_merge_key {
        set("patch-merge-key", key.as_str().into());
    }
    let strategies: Vec<&str> =
        [(*patch_merge, "merge"), (*patch_retain_keys, "retainKeys")].iter().filter(|s| s.0).map(|s| s.1).collect();
    if !strategies.is_empty() {
        set("patch-strategy", strategies.join(",").into());
    }
}

/// The values of a field whose type has a fixed set of them, and what each of them means.
fn add_values(property: &mut Value, field: &Field, enums: &HashMap<&str, Vec<(&str, &str)>>) {
    let ty = field.go_type.rsplit(['.', ']']).next().unwrap_or("");
    let Some(values) = enums.get(ty) else { return };
    let names: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
    if let Some(items) = property.get_mut("items") {
        items["enum"] = json!(names);
        return;
    }
    property["enum"] = json!(names);
    let mut text = property.get("description").and_then(Value::as_str).unwrap_or("").to_string();
    text.push_str("\n\nPossible enum values:");
    for (value, meaning) in values {
        text.push_str(&format!("\n - `{value:?}`"));
        if !meaning.is_empty() {
            text.push(' ');
            text.push_str(meaning);
        }
    }
    property["description"] = text.into();
}

/// Values and their meanings by type, from `enums.txt`.
fn enumerations() -> HashMap<&'static str, Vec<(&'static str, &'static str)>> {
    let mut types: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    let mut current = "";
    for line in include_str!("enums.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("  ") {
            None => current = line,
            Some(value) => {
                let (value, meaning) = value.split_once(' ').unwrap_or((value, ""));
                types.entry(current).or_default().push((value.trim_matches('"'), meaning));
            }
        }
    }
    types
}

/// The list of a kind, which says the same of its version and kind as the kind does with these `properties`.
fn list(kind: &Kind, properties: &Value) -> Value {
    let name = kind_name(kind.group, kind.version, kind.kind);
    json!({
        "description": format!("{} is a list of {} objects.", kind.list_kind(), kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": properties["apiVersion"],
            "kind": properties["kind"],
            "metadata": {"$ref": format!("#/{META}.ListMeta"), "description": "Metadata of the list."},
            "items": {"type": "array", "items": {"$ref": format!("#/{name}")}, "description": "The objects."},
        },
        "x-kubernetes-group-version-kind": [gvk(kind.group, kind.version, &kind.list_kind())],
    })
}

fn patch() -> Value {
    let words = "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.";
    json!({"description": words, "type": "object"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::fields::Fields;

    #[test]
    fn every_kind_has_a_definition() {
        let definitions = load();
        for kind in KINDS.iter().filter(|kind| kind.is_described()) {
            let name = kind_name(kind.group, kind.version, kind.kind);
            let definition = definitions.get(&name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(definition["x-kubernetes-group-version-kind"][0]["kind"], kind.kind);
            assert!(!definition.text("description").is_empty());
        }
    }

    #[test]
    fn references_lead_somewhere() {
        let definitions = load();
        let text = serde_json::to_string(&definitions).unwrap();
        for reference in text.split("\"$ref\":\"#/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(definitions.contains_key(name), "{name}");
        }
    }

    #[test]
    fn fields_tell_how_they_are_merged() {
        let definitions = load();
        let spec = &definitions["io.k8s.api.core.v1.PodSpec"]["properties"];
        assert_eq!(spec["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
        assert_eq!(spec["containers"]["x-kubernetes-list-map-keys"], json!(["name"]));
        assert_eq!(spec["restartPolicy"]["enum"], json!(["Always", "Never", "OnFailure"]));
        let types = &definitions["io.k8s.api.core.v1.ServiceSpec"]["properties"]["type"];
        assert!(types.text("description").contains("\n\nPossible enum values:\n - `\"ClusterIP\"` means"));
        assert_eq!(
            definitions["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"],
            "atomic"
        );
    }

    #[test]
    fn enumerations_are_of_types_that_fields_have() {
        let used = serde_json::to_string(&load()).unwrap();
        for (ty, values) in enumerations() {
            assert!(
                used.contains(&serde_json::to_string(&values.iter().map(|v| v.0).collect::<Vec<_>>()).unwrap()),
                "{ty}"
            );
        }
    }
}
