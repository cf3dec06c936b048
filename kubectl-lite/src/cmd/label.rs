//! `kubectl label` and `kubectl annotate`.

use super::Command;
use super::flags::DryRunFlag;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, each};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

#[derive(clap::Args, Clone)]
struct Flags {
    /// TYPE NAME... KEY=VALUE... KEY-...
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Field selector
    #[arg(long, default_value = "")]
    field_selector: String,
    /// Show what there is
    #[arg(long)]
    list: bool,
    /// Work on the files alone, without the server
    #[arg(long)]
    local: bool,
    /// Change values that are there already
    #[arg(long)]
    overwrite: bool,
    /// The version that the object must have
    #[arg(long, default_value = "")]
    resource_version: String,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

#[derive(clap::Args)]
pub struct Label {
    #[command(flatten)]
    flags: Flags,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-label")]
    field_manager: String,
}

#[derive(clap::Args)]
pub struct Annotate {
    #[command(flatten)]
    flags: Flags,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-annotate")]
    field_manager: String,
}

impl Command for Label {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        Change::new(&self.flags, What::Labels, &self.field_manager)?.all(cx).await
    }
}

impl Command for Annotate {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        Change::new(&self.flags, What::Annotations, &self.field_manager)?.all(cx).await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Labels,
    Annotations,
}

/// What is to be changed, and on what.
struct Change<'f> {
    flags: &'f Flags,
    what: What,
    manager: &'f str,
    resources: Vec<String>,
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

