//! What can be done at which path, derived from the table of kinds.

use super::definitions::{kind_name, meta_name};
use shared_types::kinds::{KINDS, Kind, Subresource};

/// A path and what it is for.
pub struct Path {
    pub path: String,
    /// Parameters in the path itself.
    pub parameters: Vec<Parameter>,
    pub operations: Vec<Operation>,
}

/// One method at one path.
pub struct Operation {
    /// `get`, `put`, `post`, `delete`, `patch`.
    pub method: &'static str,
    pub id: String,
    pub description: String,
    /// Group, version and kind of what it works on; none for discovery.
    pub kind: Option<(&'static str, &'static str, &'static str)>,
    /// `x-kubernetes-action`.
    pub action: &'static str,
    pub parameters: Vec<Parameter>,
    /// The definition of the request's body.
    pub body: Option<Body>,
    /// The definition of the answer, `None` for text, and the codes it comes with.
    pub answer: Option<String>,
    pub codes: &'static [(u16, &'static str)],
}

/// A request's body.
pub struct Body {
    pub definition: String,
    pub required: bool,
    /// The formats of patches instead of those of objects.
    pub patch: bool,
}

/// A parameter of a path or query.
#[derive(Clone)]
pub struct Parameter {
    pub name: &'static str,
    pub place: &'static str,
    pub ty: &'static str,
    pub description: String,
}

const OK: (u16, &str) = (200, "OK");
const CREATED: (u16, &str) = (201, "Created");
const ACCEPTED: (u16, &str) = (202, "Accepted");

fn query(name: &'static str, ty: &'static str, description: &str) -> Parameter {
    Parameter { name, place: "query", ty, description: description.to_string() }
}

fn in_path(name: &'static str, description: String) -> Parameter {
    Parameter { name, place: "path", ty: "string", description }
}

fn pretty() -> Parameter {
    query(
        "pretty",
        "string",
        "Whether the answer is indented. Clients that look like a browser or curl get that anyway.",
    )
}

fn list_parameters() -> Vec<Parameter> {
    vec![
        query("allowWatchBookmarks", "boolean", "Whether a watch may send events of type BOOKMARK."),
        query("continue", "string", "Where to go on with a list that was limited, as its metadata told."),
        query("fieldSelector", "string", "Selects objects by their fields. Everything by default."),
        query("labelSelector", "string", "Selects objects by their labels. Everything by default."),
        query("limit", "integer", "The most objects to answer with; a list with more tells where to continue."),
        query("resourceVersion", "string", "The version from which to list or watch."),
        query("resourceVersionMatch", "string", "How resourceVersion applies to a list."),
        query("sendInitialEvents", "boolean", "Whether a watch begins with all objects there are."),
        query("timeoutSeconds", "integer", "How long the call may take, whatever happens."),
        query("watch", "boolean", "Whether to send changes as they come instead of a list."),
    ]
}

fn dry_run() -> Parameter {
    query("dryRun", "string", "With the value All, nothing is stored.")
}

fn write_parameters(patch: bool) -> Vec<Parameter> {
    let mut parameters = vec![
        dry_run(),
        query("fieldManager", "string", "The name of who or what makes the change."),
        query(
            "fieldValidation",
            "string",
            "What to do about unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
        ),
    ];
    if patch {
        parameters.push(query("force", "boolean", "Whether an apply takes fields over from other managers."));
    }
    parameters
}

fn delete_parameters() -> Vec<Parameter> {
    vec![
        dry_run(),
        query("gracePeriodSeconds", "integer", "How long the object has to end; zero is at once."),
        query(
            "ignoreStoreReadErrorWithClusterBreakingPotential",
            "boolean",
            "Whether to delete an object that cannot be read.",
        ),
        query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
        query("propagationPolicy", "string", "What happens to dependents: Orphan, Background or Foreground."),
    ]
}

