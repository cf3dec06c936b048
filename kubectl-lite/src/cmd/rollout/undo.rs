//! `kubectl rollout undo`.

use super::{Chosen, REVISION, revisions, unsupported};
use crate::cli::go_flags;
use crate::client::Request;
use crate::cmd::Command;
use crate::cmd::flags::{DryRun, DryRunFlag};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::Info;
use crate::resource::last_applied::LAST_APPLIED;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// Annotations of a Deployment that do not come from its ReplicaSets.
const OWN_ANNOTATIONS: [&str; 6] = [
    LAST_APPLIED,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];
const TEMPLATE_HASH: &str = "pod-template-hash";

#[derive(clap::Args)]
pub struct Undo {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// The revision to go back to; 0 for the one before
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    to_revision: i64,
}

impl Command for Undo {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let mut errors = Vec::new();
        for info in self.chosen.infos(cx).await? {
            let result = match info {
                Ok(info) => self.one(cx, &info, dry_run).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }
}

impl Undo {
    async fn one(&self, cx: &Context<'_>, info: &Info, dry_run: DryRun) -> Result<(), CommandError> {
        if info.resource.kind != "Deployment" {
            return Err(unsupported(&info.resource, "rollbacker", "no rollbacker"));
        }
        if info.object.annotation(LAST_APPLIED).is_some() {
            writeln!(
                cx.streams.err(),
                "Warning: resource {}/{} was previously managed with 'kubectl apply'. Rolling back will not update the \
                 {LAST_APPLIED} annotation, which may cause unexpected behavior on future 'kubectl apply' operations. \
                 Consider using 'kubectl apply' with your previous configuration file instead.",
                info.resource.plural,
                info.name
            )?;
        }
        let result = self.roll_back(cx, info, dry_run).await?;
        let mut printer = self.print.reporter(&result, Order::Sorted)?;
        printer.print(&self.print.shown(info.object.clone()), &mut *cx.streams.out().writer())
    }

    async fn roll_back(&self, cx: &Context<'_>, info: &Info, dry_run: DryRun) -> Result<String, CommandError> {
        if self.to_revision < 0 {
            return Err(CommandError::message(format!(
                "unable to find specified revision {} in history",
                self.to_revision
            )));
        }
        let revisions = revisions(cx, info).await?;
        let target = match self.to_revision {
            0 => revisions.iter().rev().nth(1).ok_or_else(|| {
                CommandError::message(format!("no rollout history found for deployment {:?}", info.name))
            })?,
            wanted => revisions.iter().find(|(revision, _)| *revision == wanted).ok_or_else(|| {
                CommandError::message(format!("unable to find specified revision {wanted} in history"))
            })?,
        };
        if dry_run.is_client() {
            return Ok(dry_run.done("rolled back"));
        }
        if info.object.flag("spec.paused") {
            return Err(CommandError::message(
                "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
            ));
        }
        let (revision, replica_set) = target;
        let mut template = replica_set.at("spec.template").clone();
        template.map_mut("metadata.labels").remove(TEMPLATE_HASH);
        if template == *info.object.at("spec.template") {
            return Ok(format!("skipped rollback (current template already matches revision {revision})"));
        }
        let patch = json!([
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": annotations(&info.object, replica_set)},
        ]);
        let request = Request::patch(info.path(), "application/json-patch+json", patch.to_string().into_bytes());
        cx.client()?
            .send(dry_run.mark(request))
            .await
            .map_err(|error| error.doing(&format!("failed restoring revision {}", self.to_revision)))?;
        Ok(dry_run.done("rolled back"))
    }
}

/// The Deployment's own annotations, and otherwise those of the revision.
fn annotations(deployment: &Value, replica_set: &Value) -> Value {
    let own = |key: &str| OWN_ANNOTATIONS.contains(&key);
    let kept = deployment.map("metadata.annotations").iter().filter(|(key, _)| own(key));
    let restored = replica_set.map("metadata.annotations").iter().filter(|(key, _)| !own(key));
    Value::Object(kept.chain(restored).map(|(key, value)| (key.clone(), value.clone())).collect())
}
