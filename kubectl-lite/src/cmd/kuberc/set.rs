//! `kubectl kuberc set`.

use super::{file, write};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::kuberc::{self, Alias, AllowlistEntry, Defaults, Opt, Preference};

#[derive(clap::Args)]
pub struct Set {
    #[arg(hide = true)]
    args: Vec<String>,
    /// With --policy=Allowlist: command=NAME of a plugin that may run; may be repeated
    #[arg(long)]
    allowlist_entry: Vec<String>,
    /// For an alias: argument after all others; may be repeated
    #[arg(long)]
    appendarg: Vec<String>,
    /// The command, such as get, or set env
    #[arg(long, default_value = "")]
    command: String,
    /// The alias's name
    #[arg(long, default_value = "")]
    name: String,
    /// FLAG=VALUE; may be repeated
    #[arg(long)]
    option: Vec<String>,
    /// Replace what there is
    #[arg(long)]
    overwrite: bool,
    /// Which credential plugins may run: AllowAll, DenyAll or Allowlist
    #[arg(long, default_value = "")]
    policy: String,
    /// For an alias: argument before all others; may be repeated
    #[arg(long)]
    prependarg: Vec<String>,
    /// What to set: defaults, aliases or credentialplugin
    #[arg(long)]
    section: Option<String>,
}

impl Command for Set {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let section = self.section.as_deref();
        let section = section.ok_or_else(|| CommandError::message("required flag(s) \"section\" not set"))?;
        let options = match section {
            "defaults" | "aliases" => self.check_command(section)?,
            "credentialplugin" => Vec::new(),
            other => {
                return Err(CommandError::message(format!(
                    "--section must be \"defaults\", \"aliases\", or \"credentialplugin\", got: {other}"
                )));
            }
        };
        let allowlist = if section == "credentialplugin" { self.check_policy()? } else { None };
        let path = file()?;
        let mut preference = kuberc::read_file(&path)?.unwrap_or_default();
        preference.kind = "Preference".into();
        preference.api_version = kuberc::API_VERSION.into();
        let options = Some(options).filter(|options| !options.is_empty());
        match section {
            "defaults" => self.set_default(&mut preference, options)?,
            "aliases" => self.set_alias(&mut preference, options)?,
            _ => {
                preference.credential_plugin_policy = Some(self.policy.clone());
                preference.credential_plugin_allowlist = allowlist;
            }
        }
        write(&path, &preference)?;
        Ok(writeln!(cx.streams.out(), "Updated {}", path.display())?)
    }
}

impl Set {
    /// The options for a default or an alias.
    fn check_command(&self, section: &str) -> Result<Vec<Opt>, CommandError> {
        if self.command.is_empty() {
            return Err(CommandError::message("--command is required when --section=aliases or --section=defaults"));
        }
        if section == "aliases" && self.name.is_empty() {
            return Err(CommandError::message("--name is required when --section=aliases"));
        }
        if section == "defaults" && !self.name.is_empty() {
            return Err(CommandError::message("--name should not be specified when --section=defaults"));
        }
        if section == "defaults" && !(self.prependarg.is_empty() && self.appendarg.is_empty()) {
            return Err(CommandError::message("--prependarg and --appendarg are only valid for --section=aliases"));
        }
        let options = self.option.iter().map(|option| match option.split_once('=') {
            Some((name, default)) => Ok(Opt { name: name.into(), default: default.into() }),
            None => Err(CommandError::message(format!("invalid option format {option:?}, expected flag=value"))),
        });
        options.collect()
    }

    /// The allowlist of the policy.
    fn check_policy(&self) -> Result<Option<Vec<AllowlistEntry>>, CommandError> {
        let with_list = match self.policy.as_str() {
            "" => return Err(CommandError::message("--policy is required when --section=credentialplugin")),
            "AllowAll" | "DenyAll" => false,
            "Allowlist" => true,
            other => {
                return Err(CommandError::message(format!(
                    " --policy must be  \"AllowAll\", \"DenyAll\", or \"Allowlist\", got: {other}"
                )));
            }
        };
        if !with_list && !self.allowlist_entry.is_empty() {
            return Err(CommandError::message(
                "--allowlist-entry may only be used when --section=credentialplugin and --policy=Allowlist",
            ));
        }
        if with_list && self.allowlist_entry.is_empty() {
            return Err(CommandError::message(
                "--allowlist-entry is required when --section=credentialplugin and --policy=Allowlist",
            ));
        }
        let entries = self.allowlist_entry.iter().map(|entry| match entry.split_once('=') {
            Some(("command", command)) => Ok(AllowlistEntry { command: command.into() }),
            Some(("name", _)) => {
                Err(CommandError::message("allowlist entry field \"name\" is deprecated, use \"command\" instead"))
            }
            Some((field, _)) => Err(CommandError::message(format!("unrecognized allowlist entry field: {field:?}"))),
            None => Err(CommandError::message(format!("improperly formatted allowlist entry: {entry:?}"))),
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(entries).filter(|_| with_list))
    }

    fn set_default(&self, preference: &mut Preference, options: Option<Vec<Opt>>) -> Result<(), CommandError> {
        let list = preference.defaults.get_or_insert_default();
        let new = Defaults { command: self.command.clone(), options };
        match list.iter_mut().find(|default| default.command == self.command) {
            Some(old) if self.overwrite => *old = new,
            Some(_) => {
                return Err(CommandError::message(format!(
                    "defaults for command {:?} already exist, use --overwrite to replace",
                    self.command
                )));
            }
            None => list.push(new),
        }
        Ok(())
    }

    fn set_alias(&self, preference: &mut Preference, options: Option<Vec<Opt>>) -> Result<(), CommandError> {
        let list = preference.aliases.get_or_insert_default();
        let some = |words: &[String]| Some(words.to_vec()).filter(|words| !words.is_empty());
        let new = Alias {
            name: self.name.clone(),
            command: self.command.clone(),
            prepend_args: some(&self.prependarg),
            append_args: some(&self.appendarg),
            options,
        };
        match list.iter_mut().find(|alias| alias.name == self.name) {
            Some(old) if self.overwrite => *old = new,
            Some(_) => {
                return Err(CommandError::message(format!(
                    "alias {:?} already exists, use --overwrite to replace",
                    self.name
                )));
            }
            None => list.push(new),
        }
        Ok(())
    }
}