/// The name of a group and version within operation ids: `CoreV1`, `RbacAuthorizationV1`.
fn title(group: &str, version: &str) -> String {
    let group = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
    group.split('.').chain([version]).map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// All paths of a group and version.
pub fn of_version(group: &str, version: &str) -> Vec<Path> {
    let Some(first) = KINDS.iter().find(|kind| kind.group == group && kind.version == version) else {
        return Vec::new();
    };
    let mut paths = vec![discovery(
        format!("{}/", first.api_path()),
        format!("get{}APIResources", title(group, version)),
        "get available resources",
        "APIResourceList",
    )];
    for kind in KINDS.iter().filter(|kind| kind.is_described() && kind.group == group && kind.version == version) {
        paths.extend(of_kind(kind));
    }
    paths
}

/// The path of a discovery document.
pub fn discovery(path: String, id: String, description: &str, answer: &str) -> Path {
    let operation = Operation {
        method: "get",
        id,
        description: description.to_string(),
        kind: None,
        action: "",
        parameters: Vec::new(),
        body: None,
        answer: Some(meta_name(answer)),
        codes: &[OK],
    };
    Path { path, parameters: Vec::new(), operations: vec![operation] }
}

fn of_kind(kind: &'static Kind) -> Vec<Path> {
    let namespace = || in_path("namespace", "object name and auth scope, such as for teams and projects".to_string());
    let root = kind.api_path();
    let (collection, scope) = match kind.namespaced {
        true => (format!("{root}/namespaces/{{namespace}}/{}", kind.plural), vec![namespace(), pretty()]),
        false => (format!("{root}/{}", kind.plural), vec![pretty()]),
    };
    let mut paths = Vec::new();
    let operations = operations(kind, None, &["list", "create", "deletecollection"]);
    if !operations.is_empty() {
        paths.push(Path { path: collection.clone(), parameters: scope.clone(), operations });
    }
    if kind.namespaced && kind.is_stored() {
        let mut operation = operation(kind, None, "list");
        operation.id = format!("list{}{}ForAllNamespaces", title(kind.group, kind.version), kind.kind);
        let path = format!("{root}/{}", kind.plural);
        paths.push(Path { path, parameters: vec![pretty()], operations: vec![operation] });
    }
    let mut one = vec![in_path("name", format!("name of the {}", kind.kind))];
    one.extend(scope);
    let operations = self::operations(kind, None, &["get", "update", "delete", "patch"]);
    if !operations.is_empty() {
        paths.push(Path { path: format!("{collection}/{{name}}"), parameters: one.clone(), operations });
    }
    for sub in kind.subresources {
        let operations = self::operations(kind, Some(sub), &["get", "create", "update", "delete", "patch"]);
        let path = format!("{collection}/{{name}}/{}", sub.name);
        paths.push(Path { path, parameters: one.clone(), operations });
    }
    paths
}

/// The operations among `verbs` that the kind, or its subresource, has.
fn operations(kind: &'static Kind, sub: Option<&'static Subresource>, verbs: &[&'static str]) -> Vec<Operation> {
    let has = sub.map_or(kind.verbs, |sub| sub.verbs);
    verbs.iter().filter(|verb| has.contains(verb)).map(|verb| operation(kind, sub, verb)).collect()
}

/// Subresources that are connections rather than objects.
fn is_connection(sub: &Subresource) -> bool {
    sub.gvk.is_some_and(|(_, _, kind)| kind.ends_with("Options"))
}

fn operation(kind: &'static Kind, sub: Option<&'static Subresource>, verb: &'static str) -> Operation {
    let gvk = sub.and_then(|sub| sub.gvk).unwrap_or((kind.group, kind.version, kind.kind));
    let own = kind_name(gvk.0, gvk.1, gvk.2);
    let body = |definition: String, required, patch| Some(Body { definition, required, patch });
    let sub_title = sub.map_or_else(String::new, |sub| capital(sub.name));
    let what = sub.map_or(kind.kind.to_string(), |sub| format!("{} of the specified {}", sub.name, kind.kind));
    let (method, action, word): (_, _, &str) = match verb {
        "list" => ("get", "list", "list"),
        "create" => ("post", "post", "create"),
        "deletecollection" => ("delete", "deletecollection", "deleteCollection"),
        "get" => ("get", "get", "read"),
        "update" => ("put", "put", "replace"),
        "delete" => ("delete", "delete", "delete"),
        _ => ("patch", "patch", "patch"),
    };
    let scope = if kind.namespaced { "Namespaced" } else { "" };
    let operation = Operation {
        method,
        id: format!("{word}{}{scope}{}{sub_title}", title(kind.group, kind.version), kind.kind),
        description: match verb {
            "list" => format!("list or watch objects of kind {}", kind.kind),
            "create" => format!("create {what}"),
            "deletecollection" => format!("delete collection of {}", kind.kind),
            "get" => format!("read the specified {what}"),
            "update" => format!("replace the specified {what}"),
            "delete" => format!("delete {what}"),
            _ => format!("partially update the specified {what}"),
        },
        kind: Some(gvk),
        action,
        parameters: Vec::new(),
        body: None,
        answer: Some(own.clone()),
        codes: &[OK],
    };
    if sub.is_some_and(is_connection) {
        let id =
            format!("connect{}{}{scope}{}{sub_title}", title(kind.group, kind.version), capital(method), kind.kind);
        let description = format!("connect {} requests to {what}", method.to_uppercase());
        return Operation { id, description, action: "connect", answer: None, ..operation };
    }
    match verb {
        "list" => Operation {
            parameters: list_parameters(),
            answer: Some(kind_name(kind.group, kind.version, &kind.list_kind())),
            ..operation
        },
        "create" => Operation {
            parameters: write_parameters(false),
            body: body(own, true, false),
            codes: &[OK, CREATED, ACCEPTED],
            ..operation
        },
        "update" => Operation {
            parameters: write_parameters(false),
            body: body(own, true, false),
            codes: &[OK, CREATED],
            ..operation
        },
        "patch" => Operation {
            parameters: write_parameters(true),
            body: body(meta_name("Patch"), true, true),
            codes: &[OK, CREATED],
            ..operation
        },
        "delete" | "deletecollection" => Operation {
            parameters: if verb == "delete" {
                delete_parameters()
            } else {
                list_parameters().into_iter().chain(delete_parameters()).collect()
            },
            body: body(meta_name("DeleteOptions"), false, false),
            answer: Some(meta_name("Status")),
            codes: if verb == "delete" { &[OK, ACCEPTED] } else { &[OK] },
            ..operation
        },
        _ if sub.is_some_and(|sub| sub.name == "log") => Operation { answer: None, ..operation },
        _ => operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_from_the_table_of_kinds() {
        let paths = of_version("apps", "v1");
        let names: Vec<&str> = paths.iter().map(|path| path.path.as_str()).filter(|p| p.contains("deploy")).collect();
        assert_eq!(
            names,
            [
                "/apis/apps/v1/namespaces/{namespace}/deployments",
                "/apis/apps/v1/deployments",
                "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
                "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
                "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status",
            ]
        );
        let ids: Vec<&str> = paths[3].operations.iter().map(|operation| operation.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "readAppsV1NamespacedDeployment",
                "replaceAppsV1NamespacedDeployment",
                "deleteAppsV1NamespacedDeployment",
                "patchAppsV1NamespacedDeployment",
            ]
        );
        assert_eq!(title("rbac.authorization.k8s.io", "v1"), "RbacAuthorizationV1");
        assert!(of_version("nosuch", "v1").is_empty());
    }
}
