//! `kubectl version`.

use super::Command;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use serde::Serialize;
use serde_json::Value;
use shared_types::fields::Fields;
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
        let versions = Versions {
            client_version: client_info(),
            kustomize_version: KUSTOMIZE,
            server_version: server.is_object().then(|| Info::of(&server)),
        };
        let invalid = |error: serde_json::Error| CommandError::message(error.to_string());
        match output {
            // In the order of the fields here; YAML goes by their names.
            "json" => writeln!(out, "{}", serde_json::to_string_pretty(&versions).map_err(invalid)?)?,
            _ => writeln!(out, "{}", to_yaml(&serde_json::to_value(&versions).map_err(invalid)?))?,
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

/// A program's version, as `/version` tells it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    major: String,
    minor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    emulation_major: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    emulation_minor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    min_compatibility_major: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    min_compatibility_minor: String,
    git_version: String,
    git_commit: String,
    git_tree_state: String,
    build_date: String,
    go_version: String,
    compiler: String,
    platform: String,
}

impl Info {
    fn of(answer: &Value) -> Info {
        let text = |field| answer.text(field).to_string();
        Info {
            major: text("major"),
            minor: text("minor"),
            emulation_major: text("emulationMajor"),
            emulation_minor: text("emulationMinor"),
            min_compatibility_major: text("minCompatibilityMajor"),
            min_compatibility_minor: text("minCompatibilityMinor"),
            git_version: text("gitVersion"),
            git_commit: text("gitCommit"),
            git_tree_state: text("gitTreeState"),
            build_date: text("buildDate"),
            go_version: text("goVersion"),
            compiler: text("compiler"),
            platform: text("platform"),
        }
    }
}

async fn ask(cx: &Context<'_>) -> Result<Value, CommandError> {
    let answer = cx.client()?.send(Request::get("/version").bare()).await?;
    answer.json().map_err(|error| error.doing("unable to parse the server version"))
}

/// What `version -o json` says about this program.
fn client_info() -> Info {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Info {
        major: "1".into(),
        minor: "36".into(),
        git_version: CLIENT.into(),
        git_tree_state: "clean".into(),
        build_date: "1970-01-01T00:00:00Z".into(),
        go_version: "none".into(),
        compiler: "rustc".into(),
        platform: format!("{}/{arch}", std::env::consts::OS),
        ..Info::default()
    }
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
