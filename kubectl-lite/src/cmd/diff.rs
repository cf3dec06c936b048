//! `kubectl diff`.

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames, Info, last_applied};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::{patch, schema, yaml};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Diff {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[arg(long, default_value_t = 1, value_parser = go_flags::int::<i64>, hide = true)]
    concurrency: i64,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-client-side-apply")]
    field_manager: String,
    /// Take over fields that others manage
    #[arg(long)]
    force_conflicts: bool,
    #[arg(long, hide = true)]
    prune: bool,
    #[arg(long, value_delimiter = ',', hide = true)]
    prune_allowlist: Vec<String>,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Let the server merge
    #[arg(long)]
    server_side: bool,
    /// Show managedFields
    #[arg(long)]
    show_managed_fields: bool,
    /// Show the data of Secrets
    #[arg(long)]
    show_secrets: bool,
}

/// What ends `diff` where it fails; 1 says that there is a difference.
pub const FAILED: u8 = 2;

impl Command for Diff {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        match self.compare(cx).await {
            Ok(0) => Ok(()),
            Ok(code) => Err(CommandError::Exit(code)),
            Err(error) => {
                write!(cx.streams.err(), "{}", error.render())?;
                Err(CommandError::Exit(FAILED))
            }
        }
    }
}

/// The two folders that are compared.
struct Folders {
    live: PathBuf,
    merged: PathBuf,
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What cannot be removed stays in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.live);
        let _ = std::fs::remove_dir_all(&self.merged);
    }
}

