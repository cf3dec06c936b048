//! Preferences put onto a command line.

use super::{Alias, Opt, PluginPolicy, Preference, failed};
use crate::cli::{path_of, refused_value};
use crate::cmd;
use crate::errors::CommandError;
use std::ffi::OsString;

/// A command line after the preferences.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// Aliases are replaced by what they stand for.
    pub args: Vec<OsString>,
    /// Defaults of the flags of the command that `args` call.
    pub defaults: Vec<Opt>,
    pub plugins: PluginPolicy,
}

/// Puts the preferences onto `args`.
///
/// # Errors
/// An alias stands for no command, or a default does not fit its flag.
pub fn apply(preference: &Preference, args: Vec<OsString>) -> Result<CommandLine, CommandError> {
    let plugins = PluginPolicy::of(preference).map_err(failed)?;
    let program = args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some((alias, rest)) = alias_of(preference, &args) {
        let words: Vec<&str> = alias.command.split(' ').filter(|word| !word.is_empty()).collect();
        if !words.first().is_some_and(|first| is_command(first)) {
            let (command, name) = (&alias.command, &alias.name);
            return Err(failed(format!("command {command:?} not found to set alias {name:?}: [{}]", words.join(" "))));
        }
        let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().into_iter().map(OsString::from);
        let mut full: Vec<OsString> = args[..1].to_vec();
        full.extend(words.iter().map(OsString::from));
        let path = full.clone();
        full.extend(list(&alias.prepend_args));
        full.extend(rest.iter().cloned());
        full.extend(list(&alias.append_args));
        let defaults = alias.options.clone().unwrap_or_default();
        for option in &defaults {
            check(&path, option, |why| match why {
                None => format!("invalid alias flag {} in alias {program}", option.name),
                Some(why) => {
                    let Opt { name, default } = option;
                    format!("could not apply value {default} to flag {name} in alias {program} err: {why}")
                }
            })?;
        }
        return Ok(CommandLine { args: full, defaults, plugins });
    }
    let path = path_of(&args);
    let command = path.join(" ");
    let of_command = |default: &&super::Defaults| !path.is_empty() && default.command == command;
    let defaults: Vec<Opt> = preference
        .defaults
        .iter()
        .flatten()
        .filter(of_command)
        .flat_map(|d| d.options.clone().unwrap_or_default())
        .collect();
    let path: Vec<OsString> = args[..1].iter().cloned().chain(path.iter().map(OsString::from)).collect();
    for option in &defaults {
        let Opt { name, default } = option;
        check(&path, option, |why| match why {
            None => format!("invalid flag {name} for command {}", path_of(&path).last().unwrap_or(&"")),
            Some(why) => format!(
                "could not apply override value {default} to flag {name} in command {} err: {why}",
                path_of(&path).last().unwrap_or(&"")
            ),
        })?;
    }
    Ok(CommandLine { args, defaults, plugins })
}

fn is_command(word: &str) -> bool {
    cmd::COMMANDS.iter().any(|entry| entry.is_called(word.as_ref()))
}

/// The alias that the first argument calls, and the arguments after it. No alias hides a command.
fn alias_of<'p, 'a>(preference: &'p Preference, args: &'a [OsString]) -> Option<(&'p Alias, &'a [OsString])> {
    let (name, rest) = args.get(1..)?.split_first()?;
    let name = name.to_str().filter(|name| !is_command(name))?;
    let alias = preference.aliases.iter().flatten().find(|alias| alias.name == name)?;
    Some((alias, rest))
}

/// Whether the command at `path` takes the option; `words` tells what is wrong, of no value where there is no such flag.
fn check(path: &[OsString], option: &Opt, words: impl Fn(Option<String>) -> String) -> Result<(), CommandError> {
    match refused_value(path, &option.name, &option.default) {
        None => Ok(()),
        Some(why) => Err(failed(words(why))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(preferences: &str, line: &str) -> Result<(String, Vec<String>), String> {
        let head = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";
        let preference = super::super::read(&format!("{head}{preferences}")).unwrap();
        let args = line.split(' ').map(OsString::from).collect();
        let line = apply(&preference, args).map_err(|error| error.text())?;
        let words: Vec<String> = line.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        Ok((words.join(" "), line.defaults.into_iter().map(|o| format!("{}={}", o.name, o.default)).collect()))
    }

    const ALIASES: &str = "aliases:\n- {name: getn, command: get, prependArgs: [nodes], appendArgs: [-A], options: [{name: output, default: wide}]}\n- {name: bad, command: nosuch}\n- {name: get, command: version}\n";

    #[test]
    fn aliases_stand_for_commands() {
        let wide = vec!["output=wide".to_string()];
        assert_eq!(applied(ALIASES, "kubectl getn -l a=b"), Ok(("kubectl get nodes -l a=b -A".into(), wide)));
        assert_eq!(applied(ALIASES, "kubectl get pods"), Ok(("kubectl get pods".into(), vec![])));
        assert_eq!(applied(ALIASES, "kubectl -n x getn"), Ok(("kubectl -n x getn".into(), vec![])));
        assert!(applied(ALIASES, "kubectl bad").unwrap_err().contains("not found to set alias \"bad\": [nosuch]"));
    }

    #[test]
    fn defaults_must_fit_their_flags() {
        let with = |option: &str| {
            let defaults = format!("defaults:\n- {{command: create namespace, options: [{option}]}}\n");
            applied(&defaults, "kubectl create ns x").map(|(_, defaults)| defaults)
        };
        assert_eq!(with("{name: dry-run, default: client}"), Ok(vec!["dry-run=client".into()]));
        assert!(with("{name: nosuch, default: x}").unwrap_err().ends_with("invalid flag nosuch for command namespace"));
        assert!(with("{name: save-config, default: x}").unwrap_err().ends_with(
            "to flag save-config in command namespace err: invalid argument \"x\" for \"--save-config\" flag: \
             strconv.ParseBool: parsing \"x\": invalid syntax"
        ));
    }
}
