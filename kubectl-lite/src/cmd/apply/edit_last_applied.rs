//! `kubectl apply edit-last-applied`.

use crate::client::Request;
use crate::cmd::Command;
use crate::cmd::edit::session::Session;
use crate::cmd::flags::ValidateFlag;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::last_applied::{self, LAST_APPLIED};
use crate::resource::{Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

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
    #[arg(long, default_value = "kubectl-client-side-apply")]
    field_manager: String,
    /// Line ends of Windows
    #[arg(long)]
    windows_line_endings: bool,
}

const HEADER: &str = "# Please edit the 'last-applied-configuration' annotations below.
# Lines beginning with a '#' will be ignored, and an empty file will abort the edit.
#
";

impl Command for Edit {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let validation = self.validate.read()?;
        let found = Builder::new(cx)?.files(&self.files).arguments(&self.args).everything(true).all(true).await?;
        let mut infos = Vec::new();
        for mut info in found {
            info.object = last_applied::of(&info.object).ok_or_else(|| {
                CommandError::message(
                    "no last-applied-configuration annotation found on resources, to create the annotation, use command \
                     `kubectl apply set-last-applied --create-annotation`",
                )
            })?;
            infos.push(info);
        }
        let session = Session {
            cx,
            print: &self.print,
            header: HEADER,
            validate: validation != "Ignore",
            windows_line_endings: self.windows_line_endings,
            again: false,
        };
        session.edit(&infos, async |info, after| self.send(cx, info, after).await).await
    }
}

impl Edit {
    async fn send(&self, cx: &Context<'_>, info: &Info, after: Value) -> Result<(), CommandError> {
        let configuration = last_applied::configuration_as_is(&after);
        let mut current = Info { name: after.name().to_string(), ..info.clone() };
        current.fetch(cx).await?;
        let operation = if current.object.annotation(LAST_APPLIED) == Some(&configuration) {
            "skipped"
        } else {
            let patch = json!({"metadata": {"annotations": {LAST_APPLIED: configuration}}});
            let request =
                Request::patch(current.path(), "application/merge-patch+json", patch.to_string().into_bytes())
                    .query("fieldManager", &self.field_manager);
            cx.client()?.send(request).await?;
            "edited"
        };
        let mut printer = self.print.reporter(operation, Order::Sorted)?;
        printer.print(&after, &mut *cx.streams.out().writer())
    }
}
