//! `kubectl version`.

use super::Command;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct Version {
    /// Only this program's version, without asking the server
    #[arg(long)]
    client: bool,
    /// yaml or json
    #[arg(long, short)]
    output: Option<String>,
}

impl Command for Version {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = (self.client, self.output);
        writeln!(cx.streams.out(), "Client Version: v1.36.2")?;
        Ok(())
    }
}
