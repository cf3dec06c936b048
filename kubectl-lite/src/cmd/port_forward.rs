//! `kubectl port-forward`.

use super::Command;
use super::exec::require_pod;
use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct PortForward {
    /// TYPE/NAME [LOCAL:]PORT...
    args: Vec<String>,
    /// Addresses to listen on
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    address: Vec<String>,
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration, hide = true)]
    pod_running_timeout: go_flags::Duration,
}

impl Command for PortForward {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name, _, ..] = self.args.as_slice() else {
            return Err(CommandError::usage(
                "port-forward",
                "TYPE/NAME and list of ports are required for port-forward",
            ));
        };
        require_pod(cx, name).await?;
        Err(CommandError::message("forwarding ports is not possible in this version"))
    }
}
