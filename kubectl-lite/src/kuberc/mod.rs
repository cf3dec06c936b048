//! The user's preferences (KEP-3104): `~/.kube/kuberc` gives flags other defaults, commands other names, and says which
//! credential plugins may run.

mod command_line;
mod plugins;

pub use command_line::{CommandLine, apply};
pub use plugins::PluginPolicy;

use crate::cmd;
use crate::context::home;
use crate::errors::CommandError;
use crate::resource::go_words;
use crate::streams::Streams;
use serde::{Deserialize, Serialize};
use shared_types::json::{Value, from_value};
use shared_types::yaml;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The version in which preferences are written.
pub const API_VERSION: &str = "kubectl.config.k8s.io/v1beta1";
const OLDER: &str = "kubectl.config.k8s.io/v1alpha1";

/// A `Preference` of kubectl.config.k8s.io, its fields in the order in which kubectl writes them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Preference {
    pub kind: String,
    pub api_version: String,
    #[serde(alias = "overrides")]
    pub defaults: Option<Vec<Defaults>>,
    pub aliases: Option<Vec<Alias>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_plugin_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_plugin_allowlist: Option<Vec<AllowlistEntry>>,
    #[serde(flatten, skip_serializing)]
    unknown: BTreeMap<String, Value>,
}

/// Other defaults for the flags of a command.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Defaults {
    /// `create configmap`.
    pub command: String,
    #[serde(alias = "flags")]
    pub options: Option<Vec<Opt>>,
}

/// Another name for a command with some of its arguments.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Alias {
    pub name: String,
    pub command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepend_args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_args: Option<Vec<String>>,
    #[serde(alias = "flags", skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<Opt>>,
}

/// A flag's long name, and its default.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Opt {
    pub name: String,
    pub default: String,
}

/// A credential plugin that may run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct AllowlistEntry {
    #[serde(alias = "name")]
    pub command: String,
}

/// Where the preferences are: `--kuberc` among `args`, else `$KUBERC`, else `~/.kube/kuberc`; `None` where they are
/// turned off. With it whether the file has to exist.
pub fn location(args: &[OsString]) -> Option<(PathBuf, bool)> {
    if std::env::var("KUBECTL_KUBERC").is_ok_and(|set| set == "false") {
        return None;
    }
    let mut words = args.iter().skip(1).map_while(|arg| arg.to_str().filter(|arg| *arg != "--"));
    while let Some(word) = words.next() {
        let value = if word == "--kuberc" { words.next() } else { word.strip_prefix("--kuberc=") };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            return Some((value.into(), true));
        }
    }
    match std::env::var_os("KUBERC").filter(|set| !set.is_empty()) {
        Some(set) if set == "off" => None,
        Some(set) => Some((set.into(), true)),
        None => home().map(|home| (home.join(".kube/kuberc"), false)),
    }
}

/// Reads the preferences that hold for `args`. A file that cannot be understood is told about and passed over.
///
/// # Errors
/// A file that was asked for cannot be read, or contradicts itself.
pub fn load(args: &[OsString], streams: &Streams) -> Result<Preference, CommandError> {
    let Some((path, explicit)) = location(args) else { return Ok(Preference::default()) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if explicit => {
            let why = go_words(&error);
            return Err(failed(format!("kuberc error kuberc: open {}: {why}", path.display())));
        }
        Err(_) => return Ok(Preference::default()),
    };
    let Some(preference) = read(&text) else {
        let path = path.display();
        write!(
            streams.err(),
            "kuberc: no preferences loaded from {path}: no valid preferences found in {path}, use --v=5 to see details"
        )?;
        return Ok(Preference::default());
    };
    let unknown: Vec<String> = preference.unknown.keys().map(|field| format!("unknown field {field:?}")).collect();
    if !unknown.is_empty() {
        let (path, what) = (path.display(), unknown.join(", "));
        write!(streams.err(), "kuberc: ignoring strict decoding error in {path}: strict decoding error: {what}")?;
    }
    preference.validate()?;
    for default in preference.defaults.iter().flatten() {
        let first = default.command.split(' ').next().unwrap_or_default();
        if !cmd::COMMANDS.iter().any(|entry| entry.is_called(first.as_ref())) {
            let command = &default.command;
            writeln!(streams.err(), "Warning: command {command:?} not found to set kuberc override")?;
        }
    }
    Ok(preference)
}