impl<'f> Change<'f> {
    fn new(flags: &'f Flags, what: What, manager: &'f str) -> Result<Change<'f>, CommandError> {
        let singular = if what == What::Labels { "label" } else { "annotation" };
        // Changes begin with the first argument that has the form of one.
        let is_change = |arg: &String| arg.find('=').is_some_and(|at| at > 0) || (arg.ends_with('-') && arg.len() > 1);
        let begin = flags.args.iter().position(is_change).unwrap_or(flags.args.len());
        let (resources, changes) = flags.args.split_at(begin);
        let mut change =
            Change { flags, what, manager, resources: resources.to_vec(), set: Vec::new(), remove: Vec::new() };
        for arg in changes {
            if let Some((key, value)) = arg.split_once('=').filter(|(key, _)| !key.is_empty()) {
                if what == What::Labels
                    && let Some(why) = shared_types::names::is_valid_label_value(value).first()
                {
                    return Err(CommandError::message(format!("invalid label value: \"{arg}\": {why}")));
                }
                change.set.push((key.to_string(), value.to_string()));
            } else if arg.ends_with('-') && !arg.contains('=') {
                change.remove.push(arg[..arg.len() - 1].to_string());
            } else if let Some(value) = arg.strip_prefix('=') {
                return Err(CommandError::message(format!("invalid {singular} spec: ={value}")));
            } else {
                return Err(CommandError::message(format!("unknown {singular} spec: {arg}")));
            }
        }
        let both: Vec<&str> = change
            .set
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| change.remove.iter().any(|r| r == key))
            .collect();
        if !both.is_empty() {
            let what = match what {
                What::Labels => "a label".to_string(),
                What::Annotations => "the following annotation(s)".to_string(),
            };
            let which = if change.what == What::Labels { String::new() } else { format!(": {}", both.join(", ")) };
            return Err(CommandError::message(format!(
                "can not both modify and remove {what} in the same command{which}"
            )));
        }
        if change.resources.is_empty() && flags.files.is_empty() {
            return Err(CommandError::message(
                "one or more resources must be specified as <resource> <name> or <resource>/<name>",
            ));
        }
        if change.set.is_empty() && change.remove.is_empty() && !flags.list {
            return Err(CommandError::message(format!("at least one {singular} update is required")));
        }
        Ok(change)
    }

    fn path(&self) -> &'static str {
        if self.what == What::Labels { "metadata.labels" } else { "metadata.annotations" }
    }

    async fn all(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        let flags = self.flags;
        let dry_run = flags.dry_run.read(cx)?;
        let builder = Builder::new(cx)?
            .files(&flags.files)
            .arguments(&self.resources)
            .all_namespaces(flags.all_namespaces)
            .label_selector(&flags.selector)
            .field_selector(&flags.field_selector)
            .everything(flags.all)
            .nameless()
            .local(flags.local);
        if self.what == What::Annotations {
            flags.print.check()?;
        }
        let infos = builder.infos(!flags.local).await?;
        if !flags.resource_version.is_empty() && infos.len() > 1 {
            return Err(CommandError::message("--resource-version may only be used with a single resource"));
        }
        let several = infos.len() > 1;
        let act = async |info: Info| match flags.list {
            true => self.list(cx, &info, several),
            false => self.one(cx, info, dry_run).await,
        };
        each(infos, act).await.map(|_| ())
    }

    fn list(&self, cx: &Context<'_>, info: &Info, several: bool) -> Result<(), CommandError> {
        let indent = if several { " " } else { "" };
        if several {
            let what = if self.what == What::Labels { "labels" } else { "annotations" };
            writeln!(cx.streams.out(), "Listing {what} for {}/{}:", gvk_name(info), info.name)?;
        }
        for (key, value) in info.object.map(self.path()) {
            writeln!(cx.streams.out(), "{indent}{key}={}", value.as_str().unwrap_or_default())?;
        }
        Ok(())
    }

    async fn one(&self, cx: &Context<'_>, mut info: Info, dry_run: super::flags::DryRun) -> Result<(), CommandError> {
        let before = info.object.clone();
        self.check(&before)?;
        if self.what == What::Labels {
            for key in &self.remove {
                if before.label(key).is_none() {
                    writeln!(cx.streams.out(), "label {key:?} not found.")?;
                }
            }
        }
        let mut patch = json!({});
        let changes = patch.map_mut(self.path());
        for (key, value) in &self.set {
            changes.insert(key.clone(), value.clone().into());
        }
        for key in &self.remove {
            changes.insert(key.clone(), Value::Null);
        }
        let mut after = before.clone();
        shared_types::patch::merge::apply(&mut after, &patch);
        let changed = after.map(self.path()) != before.map(self.path());
        if dry_run.is_client() || self.flags.local {
            info.object = after;
        } else if changed || !self.flags.resource_version.is_empty() || self.what == What::Annotations {
            if !self.flags.resource_version.is_empty() {
                patch.set("metadata.resourceVersion", self.flags.resource_version.clone());
            }
            info.check_name()?;
            let request = Request::patch(info.path(), "application/merge-patch+json", patch.to_string().into_bytes())
                .query("fieldManager", self.manager);
            info.object = cx.client()?.json(dry_run.mark(request)).await?;
        }
        let operation = match self.what {
            What::Annotations => "annotated",
            What::Labels if !changed => "not labeled",
            What::Labels if self.remove.is_empty() => "labeled",
            What::Labels if self.set.is_empty() => "unlabeled",
            What::Labels => "modified",
        };
        let mut printer = self.flags.print.reporter(&dry_run.done(operation), Order::Sorted)?;
        printer.print(&self.flags.print.shown(info.object), &mut *cx.streams.out().writer())
    }

    /// Values that are there already are only changed where that is wanted.
    fn check(&self, object: &Value) -> Result<(), CommandError> {
        if self.flags.overwrite {
            return Ok(());
        }
        let there = object.map(self.path());
        let mut taken = Vec::new();
        for (key, value) in &self.set {
            match there.get(key).and_then(Value::as_str) {
                Some(old) if self.what == What::Annotations || old != value => {
                    taken.push(format!("'{key}' already has a value ({old})"));
                }
                _ => {}
            }
        }
        match (self.what, taken.is_empty()) {
            (_, true) => Ok(()),
            (What::Labels, false) => {
                let errors =
                    taken.iter().map(|t| CommandError::message(format!("{t}, and --overwrite is false"))).collect();
                CommandError::all(errors)
            }
            (What::Annotations, false) => Err(CommandError::message(format!(
                "--overwrite is false but found the following declared annotation(s): {}",
                taken.join("; ")
            ))),
        }
    }
}

/// `Pod.v1.`, as Go prints a GroupVersionKind for lists.
fn gvk_name(info: &Info) -> String {
    format!("{}.{}.{}", info.resource.kind, info.resource.version, info.resource.group)
}
