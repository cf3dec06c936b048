//! `kubectl set`: one file for each part.

pub mod env;
pub mod image;
pub mod resources;
pub mod selector;
pub mod serviceaccount;
pub mod subject;

use super::flags::{DryRun, DryRunFlag};
use super::{Entry, command};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, each, send_changes};
use shared_types::fields::Fields;
use shared_types::json::{Value, parse};

pub static COMMANDS: &[Entry] = &[
    command::<env::Env>("env", "Change environment variables of Pod templates"),
    command::<image::Image>("image", "Change images of Pod templates"),
    command::<resources::Resources>("resources", "Change what containers ask for and may take"),
    command::<selector::Selector>("selector", "Change the selector of a Service"),
    command::<serviceaccount::ServiceAccount>("serviceaccount", "Change the ServiceAccount of Pod templates")
        .aliases(&["sa"]),
    command::<subject::Subject>("subject", "Change users, groups and ServiceAccounts of a role binding"),
];

/// The flags that the parts share.
#[derive(clap::Args, Clone)]
pub struct Shared {
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-set")]
    field_manager: String,
    /// Work on the files alone, without the server
    #[arg(long)]
    local: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

impl Shared {
    /// The objects that `args` and the flags name. They are found before anything else is looked at.
    ///
    /// # Errors
    /// Some are not there.
    async fn infos(&self, cx: &Context<'_>, args: &[String]) -> Result<Vec<Info>, CommandError> {
        if self.local && !args.is_empty() {
            return Err(CommandError::message("resource arguments cannot be specified together with --local"));
        }
        self.print.check()?;
        let builder = Builder::new(cx)?.files(&self.files).arguments(args).label_selector(&self.selector);
        let found = builder.everything(self.all).typed().nameless().local(self.local).infos(!self.local).await?;
        let mut infos = Vec::new();
        let errors = found.into_iter().filter_map(|info| info.map(|info| infos.push(info)).err()).collect();
        CommandError::all(errors).map(|()| infos)
    }

    /// Changes all objects, and says so with `operation`. Those that stay as they are aren't mentioned.
    async fn change_all(
        &self,
        cx: &Context<'_>,
        infos: Vec<Info>,
        operation: &str,
        mut change: impl FnMut(&Info) -> Result<Value, CommandError>,
    ) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        each(infos.into_iter().map(Ok).collect(), async |info| {
            let after = change(&info)?;
            self.send(cx, &info, after, operation, dry_run).await
        })
        .await
        .map(|_| ())
        .map_err(|error| match error {
            CommandError::Message(text) => CommandError::message(text.trim_end()),
            error => error,
        })
    }

    async fn send(
        &self,
        cx: &Context<'_>,
        info: &Info,
        after: Value,
        operation: &str,
        dry_run: DryRun,
    ) -> Result<(), CommandError> {
        let object = if self.local || dry_run.is_client() {
            if after == info.object && !self.local {
                return Ok(());
            }
            after
        } else {
            let sent = send_changes(cx, info, &after, &self.field_manager, dry_run).await;
            match sent.map_err(|error| patch_failed(operation, error))? {
                Some(object) => object,
                None => return Ok(()),
            }
        };
        let mut object = self.print.shown(object);
        if self.local {
            // Objects that came from files get what their type always has.
            object = with_declared_fields(object);
            object.remove("metadata.namespace");
        }
        let operation =
            if self.local && dry_run == DryRun::None { operation.to_string() } else { dry_run.done(operation) };
        let mut printer = self.print.reporter(&operation, Order::Declared)?;
        printer.print(&object, &mut *cx.streams.out().writer())
    }
}

/// What is said where a change is refused.
fn patch_failed(operation: &str, error: CommandError) -> CommandError {
    let what = match operation {
        "resource requirements updated" => "resources update to pod template",
        "serviceaccount updated" => "ServiceAccountName",
        "subjects updated" => "subjects to rolebinding:",
        "selector updated" => return error,
        other => {
            let what = other.trim_end_matches(" updated");
            return CommandError::message(format!("failed to patch {what} update to pod template: {}", error.text()));
        }
    };
    CommandError::message(format!("failed to patch {what} {}", error.text()))
}

/// The object as its type writes it: empty structs that are always there included.
fn with_declared_fields(object: Value) -> Value {
    match shared_types::schema::of_kind(object.text("apiVersion"), object.text("kind")) {
        Some(ty) => parse(&shared_types::schema::encode(ty, &object)).unwrap_or(object),
        None => object,
    }
}

/// Where the Pod's spec is in an object of this kind, if it has one.
pub fn pod_spec_path(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("spec"),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => {
            Some("spec.template.spec")
        }
        "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

impl Shared {
    /// [`pod_spec_path`], with kubectl's error for kinds that have none.
    fn require_pod_spec(&self, info: &Info) -> Result<&'static str, CommandError> {
        let Info { resource, name, .. } = info;
        let what = if self.local { resource.group_kind_lower() } else { resource.group_resource() };
        pod_spec_path(&resource.kind).ok_or_else(|| {
            // The end of the line belongs to the message, which shows where there are several.
            CommandError::message(format!(
                "error: {what}/{name} the object is not a pod or does not have a pod template: *{}.{}\n\n",
                resource.version, resource.kind
            ))
        })
    }
}

/// Whether a container's name fits a pattern with `*`.
fn name_fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}
