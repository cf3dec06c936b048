//! `kubectl rollout history`.

use super::{CHANGE_CAUSE, Chosen, revisions, unsupported};
use crate::cli::go_flags;
use crate::cmd::Command;
use crate::context::Context;
use crate::describe::pod_template_text;
use crate::errors::CommandError;
use crate::print::table::Layout;
use crate::print::{Order, PrintFlags};
use crate::resource::Info;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct History {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    print: PrintFlags,
    /// Show this revision in full
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    revision: i64,
}

impl Command for History {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.revision < 0 {
            return Err(CommandError::message(format!("revision must be a positive integer: {}", self.revision)));
        }
        let mut errors = Vec::new();
        for info in self.chosen.infos(cx).await? {
            let result = match info {
                Ok(info) => self.one(cx, &info).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }
}

impl History {
    async fn one(&self, cx: &Context<'_>, info: &Info) -> Result<(), CommandError> {
        if info.resource.kind != "Deployment" {
            return Err(unsupported(&info.resource, "history", "no history viewer"));
        }
        let revisions = revisions(cx, info).await?;
        if self.print.is_set() {
            let mut printer = self.print.for_format(Order::Sorted)?;
            let chosen = revisions.iter().filter(|(revision, _)| self.revision == 0 || *revision == self.revision);
            for (_, object) in chosen {
                let mut object = object.clone();
                object.set_default("apiVersion", "apps/v1");
                object.set_default("kind", "ReplicaSet");
                printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())?;
            }
            return Ok(());
        }
        let head = info.reference();
        if self.revision > 0 {
            let Some((_, object)) = revisions.iter().find(|(revision, _)| *revision == self.revision) else {
                return Err(CommandError::message("unable to find the specified revision"));
            };
            let mut template = object.at("spec.template").clone();
            if let Some(cause) = object.annotation(CHANGE_CAUSE) {
                template.map_mut("metadata.annotations").insert(CHANGE_CAUSE, cause.into());
            }
            writeln!(cx.streams.out(), "{head} with revision #{}", self.revision)?;
            return Ok(writeln!(cx.streams.out(), "{}", pod_template_text(&template))?);
        }
        writeln!(cx.streams.out(), "{head} ")?;
        let mut layout = Layout::with_padding(2);
        layout.row(["REVISION", "CHANGE-CAUSE"]);
        for (revision, object) in &revisions {
            let cause = object.annotation(CHANGE_CAUSE).filter(|cause| !cause.is_empty()).unwrap_or("<none>");
            layout.row([revision.to_string(), cause.to_string()]);
        }
        layout.write(&mut *cx.streams.out().writer())?;
        Ok(writeln!(cx.streams.out())?)
    }
}
