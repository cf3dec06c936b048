//! `kubectl version`.

use super::Command;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use serde_json::{Value, json};
use shared_types::fields::Fields;
use shared_types::json::to_json_indented;
use shared_types::yaml::to_yaml;

/// The kubectl that this program is.
pub const CLIENT: &str = "v1.36.2";
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
        let client = client_info();
        let (server, failed) = if self.client {
            (Value::Null, Ok(()))
        } else {
            match ask(cx).await {
                Ok(server) => (server, Ok(())),
                Err(error) => (Value::Null, Err(error)),
            }
        };
        let out = cx.streams.out();
        if output.is_empty() {
            writeln!(out, "Client Version: {CLIENT}\nKustomize Version: {KUSTOMIZE}")?;
            if server.is_object() {
                writeln!(out, "Server Version: {}", server.text("gitVersion"))?;
                if let Some(warning) = skew(CLIENT, server.text("gitVersion")) {
                    writeln!(cx.streams.err(), "{warning}")?;
                }
            }
            return failed;
        }
        let mut all = json!({"clientVersion": client, "kustomizeVersion": KUSTOMIZE});
        if server.is_object() {
            all.set("serverVersion", server);
        }
        match output {
            "json" => writeln!(out, "{}", to_json_indented(&all, "  "))?,
            _ => write!(out, "{}", to_yaml(&all))?,
        }
        failed
    }
}

async fn ask(cx: &Context<'_>) -> Result<Value, CommandError> {
    let answer = cx.client()?.send(Request::get("/version").bare()).await?;
    answer.json().map_err(|error| error.doing("unable to parse the server version"))
}

/// What `version -o json` says about this program.
fn client_info() -> Value {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "major": "1", "minor": "36", "gitVersion": CLIENT, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{arch}", std::env::consts::OS),
    })
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