/// The preferences in a text; `None` where it holds none of a version that is known. Nothing is the empty preferences.
pub fn read(text: &str) -> Option<Preference> {
    let document = yaml::parse_document(text).ok()?.value;
    if document.is_null() {
        return Some(Preference::default());
    }
    let preference: Preference = from_value(&document).ok()?;
    let known = preference.kind == "Preference" && [API_VERSION, OLDER].contains(&preference.api_version.as_str());
    known.then_some(preference)
}

/// [`read`] for a file that may not exist.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read_file(path: &Path) -> Result<Option<Preference>, CommandError> {
    match std::fs::read_to_string(path) {
        Ok(text) => match read(&text) {
            Some(preference) => Ok(Some(preference)),
            None => Err(CommandError::message(format!("no valid preferences found in {}", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::message(format!("open {}: {}", path.display(), go_words(&error)))),
    }
}

/// What is wrong with the preferences, as every command says it.
fn failed(why: impl std::fmt::Display) -> CommandError {
    CommandError::Raw(format!("error occurred while applying preferences {why}"))
}

impl Preference {
    /// Preferences with these defaults alone.
    pub fn new(defaults: Vec<Defaults>) -> Preference {
        let (kind, api_version) = ("Preference".into(), API_VERSION.into());
        Preference { kind, api_version, defaults: Some(defaults), ..Preference::default() }
    }

    fn validate(&self) -> Result<(), CommandError> {
        let aliases = || self.aliases.iter().flatten();
        for (index, alias) in aliases().enumerate() {
            if alias.name.is_empty() || !alias.name.chars().all(char::is_alphabetic) {
                return Err(failed("invalid alias name, can only include alphabetical characters"));
            }
            if aliases().take(index).any(|other| other.name == alias.name) {
                return Err(failed(format!("duplicate alias name {}", alias.name)));
            }
        }
        let options = self.defaults.iter().flatten().map(|default| &default.options);
        let options = options.chain(aliases().map(|alias| &alias.options)).flatten().flatten();
        for Opt { name, .. } in options {
            if name.starts_with('-') {
                return Err(failed(format!("flag name {name} should be in long form without dashes")));
            }
        }
        PluginPolicy::of(self).map(|_| ()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        for text in [
            "{apiVersion: kubectl.config.k8s.io/v1beta1, kind: Preference, defaults: [{command: get, options: [{name: output, default: wide}]}]}",
            "{apiVersion: kubectl.config.k8s.io/v1alpha1, kind: Preference, overrides: [{command: get, flags: [{name: output, default: wide}]}]}",
        ] {
            let preference = read(text).unwrap();
            let default = &preference.defaults.unwrap()[0];
            assert_eq!(
                (default.command.as_str(), default.options.as_ref().unwrap()[0].default.as_str()),
                ("get", "wide")
            );
            assert!(preference.unknown.is_empty());
        }
        assert!(read("{apiVersion: v1, kind: Pod}").is_none());
        assert!(read("").is_some());
    }

    #[test]
    fn names_are_checked() {
        let with = |alias: &str| {
            let text = format!("{{apiVersion: kubectl.config.k8s.io/v1beta1, kind: Preference, aliases: [{alias}]}}");
            read(&text).unwrap().validate().map_err(|error| error.text())
        };
        assert!(with("{name: ok, command: get}").is_ok());
        assert!(with("{name: a-b, command: get}").unwrap_err().ends_with("only include alphabetical characters"));
        assert!(
            with("{name: a, command: get}, {name: a, command: get}").unwrap_err().ends_with("duplicate alias name a")
        );
        let dashed = "{name: a, command: get, options: [{name: -o, default: x}]}";
        assert!(with(dashed).unwrap_err().ends_with("flag name -o should be in long form without dashes"));
    }
}
