//! Which server to ask, and as whom: the chosen context of the kubeconfig, overridden by global flags.

use super::kubeconfig::Kubeconfig;
use crate::cli::{Globals, go_flags};
use crate::errors::CommandError;
use serde_json::Value;
use shared_types::fields::Fields;
use std::time::Duration;

/// Everything that a client needs to know.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The server's address without a trailing slash: `https://192.168.49.1:6443`.
    pub server: String,
    pub tls_server_name: Option<String>,
    pub insecure: bool,
    /// PEM of the authorities that may have signed the server's certificate.
    pub authority: Option<Vec<u8>>,
    /// PEM of the client's certificate and key.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    pub token: Option<String>,
    pub basic: Option<(String, String)>,
    /// The `exec` stanza of the user.
    pub exec: Option<Value>,
    /// `Impersonate-*` headers.
    pub impersonation: Vec<(String, String)>,
    pub timeout: Option<Duration>,
    /// The context's namespace, `default` where it names none.
    pub namespace: String,
    pub compression: bool,
}

impl Access {
    /// Puts `globals` over the chosen context of `config`.
    ///
    /// # Errors
    /// The context, cluster or user does not exist, a file cannot be read, or a flag's value is wrong.
    pub fn resolve(config: &Kubeconfig, globals: &Globals) -> Result<Access, CommandError> {
        let document = &config.document;
        let chosen = globals.context.clone().unwrap_or_else(|| document.text("current-context").to_string());
        let empty = Value::Null;
        let context = match named(document, "contexts", &chosen) {
            Some(entry) => entry.at("context"),
            None if globals.context.is_some() => {
                return Err(CommandError::Raw(format!(
                    "Error in configuration: context was not found for specified context: {chosen}"
                )));
            }
            None => &empty,
        };
        let cluster_name = globals.cluster.as_deref().unwrap_or(context.text("cluster"));
        let cluster = match named(document, "clusters", cluster_name) {
            Some(entry) => entry.at("cluster"),
            None if globals.cluster.is_some() => {
                return Err(CommandError::message(format!("no server found for cluster {cluster_name:?}")));
            }
            None => &empty,
        };
        let user_name = globals.user.as_deref().unwrap_or(context.text("user"));
        let user = match named(document, "users", user_name) {
            Some(entry) => entry.at("user"),
            None if globals.user.as_deref().is_some() => {
                return Err(CommandError::message(format!("auth info {user_name:?} does not exist")));
            }
            None => &empty,
        };
        let mut access = Access { compression: !globals.disable_compression, ..Access::default() };
        access.server = server(globals.server.as_deref().unwrap_or(cluster.text("server")));
        access.tls_server_name = globals.tls_server_name.clone().or_else(|| non_empty(cluster.text("tls-server-name")));
        access.insecure = globals.insecure_skip_tls_verify.unwrap_or(cluster.flag("insecure-skip-tls-verify"));
        access.authority = match &globals.certificate_authority {
            Some(path) => Some(read(path)?),
            None => data_or_file(cluster, "certificate-authority")?,
        };
        if access.insecure {
            if access.authority.is_some() && globals.insecure_skip_tls_verify.is_none() {
                return Err(CommandError::message(
                    "specifying a root certificates file with the insecure flag is not allowed",
                ));
            }
            access.authority = None;
        }
        let certificate = match &globals.client_certificate {
            Some(path) => Some(read(path)?),
            None => data_or_file(user, "client-certificate")?,
        };
        let key = match &globals.client_key {
            Some(path) => Some(read(path)?),
            None => data_or_file(user, "client-key")?,
        };
        access.certificate = certificate.zip(key);
        access.token = match (&globals.token, non_empty(user.text("token")), user.text("tokenFile")) {
            (Some(token), ..) => Some(token.clone()),
            (None, Some(token), _) => Some(token),
            (None, None, "") => None,
            (None, None, path) => Some(String::from_utf8_lossy(&read(path)?).trim().to_string()),
        };
        let username = globals.username.as_deref().unwrap_or(user.text("username"));
        if !username.is_empty() {
            let password = globals.password.as_deref().unwrap_or(user.text("password"));
            access.basic = Some((username.to_string(), password.to_string()));
        }
        // A token or name on the command line replaces what the kubeconfig would run.
        if globals.token.is_none() && globals.username.is_none() && user.has("exec") {
            access.exec = Some(user.at("exec").clone());
        }
        access.impersonation = impersonation(user, globals)?;
        access.timeout = match globals.request_timeout.as_deref() {
            None | Some("" | "0") => None,
            Some(text) => match text.parse::<u64>() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => Some(go_flags::duration(text).map(|d| d.length).map_err(|_| {
                    CommandError::message(
                        "invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by \
                         a corresponding time unit (e.g. 1s | 2m | 3h)",
                    )
                })?),
            }
            .filter(|d| !d.is_zero()),
        };
        access.namespace = non_empty(context.text("namespace")).unwrap_or_else(|| "default".to_string());
        Ok(access)
    }

    /// `192.168.49.1:6443`, as messages name the server.
    pub fn host(&self) -> &str {
        let rest = self.server.split_once("://").map_or(self.server.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }
}

