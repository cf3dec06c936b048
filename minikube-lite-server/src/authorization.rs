//! Who may do what: role-based access control over the Roles and bindings that are stored (KEP-1842's ancestor, the RBAC
//! authorizer), and the roles that a new cluster has.

use crate::client::Client;
use crate::registry::Registry;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use std::collections::BTreeMap;

/// The user on whose behalf a request is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The group of everybody who has shown credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of those who have not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that may do everything.
const MASTERS: &str = "system:masters";

impl User {
    /// The owner of the admin token: what kubeadm's admin kubeconfig is.
    pub fn admin() -> User {
        User { name: "kubernetes-admin".into(), groups: vec![MASTERS.into(), AUTHENTICATED.into()], ..User::default() }
    }
    /// A request without credentials.
    pub fn anonymous() -> User {
        User { name: "system:anonymous".into(), groups: vec![UNAUTHENTICATED.into()], ..User::default() }
    }
    /// A ServiceAccount.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> User {
        User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.into(),
            groups: vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.into(),
            ],
            ..User::default()
        }
    }
    fn is(&self, group: &str) -> bool {
        self.groups.iter().any(|have| have == group)
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        /// `""` for cluster-scoped requests.
        namespace: &'a str,
        name: &'a str,
    },
    /// Any other path.
    Path { verb: &'a str, path: &'a str },
}

/// A rule that applies to a user, and why.
pub struct Granted {
    pub rule: Value,
    reason: String,
}

/// The rules that apply to a user in a namespace (`""`: cluster-wide ones only).
pub fn rules(registry: &Registry, user: &User, namespace: &str) -> Vec<Granted> {
    let mut granted = Vec::new();
    let scopes = [("ClusterRoleBinding", ""), ("RoleBinding", namespace)];
    for (binding_kind, namespace) in scopes {
        if binding_kind == "RoleBinding" && namespace.is_empty() {
            continue;
        }
        let (bindings, _) = registry.snapshot(kinds::named(binding_kind), namespace);
        for binding in bindings.iter().filter_map(|entry| entry.object().ok()) {
            let subject = binding.list("subjects").iter().find(|subject| applies(subject, user, namespace));
            let Some(subject) = subject else { continue };
            let (role_kind, role_name) = (binding.text("roleRef.kind"), binding.text("roleRef.name"));
            let role_namespace = if role_kind == "Role" { namespace } else { "" };
            let role = kinds::by_kind("rbac.authorization.k8s.io/v1", role_kind)
                .and_then(|kind| registry.get(kind, role_namespace, role_name).ok())
                .and_then(|entry| entry.object().ok());
            let Some(role) = role else { continue };
            let full = match namespace {
                "" => binding.name().to_string(),
                namespace => format!("{}/{namespace}", binding.name()),
            };
            let who = match (subject.text("kind"), subject.text("namespace")) {
                ("ServiceAccount", namespace) => format!("\"{}/{namespace}\"", subject.text("name")),
                _ => format!("{:?}", subject.text("name")),
            };
            let reason = format!(
                "RBAC: allowed by {binding_kind} {full:?} of {role_kind} {role_name:?} to {} {who}",
                subject.text("kind")
            );
            granted
                .extend(role.list("rules").iter().map(|rule| Granted { rule: rule.clone(), reason: reason.clone() }));
        }
    }
    granted
}

fn applies(subject: &Value, user: &User, binding_namespace: &str) -> bool {
    let name = subject.text("name");
    match subject.text("kind") {
        "User" => name == user.name,
        "Group" => user.is(name),
        "ServiceAccount" => {
            let namespace = match subject.text("namespace") {
                "" => binding_namespace,
                given => given,
            };
            user.name.strip_prefix("system:serviceaccount:") == Some(&format!("{namespace}:{name}"))
        }
        _ => false,
    }
}

fn covers(rule: &Value, action: &Action<'_>) -> bool {
    let has = |field: &str, wanted: &str| rule.list(field).iter().any(|have| have == "*" || have == wanted);
    match *action {
        Action::Resource { verb, group, resource, subresource, name, .. } => {
            let full = if subresource.is_empty() { resource.to_string() } else { format!("{resource}/{subresource}") };
            let any_parent = format!("*/{subresource}");
            let names = rule.list("resourceNames");
            has("verbs", verb)
                && has("apiGroups", group)
                && (has("resources", &full)
                    || (!subresource.is_empty() && rule.list("resources").iter().any(|have| *have == any_parent)))
                && (names.is_empty() || names.iter().any(|have| have == name))
        }
        Action::Path { verb, path } => {
            has("verbs", verb)
                && rule.list("nonResourceURLs").iter().filter_map(Value::as_str).any(|url| {
                    match url.strip_suffix('*') {
                        Some(prefix) => path.starts_with(prefix),
                        None => url == path,
                    }
                })
        }
    }
}

