//! What a request asks for, read from its method and path (Kubernetes' RequestInfo).

use http::Method;
use percent_encoding::percent_decode_str;
use shared_types::kinds::{self, Kind, Subresource};

/// A request for resources, or for anything else.
#[derive(Debug)]
pub enum Target {
    Resource(Resource),
    /// Any other path, such as `/version` or `/apis/apps`.
    Other,
}

/// A request for resources, which may or may not exist.
#[derive(Debug, Default)]
pub struct Resource {
    pub group: String,
    pub version: String,
    /// Plural, as in the path.
    pub resource: String,
    pub subresource: String,
    /// What comes after the subresource (`proxy`).
    pub rest: String,
    pub namespace: String,
    pub name: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'static str,
    /// The path has the deprecated `watch` segment.
    pub watch_path: bool,
}

impl Resource {
    /// The kind and subresource that are asked for, where they exist.
    pub fn resolve(&self) -> Option<(&'static Kind, Option<&'static Subresource>)> {
        let kind = kinds::by_resource(&self.group, &self.version, &self.resource)?;
        // A namespaced kind's single objects are found below their namespace only.
        if kind.namespaced && self.namespace.is_empty() && !self.name.is_empty() {
            return None;
        }
        if !kind.namespaced && !self.namespace.is_empty() && kind.kind != "Namespace" {
            return None;
        }
        match self.subresource.as_str() {
            "" => Some((kind, None)),
            name => Some((kind, Some(kind.subresource(name)?))),
        }
    }
}

/// Reads a path and method. `watch` tells that the query asks for a watch.
pub fn parse(method: &Method, path: &str, watch: bool) -> Target {
    let decoded: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let mut parts = decoded.iter().map(String::as_str);
    let mut resource = Resource::default();
    match parts.next() {
        Some("api") => {}
        Some("apis") => match parts.next() {
            Some(group) if !group.is_empty() => resource.group = group.to_string(),
            _ => return Target::Other,
        },
        _ => return Target::Other,
    }
    match parts.next() {
        Some(version) if !version.is_empty() => resource.version = version.to_string(),
        _ => return Target::Other,
    }
    let mut rest: Vec<&str> = parts.collect();
    if rest.first() == Some(&"watch") && rest.len() > 1 {
        resource.watch_path = true;
        rest.remove(0);
    }
    match rest.as_slice() {
        [] => return Target::Other,
        // What is in a namespace, unless it is the namespace's own subresource.
        ["namespaces", namespace, first, ..]
            if !resource.group.is_empty() || !["status", "finalize"].contains(first) =>
        {
            resource.namespace = namespace.to_string();
            fill(&mut resource, &rest[2..]);
        }
        all => {
            fill(&mut resource, all);
            if resource.resource == "namespaces" && resource.group.is_empty() {
                resource.namespace = resource.name.clone();
            }
        }
    }
    resource.verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if resource.name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        Method::GET | Method::HEAD if resource.watch_path => "watch",
        Method::GET | Method::HEAD if resource.name.is_empty() && watch => "watch",
        Method::GET | Method::HEAD if resource.name.is_empty() => "list",
        Method::GET | Method::HEAD => "get",
        _ => "",
    };
    Target::Resource(resource)
}

fn fill(resource: &mut Resource, parts: &[&str]) {
    let mut parts = parts.iter();
    let mut next = || parts.next().map_or(String::new(), ToString::to_string);
    resource.resource = next();
    resource.name = next();
    resource.subresource = next();
    resource.rest = parts.as_slice().join("/");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(method: Method, path: &str) -> Resource {
        match parse(&method, path, false) {
            Target::Resource(resource) => resource,
            Target::Other => panic!("{path} is not a resource"),
        }
    }

    #[test]
    fn reads_the_forms_of_paths() {
        let pods = resource(Method::GET, "/api/v1/namespaces/default/pods");
        assert_eq!((pods.verb, pods.namespace.as_str(), pods.resource.as_str()), ("list", "default", "pods"));
        let status = resource(Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/web/status");
        assert_eq!((status.verb, status.name.as_str(), status.subresource.as_str()), ("patch", "web", "status"));
        assert_eq!(status.resolve().map(|(kind, _)| kind.kind), Some("Deployment"));
        let namespace = resource(Method::DELETE, "/api/v1/namespaces/a");
        assert_eq!(
            (namespace.verb, namespace.resource.as_str(), namespace.name.as_str()),
            ("delete", "namespaces", "a")
        );
        let finalize = resource(Method::PUT, "/api/v1/namespaces/a/finalize");
        assert_eq!((finalize.name.as_str(), finalize.subresource.as_str()), ("a", "finalize"));
        let watch = resource(Method::GET, "/api/v1/watch/namespaces/a/configmaps/w1");
        assert_eq!((watch.verb, watch.name.as_str()), ("watch", "w1"));
        assert!(matches!(parse(&Method::GET, "/apis/apps/v1", false), Target::Other));
        assert!(matches!(parse(&Method::GET, "/version", false), Target::Other));
        assert!(resource(Method::GET, "/api/v1/pods/web").resolve().is_none());
    }
}
