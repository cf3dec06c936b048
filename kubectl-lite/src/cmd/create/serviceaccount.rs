//! `kubectl create serviceaccount`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct ServiceAccount {
    #[command(flatten)]
    generate: Generate,
}

impl Command for ServiceAccount {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create serviceaccount")?;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)});
        self.generate.create(cx, "serviceaccounts", Some("failed to create serviceaccount"), account).await
    }
}
