//! Roles and their bindings.

use super::metadata::labels_and_annotations;
use super::report::{Report, scalar};
use shared_types::fields::Fields;
use shared_types::json::Value;

/// A rule about one resource or path.
#[derive(Clone, Default, PartialEq)]
pub struct Rule {
    verbs: Vec<String>,
    group: Option<String>,
    resource: String,
    resource_name: Option<String>,
    url: Option<String>,
}

/// A Role or ClusterRole.
pub fn role(report: &mut Report, role: &Value) {
    report.field(0, "Name", role.name());
    labels_and_annotations(report, role);
    report.heading(0, "PolicyRule");
    report.header(1, &["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]);
    for rule in put_together(role.list("rules")) {
        report.row(1, &rule.row());
    }
}

/// One rule for each resource, its verbs together, in Kubernetes' order.
pub fn put_together<'r>(rules: impl IntoIterator<Item = &'r Value>) -> Vec<Rule> {
    let mut split: Vec<Rule> = Vec::new();
    for rule in rules {
        let strings = |path: &str| rule.list(path).iter().map(|item| scalar(item).into_owned()).collect::<Vec<_>>();
        let mut names: Vec<Option<String>> = strings("resourceNames").into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        let verbs = strings("verbs");
        for group in strings("apiGroups") {
            for resource in strings("resources") {
                for verb in &verbs {
                    for resource_name in &names {
                        let rule = Rule {
                            verbs: vec![verb.clone()],
                            group: Some(group.clone()),
                            resource: resource.clone(),
                            resource_name: resource_name.clone(),
                            url: None,
                        };
                        merge(&mut split, rule);
                    }
                }
            }
        }
        // Paths are not put together.
        for url in strings("nonResourceURLs") {
            let of = |verb: &String| Rule { verbs: vec![verb.clone()], url: Some(url.clone()), ..Rule::default() };
            split.extend(verbs.iter().map(of));
        }
    }
    split.sort_by_key(Rule::sort_key);
    split
}

/// Adds the verb of `rule` to the rule about the same resource.
fn merge(rules: &mut Vec<Rule>, rule: Rule) {
    let same = |known: &&mut Rule| {
        known.url.is_none()
            && (&known.group, &known.resource, &known.resource_name)
                == (&rule.group, &rule.resource, &rule.resource_name)
    };
    match rules.iter_mut().find(same) {
        Some(known) if known.verbs.contains(&rule.verbs[0]) => {}
        Some(known) => known.verbs.extend(rule.verbs),
        None => rules.push(rule),
    }
}

impl Rule {
    /// Resources, URLs, resource names and verbs, as they are shown.
    pub fn row(&self) -> [String; 4] {
        let listed = |item: &Option<String>| format!("[{}]", item.as_deref().unwrap_or_default());
        let verbs = format!("[{}]", self.verbs.join(" "));
        [self.qualified_resource(), listed(&self.url), listed(&self.resource_name), verbs]
    }
    /// `deployments.apps/status`.
    fn qualified_resource(&self) -> String {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, format!("/{subresource}")),
            None => (self.resource.as_str(), String::new()),
        };
        match self.group.as_deref() {
            None | Some("") => format!("{resource}{subresource}"),
            Some(group) => format!("{resource}.{group}{subresource}"),
        }
    }
    /// Rules are sorted as their text form in Go is.
    fn sort_key(&self) -> String {
        let part = |item: &Option<String>| item.clone().unwrap_or_default();
        format!(
            "Verbs:[{}],APIGroups:[{}],Resources:[{}],ResourceNames:[{}],NonResourceURLs:[{}],",
            self.verbs.join(" "),
            part(&self.group),
            self.resource,
            part(&self.resource_name),
            part(&self.url)
        )
    }
}

/// A RoleBinding or ClusterRoleBinding.
pub fn binding(report: &mut Report, binding: &Value) {
    report.field(0, "Name", binding.name());
    labels_and_annotations(report, binding);
    report.heading(0, "Role");
    report.field(1, "Kind", binding.text("roleRef.kind"));
    report.field(1, "Name", binding.text("roleRef.name"));
    report.heading(0, "Subjects");
    report.header(1, &["Kind", "Name", "Namespace"]);
    for subject in binding.list("subjects") {
        report.row(1, &[subject.text("kind"), subject.text("name"), subject.text("namespace")]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn rules_are_put_together_by_resource() {
        let object = json!({"metadata": {"name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get"]},
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["a"], "verbs": ["update"]},
            {"nonResourceURLs": ["/healthz"], "verbs": ["get", "head"]},
        ]});
        let mut report = Report::default();
        role(&mut report, &object);
        let expected = "\
Name:         r
Labels:       <none>
Annotations:  <none>
PolicyRule:
  Resources               Non-Resource URLs  Resource Names  Verbs
  ---------               -----------------  --------------  -----
  pods                    []                 []              [get list]
                          [/healthz]         []              [get]
  pods/log                []                 []              [get]
                          [/healthz]         []              [head]
  deployments.apps/scale  []                 [a]             [update]
";
        assert_eq!(report.finish(), expected);
    }
}
