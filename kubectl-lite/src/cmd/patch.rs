//! `kubectl patch`.

use super::Command;
use super::flags::DryRunFlag;
use crate::client::Request;
use crate::client::failure::decode;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, each};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::{json, patch, schema, yaml};

#[derive(clap::Args)]
pub struct Patch {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-patch")]
    field_manager: String,
    /// Work on the file alone, without the server
    #[arg(long)]
    local: bool,
    /// The patch, as JSON or YAML
    #[arg(long, short, default_value = "")]
    patch: String,
    /// A file with the patch
    #[arg(long, default_value = "")]
    patch_file: String,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
    /// strategic, merge or json
    #[arg(long = "type", default_value = "strategic")]
    kind: String,
}

impl Command for Patch {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        if self.local && !self.args.is_empty() {
            return Err(CommandError::message("cannot specify --local and server resources"));
        }
        if !self.patch.is_empty() && !self.patch_file.is_empty() {
            return Err(CommandError::message("cannot specify --patch and --patch-file together"));
        }
        if self.patch.is_empty() && self.patch_file.is_empty() {
            return Err(CommandError::message(
                "must specify --patch or --patch-file containing the contents of the patch",
            ));
        }
        let content_type = match self.kind.to_lowercase().as_str() {
            "strategic" => "application/strategic-merge-patch+json",
            "merge" => "application/merge-patch+json",
            "json" => "application/json-patch+json",
            _ => {
                return Err(CommandError::message(format!(
                    "--type must be one of [json merge strategic], not {:?}",
                    self.kind
                )));
            }
        };
        let body = self.body()?;
        let infos = Builder::new(cx)?.files(&self.files).arguments(&self.args).local(self.local).infos(false).await?;
        let act = async |info| self.one(cx, info, content_type, &body, dry_run).await;
        match each(infos, act).await? {
            0 => Err(CommandError::message("no objects passed to patch")),
            _ => Ok(()),
        }
    }
}

impl Patch {
    /// The patch as it is sent: JSON stays as it is written, YAML becomes JSON.
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        let text = if self.patch_file.is_empty() {
            self.patch.clone()
        } else {
            std::fs::read_to_string(&self.patch_file).map_err(|error| {
                let why = crate::resource::go_words(&error);
                CommandError::message(format!("unable to read patch file: open {}: {why}", self.patch_file))
            })?
        };
        if text.trim_start().starts_with(['{', '[']) {
            return Ok(text.into_bytes());
        }
        let document = yaml::parse_document(&text)
            .map_err(|error| CommandError::message(format!("unable to parse {text:?}: {}", error.bare())))?;
        Ok(json::to_json(&document.value).into_bytes())
    }

    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        content_type: &'static str,
        body: &[u8],
        dry_run: super::flags::DryRun,
    ) -> Result<(), CommandError> {
        let (before, after) = if self.local || dry_run.is_client() {
            if !self.local && !info.stands_for_itself() {
                info.fetch(cx).await?;
            }
            let after = self.apply(&info, body)?;
            (info.object.clone(), after)
        } else {
            info.check_name()?;
            let mut path = info.path();
            if !self.subresource.is_empty() {
                path = format!("{path}/{}", self.subresource);
            }
            let before = cx.client()?.json(Request::get(path.clone())).await?;
            let request = Request::patch(path, content_type, body.to_vec()).query("fieldManager", &self.field_manager);
            (before, cx.client()?.json(dry_run.mark(request)).await?)
        };
        // Not even a dry run is told.
        let operation = if before == after { "patched (no change)" } else { "patched" };
        let mut printer = self.print.reporter(operation, Order::Sorted)?;
        printer.print(&self.print.shown(after), &mut *cx.streams.out().writer())
    }

    /// The object with the patch applied here.
    fn apply(&self, info: &Info, body: &[u8]) -> Result<Value, CommandError> {
        let mut object = info.object.clone();
        let (api_version, kind) = (object.text("apiVersion"), object.text("kind"));
        if self.kind.eq_ignore_ascii_case("strategic") && schema::of_kind(api_version, kind).is_none() {
            let gvk = info.resource.gvk_text();
            return Err(CommandError::message(format!(
                "strategic merge patch is not supported for {gvk} locally, try --type merge"
            )));
        }
        let mut change = decode(body)?;
        match self.kind.to_lowercase().as_str() {
            "json" => {
                let change = patch::json::Patch::parse(&change).map_err(CommandError::message)?;
                change.apply(&mut object).map_err(CommandError::message)?;
            }
            "merge" => patch::merge::apply(&mut object, &change),
            _ => match schema::of_kind(&info.resource.api_version(), &info.resource.kind) {
                Some(ty) => patch::strategic::apply(ty, &mut object, &mut change)
                    .map_err(|e| CommandError::message(e.to_string()))?,
                None => patch::merge::apply(&mut object, &change),
            },
        }
        Ok(object)
    }
}
