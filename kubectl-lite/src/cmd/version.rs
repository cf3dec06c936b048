//! `kubectl version`.

use super::Command;
use crate::client::version::{CLIENT, Info};
use crate::context::Context;
use crate::errors::CommandError;
use serde::Serialize;
use shared_types::yaml::to_yaml;

const KUSTOMIZE: &str = "v5.8.0";

#[derive(clap::Args)]
pub struct Version {
    #[arg(hide = true)]
    args: Vec<String>,
    /// Only this program's version, without asking the server
    #[arg(long)]
    client: bool,
    /// yaml or json
    #[arg(long, short)]
    output: Option<String>,
}

impl Command for Version {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if !self.args.is_empty() {
            return Err(CommandError::message(format!("extra arguments: [{}]", self.args.join(" "))));
        }
        let output = self.output.as_deref().unwrap_or_default();
        if !matches!(output, "" | "yaml" | "json") {
            return Err(CommandError::message("--output must be 'yaml' or 'json'"));
        }
        let (server, failed) = if self.client {
            (None, Ok(()))
        } else {
            match cx.client() {
                Ok(client) => match client.server_version().await {
                    Ok(server) => (server, Ok(())),
                    Err(error) => (None, Err(error)),
                },
                Err(error) => (None, Err(error)),
            }
        };
        let out = cx.streams.out();
        if output.is_empty() {
            writeln!(out, "Client Version: {CLIENT}\nKustomize Version: {KUSTOMIZE}")?;
            if let Some(server) = server {
                writeln!(out, "Server Version: {}", server.git_version)?;
                if let Some(warning) = skew(CLIENT, &server.git_version) {
                    writeln!(cx.streams.err(), "{warning}")?;
                }
            }
            return failed;
        }
        let versions =
            Versions { client_version: Info::of_client(), kustomize_version: KUSTOMIZE, server_version: server };
        let invalid = |error: serde_json::Error| CommandError::message(error.to_string());
        match output {
            // In the order of the fields here; YAML goes by their names.
            "json" => writeln!(out, "{}", serde_json::to_string_pretty(&versions).map_err(invalid)?)?,
            _ => writeln!(out, "{}", to_yaml(&shared_types::json::to_value(&versions).map_err(invalid)?))?,
        }
        failed
    }
}

/// What is printed as JSON or YAML.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client_version: Info,
    kustomize_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<Info>,
}

/// A warning where client and server are more than one minor version apart.
fn skew(client: &str, server: &str) -> Option<String> {
    let minor = |version: &str| version.split('.').nth(1).and_then(|m| m.parse::<i32>().ok());
    if (minor(client)? - minor(server)?).abs() <= 1 {
        return None;
    }
    let short = |version: &str| version.trim_start_matches('v').split('.').take(2).collect::<Vec<_>>().join(".");
    Some(format!(
        "WARNING: version difference between client ({}) and server ({}) exceeds the supported minor version skew of +/-1",
        short(client),
        short(server)
    ))
}
