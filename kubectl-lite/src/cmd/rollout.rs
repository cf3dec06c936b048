//! `kubectl rollout`: one file for each part.

pub mod history;
pub mod restart;
pub mod status;
pub mod undo;

use super::{Entry, command};
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::Value;

pub static COMMANDS: &[Entry] = &[
    command::<history::History>("history", "Show the revisions that there were"),
    command::<restart::Pause>("pause", "Let changes of the template wait"),
    command::<restart::Restart>("restart", "Replace all Pods by new ones"),
    command::<restart::Resume>("resume", "Let changes of the template take effect again"),
    command::<status::RolloutStatus>("status", "Follow a rollout until it ends"),
    command::<undo::Undo>("undo", "Go back to an earlier revision"),
];

/// Where the revision of a ReplicaSet is kept.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Why a revision was made, if somebody said so.
pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// The flags that say what to work on.
#[derive(clap::Args, Clone)]
pub struct Chosen {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

impl Chosen {
    /// The objects, as they are now.
    pub async fn infos(&self, cx: &Context<'_>) -> Result<Vec<Result<Info, CommandError>>, CommandError> {
        if self.args.is_empty() && self.files.is_empty() {
            return Err(CommandError::message("required resource not specified"));
        }
        Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .label_selector(&self.selector)
            .everything(true)
            .typed()
            .infos(true)
            .await
    }
}

/// The ReplicaSets of a Deployment with their revisions, the oldest first.
pub async fn revisions(cx: &Context<'_>, info: &Info) -> Result<Vec<(i64, Value)>, CommandError> {
    let selector = shared_types::selector::LabelSelector::from_object(info.object.at("spec.selector"))
        .map_err(CommandError::message)?
        .map(|selector| selector.to_string())
        .unwrap_or_default();
    let resource = cx.resource("replicasets.apps").await?;
    let request = Request::get(resource.collection(&info.namespace)).query("labelSelector", selector);
    let list = cx.client()?.json(request).await?;
    let mut revisions: Vec<(i64, Value)> = list
        .list("items")
        .iter()
        .filter(|rs| rs.controller_ref().is_some_and(|owner| owner.text("uid") == info.object.uid()))
        .filter_map(|rs| Some((rs.annotation(REVISION)?.parse().ok()?, rs.clone())))
        .collect();
    revisions.sort_by_key(|(revision, _)| *revision);
    Ok(revisions)
}

/// Kinds that kubectl knows to run Pods.
const WORKLOADS: [&str; 8] =
    ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"];

/// The error of a kind that has no `what`, which is looked for to do `doing`.
pub fn unsupported(resource: &Resource, doing: &str, what: &str) -> CommandError {
    let kind = resource.group_kind();
    CommandError::message(if WORKLOADS.contains(&resource.kind.as_str()) {
        format!("{what} has been implemented for {kind:?}")
    } else {
        let (group, kind_alone) = (&resource.group, &resource.kind);
        format!("error retrieving {doing} for {kind:?}, no visitor method exists for {{{group} {kind_alone}}}")
    })
}

/// `deployments.apps "web"`, as errors of these commands name an object.
pub fn quoted(info: &Info) -> String {
    format!("{} {:?}", info.resource.group_resource(), info.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_rollouts_are_refused_in_two_ways() {
        let refused = |api_version: &str, kind: &str| {
            unsupported(&Resource::named(api_version, kind), "history", "no history viewer").text()
        };
        assert_eq!(refused("apps/v1", "ReplicaSet"), "no history viewer has been implemented for \"ReplicaSet.apps\"");
        assert_eq!(
            refused("v1", "ConfigMap"),
            "error retrieving history for \"ConfigMap\", no visitor method exists for { ConfigMap}"
        );
    }
}
