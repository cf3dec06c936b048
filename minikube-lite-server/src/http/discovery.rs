//! Discovery documents, all derived from the table of kinds: `/api`, `/apis`, per-group and per-version documents, and
//! aggregated discovery (KEP-3352).

use shared_types::json::{Value, json};
use shared_types::kinds::{KINDS, Kind};

/// What a discovery path answers.
pub enum Document {
    /// A document of this `meta/v1` type.
    Plain(&'static str, Value),
    /// The aggregated form, in this version of `apidiscovery.k8s.io`.
    Aggregated(&'static str, Value),
    /// The group is not known.
    Unknown,
    /// The group is known and the version is not.
    UnknownVersion,
}

/// API groups in the order in which they are served, without the core group.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&'static str> = Vec::new();
    for kind in KINDS.iter().filter(|kind| !kind.group.is_empty()) {
        if !groups.contains(&kind.group) {
            groups.push(kind.group);
        }
    }
    groups
}

/// Versions of a group, the preferred one first.
fn versions(group: &str) -> Vec<&'static str> {
    let mut versions: Vec<&'static str> = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        if !versions.contains(&kind.version) {
            versions.push(kind.version);
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(*version));
    versions
}

/// Whether a group is served.
pub fn has_group(group: &str) -> bool {
    KINDS.iter().any(|kind| kind.group == group)
}

/// Whether a version of a group is served.
pub fn has_version(group: &str, version: &str) -> bool {
    KINDS.iter().any(|kind| kind.group == group && kind.version == version)
}

/// The document at a path, if it is a discovery path. `accept` decides between the plain and the aggregated form,
/// `address` is where clients reach the server.
pub fn document(path: &str, accept: &str, address: &str) -> Option<Document> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let document = match parts.as_slice() {
        ["api"] => match aggregated_version(accept) {
            Some(version) => Document::Aggregated(version, aggregated(&[""], version)),
            None => Document::Plain(
                "APIVersions",
                json!({
                    "kind": "APIVersions",
                    "versions": ["v1"],
                    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
                }),
            ),
        },
        ["apis"] => match aggregated_version(accept) {
            Some(version) => Document::Aggregated(version, aggregated(&groups(), version)),
            None => Document::Plain(
                "APIGroupList",
                json!({
                    "kind": "APIGroupList",
                    "apiVersion": "v1",
                    "groups": groups().iter().map(|group| group_document(group)).collect::<Vec<_>>(),
                }),
            ),
        },
        ["api", version] if has_version("", version) => Document::Plain("APIResourceList", resources("", version)),
        ["api", _] => Document::UnknownVersion,
        ["apis", group] if has_group(group) && !group.is_empty() => {
            let mut document = group_document(group);
            document["kind"] = "APIGroup".into();
            document["apiVersion"] = "v1".into();
            Document::Plain("APIGroup", document)
        }
        ["apis", group, version] if has_version(group, version) => {
            Document::Plain("APIResourceList", resources(group, version))
        }
        ["apis", group, _] if has_group(group) => Document::UnknownVersion,
        ["apis", ..] => Document::Unknown,
        _ => return None,
    };
    Some(document)
}

/// The version of aggregated discovery that an Accept header asks for before anything else.
fn aggregated_version(accept: &str) -> Option<&'static str> {
    for clause in accept.split(',') {
        let has = |part: &str| clause.split(';').any(|have| have.trim() == part);
        if has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io") {
            match (has("v=v2"), has("v=v2beta1")) {
                (true, _) => return Some("v2"),
                (_, true) => return Some("v2beta1"),
                _ => {}
            }
        } else if has("application/json") || has("*/*") {
            return None;
        }
    }
    None
}

fn group_document(group: &str) -> Value {
    let entry = |version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions = versions(group);
    json!({
        "name": group,
        "versions": versions.iter().map(|version| entry(version)).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(|version| entry(version)),
    })
}

/// `APIResourceList` of a group and version.
fn resources(group: &str, version: &str) -> Value {
    let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    let mut list = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group && kind.version == version) {
        let mut resource = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": kind.verbs,
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        if kind.is_stored() {
            resource["storageVersionHash"] = storage_version_hash(kind).into();
        }
        list.push(resource);
        for sub in kind.subresources {
            let mut resource = json!({
                "name": format!("{}/{}", kind.plural, sub.name),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": sub.gvk.map_or(kind.kind, |gvk| gvk.2),
                "verbs": sub.verbs,
            });
            if let Some((group, version, _)) = sub.gvk.filter(|gvk| (gvk.0, gvk.1) != (kind.group, kind.version)) {
                resource["group"] = group.into();
                resource["version"] = version.into();
            }
            list.push(resource);
        }
    }
    json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list})
}

/// A stable token of how the kind is stored, which clients compare only.
fn storage_version_hash(kind: &Kind) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let name = format!("{}/{}/{}", kind.group, kind.version, kind.kind);
    base64::engine::general_purpose::STANDARD.encode(&sha2::Sha256::digest(name)[..8])
}

/// `APIGroupDiscoveryList` of some groups.
fn aggregated(groups: &[&str], version: &str) -> Value {
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let versions: Vec<Value> = versions(group)
                .into_iter()
                .map(|version| {
                    let kinds = KINDS.iter().filter(|kind| kind.group == *group && kind.version == version);
                    json!({
                        "version": version,
                        "resources": kinds.map(aggregated_resource).collect::<Vec<_>>(),
                        "freshness": "Current",
                    })
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(kind: &Kind) -> Value {
    // A response kind of the same group and version is named by its kind alone.
    let response_kind = |gvk: Option<(&str, &str, &str)>| {
        let (group, version, name) = gvk.unwrap_or((kind.group, kind.version, kind.kind));
        let own = (group, version) == (kind.group, kind.version);
        let (group, version) = if own { ("", "") } else { (group, version) };
        json!({"group": group, "version": version, "kind": name})
    };
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": response_kind(None),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let subresources = kind
            .subresources
            .iter()
            .map(|sub| json!({"subresource": sub.name, "responseKind": response_kind(sub.gvk), "verbs": sub.verbs}));
        resource["subresources"] = subresources.collect();
    }
    resource
}
