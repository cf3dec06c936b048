//! `kubectl create role` and `clusterrole`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::collections::BTreeMap;

/// The verbs that there are for resources.
const VERBS: [&str; 15] = [
    "*",
    "approve",
    "bind",
    "create",
    "delete",
    "deletecollection",
    "escalate",
    "get",
    "impersonate",
    "list",
    "patch",
    "proxy",
    "sign",
    "update",
    "watch",
];
/// Those for paths that are no resources.
pub const NON_RESOURCE_VERBS: [&str; 8] = ["*", "delete", "get", "head", "options", "patch", "post", "put"];

#[derive(clap::Args)]
struct Rules {
    /// RESOURCE[.GROUP][/SUBRESOURCE],...; may be repeated
    #[arg(long, value_delimiter = ',')]
    resource: Vec<String>,
    /// Name of an object that the rule is for; may be repeated
    #[arg(long)]
    resource_name: Vec<String>,
    /// Verbs that are allowed; may be repeated
    #[arg(long, value_delimiter = ',')]
    verb: Vec<String>,
}

#[derive(clap::Args)]
pub struct Role {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    rules: Rules,
}

impl Command for Role {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create role")?;
        if self.rules.verbs().is_empty() {
            return Err(CommandError::message("at least one verb must be specified"));
        }
        if self.rules.resource.is_empty() {
            return Err(CommandError::message("at least one resource must be specified"));
        }
        let rules = self.rules.of_resources(cx).await?;
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata(name), "rules": rules,
        });
        self.generate.create(cx, "roles.rbac.authorization.k8s.io", None, role).await
    }
}

#[derive(clap::Args)]
pub struct ClusterRole {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    rules: Rules,
    /// KEY=VALUE labels of the cluster roles to take rules from
    #[arg(long, value_delimiter = ',', value_parser = pair)]
    aggregation_rule: Vec<Option<(String, String)>>,
    /// Paths that are no resources; may be repeated
    #[arg(long = "non-resource-url", value_delimiter = ',')]
    non_resource_urls: Vec<String>,
}

/// A label; none where nothing stands between commas.
fn pair(text: &str) -> Result<Option<(String, String)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (key, value) = text.split_once('=').ok_or("malformed pair, expect string=string")?;
    Ok(Some((key.into(), value.into())))
}

impl Command for ClusterRole {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create clusterrole")?;
        let mut role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata(name),
        });
        if self.aggregation_rule.iter().flatten().next().is_none() {
            role.set("rules", self.all_rules(cx).await?);
        } else {
            let rules = &self.rules;
            let lists = [&rules.verb, &rules.resource, &rules.resource_name, &self.non_resource_urls];
            if lists.iter().any(|list| !list.is_empty()) {
                return Err(CommandError::message(
                    "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames",
                ));
            }
            let labels: BTreeMap<&String, &String> =
                self.aggregation_rule.iter().flatten().map(|(k, v)| (k, v)).collect();
            role.set("aggregationRule", json!({"clusterRoleSelectors": [{"matchLabels": labels}]}));
        }
        self.generate.create(cx, "clusterroles.rbac.authorization.k8s.io", None, role).await
    }
}

impl ClusterRole {
    async fn all_rules(&self, cx: &Context<'_>) -> Result<Vec<Value>, CommandError> {
        let fail = |text: String| Err(CommandError::message(text));
        let verbs = self.rules.verbs();
        if verbs.is_empty() {
            return fail("at least one verb must be specified".into());
        }
        if self.rules.resource.is_empty() && self.non_resource_urls.is_empty() {
            return fail("one of resource or nonResourceURL must be specified".into());
        }
        let mut rules = match self.rules.resource.is_empty() {
            true => Vec::new(),
            false => self.rules.of_resources(cx).await?,
        };
        if !self.non_resource_urls.is_empty() {
            if let Some(verb) = verbs.iter().find(|verb| !NON_RESOURCE_VERBS.contains(verb)) {
                return fail(format!("invalid verb: '{verb}' for nonResourceURL"));
            }
            for url in self.non_resource_urls.iter().filter(|url| *url != "*") {
                if !url.starts_with('/') {
                    return fail("nonResourceURL should start with /".into());
                }
                if url.strip_suffix('*').unwrap_or(url).contains('*') {
                    return fail("nonResourceURL only supports wildcard matches when '*' is at the end".into());
                }
            }
            rules.push(json!({"verbs": verbs, "nonResourceURLs": self.non_resource_urls}));
        }
        Ok(rules)
    }
}

impl Rules {
    /// The verbs, each once; `*` stands for all.
    fn verbs(&self) -> Vec<&str> {
        let mut verbs: Vec<&str> = Vec::new();
        for verb in self.verb.iter().map(|verb| verb.trim()).filter(|verb| !verb.is_empty()) {
            if verb == "*" {
                return vec!["*"];
            }
            if !verbs.contains(&verb) {
                verbs.push(verb);
            }
        }
        verbs
    }

    /// One rule per API group, in the order of their names.
    async fn of_resources(&self, cx: &Context<'_>) -> Result<Vec<Value>, CommandError> {
        let verbs = self.verbs();
        for verb in verbs.iter().filter(|verb| !VERBS.contains(verb)) {
            writeln!(cx.streams.err(), "Warning: '{verb}' is not a standard resource verb")?;
        }
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for spec in &self.resource {
            let (resource, subresource) = match spec.split_once('/') {
                Some((resource, subresource)) => (resource, Some(subresource)),
                None => (spec.as_str(), None),
            };
            if resource.split('.').next().unwrap_or("").is_empty() {
                return Err(CommandError::message("resource must be specified if apiGroup/subresource specified"));
            }
            let (group, plural) = match resource {
                "*" => ("*".to_string(), "*".to_string()),
                resource => {
                    let found = cx.discovered(resource, 2).await.map_err(CommandError::without_prefix)?;
                    (found.group.clone(), found.plural.clone())
                }
            };
            let name = match subresource {
                Some(subresource) => format!("{plural}/{subresource}"),
                None => plural,
            };
            let names = groups.entry(group).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let rules = groups.into_iter().map(|(group, resources)| {
            let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
            if !self.resource_name.is_empty() {
                rule.set("resourceNames", self.resource_name.clone());
            }
            rule
        });
        Ok(rules.collect())
    }
}
