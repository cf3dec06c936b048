//! `kubectl set serviceaccount`.

use super::Shared;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct ServiceAccount {
    /// TYPE NAME... SERVICEACCOUNT
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

impl Command for ServiceAccount {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let Some((account, resources)) = self.args.split_last() else {
            return Err(CommandError::message("serviceaccount is required"));
        };
        let infos = self.shared.infos(cx, resources).await?;
        self.shared
            .change_all(cx, infos, "serviceaccount updated", |info| {
                let path = self.shared.require_pod_spec(info)?;
                let mut object = info.object.clone();
                object.set(&format!("{path}.serviceAccountName"), account.clone());
                // The old name of the field follows, where the server has filled it in.
                if object.has(&format!("{path}.serviceAccount")) {
                    object.set(&format!("{path}.serviceAccount"), account.clone());
                }
                Ok(object)
            })
            .await
    }
}
