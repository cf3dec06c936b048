//! The part of a kubeconfig that says which server to drive and who asks.

use base64::Engine as _;
use serde_yaml::Value;
use std::path::Path;

/// A server and the credentials for it.
pub struct Access {
    /// `https://host:port`.
    pub server: String,
    /// PEM of the authority that signed the server's certificate.
    pub authority: Vec<u8>,
    pub token: Option<String>,
    /// PEM of the client's certificate and key.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// Reads the current context of a kubeconfig.
///
/// # Errors
/// One line: the file cannot be read, or lacks something.
pub fn read(file: &Path) -> Result<Access, String> {
    let problem = |why: &str| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| problem(&error.to_string()))?;
    let config: Value = serde_yaml::from_str(&text).map_err(|error| problem(&error.to_string()))?;
    let named = |list: &str, part: &str, name: &Value| {
        let entries = config[list].as_sequence()?;
        entries.iter().find(|entry| entry["name"] == *name).map(|entry| entry[part].clone())
    };
    let context = named("contexts", "context", &config["current-context"]).ok_or(problem("no current context"))?;
    let cluster = named("clusters", "cluster", &context["cluster"]).ok_or(problem("no cluster for the context"))?;
    let user = named("users", "user", &context["user"]).ok_or(problem("no user for the context"))?;
    let certificate = content(&user, "client-certificate")?.zip(content(&user, "client-key")?);
    Ok(Access {
        server: cluster["server"].as_str().ok_or(problem("no server"))?.trim_end_matches('/').to_string(),
        authority: content(&cluster, "certificate-authority")?.ok_or(problem("no certificate-authority"))?,
        token: user["token"].as_str().map(str::to_string),
        certificate,
    })
}

/// The bytes of `KEY-data`, else of the file that `KEY` names.
fn content(part: &Value, key: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = part[format!("{key}-data")].as_str() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        return bytes.map(Some).map_err(|error| format!("{key}-data: {error}"));
    }
    match part[key].as_str() {
        Some(path) => std::fs::read(path).map(Some).map_err(|error| format!("{path}: {error}")),
        None => Ok(None),
    }
}
