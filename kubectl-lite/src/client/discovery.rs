//! What the server serves: the aggregated discovery documents (KEP-3352), kept on disk for six hours.

use super::failure::decode_object;
use super::restmapper::Resource;
use super::transport::{Client, Request};
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json, parse};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const KEPT_FOR: Duration = Duration::from_secs(6 * 60 * 60);

/// All resources of the server, groups in the server's order, versions of a group by preference.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    pub resources: Vec<Rc<Resource>>,
}

/// Where the answers of `host` are kept below the cache folder.
pub fn cache_file(cache: &Path, host: &str) -> PathBuf {
    let host: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    cache.join("discovery").join(host).join("aggregated.json")
}

/// Whether there are answers that are not older than six hours.
pub fn is_fresh(file: &Path) -> bool {
    let age = file.metadata().and_then(|data| data.modified()).map(|modified| modified.elapsed());
    matches!(age, Ok(Ok(age)) if age <= KEPT_FOR)
}

/// The kept answers, unless they are old or unreadable.
pub fn cached(file: &Path) -> Option<Discovery> {
    if !is_fresh(file) {
        return None;
    }
    let document = parse(&std::fs::read(file).ok()?).ok()?;
    Some(read(&document))
}

/// Asks the server, and keeps what it says where `keep` names a file.
///
/// # Errors
/// The server cannot be asked.
pub async fn fetch(client: &Client<'_>, keep: Option<&Path>) -> Result<Discovery, CommandError> {
    let mut groups = Vec::new();
    let mut is_known = true;
    for (path, go_type) in [("/api", "v1.APIVersions"), ("/apis", "v1.APIGroupList")] {
        let request = Request::get(path).bare().accept(AGGREGATED).query("timeout", client.patience());
        let answer = client.attempt(&request).await?;
        let answer = decode_object(answer.object()?, go_type)?;
        match answer.text("kind") {
            "APIGroupDiscoveryList" => groups.extend(answer.list("items").iter().cloned()),
            "APIVersions" => {
                let versions: Vec<String> = strings(answer.list("versions"));
                groups.push(legacy_group(client, "", &versions).await);
            }
            "APIGroupList" => {
                for group in answer.list("groups") {
                    let versions: Vec<String> =
                        group.list("versions").iter().map(|v| v.text("version").to_string()).collect();
                    groups.push(legacy_group(client, group.text("name"), &versions).await);
                }
            }
            // Whatever this is, it tells of no resources.
            _ => is_known = false,
        }
    }
    let document = json!({"items": groups});
    if let Some(file) = keep.filter(|_| is_known) {
        // A cache that cannot be written costs a request, nothing more.
        let _ = write(file, &document);
    }
    Ok(read(&document))
}

/// Discovery of a server without aggregated documents, in the aggregated form.
async fn legacy_group(client: &Client<'_>, group: &str, versions: &[String]) -> Value {
    let mut list = Vec::new();
    for version in versions {
        let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        // A group whose server is down is left out.
        let Ok(answer) = client.attempt(&Request::get(path)).await.and_then(|answer| answer.json()) else { continue };
        let (subresources, resources): (Vec<&Value>, Vec<&Value>) =
            answer.list("resources").iter().partition(|r| r.text("name").contains('/'));
        let resources: Vec<Value> = resources
            .iter()
            .map(|r| {
                let prefix = format!("{}/", r.text("name"));
                let own: Vec<Value> = subresources
                    .iter()
                    .filter_map(|s| s.text("name").strip_prefix(&prefix))
                    .map(|name| json!({"subresource": name}))
                    .collect();
                json!({
                    "resource": r.at("name"), "singularResource": r.at("singularName"),
                    "responseKind": {"kind": r.at("kind")}, "shortNames": r.at("shortNames"),
                    "categories": r.at("categories"), "verbs": r.at("verbs"), "subresources": own,
                    "scope": if r.flag("namespaced") { "Namespaced" } else { "Cluster" },
                })
            })
            .collect();
        list.push(json!({"version": version, "resources": resources}));
    }
    json!({"metadata": {"name": group}, "versions": list})
}

fn write(file: &Path, document: &Value) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".aggregated.{}", std::process::id()));
    std::fs::write(&partial, document.to_string())?;
    std::fs::rename(partial, file)
}

fn strings(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(|v| v.as_str().map(str::to_string)).collect()
}

fn read(document: &Value) -> Discovery {
    let mut resources = Vec::new();
    for group in document.list("items") {
        let name = group.text("metadata.name");
        for version in group.list("versions") {
            for resource in version.list("resources") {
                resources.push(Rc::new(Resource {
                    group: name.to_string(),
                    version: version.text("version").to_string(),
                    kind: resource.text("responseKind.kind").to_string(),
                    plural: resource.text("resource").to_string(),
                    singular: resource.text("singularResource").to_string(),
                    short_names: strings(resource.list("shortNames")),
                    categories: strings(resource.list("categories")),
                    namespaced: resource.text("scope") != "Cluster",
                    verbs: strings(resource.list("verbs")),
                    subresources: resource
                        .list("subresources")
                        .iter()
                        .map(|s| s.text("subresource").to_string())
                        .collect(),
                }));
            }
        }
    }
    Discovery { resources }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_file_is_named_after_the_host() {
        assert_eq!(
            cache_file(Path::new("/c"), "127.0.0.1:6443"),
            Path::new("/c/discovery/127.0.0.1_6443/aggregated.json")
        );
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = cache_file(folder.path(), "h");
        assert!(cached(&file).is_none());
        write(
            &file,
            &json!({"items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "singularResource": "deployment", "responseKind": {"kind": "Deployment"},
                 "scope": "Namespaced", "verbs": ["get"], "shortNames": ["deploy"]}]}]}]}),
        )
        .unwrap();
        let resources = cached(&file).unwrap().resources;
        assert_eq!((resources[0].group.as_str(), resources[0].kind.as_str()), ("apps", "Deployment"));
        assert!(resources[0].namespaced);
    }
}
