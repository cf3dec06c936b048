//! `kubectl taint`.

use super::Command;
use super::flags::{DryRun, DryRunFlag};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Info};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Taint {
    /// nodes NAME... KEY=VALUE:EFFECT... KEY:EFFECT-...
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// All nodes
    #[arg(long)]
    all: bool,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-taint")]
    field_manager: String,
    /// Change taints that are there already
    #[arg(long)]
    overwrite: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict", hide = true)]
    validate: String,
}

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// A taint to set, or to remove where `effect` may be empty for any.
#[derive(Clone, PartialEq, Eq)]
struct Spec {
    key: String,
    value: String,
    effect: String,
}

impl Command for Taint {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let is_change = |arg: &String| arg.contains('=') || arg.ends_with('-') || arg.contains(':');
        let begin = self.args.iter().position(is_change).unwrap_or(self.args.len());
        let (resources, changes) = self.args.split_at(begin);
        if resources.is_empty() {
            return Err(CommandError::message("one or more resources must be specified as <resource> <name>"));
        }
        if changes.is_empty() {
            return Err(CommandError::message("at least one taint update is required"));
        }
        let (set, remove) = parse(changes).map_err(|text| CommandError::usage("taint", text))?;
        let typed = resources[0].split('/').next().unwrap_or_default();
        if !matches!(typed, "node" | "nodes" | "no") {
            return Err(CommandError::message(format!("invalid resource type {typed}, only node types are supported")));
        }
        if !self.all && self.selector.is_empty() && resources.len() == 1 && !resources[0].contains('/') {
            return Err(CommandError::message(
                "at least one resource name must be specified since 'all' parameter is not set",
            ));
        }
        let undone = |spec: &&Spec, other: &Spec| {
            spec.key == other.key && (spec.effect.is_empty() || spec.effect == other.effect)
        };
        let both = set.iter().flat_map(|other| remove.iter().filter(move |spec| undone(spec, other)));
        let both: Vec<String> = both.map(|spec| format!("{}={}", spec.key, spec.effect)).collect();
        if !both.is_empty() {
            let both = both.join(", ");
            return Err(CommandError::message(format!(
                "can not both modify and remove the following taint(s) in the same command: {both}"
            )));
        }
        if let Some(typed) = resources.first() {
            cx.discovered(typed, 2).await?;
        }
        let builder = Builder::new(cx)?.arguments(resources).label_selector(&self.selector).everything(self.all);
        let mut errors = Vec::new();
        for info in builder.infos(true).await? {
            let result = match info {
                Ok(info) => self.one(cx, info, &set, &remove, dry_run).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }
}

impl Taint {
    async fn one(
        &self,
        cx: &Context<'_>,
        mut info: Info,
        set: &[Spec],
        remove: &[Spec],
        dry_run: DryRun,
    ) -> Result<(), CommandError> {
        self.print.check()?;
        let old = info.object.list("spec.taints").to_vec();
        let same = |taint: &Value, spec: &Spec| taint.text("key") == spec.key && taint.text("effect") == spec.effect;
        if !self.overwrite {
            let there: Vec<&str> =
                set.iter().filter(|spec| old.iter().any(|t| same(t, spec))).map(|s| s.key.as_str()).collect();
            if !there.is_empty() {
                return Err(CommandError::message(format!(
                    "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                    info.name,
                    there.join(",")
                )));
            }
        }
        let mut taints: Vec<Value> = set
            .iter()
            .map(|spec| {
                let mut taint = json!({"effect": spec.effect, "key": spec.key});
                if !spec.value.is_empty() {
                    taint.set("value", spec.value.clone());
                }
                taint
            })
            .collect();
        taints.extend(old.iter().filter(|t| !set.iter().any(|spec| same(t, spec))).cloned());
        let mut errors = Vec::new();
        for spec in remove {
            let before = taints.len();
            taints
                .retain(|t| t.text("key") != spec.key || !(spec.effect.is_empty() || t.text("effect") == spec.effect));
            if taints.len() == before {
                let effect = if spec.effect.is_empty() { String::new() } else { format!(":{}", spec.effect) };
                errors.push(CommandError::message(format!("taint \"{}{effect}\" not found", spec.key)));
            }
        }
        CommandError::all(errors)?;
        let operation = if set.is_empty() {
            "untainted"
        } else if remove.is_empty() && !set.iter().any(|spec| old.iter().any(|t| same(t, spec))) {
            "tainted"
        } else {
            "modified"
        };
        if dry_run.is_client() {
            info.object.set("spec.taints", taints);
        } else {
            let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
            let patch = json!({"spec": {"taints": taints}, "metadata": {"resourceVersion": info.object.at("metadata.resourceVersion")}});
            let request = Request::patch(info.path(), "application/merge-patch+json", patch.to_string().into_bytes())
                .query("fieldManager", &self.field_manager);
            let object = cx.client()?.json(dry_run.mark(request)).await?;
            info.refresh(object);
        }
        let mut printer = self.print.reporter(operation, Order::Sorted)?;
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }
}

/// Reads `KEY=VALUE:EFFECT`, `KEY:EFFECT` and, with a dash at the end, what is to be removed.
fn parse(changes: &[String]) -> Result<(Vec<Spec>, Vec<Spec>), String> {
    let (mut set, mut remove): (Vec<Spec>, Vec<Spec>) = (Vec::new(), Vec::new());
    for text in changes {
        let (spec, list) = match text.strip_suffix('-') {
            Some(text) => (text, &mut remove),
            None => (text.as_str(), &mut set),
        };
        let (pair, effect) = spec.split_once(':').unwrap_or((spec, ""));
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let removes = text.ends_with('-');
        // Without an effect there is no value either.
        let key = if spec.contains(':') { key } else { spec };
        if spec.matches(':').count() > 1 || (spec.contains(':') && pair.matches('=').count() > 1) {
            return Err(format!("invalid taint spec: {spec}"));
        }
        let faults = shared_types::names::is_qualified_name(key);
        if !faults.is_empty() {
            return Err(format!("invalid taint spec: {spec}, {}", faults.join("; ")));
        }
        if effect.is_empty() && !removes {
            return Err(format!("invalid taint spec: {spec}"));
        }
        if let Some(why) = shared_types::names::is_valid_label_value(value).first().filter(|_| !value.is_empty()) {
            return Err(format!("invalid taint spec: {spec}, {why}"));
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            return Err(format!("invalid taint effect: {effect}, unsupported taint effect"));
        }
        let spec = Spec { key: key.into(), value: value.into(), effect: effect.into() };
        if list.iter().any(|other| other.key == spec.key && other.effect == spec.effect) {
            return Err(format!(
                "duplicated taints with the same key and effect: {{{} {} {} <nil>}}",
                spec.key, spec.value, spec.effect
            ));
        }
        list.push(spec);
    }
    Ok((set, remove))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read() {
        let read = |specs: &[&str]| parse(&specs.iter().map(ToString::to_string).collect::<Vec<_>>());
        let (set, remove) = read(&["gpu=yes:NoSchedule", "x:NoExecute", "old-", "y:NoSchedule-"]).unwrap();
        assert_eq!((set.len(), remove.len()), (2, 2));
        assert_eq!(
            (set[0].value.as_str(), remove[0].effect.as_str(), remove[1].effect.as_str()),
            ("yes", "", "NoSchedule")
        );
        assert_eq!(read(&["x=y:Weird"]).err().unwrap(), "invalid taint effect: Weird, unsupported taint effect");
        assert!(read(&["x=y"]).is_err() && read(&["a=1:NoExecute", "a=2:NoExecute"]).is_err());
    }
}