/// Whether the user may do it: the reason why, or nothing. Members of `system:masters` may without a reason.
pub fn allowed(registry: &Registry, user: &User, action: &Action<'_>) -> Option<String> {
    if user.is(MASTERS) {
        return Some(String::new());
    }
    let namespace = match *action {
        Action::Resource { namespace, .. } => namespace,
        Action::Path { .. } => "",
    };
    rules(registry, user, namespace)
        .into_iter()
        .find(|granted| covers(&granted.rule, action))
        .map(|granted| granted.reason)
}

/// Refuses what the user may not do.
///
/// # Errors
/// `Forbidden`, in kube-apiserver's words.
pub fn check(registry: &Registry, user: &User, action: &Action<'_>) -> Result<(), Status> {
    if allowed(registry, user, action).is_some() {
        return Ok(());
    }
    match *action {
        Action::Resource { verb, group, resource, subresource, namespace, name } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = match namespace {
                "" => "at the cluster scope".to_string(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let why = format!(
                "User {:?} cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?} {scope}",
                user.name
            );
            Err(Status::forbidden(resource, group, name, &why))
        }
        Action::Path { verb, path } => {
            let mut status =
                Status::forbidden("", "", "", &format!("User {:?} cannot {verb} path {path:?}", user.name));
            status.details = Some(Box::default());
            Err(status)
        }
    }
}

/// The roles and bindings of a new cluster: name, rules, and the groups bound to it.
fn defaults() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let paths = |urls: &[&str]| json!([{"nonResourceURLs": urls, "verbs": ["get"]}]);
    let everything = json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]);
    let on = |groups: &[&str], verbs: &[&str]| {
        let resources = |group: &str| -> Vec<&str> {
            // Who may edit or view a namespace does not thereby see secrets' or roles' owners' rights.
            let hidden = ["secrets", "roles", "rolebindings", "nodes", "namespaces"];
            kinds::KINDS
                .iter()
                .filter(|k| k.group == group && k.namespaced && k.is_stored())
                .map(|k| k.plural)
                .filter(|plural| !hidden.contains(plural))
                .collect()
        };
        Value::from_iter(
            groups.iter().map(|group| json!({"apiGroups": [group], "resources": resources(group), "verbs": verbs})),
        )
    };
    let read = ["get", "list", "watch"];
    let write = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let groups = ["", "apps", "autoscaling", "discovery.k8s.io"];
    let reviews = json!([
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
    ]);
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    vec![
        ("admin", on(&groups, &write), &[]),
        ("cluster-admin", everything, &[MASTERS]),
        ("edit", on(&groups, &write), &[]),
        ("system:basic-user", reviews, &[AUTHENTICATED]),
        ("system:discovery", paths(&discovery), &[AUTHENTICATED]),
        ("system:public-info-viewer", paths(&public), &[AUTHENTICATED, UNAUTHENTICATED]),
        ("view", on(&groups, &read), &[]),
    ]
}

/// Makes the default roles and bindings that are not there yet.
///
/// # Errors
/// The first failure.
pub async fn bootstrap(client: &Client) -> Result<(), Status> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let metadata = |name: &str| {
        json!({
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        })
    };
    let mut objects: Vec<(&'static Kind, Value)> = Vec::new();
    for (name, rules, groups) in defaults() {
        objects.push((kinds::named("ClusterRole"), json!({"metadata": metadata(name), "rules": rules})));
        if !groups.is_empty() {
            let subjects = groups.iter().map(|group| json!({"kind": "Group", "apiGroup": GROUP, "name": group}));
            let binding = json!({
                "metadata": metadata(name),
                "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
                "subjects": Value::from_iter(subjects),
            });
            objects.push((kinds::named("ClusterRoleBinding"), binding));
        }
    }
    let made = objects.into_iter().map(|(kind, object)| crate::bootstrap::ensure(client, kind, object));
    futures_util::future::try_join_all(made).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_cover_what_they_name() {
        let rule =
            json!({"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get"], "resourceNames": ["a"]});
        let on = |verb, resource, subresource, name| Action::Resource {
            verb,
            group: "",
            resource,
            subresource,
            namespace: "n",
            name,
        };
        assert!(covers(&rule, &on("get", "pods", "", "a")));
        assert!(!covers(&rule, &on("get", "pods", "", "b")));
        assert!(!covers(&rule, &on("list", "pods", "", "a")));
        assert!(!covers(&rule, &on("get", "pods", "log", "a")));
        assert!(covers(&rule, &on("get", "anything", "scale", "a")));
        let paths = json!({"nonResourceURLs": ["/api/*", "/version"], "verbs": ["get"]});
        assert!(covers(&paths, &Action::Path { verb: "get", path: "/api/v1" }));
        assert!(!covers(&paths, &Action::Path { verb: "get", path: "/versions" }));
    }
}
