//! Credentials from an `exec` plugin (client.authentication.k8s.io), or from whoever sits before the terminal.

use crate::errors::CommandError;
use crate::streams::Streams;
use crate::terminal::Hidden;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;

const GROUP: &str = "client.authentication.k8s.io";

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
pub fn from_exec(exec: &Value, input_is_terminal: bool) -> Result<Credential, String> {
    let (command, api_version) = (exec.text("command"), exec.text("apiVersion"));
    let interactive = match exec.text("interactiveMode") {
        "Never" => false,
        "Always" if !input_is_terminal => {
            return Err("exec plugin cannot support interactive mode: standard input is not a terminal".into());
        }
        _ => input_is_terminal,
    };
    let mut process = std::process::Command::new(command);
    process.args(exec.list("args").iter().filter_map(Value::as_str));
    for pair in exec.list("env") {
        process.env(pair.text("name"), pair.text("value"));
    }
    let info = json!({"kind": "ExecCredential", "apiVersion": api_version, "spec": {"interactive": interactive}});
    process.env("KUBERNETES_EXEC_INFO", info.to_string());
    process.stderr(std::process::Stdio::inherit());
    process.stdin(if interactive { std::process::Stdio::inherit() } else { std::process::Stdio::null() });
    let output = process.output().map_err(|error| not_run(exec, &error))?;
    if !output.status.success() {
        return Err(match output.status.signal() {
            Some(signal) => format!("exec: signal: {signal}"),
            None => {
                let code = output.status.code().unwrap_or(1);
                format!("exec: executable {command} failed with exit code {code}")
            }
        });
    }
    read(&output.stdout, api_version)
}

/// Why the plugin's program could not be started.
fn not_run(exec: &Value, error: &std::io::Error) -> String {
    let command = exec.text("command");
    if command.contains('/') || error.kind() != std::io::ErrorKind::NotFound {
        return format!("exec: fork/exec {command}: {}", crate::client::kubeconfig::os_error(error));
    }
    let hint = exec.text("installHint");
    let hint = if hint.is_empty() { String::new() } else { format!("\n\n{hint}") };
    format!(
        "exec: executable {command} not found\n\nIt looks like you are trying to use a client-go credential plugin that \
         is not installed.\n\nTo learn more about this feature, consult the documentation available at:\n      \
         https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins{hint}"
    )
}

/// The credential that a plugin printed.
fn read(printed: &[u8], api_version: &str) -> Result<Credential, String> {
    // Nothing at all counts as an object without fields.
    let printed = if printed.trim_ascii().is_empty() { b"{}" } else { printed };
    let answer = super::failure::decode(printed).map_err(|error| format!("decoding stdout: {}", error.text()))?;
    let returned = match answer.text("apiVersion") {
        "" => format!("{GROUP}/__internal"),
        version => version.to_string(),
    };
    if returned != api_version {
        return Err(format!(
            "exec plugin is configured to use API version {api_version}, plugin returned version {returned}"
        ));
    }
    if !answer.has("status") {
        return Err("exec plugin didn't return a status field".into());
    }
    let status = answer.at("status");
    let bytes = |key: &str| Some(status.text(key).as_bytes().to_vec()).filter(|bytes| !bytes.is_empty());
    let token = Some(status.text("token").to_string()).filter(|token| !token.is_empty());
    match (token, bytes("clientCertificateData"), bytes("clientKeyData")) {
        (None, None, None) => Err("exec plugin didn't return a token or cert/key pair".into()),
        (_, Some(_), None) | (_, None, Some(_)) => Err("exec plugin returned only certificate or key, not both".into()),
        (token, certificate, key) => Ok(Credential { token, certificate: certificate.zip(key) }),
    }
}

/// Asks for the user's name and password, as kubectl does of somebody of whom it knows nothing.
///
/// # Errors
/// Nobody answers.
pub fn ask(streams: &Streams) -> Result<(String, String), CommandError> {
    write!(streams.out(), "Please enter Username: ")?;
    streams.out().flush()?;
    let name = word(streams)?;
    write!(streams.out(), "Please enter Password: ")?;
    streams.out().flush()?;
    let password = {
        let hidden = Hidden::begin();
        writeln!(streams.out())?;
        let _hidden = hidden.map_err(|_| CommandError::message("error reading input for Password"))?;
        word(streams)?
    };
    Ok((name, password))
}

/// The next word of standard input.
fn word(streams: &Streams) -> Result<String, CommandError> {
    let mut word = Vec::new();
    let mut byte = [0];
    while streams.input().read(&mut byte)? == 1 {
        match byte[0] {
            b'\n' if word.is_empty() => return Err(CommandError::message("unexpected newline")),
            space if space.is_ascii_whitespace() && word.is_empty() => {}
            space if space.is_ascii_whitespace() => break,
            other => word.push(other),
        }
    }
    if word.is_empty() {
        return Err(CommandError::message("EOF"));
    }
    Ok(String::from_utf8_lossy(&word).into_owned())
}
