//! `kubectl set resources`.

use super::{Shared, name_fits};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, json};
use shared_types::quantity::Quantity;

#[derive(clap::Args)]
pub struct Resources {
    /// TYPE NAME...
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
    /// Names of containers, with * for any part
    #[arg(long, short, default_value = "*")]
    containers: String,
    /// NAME=QUANTITY,...
    #[arg(long, default_value = "")]
    limits: String,
    /// NAME=QUANTITY,...
    #[arg(long, default_value = "")]
    requests: String,
}

impl Command for Resources {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let infos = self.shared.infos(cx, &self.args).await?;
        if self.limits.is_empty() && self.requests.is_empty() {
            return Err(CommandError::message(
                "you must specify an update to requests or limits (in the form of --requests/--limits)",
            ));
        }
        let limits = quantities(&self.limits)?;
        let requests = quantities(&self.requests)?;
        self.shared
            .change_all(cx, infos, "resource requirements updated", |info| {
                let path = self.shared.require_pod_spec(info)?;
                let mut object = info.object.clone();
                let mut found = false;
                for list in ["initContainers", "containers"] {
                    for entry in object.list_mut(&format!("{path}.{list}")) {
                        if name_fits(entry.text("name"), &self.containers) {
                            found = true;
                            merge(entry, "resources.limits", &limits);
                            merge(entry, "resources.requests", &requests);
                        }
                    }
                }
                if !found {
                    return Err(CommandError::message(format!("unable to find container named {}", self.containers)));
                }
                Ok(object)
            })
            .await
    }
}

fn merge(container: &mut Value, path: &str, quantities: &Object) {
    if !quantities.is_empty() {
        container.map_mut(path).extend(quantities.clone());
    }
}

/// `cpu=100m,memory=1Gi`.
fn quantities(text: &str) -> Result<Object, CommandError> {
    let mut map = json!({});
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let Some((name, quantity)) = pair.split_once('=') else {
            return Err(CommandError::message(format!("Invalid argument syntax {pair}, expected <resource>=<value>")));
        };
        let quantity = Quantity::parse(quantity).map_err(|error| CommandError::message(error.to_string()))?;
        map.set(name, quantity.to_string());
    }
    Ok(map.map("").clone())
}
