//! The context, cluster and user of the kubeconfig that a call is about, with global flags put over them, and what kubectl
//! finds wrong with them.

use super::kubeconfig::{Kubeconfig, os_error};
use crate::cli::Globals;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;
use std::fs::File;

/// What applies where the kubeconfig names no server.
const DEFAULT_SERVER: &str = "http://localhost:8080";

/// The stanzas that a call is about; empty where there are none.
pub struct Chosen {
    pub context: Stanza,
    pub cluster: Stanza,
    pub user: Stanza,
}

/// A stanza and its name.
pub struct Stanza {
    pub name: String,
    pub value: Value,
    exists: bool,
    /// A flag names it, so that it must exist.
    required: bool,
}

impl Stanza {
    fn find(config: &Kubeconfig, list: &str, flag: Option<&String>, otherwise: &str) -> Stanza {
        let name = flag.map_or(otherwise, String::as_str).to_string();
        let found = if name.is_empty() { None } else { config.stanza(list, &name) };
        let value =
            found.filter(|stanza| stanza.is_object()).cloned().unwrap_or_else(|| Value::Object(Default::default()));
        Stanza { name, value, exists: found.is_some(), required: flag.is_some() }
    }

    fn is_missing(&self) -> bool {
        self.required && !self.exists
    }

    fn put(&mut self, key: &str, flag: Option<&String>) {
        if let Some(text) = flag {
            self.value.set(key, text.clone());
        }
    }

    /// Whether the stanza has one of these texts.
    fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| !self.value.text(key).is_empty())
    }
}

