//! `kubectl config set-credentials`.

use super::open;
use super::set_cluster::{read_to_embed, set_or_clear};
use crate::client::kubeconfig::{edit, relative_to, stanza_mut};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// Certificates, token, name and password come as flags that all commands take.
#[derive(clap::Args)]
pub struct SetCredentials {
    /// USER
    args: Vec<String>,
    /// Keep the certificate and key themselves, instead of the names of their files
    #[arg(long)]
    embed_certs: bool,
    /// Name of an authentication provider
    #[arg(long)]
    auth_provider: Option<String>,
    /// KEY=VALUE for the authentication provider; KEY- takes it out
    #[arg(long)]
    auth_provider_arg: Vec<String>,
    /// Program that gives credentials
    #[arg(long)]
    exec_command: Option<String>,
    /// Version of the API that the program speaks
    #[arg(long)]
    exec_api_version: Option<String>,
    /// Argument of the program; may be repeated
    #[arg(long)]
    exec_arg: Vec<String>,
    /// KEY=VALUE for the program's environment; KEY- takes it out
    #[arg(long)]
    exec_env: Vec<String>,
    /// Whether the program may ask: Never, IfAvailable or Always
    #[arg(long)]
    exec_interactive_mode: Option<String>,
    /// Tell the program about the cluster
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::cli::go_flags::boolean)]
    exec_provide_cluster_info: Option<bool>,
}

impl Command for SetCredentials {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else {
            let error = CommandError::message(format!("unexpected args: [{}]", self.args.join(" ")));
            return Err(CommandError::Helped(Some(Box::new(error))));
        };
        self.check(cx, name)?;
        let files = [("client-certificate", &cx.globals.client_certificate), ("client-key", &cx.globals.client_key)];
        let mut embedded = Vec::new();
        for (field, path) in files {
            embedded.push(match path.as_deref() {
                Some(path) if self.embed_certs && !path.is_empty() => Some(read_to_embed(field, path)?),
                _ => None,
            });
        }
        let config = open(cx)?;
        let file = config.file_of("users", name);
        edit(&file, |document| {
            let user = stanza_mut(document, "users", name);
            for ((field, path), embedded) in files.into_iter().zip(embedded) {
                let Some(path) = path.as_deref() else { continue };
                let data = format!("{field}-data");
                user.remove(field);
                user.remove(&data);
                match embedded {
                    Some(text) => user.set(&data, text),
                    None if path.is_empty() => {}
                    None => user.set(field, relative_to(&file, path)),
                }
            }
            self.set_password(cx, user);
            self.set_auth_provider(user);
            self.set_exec(user);
        })?;
        Ok(writeln!(cx.streams.out(), "User {name:?} set.")?)
    }
}

impl SetCredentials {
    fn check(&self, cx: &Context<'_>, name: &str) -> Result<(), CommandError> {
        let globals = &cx.globals;
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
        if name.is_empty() {
            return Err(CommandError::message("you must specify a non-empty user name"));
        }
        if given(&globals.token) && (given(&globals.username) || given(&globals.password)) {
            return Err(CommandError::message(
                "you cannot specify more than one authentication method at the same time: --token, --username/--password",
            ));
        }
        if self.embed_certs && !given(&globals.client_certificate) && !given(&globals.client_key) {
            return Err(CommandError::message("you must specify a --client-certificate or --client-key to embed"));
        }
        if let Some(wrong) = self.auth_provider_arg.iter().find(|arg| pair(arg).is_none()) {
            return Err(CommandError::message(format!(
                "error parsing --auth-provider-arg: unexpected argument {wrong:?}, expected key=value or key-"
            )));
        }
        if let Some(wrong) = self.exec_env.iter().find(|arg| pair(arg).is_none()) {
            return Err(CommandError::message(format!(
                "error parsing --exec-env: unexpected argument {wrong:?}, expected key=value or key-"
            )));
        }
        Ok(())
    }

    /// A token takes the place of name and password, and the other way round.
    fn set_password(&self, cx: &Context<'_>, user: &mut Value) {
        let globals = &cx.globals;
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
        let (token, basic) = (given(&globals.token), given(&globals.username) || given(&globals.password));
        set_or_clear(user, "token", globals.token.as_deref());
        set_or_clear(user, "username", globals.username.as_deref());
        set_or_clear(user, "password", globals.password.as_deref());
        if token || basic {
            let others: &[&str] = if token { &["username", "password"] } else { &["token"] };
            others.iter().for_each(|field| drop(user.remove(field)));
        }
    }

    fn set_auth_provider(&self, user: &mut Value) {
        if let Some(name) = self.auth_provider.as_deref() {
            if name.is_empty() {
                user.remove("auth-provider");
            } else if user.text("auth-provider.name") != name {
                user.set("auth-provider", json!({"name": name, "config": null}));
            }
        }
        if !user.has("auth-provider") {
            return;
        }
        for (key, value) in self.auth_provider_arg.iter().filter_map(|arg| pair(arg)) {
            let config = user.at_mut("auth-provider").at_mut("config").map_mut("");
            match value {
                Some(value) => drop(config.insert(key, value.into())),
                None => drop(config.remove(key)),
            }
        }
    }

    fn set_exec(&self, user: &mut Value) {
        if let Some(command) = self.exec_command.as_deref() {
            user.at_mut("exec").set("command", command);
        }
        if !user.has("exec") {
            return;
        }
        let exec = user.at_mut("exec");
        set_or_clear(exec, "apiVersion", self.exec_api_version.as_deref());
        set_or_clear(exec, "interactiveMode", self.exec_interactive_mode.as_deref());
        if let Some(flag) = self.exec_provide_cluster_info {
            exec.set("provideClusterInfo", flag);
        }
        if !self.exec_arg.is_empty() {
            exec.set("args", self.exec_arg.clone());
        }
        if self.exec_env.is_empty() {
            return;
        }
        let mut variables = exec.list("env").to_vec();
        for (name, value) in self.exec_env.iter().filter_map(|arg| pair(arg)) {
            let known = variables.iter_mut().find(|variable| variable.text("name") == name);
            match (known, value) {
                (Some(variable), Some(value)) => variable.set("value", value),
                (None, Some(value)) => variables.push(json!({"name": name, "value": value})),
                (_, None) => variables.retain(|variable| variable.text("name") != name),
            }
        }
        exec.set("env", if variables.is_empty() { Value::Null } else { variables.into() });
    }
}

/// `key=value`, or `key-`.
fn pair(text: &str) -> Option<(&str, Option<&str>)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Some((key, Some(value))),
        Some(_) => None,
        None => text.strip_suffix('-').filter(|key| !key.is_empty()).map(|key| (key, None)),
    }
}
