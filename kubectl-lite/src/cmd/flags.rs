//! Flags that many commands share.

use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::klog;

/// What `--dry-run` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    #[default]
    None,
    /// Nothing is sent that would change anything.
    Client,
    /// The server does everything but keep the result.
    Server,
}

/// `--dry-run`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct DryRunFlag {
    /// none, client (send nothing) or server (keep nothing)
    #[arg(id = "dry-run", long = "dry-run", num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "unchanged")]
    value: String,
}

impl DryRunFlag {
    /// # Errors
    /// The value is none of the three.
    pub fn read(&self, cx: &Context<'_>) -> Result<DryRun, CommandError> {
        let deprecated = |old: &str, new: &str| -> Result<(), CommandError> {
            let what = if old.is_empty() { "" } else { " (boolean value)" };
            let text = format!("--dry-run{old} is deprecated{what} and can be replaced with --dry-run={new}.");
            Ok(klog::log(cx.streams, 'W', "helpers.go:719", text)?)
        };
        match self.value.as_str() {
            "none" => Ok(DryRun::None),
            "client" => Ok(DryRun::Client),
            "server" => Ok(DryRun::Server),
            "unchanged" => deprecated("", "client").map(|()| DryRun::Client),
            "true" | "True" | "TRUE" | "t" | "T" | "1" => deprecated("=true", "client").map(|()| DryRun::Client),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => deprecated("=false", "none").map(|()| DryRun::None),
            other => Err(CommandError::message(format!(
                "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
            ))),
        }
    }
}

impl DryRun {
    /// `created`, `created (dry run)`, `created (server dry run)`.
    pub fn done(self, operation: &str) -> String {
        match self {
            DryRun::None => operation.to_string(),
            DryRun::Client => format!("{operation} (dry run)"),
            DryRun::Server => format!("{operation} (server dry run)"),
        }
    }
    /// Asks the server to keep nothing, where that is wanted.
    pub fn mark(self, request: Request) -> Request {
        if self == DryRun::Server { request.query("dryRun", "All") } else { request }
    }
    pub fn is_client(self) -> bool {
        self == DryRun::Client
    }
}

/// How attach and exec reach a container.
#[derive(clap::Args, Clone, Debug)]
pub struct SessionFlags {
    /// Container; the Pod's first where empty
    #[arg(long, short, default_value = "")]
    pub container: String,
    /// How long to wait for a Pod
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration)]
    pub pod_running_timeout: go_flags::Duration,
    /// Print nothing but what comes from the container
    #[arg(long, short)]
    pub quiet: bool,
    /// Pass on standard input
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Use a terminal
    #[arg(long, short)]
    pub tty: bool,
}

/// `--validate`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ValidateFlag {
    /// What to do about unknown or duplicate fields: strict (fail), warn or ignore
    #[arg(id = "validate", long = "validate", num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict")]
    value: String,
}

impl ValidateFlag {
    /// The `fieldValidation` to ask the server for: `Strict`, `Warn` or `Ignore`.
    pub fn read(&self) -> Result<&'static str, CommandError> {
        match self.value.as_str() {
            "strict" | "true" => Ok("Strict"),
            "warn" => Ok("Warn"),
            "ignore" | "false" => Ok("Ignore"),
            other => Err(CommandError::message(format!(
                "invalid - validate option {other:?}; must be one of: strict (or true), warn, ignore (or false)"
            ))),
        }
    }
}
