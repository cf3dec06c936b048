//! `kubectl set subject`.

use super::Shared;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Subject {
    /// TYPE NAME
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
    /// Groups
    #[arg(long, value_delimiter = ',')]
    group: Vec<String>,
    /// ServiceAccounts: NAMESPACE:NAME
    #[arg(long, value_delimiter = ',')]
    serviceaccount: Vec<String>,
    /// Users
    #[arg(long, value_delimiter = ',')]
    user: Vec<String>,
}

impl Command for Subject {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        // What is to be changed is looked at first, so that its absence is what gets told.
        let infos = self.shared.infos(cx, &self.args).await?;
        let subjects = self.subjects()?;
        if subjects.is_empty() {
            return Err(CommandError::message("you must specify at least one value of user, group or serviceaccount"));
        }
        self.shared
            .change_all(cx, infos, "subjects updated", |info| {
                if !matches!(info.resource.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
                    return Err(CommandError::message(
                        "setting subjects is only supported for RoleBinding/ClusterRoleBinding",
                    ));
                }
                let mut object = info.object.clone();
                let mut all = object.list("subjects").to_vec();
                all.extend(subjects.iter().filter(|s| !object.list("subjects").contains(s)).cloned());
                object.set("subjects", all);
                Ok(object)
            })
            .await
    }
}

impl Subject {
    fn subjects(&self) -> Result<Vec<Value>, CommandError> {
        let of_group =
            |kind: &str, name: &String| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let mut subjects: Vec<Value> = self.user.iter().map(|name| of_group("User", name)).collect();
        subjects.extend(self.group.iter().map(|name| of_group("Group", name)));
        for account in &self.serviceaccount {
            match account.split_once(':') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    subjects.push(json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}));
                }
                _ => return Err(CommandError::message("serviceaccount must be <namespace>:<name>")),
            }
        }
        Ok(subjects)
    }
}