impl Chosen {
    pub fn new(config: &Kubeconfig, globals: &Globals) -> Chosen {
        let current = config.document.text("current-context");
        let context = Stanza::find(config, "contexts", globals.context.as_ref(), current);
        let mut cluster = Stanza::find(config, "clusters", globals.cluster.as_ref(), context.value.text("cluster"));
        let mut user = Stanza::find(config, "users", globals.user.as_ref(), context.value.text("user"));
        cluster.put("server", globals.server.as_ref());
        cluster.put("tls-server-name", globals.tls_server_name.as_ref());
        if cluster.value.text("server").is_empty() {
            cluster.value.set("server", DEFAULT_SERVER);
        }
        if globals.insecure_skip_tls_verify == Some(true) || globals.certificate_authority.is_some() {
            // What says whom to trust comes from one place alone.
            for key in ["certificate-authority", "certificate-authority-data"] {
                cluster.value.remove(key);
            }
            cluster.value.set("insecure-skip-tls-verify", globals.insecure_skip_tls_verify.unwrap_or_default());
            cluster.put("certificate-authority", globals.certificate_authority.as_ref());
        }
        for (key, flag) in [
            ("client-certificate", &globals.client_certificate),
            ("client-key", &globals.client_key),
            ("token", &globals.token),
            ("username", &globals.username),
            ("password", &globals.password),
            ("as", &globals.r#as),
            ("as-uid", &globals.as_uid),
        ] {
            user.put(key, flag.as_ref());
        }
        if !globals.as_group.is_empty() {
            let groups: Vec<&str> = globals.as_group.iter().flat_map(|groups| groups.split(',')).collect();
            user.value.set("as-groups", groups);
        }
        for (key, value) in globals.as_user_extra.iter().filter_map(|pair| pair.split_once('=')) {
            let extra = user.value.map_mut("as-user-extra").entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = extra {
                values.push(value.into());
            }
        }
        Chosen { context, cluster, user }
    }

    /// # Errors
    /// A flag names something that does not exist.
    pub fn exists(&self) -> Result<(), CommandError> {
        let what = [("auth info", &self.user), ("context", &self.context), ("cluster", &self.cluster)];
        match what.into_iter().find(|(_, stanza)| stanza.is_missing()) {
            Some((what, stanza)) => {
                Err(CommandError::message(format!("{what} {} does not exist", quote(&stanza.name))))
            }
            None => Ok(()),
        }
    }

    /// # Errors
    /// All that contradicts itself, is missing or cannot be read.
    pub fn is_usable(&self) -> Result<(), CommandError> {
        if !self.context.name.is_empty() && !self.context.exists {
            let name = &self.context.name;
            return Err(CommandError::Raw(format!(
                "Error in configuration: context was not found for specified context: {name}"
            )));
        }
        let mut problems = Vec::new();
        self.check_user(&mut problems);
        self.check_cluster(&mut problems);
        match problems.as_slice() {
            [] => Ok(()),
            [only] => Err(CommandError::message(only.clone())),
            many => {
                let list: String = many.iter().map(|problem| format!("* {problem}\n")).collect();
                Err(CommandError::Raw(format!("Error in configuration: \n{list}")))
            }
        }
    }

    fn check_cluster(&self, problems: &mut Vec<String>) {
        let Stanza { name, value: cluster, .. } = &self.cluster;
        if self.cluster.is_missing() {
            problems.push(format!("no server found for cluster {}", quote(name)));
        }
        let file = cluster.text("certificate-authority");
        if !file.is_empty() && !cluster.text("certificate-authority-data").is_empty() {
            problems.push(format!(
                "certificate-authority-data and certificate-authority are both specified for {name}. \
                 certificate-authority-data will override."
            ));
        }
        problems.extend(unreadable("certificate-authority", file, name));
    }

    fn check_user(&self, problems: &mut Vec<String>) {
        let Stanza { name, value: user, .. } = &self.user;
        let (certificate, key) = (["client-certificate", "client-certificate-data"], ["client-key", "client-key-data"]);
        if self.user.has_any(&certificate) {
            if certificate.iter().all(|key| !user.text(key).is_empty()) {
                problems.push(format!(
                    "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
                ));
            }
            if key.iter().all(|key| !user.text(key).is_empty()) {
                problems.push(format!(
                    "client-key-data and client-key are both specified for {name}; client-key-data will override"
                ));
            }
            if !self.user.has_any(&key) {
                problems.push(format!(
                    "client-key-data or client-key must be specified for {name} to use the clientCert authentication \
                     method."
                ));
            }
            problems.extend(unreadable("client-cert", user.text("client-certificate"), name));
            problems.extend(unreadable("client-key", user.text("client-key"), name));
        }
        if user.has("exec") {
            self.check_plugin(problems);
        }
        let methods: Vec<&str> = [("token", &["token"][..]), ("basicAuth", &["username", "password"])]
            .into_iter()
            .filter(|(_, keys)| self.user.has_any(keys))
            .map(|(method, _)| method)
            .collect();
        if methods.len() > 1 {
            problems.push(format!(
                "more than one authentication method found for {name}; found [{}], only one is allowed",
                methods.join(" ")
            ));
        }
        let more = self.user.has_any(&["as-uid"]) || !user.list("as-groups").is_empty() || user.has("as-user-extra");
        if more && user.text("as").is_empty() {
            problems.push(format!("requesting uid, groups or user-extra for {name} without impersonating a user"));
        }
    }

    fn check_plugin(&self, problems: &mut Vec<String>) {
        let Stanza { name, value: user, .. } = &self.user;
        let exec = user.at("exec");
        let missing = |what: &str| format!("{what} must be specified for {name} to use exec authentication plugin");
        if user.has("auth-provider") {
            problems.push(format!("authProvider cannot be provided in combination with an exec plugin for {name}"));
        }
        for key in ["command", "apiVersion"] {
            if exec.text(key).is_empty() {
                problems.push(missing(key));
            }
        }
        if exec.list("env").iter().any(|variable| variable.text("name").is_empty()) {
            problems.push(missing("env variable name"));
        }
        match exec.text("interactiveMode") {
            "Never" | "IfAvailable" | "Always" => {}
            // Older versions have a default.
            "" if exec.text("apiVersion").ends_with("/v1beta1") => {}
            "" => problems.push(missing("interactiveMode")),
            other => problems.push(format!("invalid interactiveMode for {name}: {}", quote(other))),
        }
    }
}

/// Why the file that `name`'s stanza names cannot be read.
fn unreadable(what: &str, path: &str, name: &str) -> Option<String> {
    let error = if path.is_empty() { None } else { File::open(path).err() }?;
    Some(format!("unable to read {what} {path} for {name} due to open {path}: {}", os_error(&error)))
}
