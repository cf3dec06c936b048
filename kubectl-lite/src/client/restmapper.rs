//! From what people type (`deploy`, `deployments.apps`, `deploy.v1.apps`, `Deployment`) and what manifests say
//! (`apps/v1`, `Deployment`) to the resource that is served.

use super::discovery::{self, Discovery};
use super::transport::Client;
use crate::errors::CommandError;
use shared_types::kinds::{self, KINDS, Kind};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

/// A resource that the server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub subresources: Vec<String>,
}

impl From<&Kind> for Resource {
    fn from(kind: &Kind) -> Resource {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Resource {
            group: kind.group.into(),
            version: kind.version.into(),
            kind: kind.kind.into(),
            plural: kind.plural.into(),
            singular: kind.singular.into(),
            short_names: owned(kind.short_names),
            categories: owned(kind.categories),
            namespaced: kind.namespaced,
            verbs: owned(kind.verbs),
            subresources: kind.subresources.iter().map(|s| s.name.to_string()).collect(),
        }
    }
}

impl Resource {
    /// A kind as it is known without a server; of one that is not known, no more than its name.
    pub fn named(api_version: &str, kind: &str) -> Resource {
        if let Some(known) = kinds::by_kind(api_version, kind) {
            return known.into();
        }
        let (group, version) = kinds::split_api_version(api_version);
        Resource { group: group.into(), version: version.into(), kind: kind.into(), ..Resource::default() }
    }
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
    /// `deployments.apps`.
    pub fn group_resource(&self) -> String {
        shared_types::status::qualified(&self.plural, &self.group)
    }
    /// `Deployment.apps`, as Go prints a GroupKind.
    pub fn group_kind(&self) -> String {
        shared_types::status::qualified(&self.kind, &self.group)
    }
    /// `deployment.apps`, as results are reported: the lower-case kind and the group.
    pub fn group_kind_lower(&self) -> String {
        shared_types::status::qualified(&self.kind.to_lowercase(), &self.group)
    }
    /// `/v1, Resource=pods`, as Go prints a GroupVersionResource.
    pub fn gvr_text(&self) -> String {
        format!("{}/{}, Resource={}", self.group, self.version, self.plural)
    }
    /// `/v1, Kind=Pod`.
    pub fn gvk_text(&self) -> String {
        format!("{}/{}, Kind={}", self.group, self.version, self.kind)
    }
    /// The path of the collection; `namespace` is left out for cluster-scoped resources and where it is empty (all).
    pub fn collection(&self, namespace: &str) -> String {
        let base = if self.version.is_empty() {
            "/api".to_string()
        } else if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.namespaced && !namespace.is_empty() {
            format!("{base}/namespaces/{}/{}", segment(namespace), self.plural)
        } else {
            format!("{base}/{}", self.plural)
        }
    }
    /// The path of one object.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), segment(name))
    }
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const SEGMENT: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'/')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'{')
        .add(b'}');
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The file beside the cache that tells that the server is known.
const MARK: &str = "known";

/// Finds resources. Those that every Kubernetes serves are known without asking; for the others the server's discovery is
/// used, from the cache where it has them.
pub struct RestMapper {
    known: Vec<Rc<Resource>>,
    served: RefCell<Option<Rc<Discovery>>>,
    /// Whether `served` came from the server in this run, so that asking again would tell nothing new.
    fresh: Cell<bool>,
    cache: Option<PathBuf>,
}

/// How a resource is written: `deployments.v1.apps` may be resource, version and group, or resource and group.
struct Written<'a> {
    resource: &'a str,
    version: Option<&'a str>,
    group: Option<&'a str>,
}

impl RestMapper {
    /// A mapper that keeps discovery in the file `cache`.
    pub fn new(cache: Option<PathBuf>) -> RestMapper {
        let known = KINDS.iter().map(|kind| Rc::new(Resource::from(kind))).collect();
        RestMapper { known, served: RefCell::default(), fresh: Cell::new(false), cache }
    }

    /// Whether the server's resources are known already, or would be if it had been asked for them, be it by kubectl.
    pub fn is_known(&self) -> bool {
        let Some(cache) = &self.cache else { return self.fresh.get() };
        let files = [cache.clone(), cache.with_file_name(MARK), cache.with_file_name("servergroups.json")];
        self.fresh.get() || files.iter().any(|file| discovery::is_fresh(file))
    }

    /// The file that tells, as long as it is fresh, that the server has answered to what was assumed of it.
    pub fn mark(&self) -> Option<PathBuf> {
        self.cache.as_ref().map(|file| file.with_file_name(MARK))
    }

    /// The server's resources: from the cache, unless `again` asks for a new look.
    pub async fn discovery(&self, client: &Client<'_>, again: bool) -> Result<Rc<Discovery>, CommandError> {
        if let Some(served) = self.served.borrow().as_ref()
            && (!again || self.fresh.get())
        {
            return Ok(served.clone());
        }
        let kept = if again { None } else { self.cache.as_deref().and_then(discovery::cached) };
        let served = match kept {
            Some(served) => Rc::new(served),
            None => {
                let served = match discovery::fetch(client, self.cache.as_deref()).await {
                    Ok(served) => served,
                    Err(error) => return Err(client.undiscovered(error).await),
                };
                self.fresh.set(true);
                Rc::new(served)
            }
        };
        *self.served.borrow_mut() = Some(served.clone());
        Ok(served)
    }

