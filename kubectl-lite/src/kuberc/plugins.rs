//! Which credential plugins may run.

use super::Preference;
use crate::cmd::plugin::find_on_path;
use std::path::PathBuf;

/// `credentialPluginPolicy`, with the allowlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PluginPolicy {
    #[default]
    AllowAll,
    DenyAll,
    /// Names of programs, or paths to them.
    Allowlist(Vec<String>),
}

impl PluginPolicy {
    /// # Errors
    /// The policy is unknown, or does not fit the allowlist.
    pub fn of(preference: &Preference) -> Result<PluginPolicy, String> {
        let policy = preference.credential_plugin_policy.as_deref().unwrap_or_default();
        match (policy, &preference.credential_plugin_allowlist) {
            ("", None) | ("AllowAll", None) => Ok(PluginPolicy::AllowAll),
            ("DenyAll", None) => Ok(PluginPolicy::DenyAll),
            ("" | "AllowAll" | "DenyAll", Some(_)) => Err(format!(
                "misconfigured credential plugin allowlist: plugin policy is {policy:?} but allowlist is non-nil"
            )),
            ("Allowlist", None) => {
                Err("credential plugin policy set to \"Allowlist\", but allowlist is unspecified".into())
            }
            ("Allowlist", Some(entries)) => {
                let mut commands = entries.iter().map(|entry| entry.command.clone());
                match commands.clone().position(|command| command.is_empty()) {
                    Some(index) => {
                        let number = index + 1;
                        Err(format!("misconfigured credential plugin allowlist: empty allowlist entry #{number}"))
                    }
                    None => Ok(PluginPolicy::Allowlist(commands.by_ref().collect())),
                }
            }
            _ => Err(format!("unknown plugin policy: {policy:?}")),
        }
    }

    /// Whether the plugin `command` may run.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, command: &str) -> Result<(), String> {
        match self {
            PluginPolicy::AllowAll => Ok(()),
            PluginPolicy::DenyAll => Err(format!("plugin {command:?} not allowed: policy set to \"DenyAll\"")),
            PluginPolicy::Allowlist(allowed) => {
                let program = program(command);
                if allowed.iter().any(|entry| self::program(entry) == program) {
                    return Ok(());
                }
                let path = program.display().to_string();
                Err(format!("plugin path {path:?} is not permitted by the credential plugin allowlist"))
            }
        }
    }
}

/// The program that a command runs.
fn program(command: &str) -> PathBuf {
    let found = if command.contains(std::path::MAIN_SEPARATOR) { None } else { find_on_path(command) };
    found.unwrap_or_else(|| command.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_allowed_by_name_or_path() {
        let policy = PluginPolicy::Allowlist(vec!["sh".into(), "/opt/login".into()]);
        assert_eq!(policy.check("/opt/login"), Ok(()));
        assert_eq!(policy.check("sh"), Ok(()));
        assert_eq!(policy.check(&find_on_path("sh").unwrap().display().to_string()), Ok(()));
        assert!(policy.check("/tmp/sh").unwrap_err().starts_with("plugin path \"/tmp/sh\" is not permitted"));
        assert_eq!(PluginPolicy::AllowAll.check("x"), Ok(()));
        assert!(PluginPolicy::DenyAll.check("x").unwrap_err().contains("DenyAll"));
    }
}
