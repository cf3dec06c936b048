//! `kubectl apply view-last-applied` and `set-last-applied`.

use crate::client::Request;
use crate::cmd::Command;
use crate::cmd::flags::{DryRun, DryRunFlag};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::last_applied::{self, LAST_APPLIED};
use crate::resource::{Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::{json, parse, to_json_indented};
use shared_types::yaml::to_yaml;

#[derive(clap::Args)]
pub struct View {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// yaml or json
    #[arg(long, short, default_value = "yaml")]
    output: String,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

impl Command for View {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let builder = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .label_selector(&self.selector)
            .everything(self.all);
        let mut shown = Vec::new();
        for info in builder.all(true).await? {
            match info.object.annotation(LAST_APPLIED) {
                None => {}
                Some(text) => shown.push(parse(text.as_bytes()).map_err(|e| CommandError::message(e.to_string()))?),
            }
        }
        if !matches!(self.output.as_str(), "yaml" | "json") && !shown.is_empty() {
            return Err(CommandError::usage(
                "apply view-last-applied",
                format!("Unexpected -o output mode: {}, the flag 'output' must be one of yaml|json", self.output),
            ));
        }
        for object in shown {
            match self.output.as_str() {
                "json" => writeln!(cx.streams.out(), "{}", to_json_indented(&object, "  "))?,
                _ => write!(cx.streams.out(), "{}", to_yaml(&object))?,
            }
        }
        Ok(())
    }
}

#[derive(clap::Args)]
pub struct Set {
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Make the annotation where there is none
    #[arg(long)]
    create_annotation: bool,
}

impl Command for Set {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        self.print.check()?;
        let mut changes = Vec::new();
        for info in Builder::new(cx)?.files(&self.files).all(false).await? {
            let configuration = last_applied::configuration_as_is(&info.object);
            let mut current = info.clone();
            current.fetch(cx).await.map_err(|error| info.sourced("getting", error))?;
            match current.object.annotation(LAST_APPLIED) {
                None if !self.create_annotation => {
                    return Err(CommandError::message(format!(
                        "no last-applied-configuration annotation found on resource: {}, to create the annotation, run \
                         the command with --create-annotation",
                        info.name
                    )));
                }
                _ => changes.push((current, configuration)),
            }
        }
        for (info, configuration) in changes {
            self.one(cx, info, configuration, dry_run).await?;
        }
        Ok(())
    }
}

impl Set {
    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        configuration: String,
        dry_run: DryRun,
    ) -> Result<(), CommandError> {
        let changed = info.object.annotation(LAST_APPLIED) != Some(&configuration);
        if changed && !dry_run.is_client() {
            let patch = json!({"metadata": {"annotations": {LAST_APPLIED: configuration}}}).to_string().into_bytes();
            let request = dry_run.mark(Request::patch(info.path(), "application/merge-patch+json", patch));
            let object = cx.client()?.json(request).await?;
            info.refresh(object);
        }
        let mut printer = self.print.reporter(&dry_run.done("configured"), Order::Sorted)?;
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }
}
