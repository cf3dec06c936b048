//! `kubectl set selector`.

use super::Shared;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::json;
use shared_types::selector::LabelSelector;

#[derive(clap::Args)]
pub struct Selector {
    /// TYPE NAME KEY=VALUE,...
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
    /// The version that the object must have
    #[arg(long, default_value = "")]
    resource_version: String,
}

impl Command for Selector {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let Some((expression, resources)) = self.args.split_last() else {
            return Err(CommandError::message("one selector is required"));
        };
        LabelSelector::parse(expression).map_err(|why| {
            CommandError::message(format!("couldn't parse the selector string {}: {why}", quote(expression)))
        })?;
        let infos = self.shared.infos(cx, resources).await?;
        let mut selector = json!({});
        for pair in expression.split(',').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(CommandError::message(format!("unexpected selector term: {pair}")));
            };
            let key = key.trim_end_matches('=').trim();
            selector.map_mut("").insert(key, value.trim_start_matches('=').trim().into());
        }
        self.shared
            .change_all(cx, infos, "selector updated", |info| {
                if info.resource.kind != "Service" {
                    return Err(CommandError::message("setting a selector is only supported for Services"));
                }
                let mut object = info.object.clone();
                object.set("spec.selector", selector.clone());
                if !self.resource_version.is_empty() {
                    object.set("metadata.resourceVersion", self.resource_version.clone());
                }
                Ok(object)
            })
            .await
    }
}