fn named<'a>(document: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    if name.is_empty() {
        return None;
    }
    document.list(list).iter().find(|entry| entry.text("name") == name)
}

fn non_empty(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_string()) }
}

/// The address with its scheme; where none is given, that of a server on this machine.
fn server(given: &str) -> String {
    let given = if given.is_empty() { "http://localhost:8080" } else { given };
    let given = given.trim_end_matches('/');
    if given.contains("://") { given.to_string() } else { format!("http://{given}") }
}

fn read(path: &str) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| {
        let why = if error.kind() == std::io::ErrorKind::NotFound {
            "no such file or directory".to_string()
        } else {
            error.to_string()
        };
        CommandError::message(format!("unable to read {path}: open {path}: {why}"))
    })
}

/// The bytes of `KEY-data` (base64), else of the file that `KEY` names.
fn data_or_file(stanza: &Value, key: &str) -> Result<Option<Vec<u8>>, CommandError> {
    use base64::Engine as _;
    match (stanza.text(&format!("{key}-data")), stanza.text(key)) {
        ("", "") => Ok(None),
        ("", path) => read(path).map(Some),
        (data, _) => base64::engine::general_purpose::STANDARD
            .decode(data.trim())
            .map(Some)
            .map_err(|error| CommandError::message(format!("{key}-data: {error}"))),
    }
}

fn impersonation(user: &Value, globals: &Globals) -> Result<Vec<(String, String)>, CommandError> {
    let mut headers = Vec::new();
    let name = globals.r#as.as_deref().unwrap_or(user.text("as"));
    let uid = globals.as_uid.as_deref().unwrap_or(user.text("as-uid"));
    if !uid.is_empty() {
        headers.push(("Impersonate-Uid".to_string(), uid.to_string()));
    }
    let groups: Vec<String> = if globals.as_group.is_empty() {
        user.list("as-groups").iter().filter_map(|g| g.as_str().map(str::to_string)).collect()
    } else {
        globals.as_group.iter().flat_map(|g| g.split(',').map(str::to_string)).collect()
    };
    headers.extend(groups.into_iter().map(|group| ("Impersonate-Group".to_string(), group)));
    for pair in &globals.as_user_extra {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(CommandError::message(format!("invalid --as-user-extra {pair:?}, expected KEY=VALUE")));
        };
        headers.push((format!("Impersonate-Extra-{key}"), value.to_string()));
    }
    if !name.is_empty() {
        headers.push(("Impersonate-User".to_string(), name.to_string()));
    } else if !headers.is_empty() {
        return Err(CommandError::message("requesting uid, groups or user-extra without impersonating a user"));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config() -> Kubeconfig {
        Kubeconfig {
            document: json!({
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://h:1/"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }),
            ..Kubeconfig::default()
        }
    }

    #[test]
    fn flags_stand_over_the_context() {
        let access = Access::resolve(&config(), &Globals::default()).unwrap();
        assert_eq!((access.server.as_str(), access.host(), access.namespace.as_str()), ("https://h:1", "h:1", "n"));
        assert_eq!(access.token.as_deref(), Some("t"));
        let flags = Globals { server: Some("x:2".into()), request_timeout: Some("3s".into()), ..Globals::default() };
        let access = Access::resolve(&config(), &flags).unwrap();
        assert_eq!((access.server.as_str(), access.timeout), ("http://x:2", Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_asked_for_must_exist() {
        let flags = Globals { context: Some("nope".into()), ..Globals::default() };
        assert!(Access::resolve(&config(), &flags).unwrap_err().text().ends_with("specified context: nope"));
        let access = Access::resolve(&Kubeconfig::default(), &Globals::default()).unwrap();
        assert_eq!(access.server, "http://localhost:8080");
    }
}
