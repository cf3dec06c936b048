//! `kubectl create namespace`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct Namespace {
    #[command(flatten)]
    generate: Generate,
}

impl Command for Namespace {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create namespace")?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(name)});
        self.generate.create(cx, "namespaces", None, namespace).await
    }
}