impl Diff {
    /// The exit code of the program that compares.
    async fn compare(&self, cx: &Context<'_>) -> Result<u8, CommandError> {
        if !self.args.is_empty() {
            return Err(CommandError::usage("diff", format!("Unexpected args: [{}]", self.args.join(" "))));
        }
        self.files.require()?;
        let infos = Builder::new(cx)?.files(&self.files).label_selector(&self.selector).all(false).await?;
        let folders = folders()?;
        for mut info in infos {
            let local = info.object.clone();
            let live = match info.fetch(cx).await {
                Ok(()) => Some(info.object.clone()),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
            let merged = self.merged(cx, &info, local, live.as_ref()).await?;
            let name = file_name(&info);
            let (live, merged) = self.shown(live, merged);
            std::fs::write(folders.merged.join(&name), yaml::to_yaml(&merged))?;
            std::fs::write(folders.live.join(&name), live.map(|live| yaml::to_yaml(&live)).unwrap_or_default())?;
        }
        cx.streams.out().flush()?;
        run_diff(cx, &folders)
    }

    /// The object as it would be.
    async fn merged(
        &self,
        cx: &Context<'_>,
        info: &Info,
        mut local: Value,
        live: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let client = cx.client()?;
        if self.server_side {
            let manager =
                if self.field_manager == "kubectl-client-side-apply" { "kubectl" } else { &self.field_manager };
            let body = local.to_string().into_bytes();
            let request = Request::patch(info.path(), "application/apply-patch+yaml", body)
                .query("fieldManager", manager)
                .query("force", if self.force_conflicts { "true" } else { "false" })
                .query("dryRun", "All");
            return client.json(request).await;
        }
        let Some(live) = live else {
            local.remove("metadata.resourceVersion");
            let request = Request::post(info.resource.collection(&info.namespace), &local)
                .query("fieldManager", &self.field_manager)
                .query("dryRun", "All");
            return client.json(request).await;
        };
        let original = last_applied::of(live).unwrap_or(Value::Null);
        // The annotation is what it was, so that it does not count as a difference.
        local.map_mut("metadata.annotations").remove(last_applied::LAST_APPLIED);
        if let Some(kept) = live.annotation(last_applied::LAST_APPLIED) {
            local.map_mut("metadata.annotations").insert(last_applied::LAST_APPLIED, kept.into());
        }
        let (patch, content_type) = match schema::of_kind(&info.resource.api_version(), &info.resource.kind) {
            Some(ty) => (
                patch::strategic::three_way_diff(ty, &original, &local, live)
                    .map_err(|error| CommandError::message(error.to_string()))?,
                "application/strategic-merge-patch+json",
            ),
            None => (patch::merge::three_way_diff(&original, &local, live), "application/merge-patch+json"),
        };
        let request = Request::patch(info.path(), content_type, patch.to_string().into_bytes())
            .query("fieldManager", &self.field_manager)
            .query("dryRun", "All");
        client.json(request).await
    }

    /// Both as they are compared: without what says nothing, Secrets masked.
    fn shown(&self, live: Option<Value>, mut merged: Value) -> (Option<Value>, Value) {
        let mut live = live;
        if !self.show_managed_fields {
            merged.remove("metadata.managedFields");
            if let Some(live) = &mut live {
                live.remove("metadata.managedFields");
            }
        }
        if !self.show_secrets && merged.text("kind") == "Secret" && merged.text("apiVersion") == "v1" {
            mask(live.as_mut(), &mut merged);
        }
        (live, merged)
    }
}

/// Replaces the values of a Secret by stars, so that one can still see which of them differ.
fn mask(live: Option<&mut Value>, merged: &mut Value) {
    let empty = Value::Null;
    let before = live.as_deref().unwrap_or(&empty).map("data").clone();
    let after = merged.map("data").clone();
    for (key, value) in &after {
        let star = match before.get(key) {
            Some(old) if old != value => "*** (after)",
            _ => "***",
        };
        merged.map_mut("data").insert(key.clone(), star.into());
    }
    if let Some(live) = live {
        for (key, value) in &before {
            let star = match after.get(key) {
                Some(new) if new != value => "*** (before)",
                _ => "***",
            };
            live.map_mut("data").insert(key.clone(), star.into());
        }
    }
}

fn folders() -> Result<Folders, CommandError> {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let tag = nanos % 1_000_000_000;
    let tag = u128::from(std::process::id()) * 1_000_000_000 + tag;
    let [live, merged] = ["LIVE", "MERGED"].map(|name| std::env::temp_dir().join(format!("{name}-{tag}")));
    let folders = Folders { live, merged };
    std::fs::create_dir_all(&folders.live)?;
    std::fs::create_dir_all(&folders.merged)?;
    Ok(folders)
}

/// `apps.v1.Deployment.default.web`.
fn file_name(info: &Info) -> String {
    let group = if info.resource.group.is_empty() { String::new() } else { format!("{}.", info.resource.group) };
    let name = format!("{group}{}.{}.{}.{}", info.resource.version, info.resource.kind, info.namespace, info.name);
    name.replace(['/', '\\', ':'], "-")
}

/// Runs `$KUBECTL_EXTERNAL_DIFF`, or `diff -u -N`, over the folders. An exit code above 1 is a failure.
fn run_diff(cx: &Context<'_>, folders: &Folders) -> Result<u8, CommandError> {
    let words = std::env::var("KUBECTL_EXTERNAL_DIFF").unwrap_or_default();
    // Only words of plain characters are passed on, as options of the program.
    let mut words: Vec<&str> = words.split_whitespace().collect();
    if words.is_empty() {
        words = vec!["diff", "-u", "-N"];
    }
    let mut command = std::process::Command::new(words[0]);
    let options = words[1..].iter().filter(|w| w.chars().all(|c| c.is_ascii_alphanumeric() || "-=_./:".contains(c)));
    let output = command.args(options).arg(&folders.live).arg(&folders.merged).output().map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound if !words[0].contains('/') => "executable file not found in $PATH".to_string(),
            _ => crate::resource::go_words(&error),
        };
        CommandError::message(format!("failed to run {:?}: {why}", words[0]))
    })?;
    cx.streams.out().write_all(&output.stdout)?;
    cx.streams.err().write_all(&output.stderr)?;
    match output.status.code() {
        Some(code @ (0 | 1)) => Ok(u8::try_from(code).unwrap_or(1)),
        Some(code) => Err(CommandError::message(format!("failed to run {:?}: exit status {code}", words[0]))),
        None => Err(CommandError::message(format!("failed to run {:?}", words[0]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn secrets_show_only_that_they_differ() {
        let mut live = json!({"data": {"a": "MQ==", "b": "Mg=="}});
        let mut merged = json!({"data": {"a": "MQ==", "b": "Mw==", "c": "NA=="}});
        mask(Some(&mut live), &mut merged);
        assert_eq!(live, json!({"data": {"a": "***", "b": "*** (before)"}}));
        assert_eq!(merged, json!({"data": {"a": "***", "b": "*** (after)", "c": "***"}}));
    }
}
