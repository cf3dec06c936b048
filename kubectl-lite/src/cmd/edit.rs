//! `kubectl edit`.

pub mod session;

use super::Command;
use super::flags::ValidateFlag;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, changes, last_applied};
use session::Session;
use shared_types::fields::Fields;
use shared_types::json::Value;

#[derive(clap::Args)]
pub struct Edit {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    validate: ValidateFlag,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-edit")]
    field_manager: String,
    /// Show the patch that is sent
    #[arg(long)]
    output_patch: bool,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
    /// Line ends of Windows
    #[arg(long)]
    windows_line_endings: bool,
}

impl Command for Edit {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let validation = self.validate.read()?;
        let infos = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .subresource(&self.subresource)
            .everything(true)
            .all(true)
            .await?;
        let session = Session {
            cx,
            print: &self.print,
            header: session::HEADER,
            validate: validation != "Ignore",
            windows_line_endings: self.windows_line_endings,
            again: true,
        };
        session.edit(&infos, async |info, after| self.send(cx, info, after, validation).await).await
    }
}

impl Edit {
    async fn send(
        &self,
        cx: &Context<'_>,
        info: &Info,
        mut after: Value,
        validation: &'static str,
    ) -> Result<(), CommandError> {
        let mut before = info.clone();
        if !self.print.show_managed_fields {
            before.object.remove("metadata.managedFields");
        }
        for field in ["apiVersion", "kind", "metadata.name"] {
            if after.at(field) != before.object.at(field) {
                return Err(CommandError::message("At least one of apiVersion, kind and name was changed"));
            }
        }
        if self.save_config {
            last_applied::annotate(&mut after);
        }
        let (operation, object) = match changes(&before, &after)? {
            None => ("skipped", before.object),
            Some((patch, content_type)) => {
                if self.output_patch {
                    writeln!(cx.streams.out(), "Patch: {patch}")?;
                }
                let mut path = info.path();
                if !self.subresource.is_empty() {
                    path = format!("{path}/{}", self.subresource);
                }
                let request = Request::patch(path, content_type, patch.to_string().into_bytes())
                    .query("fieldManager", &self.field_manager)
                    .query("fieldValidation", validation);
                ("edited", cx.client()?.json(request).await?)
            }
        };
        let mut printer = self.print.reporter(operation, Order::Sorted)?;
        printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())
    }
}
