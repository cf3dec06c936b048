//! `kubectl apply`.

mod client_side;
pub mod edit_last_applied;
pub mod last_applied;
mod prune;
mod server_side;

use super::Command;
use super::flags::{DryRun, DryRunFlag, ValidateFlag};
use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info};
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Apply {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    validate: ValidateFlag,
    /// With --prune: everything that apply made, without a selector
    #[arg(long)]
    all: bool,
    /// How dependents of pruned or replaced objects are deleted: background, foreground or orphan
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "background", default_missing_value = "background")]
    cascade: String,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-client-side-apply")]
    field_manager: String,
    /// Delete and create an object that cannot be patched
    #[arg(long)]
    force: bool,
    /// Take over fields that others manage
    #[arg(long)]
    force_conflicts: bool,
    /// Seconds that deleted objects get to end; negative for their own
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    grace_period: i64,
    /// (taken, without effect)
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    openapi_patch: bool,
    /// Take over fields that were changed since
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    overwrite: bool,
    /// Delete objects that were applied before and are not in the manifests
    #[arg(long)]
    prune: bool,
    /// GROUP/VERSION/KIND that may be pruned
    #[arg(long, value_delimiter = ',')]
    prune_allowlist: Vec<String>,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Let the server merge
    #[arg(long)]
    server_side: bool,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
    /// How long to wait for deletions
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
    /// Wait for deletions
    #[arg(long)]
    wait: bool,
}

/// How this run applies.
struct Run<'r, 'a> {
    cx: &'r Context<'a>,
    apply: &'r Apply,
    dry_run: DryRun,
    validation: &'static str,
}

impl Command for Apply {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let run = Run { cx, apply: &self, dry_run: self.dry_run.read(cx)?, validation: self.validate.read()? };
        run.check()?;
        run.all().await
    }
}

impl Run<'_, '_> {
    fn check(&self) -> Result<(), CommandError> {
        let apply = self.apply;
        if !apply.args.is_empty() {
            return Err(CommandError::usage("apply", format!("Unexpected args: [{}]", apply.args.join(" "))));
        }
        if apply.force_conflicts && !apply.server_side {
            return Err(CommandError::message("--force-conflicts only works with --server-side"));
        }
        if self.dry_run == DryRun::Client && apply.server_side {
            return Err(CommandError::message(
                "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
            ));
        }
        if apply.force && apply.server_side {
            return Err(CommandError::message("--force cannot be used with --server-side"));
        }
        if self.dry_run == DryRun::Server && apply.force {
            return Err(CommandError::message("--dry-run=server cannot be used with --force"));
        }
        if apply.prune && apply.server_side {
            return Err(CommandError::message(
                "--prune is in alpha and doesn't currently work on objects created by server-side apply",
            ));
        }
        if apply.prune && apply.selector.is_empty() && !apply.all {
            return Err(CommandError::message(
                "all resources selected for prune without explicitly passing --all. To prune all resources, pass the \
                 --all flag. If you did not mean to prune all resources, specify a label selector",
            ));
        }
        apply.files.require()
    }

    async fn all(&self) -> Result<(), CommandError> {
        let builder = Builder::new(self.cx)?
            .files(&self.apply.files)
            .label_selector(&self.apply.selector)
            .subresource(&self.apply.subresource)
            .validate(self.validation == "Strict");
        let prunable = if self.apply.prune { self.prunable().await? } else { Vec::new() };
        let (found, errors): (Vec<_>, Vec<_>) = builder.infos(false).await?.into_iter().partition(Result::is_ok);
        // What cannot be used is told before what cannot be applied.
        let mut errors: Vec<CommandError> = errors.into_iter().filter_map(Result::err).collect();
        let mut applied: Vec<Info> = Vec::new();
        for mut info in found.into_iter().flatten() {
            match self.one(&mut info).await {
                Ok(()) => applied.push(info),
                Err(error) => errors.push(error),
            }
        }
        if applied.is_empty() && errors.is_empty() {
            return Err(CommandError::message("no objects passed to apply"));
        }
        self.print_objects(&applied)?;
        CommandError::all(errors)?;
        if self.apply.prune {
            self.prune(&prunable, &applied).await?;
        }
        Ok(())
    }

    async fn one(&self, info: &mut Info) -> Result<(), CommandError> {
        if self.apply.server_side { self.server_side(info).await } else { self.client_side(info).await }
    }

    /// Whether objects are printed at the end instead of a line for each.
    fn prints_objects(&self) -> bool {
        self.apply.print.is_set() && !self.apply.print.is_name()
    }

    /// A line for what was done.
    fn report(&self, object: &Value, operation: &str) -> Result<(), CommandError> {
        if self.prints_objects() {
            return Ok(());
        }
        let mut printer = self.apply.print.reporter(&self.dry_run.done(operation), Order::Sorted)?;
        printer.print(object, &mut *self.cx.streams.out().writer())
    }

    fn print_objects(&self, applied: &[Info]) -> Result<(), CommandError> {
        if !self.prints_objects() {
            return Ok(());
        }
        let mut printer = self.apply.print.for_format(Order::Sorted)?;
        let shown = |info: &Info| self.apply.print.shown(info.object.clone());
        let object = match applied {
            [] => return Ok(()),
            [only] => shown(only),
            many => {
                json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": many.iter().map(shown).collect::<Vec<_>>()})
            }
        };
        printer.print(&object, &mut *self.cx.streams.out().writer())
    }
}

/// What an error message says about the object.
fn about(info: &Info) -> String {
    format!(
        "Resource: {:?}, GroupVersionKind: {:?}\nName: {:?}, Namespace: {:?}",
        info.resource.gvr_text(),
        info.resource.gvk_text(),
        info.name,
        info.namespace
    )
}
