//! `kubectl create -f`.

use crate::client::Request;
use crate::cmd::Command;
use crate::cmd::edit::session::{self, Session};
use crate::cmd::flags::{DryRun, DryRunFlag, ValidateFlag};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags, Printer};
use crate::resource::{Builder, Filenames, Info, each, last_applied};
use shared_types::fields::Fields;
use shared_types::json::Value;

#[derive(clap::Args)]
pub struct Create {
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
    /// Edit the objects before they are created
    #[arg(long)]
    edit: bool,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-create")]
    field_manager: String,
    /// A path to post the one file to
    #[arg(long)]
    raw: Option<String>,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// With --edit: line ends of Windows
    #[arg(long)]
    windows_line_endings: bool,
}

impl Command for Create {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.files.is_empty() && self.args.is_empty() {
            return Err(CommandError::message("must specify one of -f and -k"));
        }
        if !self.args.is_empty() {
            return Err(CommandError::usage("create", format!("Unexpected args: [{}]", self.args.join(" "))));
        }
        self.files.require()?;
        if let Some(path) = &self.raw {
            return self.raw(cx, path).await;
        }
        // What is edited is created in earnest.
        let dry_run = if self.edit { DryRun::None } else { self.dry_run.read(cx)? };
        let validation = self.validate.read()?;
        let mut printer = self.print.reporter(&dry_run.done("created"), Order::Sorted)?;
        let builder =
            Builder::new(cx)?.files(&self.files).label_selector(&self.selector).validate(validation == "Strict");
        let session = Session {
            cx,
            print: &self.print,
            header: session::HEADER,
            validate: validation != "Ignore",
            windows_line_endings: self.windows_line_endings,
            again: false,
        };
        let count = each(builder.infos(false).await?, async |info| {
            if !self.edit {
                return self.one(cx, info, dry_run, validation, &mut *printer).await;
            }
            let edited = async |info: &Info, object: Value| {
                // What was edited is no longer what the file says.
                let name = object.name().to_string();
                let info = Info { object, name, source: String::new(), ..info.clone() };
                self.one(cx, info, dry_run, validation, &mut *printer).await
            };
            session.edit(&[info], edited).await
        });
        match count.await? {
            0 if !self.edit => Err(CommandError::message("no objects passed to create")),
            _ => Ok(()),
        }
    }
}

impl Create {
    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        dry_run: DryRun,
        validation: &'static str,
        printer: &mut dyn Printer,
    ) -> Result<(), CommandError> {
        if self.save_config || info.object.annotation(last_applied::LAST_APPLIED).is_some() {
            last_applied::annotate(&mut info.object);
        }
        if !dry_run.is_client() {
            let request = Request::post(info.resource.collection(&info.namespace), &info.object)
                .query("fieldManager", &self.field_manager)
                .query("fieldValidation", validation);
            let answer = cx.client()?.json(dry_run.mark(request)).await;
            let object = answer.map_err(|error| info.sourced("creating", error))?;
            info.refresh(object);
        } else {
            cx.client()?.look_up_assumed().await?;
        }
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }

    async fn raw(&self, cx: &Context<'_>, path: &str) -> Result<(), CommandError> {
        let [file] = self.files.filenames.as_slice() else {
            return Err(CommandError::message("--raw can only use a single local file or stdin"));
        };
        let mut body = Vec::new();
        if file == "-" {
            use std::io::Read as _;
            cx.streams.input().read_to_end(&mut body)?;
        } else {
            body = std::fs::read(file)
                .map_err(|e| CommandError::message(format!("open {file}: {}", crate::resource::go_words(&e))))?;
        }
        let request = Request { body: Some(body), ..Request::new(http::Method::POST, path).absolute() };
        let answer = cx.client()?.send(request).await?;
        Ok(cx.streams.out().write_all(&answer.body)?)
    }
}
