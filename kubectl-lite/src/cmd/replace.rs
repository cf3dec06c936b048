//! `kubectl replace`.

use super::flags::{DryRun, DryRunFlag, ValidateFlag};
use super::{Command, wait};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, each, last_applied};
use shared_types::fields::Fields;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct Replace {
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
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "background", default_missing_value = "background", hide = true)]
    cascade: String,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-replace")]
    field_manager: String,
    /// Delete the object and create it anew
    #[arg(long)]
    force: bool,
    /// With --force: seconds to end; negative for the object's own
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    grace_period: i64,
    /// A path to put the one file to
    #[arg(long)]
    raw: Option<String>,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
    /// With --force: how long to wait for the deletion
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
    #[arg(long, hide = true)]
    wait: bool,
}

impl Command for Replace {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let validation = self.validate.read()?;
        let policy = super::delete::policy(cx, &self.cascade)?;
        if !self.args.is_empty() {
            return Err(CommandError::usage("replace", format!("Unexpected args: [{}]", self.args.join(" "))));
        }
        if self.grace_period >= 0 && !self.force {
            return Err(CommandError::message("--grace-period must have --force specified"));
        }
        if !self.timeout.is_zero() && !self.force {
            return Err(CommandError::message("--timeout must have --force specified"));
        }
        if self.force && dry_run != DryRun::None {
            return Err(CommandError::message("--dry-run can not be used when --force is set"));
        }
        self.files.require()?;
        if let Some(path) = &self.raw {
            return self.put_raw(cx, path).await;
        }
        let infos =
            Builder::new(cx)?.files(&self.files).validate(validation == "Strict" && !self.force).infos(false).await?;
        if self.force {
            self.delete(cx, &infos, policy).await?;
        }
        match each(infos, async |info| self.one(cx, info, dry_run, validation).await).await? {
            0 if self.force => Err(CommandError::message("no objects passed to replace")),
            _ => Ok(()),
        }
    }
}

impl Replace {
    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        dry_run: DryRun,
        validation: &'static str,
    ) -> Result<(), CommandError> {
        if self.save_config || info.object.annotation(last_applied::LAST_APPLIED).is_some() {
            last_applied::annotate(&mut info.object);
        }
        if !dry_run.is_client() {
            let request = if self.force {
                info.object.remove("metadata.resourceVersion");
                info.object.remove("metadata.uid");
                Request::post(info.resource.collection(&info.namespace), &info.object)
            } else {
                info.check_name().map_err(|error| info.sourced("replacing", error))?;
                let mut path = info.path();
                if !self.subresource.is_empty() {
                    path = format!("{path}/{}", self.subresource);
                }
                if info.object.text("metadata.resourceVersion").is_empty() {
                    // What is replaced without regard to its version has to be there all the same.
                    let current = cx.client()?.json(Request::get(path.clone())).await;
                    let current = current.map_err(|error| info.sourced("replacing", error))?;
                    info.object.set("metadata.resourceVersion", current.at("metadata.resourceVersion").clone());
                }
                Request::put(path, &info.object)
            };
            let request = request.query("fieldManager", &self.field_manager).query("fieldValidation", validation);
            let object = cx.client()?.json(dry_run.mark(request)).await;
            let object = object.map_err(|error| info.sourced("replacing", error))?;
            info.refresh(object);
        } else {
            cx.client()?.look_up_assumed().await?;
        }
        let mut printer = self.print.reporter(&dry_run.done("replaced"), Order::Sorted)?;
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }

    /// `--force`: deletes what is there and waits until it is gone.
    async fn delete(
        &self,
        cx: &Context<'_>,
        infos: &[Result<Info, CommandError>],
        policy: &str,
    ) -> Result<(), CommandError> {
        let mut options = json!({"propagationPolicy": policy});
        if self.grace_period >= 0 {
            options.set("gracePeriodSeconds", self.grace_period);
        }
        if infos.is_empty() {
            writeln!(cx.streams.out(), "No resources found")?;
        }
        let mut going = Vec::new();
        for info in infos.iter().flatten() {
            info.check_name().map_err(|error| info.sourced("deleting", error))?;
            match cx.client()?.send(Request::delete(info.path()).body(&options)).await {
                Ok(_) => {
                    let place = if info.namespace.is_empty() {
                        String::new()
                    } else {
                        format!(" from {} namespace", info.namespace)
                    };
                    let kind = info.resource.group_kind_lower();
                    writeln!(cx.streams.out(), "{kind} {:?} deleted{place}", info.name)?;
                    going.push(info);
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        for info in going {
            wait::until_deleted(cx, info, self.timeout.length).await?;
        }
        Ok(())
    }

    async fn put_raw(&self, cx: &Context<'_>, path: &str) -> Result<(), CommandError> {
        let [file] = self.files.filenames.as_slice() else {
            return Err(CommandError::message("--raw can only use a single local file or stdin"));
        };
        let body = std::fs::read(file)
            .map_err(|e| CommandError::message(format!("open {file}: {}", crate::resource::go_words(&e))))?;
        let request = Request { body: Some(body), ..Request::new(http::Method::PUT, path).absolute() };
        let answer = cx.client()?.send(request).await?;
        Ok(cx.streams.out().write_all(&answer.body)?)
    }
}
