//! Versions of client and server.

use super::failure::decode_object;
use super::transport::{Client, Request};
use crate::errors::CommandError;
use serde::Serialize;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;

/// The kubectl that this program is.
pub const CLIENT: &str = "v1.36.2";

/// A program's version, as `/version` tells it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
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
    pub git_version: String,
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

    /// What this program says of itself.
    pub fn of_client() -> Info {
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

    /// As Go's `%#v` prints it.
    fn go(&self) -> String {
        let fields = [
            ("Major", &self.major),
            ("Minor", &self.minor),
            ("EmulationMajor", &self.emulation_major),
            ("EmulationMinor", &self.emulation_minor),
            ("MinCompatibilityMajor", &self.min_compatibility_major),
            ("MinCompatibilityMinor", &self.min_compatibility_minor),
            ("GitVersion", &self.git_version),
            ("GitCommit", &self.git_commit),
            ("GitTreeState", &self.git_tree_state),
            ("BuildDate", &self.build_date),
            ("GoVersion", &self.go_version),
            ("Compiler", &self.compiler),
            ("Platform", &self.platform),
        ];
        let fields = fields.map(|(name, value)| format!("{name}:{}", quote(value)));
        format!("version.Info{{{}}}", fields.join(", "))
    }
}

impl Client<'_> {
    /// What the server says of its version, if it says anything.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn server_version(&self) -> Result<Option<Info>, CommandError> {
        let answer = self.send(Request::get("/version").bare()).await?;
        let version = decode_object(answer.object()?, "version.Info")
            .map_err(|error| error.doing("unable to parse the server version"))?;
        Ok(version.is_object().then(|| Info::of(&version)))
    }

    /// `--match-server-version`.
    ///
    /// # Errors
    /// The server's version is not this program's.
    pub(super) async fn match_version(&self) -> Result<(), CommandError> {
        let unread =
            |error: CommandError| CommandError::message(format!("couldn't read version from server: {}", error.text()));
        let server = self.server_version().await.map_err(unread)?.unwrap_or_default();
        if server.git_version == CLIENT {
            return Ok(());
        }
        Err(CommandError::message(format!(
            "server version (&{}) differs from client version ({})",
            server.go(),
            Info::of_client().go()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn versions_are_told_in_the_order_of_their_fields() {
        let info = Info::of(&json!({"platform": "a/b", "minor": "3\"", "gitVersion": "v1", "major": "1"}));
        let json = serde_json::to_string(&info).unwrap();
        assert!(json.starts_with(r#"{"major":"1","minor":"3\"","gitVersion":"v1","gitCommit":"","#), "{json}");
        assert!(info.go().starts_with(r#"version.Info{Major:"1", Minor:"3\"", EmulationMajor:"", "#), "{}", info.go());
    }
}
