//! What RBAC rules allow, compared.

use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// The single permissions of `wanted` that `given` does not include.
pub fn uncovered(given: &[Value], wanted: &[Value]) -> Vec<Value> {
    let single: Vec<Value> = given.iter().flat_map(breakdown).collect();
    wanted.iter().flat_map(breakdown).filter(|rule| !single.iter().any(|given| covers(given, rule))).collect()
}

/// A rule as rules of one verb and one resource or path each.
fn breakdown(rule: &Value) -> Vec<Value> {
    let mut rules = Vec::new();
    let names = rule.list("resourceNames");
    for group in rule.list("apiGroups") {
        for resource in rule.list("resources") {
            for verb in rule.list("verbs") {
                let plain = json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
                let with_name = |name: &Value| {
                    let mut rule = plain.clone();
                    rule.set("resourceNames", json!([name]));
                    rule
                };
                rules.extend(names.iter().map(with_name));
                if names.is_empty() {
                    rules.push(plain);
                }
            }
        }
    }
    for path in rule.list("nonResourceURLs") {
        rules.extend(rule.list("verbs").iter().map(|verb| json!({"nonResourceURLs": [path], "verbs": [verb]})));
    }
    rules
}

/// Whether one permission includes another.
fn covers(given: &Value, wanted: &Value) -> bool {
    let (only, other) = (|field: &str| single(given, field), |field: &str| single(wanted, field));
    let same_or_all = |field: &str| only(field) == other(field) || only(field) == "*";
    let name = given.list("resourceNames").is_empty() || only("resourceNames") == other("resourceNames");
    let is_path = |rule: &Value| rule.has("nonResourceURLs");
    same_or_all("verbs")
        && is_path(given) == is_path(wanted)
        && if is_path(given) {
            path_covers(only("nonResourceURLs"), other("nonResourceURLs"))
        } else {
            same_or_all("apiGroups") && resource_covers(only("resources"), other("resources")) && name
        }
}

fn single<'r>(rule: &'r Value, field: &str) -> &'r str {
    rule.list(field).first().and_then(Value::as_str).unwrap_or_default()
}

/// `*` is everything, `*/scale` a subresource of everything.
fn resource_covers(given: &str, wanted: &str) -> bool {
    let of_all = given.strip_prefix("*/").zip(wanted.split_once('/'));
    given == wanted || given == "*" || of_all.is_some_and(|(subresource, (_, other))| subresource == other)
}

/// A final `*` is any rest.
fn path_covers(given: &str, wanted: &str) -> bool {
    given == wanted || given.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix))
}

/// A rule as Go prints the struct.
pub fn text(rule: &Value) -> String {
    let words = |field: &str| super::words(rule, field);
    format!(
        "{{Verbs:{} APIGroups:{} Resources:{} ResourceNames:{} NonResourceURLs:{}}}",
        words("verbs"),
        words("apiGroups"),
        words("resources"),
        words("resourceNames"),
        words("nonResourceURLs")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cover_everything() {
        let rule = |group: &str, resource: &str, verb: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
        let missing = |given: Value, wanted: Value| uncovered(&[given], &[wanted]).len();
        assert_eq!(missing(rule("*", "*", "*"), rule("apps", "deployments/scale", "get")), 0);
        assert_eq!(missing(rule("*", "*/scale", "get"), rule("apps", "deployments/scale", "get")), 0);
        assert_eq!(missing(rule("*", "*/scale", "get"), rule("apps", "deployments", "get")), 1);
        let wanted = json!({"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"]});
        assert_eq!(missing(rule("", "pods", "get"), wanted), 3);
        let path = |path: &str| json!({"nonResourceURLs": [path], "verbs": ["get"]});
        assert_eq!((missing(path("/a/*"), path("/a/b")), missing(path("/a"), path("/a/b"))), (0, 1));
        let mut named = rule("", "pods", "get");
        named.set("resourceNames", json!(["x", "y"]));
        assert_eq!((missing(rule("", "pods", "get"), named.clone()), missing(named, rule("", "pods", "get"))), (0, 1));
    }

    #[test]
    fn rules_print_as_in_go() {
        let rule = json!({"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]});
        let expected = "{Verbs:[get list] APIGroups:[] Resources:[pods services] ResourceNames:[] NonResourceURLs:[]}";
        assert_eq!(text(&rule), expected);
    }
}
