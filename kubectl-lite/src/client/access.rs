//! Which server to ask, and as whom: the chosen context of the kubeconfig, overridden by global flags.

use super::chosen::Chosen;
use super::kubeconfig::{Kubeconfig, base64, os_error};
use crate::cli::{Globals, go_flags};
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;
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
    pub compression: bool,
}

impl Access {
    /// What the chosen context of `config` says, with `globals` put over it.
    ///
    /// # Errors
    /// The context, cluster or user does not exist, a file cannot be read, or a flag's value is wrong.
    pub fn resolve(config: &Kubeconfig, globals: &Globals) -> Result<Access, CommandError> {
        let chosen = Chosen::new(config, globals);
        chosen.exists()?;
        chosen.is_usable()?;
        let (cluster, user) = (&chosen.cluster.value, &chosen.user.value);
        let mut access = Access { compression: !globals.disable_compression, ..Access::default() };
        access.timeout = globals.request_timeout.as_deref().map(timeout).transpose()?.flatten();
        access.server = address(cluster.text("server"))?;
        access.impersonation = impersonation(user);
        // Nobody is told secrets in the clear.
        if !access.server.starts_with("https://") {
            return Ok(access);
        }
        access.tls_server_name = non_empty(cluster.text("tls-server-name"));
        access.insecure = cluster.flag("insecure-skip-tls-verify");
        access.authority = data_or_file(cluster, "certificate-authority")?;
        if access.insecure && access.authority.is_some() {
            return Err(CommandError::message(
                "specifying a root certificates file with the insecure flag is not allowed",
            ));
        }
        let certificate = data_or_file(user, "client-certificate")?;
        access.certificate = certificate.zip(data_or_file(user, "client-key")?);
        access.token = match (non_empty(user.text("token")), user.text("tokenFile")) {
            (Some(token), _) => Some(token),
            (None, "") => None,
            (None, path) => Some(String::from_utf8_lossy(&read(path)?).trim().to_string()),
        };
        let basic = (user.text("username"), user.text("password"));
        if basic != ("", "") {
            access.basic = Some((basic.0.to_string(), basic.1.to_string()));
        }
        if user.has("exec") {
            access.exec = Some(user.at("exec").clone());
        }
        if let Some(provider) = non_empty(user.text("auth-provider.name")) {
            return Err(removed_provider(&provider));
        }
        Ok(access)
    }

    /// Whether the server cannot tell who is asking, though it would be safe to say.
    pub fn is_anonymous(&self) -> bool {
        let known = self.certificate.is_some() || self.token.is_some() || self.basic.is_some() || self.exec.is_some();
        self.server.starts_with("https://") && !known
    }

    /// `192.168.49.1:6443`, as messages name the server.
    pub fn host(&self) -> &str {
        let rest = self.server.split_once("://").map_or(self.server.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }
}

/// The namespace of the chosen context, `default` where it names none.
///
/// # Errors
/// There is something wrong with the kubeconfig.
pub fn namespace(config: &Kubeconfig, globals: &Globals) -> Result<String, CommandError> {
    let chosen = Chosen::new(config, globals);
    chosen.is_usable()?;
    chosen.exists()?;
    Ok(non_empty(chosen.context.value.text("namespace")).unwrap_or_else(|| "default".to_string()))
}

fn non_empty(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_string()) }
}

/// The server's address without a slash at its end, and with a scheme.
fn address(given: &str) -> Result<String, CommandError> {
    let no_address = || CommandError::message(format!("host must be a URL or a host:port pair: {}", quote(given)));
    let (scheme, rest) = given.split_once("://").unwrap_or(("http", given));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_scheme = given.contains("://");
    match wrong_host(host) {
        None if has_scheme || path.is_empty() => Ok(format!("{scheme}://{}", rest.trim_end_matches('/'))),
        Some(why) if !has_scheme && path.is_empty() => {
            Err(CommandError::Unreachable { verb: "parse".into(), url: format!("http://{given}"), why })
        }
        _ => Err(no_address()),
    }
}

/// What Go's URLs find wrong with a host and its port.
fn wrong_host(host: &str) -> Option<String> {
    let not_allowed =
        |c: &char| matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}') || c.is_ascii_control();
    if let Some(c) = host.chars().find(not_allowed) {
        return Some(format!("invalid character {} in host name", quote(&c.to_string())));
    }
    let port = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((_, port)) => port,
            None => return Some("missing ']' in host".into()),
        },
        None => host.find(':').map_or("", |colon| &host[colon..]),
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    if host.is_empty() {
        return Some("no Host in request URL".into());
    }
    if is_port { None } else { Some(format!("invalid port {} after host", quote(port))) }
}

