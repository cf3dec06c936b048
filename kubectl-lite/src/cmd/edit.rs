//! `kubectl edit`.

use super::Command;
use super::flags::{DryRun, ValidateFlag};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, send_changes};
use serde_json::Value;
use shared_types::fields::Fields;
use shared_types::json::to_json_indented;
use shared_types::yaml;
use std::path::{Path, PathBuf};

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

/// What stands above the object in the editor.
const HEADER: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
";

/// A file that is being edited.
struct File {
    path: PathBuf,
    /// Whether it is to stay, because it holds what somebody wrote and could not be used.
    keep: bool,
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed stays in the temporary folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Command for Edit {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.validate.read()?;
        let infos = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .subresource(&self.subresource)
            .everything(true)
            .all(true)
            .await?;
        if infos.is_empty() {
            return Err(CommandError::message("edit cancelled, no objects found"));
        }
        for info in infos {
            self.one(cx, info).await?;
        }
        Ok(())
    }
}

impl Edit {
    async fn one(&self, cx: &Context<'_>, mut info: Info) -> Result<(), CommandError> {
        let json = self.print.format() == Some("json");
        info.object = self.print_without_managed_fields(info.object);
        let text = if json { to_json_indented(&info.object, "    ") + "\n" } else { yaml::to_yaml(&info.object) };
        let mut shown = if json { text.clone() } else { format!("{HEADER}{text}") };
        let mut file = File { path: temporary(if json { "json" } else { "yaml" }), keep: false };
        loop {
            std::fs::write(&file.path, &shown)?;
            cx.streams.out().flush()?;
            run_editor(&file.path)?;
            let edited = std::fs::read_to_string(&file.path)?;
            let content = without_comments(&edited);
            if content.trim().is_empty() {
                writeln!(cx.streams.err(), "Edit cancelled, saved file was empty.")?;
                return Ok(());
            }
            if edited == shown || content == text {
                writeln!(cx.streams.err(), "Edit cancelled, no changes made.")?;
                return Ok(());
            }
            let after = match yaml::parse_document(&content) {
                Ok(document) => document.value,
                Err(error) => {
                    // Once more, with what is wrong above it.
                    let problem = format!("# {}\n", error.to_string().replace('\n', "\n# "));
                    let again = format!("{HEADER}{problem}#\n{content}");
                    if again == shown {
                        file.keep = true;
                        return self.give_up(cx, &file, CommandError::message(error.to_string()));
                    }
                    shown = again;
                    continue;
                }
            };
            return match self.send(cx, &info, &after).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    file.keep = true;
                    self.give_up(cx, &file, error)
                }
            };
        }
    }

    fn print_without_managed_fields(&self, mut object: Value) -> Value {
        if !self.print.show_managed_fields {
            object.remove("metadata.managedFields");
        }
        object
    }

    /// Says where the edited text is, and fails.
    fn give_up(&self, cx: &Context<'_>, file: &File, error: CommandError) -> Result<(), CommandError> {
        writeln!(cx.streams.err(), "A copy of your changes has been stored to {:?}", file.path.display().to_string())?;
        Err(error)
    }

    async fn send(&self, cx: &Context<'_>, info: &Info, after: &Value) -> Result<(), CommandError> {
        for field in ["apiVersion", "kind", "metadata.name"] {
            if after.at(field) != info.object.at(field) {
                return Err(CommandError::message("At least one of apiVersion, kind and name was changed"));
            }
        }
        let changed = send_changes(cx, info, after, &self.field_manager, DryRun::None).await?;
        let Some(object) = changed else {
            writeln!(cx.streams.err(), "Edit cancelled, no changes made.")?;
            return Ok(());
        };
        let mut printer = self.print.reporter("edited", Order::Sorted)?;
        printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())
    }
}

fn temporary(extension: &str) -> PathBuf {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    std::env::temp_dir().join(format!("kubectl-edit-{}{}.{extension}", std::process::id(), nanos))
}

/// The text without the lines that are comments.
fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

/// Opens `$KUBE_EDITOR` or `$EDITOR` on the file; the shell reads it, so that it may have options.
fn run_editor(path: &Path) -> Result<(), CommandError> {
    let editor =
        ["KUBE_EDITOR", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|e| !e.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| if cfg!(windows) { "notepad".into() } else { "vi".into() });
    let status = if cfg!(windows) {
        std::process::Command::new("cmd").arg("/C").arg(format!("{editor} {}", path.display())).status()
    } else {
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/bash".into());
        std::process::Command::new(shell).arg("-c").arg(format!("{editor} {}", path.display())).status()
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(CommandError::message(format!("there was a problem with the editor {editor:?}"))),
    }
}
