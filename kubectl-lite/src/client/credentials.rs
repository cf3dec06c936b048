//! Credentials from an `exec` plugin (client.authentication.k8s.io).

use crate::errors::CommandError;
use serde_json::{Value, json};
use shared_types::fields::Fields;

/// What a plugin gave.
#[derive(Debug, Default)]
pub struct Credential {
    pub token: Option<String>,
    /// PEM of certificate and key.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// Runs the plugin of the user's `exec` stanza.
///
/// # Errors
/// The plugin cannot be run, fails, or answers with something else than an `ExecCredential`.
pub fn from_exec(exec: &Value) -> Result<Credential, CommandError> {
    let command = exec.text("command");
    let api_version = match exec.text("apiVersion") {
        "" => "client.authentication.k8s.io/v1",
        version => version,
    };
    let mut process = std::process::Command::new(command);
    process.args(exec.list("args").iter().filter_map(Value::as_str));
    for pair in exec.list("env") {
        process.env(pair.text("name"), pair.text("value"));
    }
    let info = json!({"apiVersion": api_version, "kind": "ExecCredential", "spec": {"interactive": false}});
    process.env("KUBERNETES_EXEC_INFO", info.to_string());
    process.stdin(std::process::Stdio::inherit()).stderr(std::process::Stdio::inherit());
    let failed =
        |why: String| CommandError::Raw(format!("Unable to connect to the server: getting credentials: {why}"));
    let output = process.output().map_err(|error| {
        let hint = exec.text("installHint");
        let why = if error.kind() == std::io::ErrorKind::NotFound {
            format!("exec: executable {command} not found\n\nIt looks like you are trying to use a client-go credential plugin that is not installed.\n\n{hint}")
        } else {
            format!("exec: {error}")
        };
        failed(why.trim_end().to_string())
    })?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or(1);
        return Err(failed(format!("exec: executable {command} failed with exit code {code}")));
    }
    let answer: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("decoding stdout: {error}")))?;
    let status = answer.at("status");
    let bytes = |key: &str| if status.has(key) { Some(status.text(key).as_bytes().to_vec()) } else { None };
    let credential = Credential {
        token: status.at("token").as_str().map(str::to_string),
        certificate: bytes("clientCertificateData").zip(bytes("clientKeyData")),
    };
    if credential.token.is_none() && credential.certificate.is_none() {
        return Err(failed("exec plugin didn't return a token or cert/key pair".to_string()));
    }
    Ok(credential)
}