fn read(path: &str) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| {
        let done = if error.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
        CommandError::message(format!("{done} {path}: {}", os_error(&error)))
    })
}

/// The bytes of `KEY-data` (base64), else of the file that `KEY` names.
fn data_or_file(stanza: &Value, key: &str) -> Result<Option<Vec<u8>>, CommandError> {
    match (stanza.text(&format!("{key}-data")), stanza.text(key)) {
        ("", "") => Ok(None),
        ("", path) => read(path).map(Some),
        (data, _) => base64(data).map(Some).map_err(CommandError::message),
    }
}

/// `--request-timeout`; `None` waits without end.
fn timeout(text: &str) -> Result<Option<Duration>, CommandError> {
    if text.is_empty() {
        return Ok(None);
    }
    let length = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => go_flags::duration(text).map(|duration| duration.length).map_err(|_| {
            CommandError::message(
                "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a \
                 corresponding time unit (e.g. 1s | 2m | 3h)",
            )
        })?,
    };
    Ok(Some(length).filter(|length| !length.is_zero()))
}

fn impersonation(user: &Value) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut header = |name: &str, value: &str| headers.push((format!("Impersonate-{name}"), value.to_string()));
    if user.text("as").is_empty() {
        return headers;
    }
    header("User", user.text("as"));
    if !user.text("as-uid").is_empty() {
        header("Uid", user.text("as-uid"));
    }
    user.list("as-groups").iter().filter_map(Value::as_str).for_each(|group| header("Group", group));
    for (key, values) in user.map("as-user-extra") {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        values.for_each(|value| header(&format!("Extra-{key}"), value));
    }
    headers
}

/// An `auth-provider`, of which kubectl has none any more but `oidc`, which is not here.
fn removed_provider(name: &str) -> CommandError {
    let plugin = match name {
        "gcp" => (
            "gke-gcloud-auth-plugin",
            "https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke",
        ),
        "azure" => ("https://github.com/Azure/kubelogin", "https://github.com/Azure/kubelogin"),
        _ => return CommandError::message(format!("no Auth Provider found for name {}", quote(name))),
    };
    let (plugin, more) = plugin;
    CommandError::message(format!(
        "The {name} auth plugin has been removed.\nPlease use the {} kubectl/client-go credential plugin instead.\nSee \
         {more} for further details",
        quote(plugin)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

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
        assert_eq!((access.server.as_str(), access.host()), ("https://h:1", "h:1"));
        assert_eq!(namespace(&config(), &Globals::default()).unwrap(), "n");
        assert_eq!(access.token.as_deref(), Some("t"));
        let flags = Globals { server: Some("x:2".into()), request_timeout: Some("3s".into()), ..Globals::default() };
        let access = Access::resolve(&config(), &flags).unwrap();
        assert_eq!((access.server.as_str(), access.timeout), ("http://x:2", Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_asked_for_must_exist() {
        let flags = Globals { context: Some("nope".into()), ..Globals::default() };
        assert_eq!(Access::resolve(&config(), &flags).unwrap_err().text(), "context \"nope\" does not exist");
        assert!(namespace(&config(), &flags).unwrap_err().text().ends_with("specified context: nope"));
        let access = Access::resolve(&Kubeconfig::default(), &Globals::default()).unwrap();
        assert_eq!(access.server, "http://localhost:8080");
    }

    #[test]
    fn addresses_are_urls_or_hosts() {
        for (given, read) in [
            ("https://h/", Ok("https://h")),
            ("h:1", Ok("http://h:1")),
            ("https://[::1]:6443/prefix/", Ok("https://[::1]:6443/prefix")),
            ("http://a:b", Err("host must be a URL or a host:port pair: \"http://a:b\"")),
            ("h/prefix", Err("host must be a URL or a host:port pair: \"h/prefix\"")),
            ("a b", Err("parse \"http://a b\": invalid character \" \" in host name")),
        ] {
            assert_eq!(address(given).map_err(|error| error.text()), read.map(String::from).map_err(String::from));
        }
    }
}
