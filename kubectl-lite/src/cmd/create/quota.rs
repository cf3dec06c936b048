//! `kubectl create quota`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::json;
use shared_types::quantity::Quantity;

#[derive(clap::Args)]
pub struct Quota {
    #[command(flatten)]
    generate: Generate,
    /// RESOURCE=QUANTITY,...
    #[arg(long, default_value = "")]
    hard: String,
    /// Scopes, such as BestEffort
    #[arg(long, default_value = "")]
    scopes: String,
}

impl Command for Quota {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create quota")?;
        let mut quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata(name), "spec": {}});
        for part in self.hard.split(',').filter(|_| !self.hard.is_empty()) {
            let Some((resource, amount)) = part.split_once('=').filter(|(_, amount)| !amount.contains('=')) else {
                return Err(CommandError::message(format!(
                    "Invalid argument syntax {part}, expected <resource>=<value>"
                )));
            };
            let amount = Quantity::parse(amount).map_err(CommandError::message)?.to_string();
            quota.map_mut("spec.hard").insert(resource, amount.into());
        }
        if !self.scopes.is_empty() {
            let scopes: Vec<&str> = self.scopes.split(',').collect();
            if scopes.contains(&"") {
                return Err(CommandError::message(format!("invalid resource quota scope {:?}", "")));
            }
            quota.set("spec.scopes", scopes);
        }
        self.generate.create(cx, "resourcequotas", Some("failed to create quota"), quota).await
    }
}