    /// The resource that is meant by what somebody typed.
    ///
    /// # Errors
    /// `the server doesn't have a resource type "widgets"`.
    pub async fn resource(&self, client: &Client<'_>, typed: &str) -> Result<Rc<Resource>, CommandError> {
        let lower = typed.to_lowercase();
        let readings = readings(&lower);
        if let Some(found) = find(&self.known, &readings) {
            return Ok(found);
        }
        for again in [false, true] {
            let served = self.discovery(client, again).await?;
            if let Some(found) = find(&served.resources, &readings) {
                return Ok(found);
            }
        }
        Err(no_resource_type(typed))
    }

    /// The resource for objects of this `apiVersion` and kind; `None` where the server has none.
    pub async fn kind(
        &self,
        client: &Client<'_>,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Rc<Resource>>, CommandError> {
        let (group, version) = kinds::split_api_version(api_version);
        let is_it =
            |r: &&Rc<Resource>| r.kind == kind && r.group == group && (r.version == version || api_version.is_empty());
        if let Some(found) = self.known.iter().find(is_it) {
            return Ok(Some(found.clone()));
        }
        for again in [false, true] {
            if let Some(found) = self.discovery(client, again).await?.resources.iter().find(is_it) {
                return Ok(Some(found.clone()));
            }
        }
        Ok(None)
    }

    /// The resources of a category (`all`), in the order of discovery, each once.
    pub async fn category(&self, client: &Client<'_>, name: &str) -> Result<Vec<Rc<Resource>>, CommandError> {
        let served = self.discovery(client, false).await?;
        let mut found: Vec<Rc<Resource>> = Vec::new();
        for resource in served.resources.iter().filter(|r| r.categories.iter().any(|c| c == name) && r.can("list")) {
            // The first version of a group is the preferred one.
            if !found.iter().any(|f| f.group == resource.group && f.plural == resource.plural) {
                found.push(resource.clone());
            }
        }
        Ok(found)
    }
}

/// `the server doesn't have a resource type "widgets"`.
pub fn no_resource_type(typed: &str) -> CommandError {
    let resource = typed.split('.').next().unwrap_or(typed);
    CommandError::message(format!("the server doesn't have a resource type {resource:?}"))
}

fn readings(typed: &str) -> Vec<Written<'_>> {
    let mut readings = Vec::new();
    let (resource, rest) = typed.split_once('.').unwrap_or((typed, ""));
    if rest.is_empty() && !typed.contains('.') {
        readings.push(Written { resource, version: None, group: None });
        return readings;
    }
    // With two dots the middle may be the version: `deployments.v1.apps`, `pods.v1.`.
    if let Some((version, group)) = rest.split_once('.') {
        readings.push(Written { resource, version: Some(version), group: Some(group) });
    }
    readings.push(Written { resource, version: None, group: Some(rest) });
    readings
}

fn find(resources: &[Rc<Resource>], readings: &[Written<'_>]) -> Option<Rc<Resource>> {
    readings.iter().find_map(|written| {
        let fits = |r: &&Rc<Resource>| {
            written.group.is_none_or(|g| {
                r.group == g
                    || (written.version.is_none()
                        && !g.is_empty()
                        && r.group.starts_with(g)
                        && r.group[g.len()..].starts_with('.'))
            }) && written.version.is_none_or(|v| r.version == v)
        };
        let by_name = |r: &&Rc<Resource>| r.plural == written.resource || r.singular == written.resource;
        let by_short = |r: &&Rc<Resource>| r.short_names.iter().any(|s| s == written.resource);
        let by_kind = |r: &&Rc<Resource>| r.kind.to_lowercase() == written.resource;
        resources
            .iter()
            .filter(fits)
            .find(by_name)
            .or_else(|| resources.iter().filter(fits).find(by_short))
            .or_else(|| resources.iter().filter(fits).find(by_kind))
            .cloned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_found_however_they_are_written() {
        let known = RestMapper::new(None).known;
        let plural = |typed: &str| find(&known, &readings(typed)).map(|r| r.group_resource());
        for typed in
            ["deploy", "deployment", "deployments", "deployments.apps", "deploy.v1.apps", "deployments.v1.apps"]
        {
            assert_eq!(plural(typed).as_deref(), Some("deployments.apps"), "{typed}");
        }
        assert_eq!(plural("pods.v1.").as_deref(), Some("pods"));
        assert_eq!(plural("events").as_deref(), Some("events"));
        assert_eq!(plural("pods.v1"), None);
        assert_eq!(plural("widgets"), None);
    }

    #[test]
    fn paths_follow_scope_and_group() {
        let known = RestMapper::new(None).known;
        let of = |typed: &str| find(&known, &readings(typed)).unwrap();
        assert_eq!(of("deploy").object("n", "web"), "/apis/apps/v1/namespaces/n/deployments/web");
        assert_eq!(of("nodes").object("n", "a/b"), "/api/v1/nodes/a%2Fb");
        assert_eq!(of("pods").collection(""), "/api/v1/pods");
    }
}
