//! An edit session: objects stand in an editor until they can be used, or somebody gives up.

use crate::context::Context;
use crate::errors::CommandError;
use crate::print::PrintFlags;
use crate::resource::{Info, what_is_missing};
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::{Value, json, to_json_indented};
use shared_types::yaml;
use std::path::{Path, PathBuf};

/// How objects are edited.
pub struct Session<'s, 'a> {
    pub cx: &'s Context<'a>,
    pub print: &'s PrintFlags,
    /// What stands above the objects in YAML.
    pub header: &'static str,
    /// Looks at what was edited before it is sent.
    pub validate: bool,
    pub windows_line_endings: bool,
    /// What the server refuses is edited again, or kept to be sent later; otherwise it ends the session.
    pub again: bool,
}

/// The formats in which objects can be edited.
const EDITABLE: [&str; 3] = ["json", "kyaml", "yaml"];

/// The header of `edit`, and of `create --edit`.
pub const HEADER: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,
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

/// What the server refused of one round.
#[derive(Default)]
struct Refused {
    /// Why objects are invalid, as comment lines for the next round.
    invalid: String,
    not_found: bool,
    other: bool,
}

impl Session<'_, '_> {
    /// Edits `infos` together, and gives each edited object, with the one that it was, to `send`.
    ///
    /// # Errors
    /// The editor fails, or what was edited cannot be used.
    pub async fn edit(
        &self,
        infos: &[Info],
        mut send: impl AsyncFnMut(&Info, Value) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(first) = infos.first() else {
            return Err(CommandError::message("edit cancelled, no objects found"));
        };
        let format = self.print.format().unwrap_or("yaml");
        if !EDITABLE.contains(&format) {
            let (format, formats) = (quote(format), EDITABLE.join(","));
            return Err(CommandError::message(format!(
                "unable to match a printer suitable for the output format {format}, allowed formats are: {formats}"
            )));
        }
        let original = self.text(infos);
        let mut text = original.clone();
        let mut reasons = String::new();
        loop {
            let mut file = self.temporary_file();
            let shown = if self.is_json() { text.clone() } else { format!("{}{reasons}{text}", self.header) };
            let lines = if self.windows_line_endings { shown.replace('\n', "\r\n") } else { shown };
            std::fs::write(&file.path, lines)?;
            self.cx.streams.out().flush()?;
            run_editor(&file.path)?;
            let edited = std::fs::read_to_string(&file.path)?.replace("\r\n", "\n");
            let content = without_comments(&edited);
            if !reasons.is_empty() && content == text {
                return self.give_up(&mut file, CommandError::message("Edit cancelled, no valid changes were saved."));
            }
            if content == original {
                return Ok(writeln!(self.cx.streams.err(), "Edit cancelled, no changes made.")?);
            }
            let parsed = yaml::parse_document(&content).map(|document| document.value);
            let fault = match &parsed {
                _ if !self.validate => None,
                Ok(value) => what_is_missing(value),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = fault {
                writeln!(
                    self.cx.streams.err(),
                    "error: {} {:?} is invalid",
                    first.resource.group_resource(),
                    first.name
                )?;
                let cause = format!("<nil>: Invalid value: \"The edited file failed validation\": {why}");
                reasons = not_valid(first, &[cause]);
                text = content;
                continue;
            }
            let value = match parsed {
                _ if content.trim().is_empty() => {
                    return Ok(writeln!(self.cx.streams.err(), "Edit cancelled, saved file was empty.")?);
                }
                Ok(value) => value,
                Err(error) => {
                    reasons = comment(&format!("The edited file had a syntax error: {error}"), &[]);
                    text = content;
                    continue;
                }
            };
            let mut refused = Refused::default();
            for (info, after) in pairs(infos, value) {
                if let Err(error) = send(info, after).await {
                    match error.status() {
                        Some(_) if self.again => self.refused(info, &error, &mut refused)?,
                        _ => return self.give_up(&mut file, error),
                    }
                }
            }
            let path = file.path.display().to_string();
            let err = self.cx.streams.err();
            file.keep = refused.other || refused.not_found;
            if refused.other {
                writeln!(err, "You can run `kubectl replace -f {path}` to try this update again.")?;
                return Err(CommandError::Exit(1));
            }
            if refused.not_found {
                writeln!(err, "The edits you made on deleted resources have been saved to {path:?}")?;
                return Err(CommandError::Exit(1));
            }
            if refused.invalid.is_empty() {
                return Ok(());
            }
            (reasons, text) = (refused.invalid, content);
        }
    }

    fn is_json(&self) -> bool {
        self.print.format() == Some("json")
    }

    /// The object, or all of them as a list.
    fn text(&self, infos: &[Info]) -> String {
        let shown = |info: &Info| {
            let mut object = info.object.clone();
            if !self.print.show_managed_fields {
                object.remove("metadata.managedFields");
            }
            object
        };
        let value = match infos {
            [only] => shown(only),
            many => {
                let items: Vec<Value> = many.iter().map(shown).collect();
                json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
            }
        };
        if self.is_json() { to_json_indented(&value, "    ") + "\n" } else { yaml::to_yaml(&value) }
    }

    fn temporary_file(&self) -> File {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
        let extension = if self.is_json() { "json" } else { "yaml" };
        let name = format!("kubectl-edit-{}{nanos}.{extension}", std::process::id());
        File { path: std::env::temp_dir().join(name), keep: false }
    }

    /// Says where the edited text is, and fails.
    fn give_up(&self, file: &mut File, error: CommandError) -> Result<(), CommandError> {
        file.keep = true;
        let path = file.path.display().to_string();
        writeln!(self.cx.streams.err(), "A copy of your changes has been stored to {path:?}")?;
        Err(error)
    }

    /// Says what the server refused, and notes what follows from it.
    fn refused(&self, info: &Info, error: &CommandError, refused: &mut Refused) -> Result<(), CommandError> {
        let Some(status) = error.status() else { return Ok(()) };
        let what = format!("{} {:?}", info.resource.group_resource(), info.name);
        let said = if status.reason == "Invalid" {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let causes: Vec<String> = causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            refused.invalid.push_str(&not_valid(info, &causes));
            format!("error: {what} is invalid")
        } else if error.is_not_found() {
            refused.not_found = true;
            format!("error: {what} could not be found on the server")
        } else {
            refused.other = true;
            format!("error: {what} could not be patched: {}", error.text())
        };
        Ok(writeln!(self.cx.streams.err(), "{said}")?)
    }
}

/// The edited objects, each with the one that it was: by uid, or by place where it has none.
fn pairs(infos: &[Info], edited: Value) -> Vec<(&Info, Value)> {
    let mut edited = edited;
    let objects = match edited.remove("items") {
        Some(Value::Array(items)) if edited.text("kind").ends_with("List") => items,
        Some(items) => {
            edited.set("items", items);
            vec![edited]
        }
        None => vec![edited],
    };
    let original = |(place, object): (usize, Value)| {
        let uid = object.text("metadata.uid");
        let same = infos.iter().find(|info| !uid.is_empty() && info.object.text("metadata.uid") == uid);
        same.or(infos.get(place)).map(|info| (info, object))
    };
    objects.into_iter().enumerate().filter_map(original).collect()
}

fn not_valid(info: &Info, causes: &[String]) -> String {
    comment(&format!("{} {:?} was not valid:", info.resource.group_resource(), info.name), causes)
}

/// Comment lines above what is to be edited again.
fn comment(head: &str, causes: &[String]) -> String {
    let mut text = format!("# {}\n", head.replace('\n', "\n# "));
    for cause in causes {
        text.push_str(&format!("# * {}\n", cause.replace('\n', "\n# ")));
    }
    text + "#\n"
}

/// The text without the lines that are comments.
fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

/// Opens `$KUBE_EDITOR` or `$EDITOR`, which may have options, on the file; the shell only reads one that has quotes.
fn run_editor(path: &Path) -> Result<(), CommandError> {
    let editor = ["KUBE_EDITOR", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|e| !e.is_empty()));
    let editor = editor.unwrap_or_else(|| if cfg!(windows) { "notepad".into() } else { "vi".into() });
    let by_shell = editor.contains(' ') && editor.contains(['"', '\'', '\\']);
    let mut words: Vec<String> = if by_shell {
        let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty());
        let shell = shell.unwrap_or_else(|| if cfg!(windows) { "cmd".into() } else { "/bin/bash".into() });
        vec![shell, if cfg!(windows) { "/C" } else { "-c" }.into(), editor]
    } else {
        editor.split(' ').map(String::from).collect()
    };
    let told = words.join(" ");
    match words.last_mut() {
        Some(command) if by_shell => command.push_str(&format!(" {}", path.display())),
        _ => words.push(path.display().to_string()),
    }
    match std::process::Command::new(&words[0]).args(&words[1..]).status() {
        Ok(status) if status.success() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !words[0].contains('/') => {
            Err(CommandError::message(format!("unable to launch the editor {}", quote(&told))))
        }
        _ => Err(CommandError::message(format!("there was a problem with the editor {}", quote(&told)))),
    }
}
