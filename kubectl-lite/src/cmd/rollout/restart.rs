//! `kubectl rollout restart`, `pause` and `resume`.

use super::{Chosen, quoted};
use crate::cmd::Command;
use crate::cmd::flags::DryRun;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Info, send_changes};
use shared_types::fields::Fields;
use shared_types::json::Value;

#[derive(clap::Args)]
struct Flags {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    print: PrintFlags,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-rollout")]
    field_manager: String,
}

#[derive(clap::Args)]
pub struct Restart {
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
pub struct Pause {
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
pub struct Resume {
    #[command(flatten)]
    flags: Flags,
}

impl Command for Restart {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.flags.all(cx, "restarted", restarted).await
    }
}

impl Command for Pause {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.flags.all(cx, "paused", |info| with_paused(info, true, "pausing", "is already paused")).await
    }
}

impl Command for Resume {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.flags.all(cx, "resumed", |info| with_paused(info, false, "resuming", "is not paused")).await
    }
}

/// The object with its template changed so that all Pods are replaced.
fn restarted(info: &Info) -> Result<Value, CommandError> {
    if !matches!(info.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
        return Err(CommandError::message(format!("{} restarting is not supported", quoted(info))));
    }
    if info.object.flag("spec.paused") {
        return Err(CommandError::message(format!(
            "{} can't restart paused deployment (run rollout resume first)",
            quoted(info)
        )));
    }
    let mut object = info.object.clone();
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string().replace("+00:00", "Z");
    let annotations = object.map_mut("spec.template.metadata.annotations");
    if annotations.get("kubectl.kubernetes.io/restartedAt").and_then(Value::as_str) == Some(&now) {
        return Err(CommandError::message(format!(
            "failed to create patch for {}: if restart has already been triggered within the past second, please wait \
             before attempting to trigger another",
            info.name
        )));
    }
    annotations.insert("kubectl.kubernetes.io/restartedAt", now.into());
    Ok(object)
}

fn with_paused(info: &Info, paused: bool, doing: &str, already: &str) -> Result<Value, CommandError> {
    if info.resource.kind != "Deployment" {
        return Err(CommandError::message(format!("{} {doing} is not supported", quoted(info))));
    }
    if info.object.flag("spec.paused") == paused {
        return Err(CommandError::message(format!("{} {already}", quoted(info))));
    }
    let mut object = info.object.clone();
    if paused {
        object.set("spec.paused", true);
    } else {
        object.remove("spec.paused");
    }
    Ok(object)
}

impl Flags {
    async fn all(
        &self,
        cx: &Context<'_>,
        operation: &str,
        change: impl Fn(&Info) -> Result<Value, CommandError>,
    ) -> Result<(), CommandError> {
        let mut errors = Vec::new();
        for info in self.chosen.infos(cx).await? {
            let result = match info {
                Ok(info) => self.one(cx, info, operation, &change).await,
                // What files hold comes to an error among several.
                Err(error) if !self.chosen.files.is_empty() => CommandError::among(vec![error]),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }

    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        operation: &str,
        change: &impl Fn(&Info) -> Result<Value, CommandError>,
    ) -> Result<(), CommandError> {
        let after = change(&info)?;
        let sent = send_changes(cx, &info, &after, &self.field_manager, DryRun::None).await;
        if let Some(object) = sent.map_err(|error| error.doing("failed to patch"))? {
            info.refresh(object);
        }
        let mut printer = self.print.reporter(operation, Order::Sorted)?;
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }
}
