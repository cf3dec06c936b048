//! `kubectl set image`.

use super::Shared;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct Image {
    /// TYPE NAME... CONTAINER=IMAGE...
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

impl Command for Image {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let (images, resources): (Vec<&String>, Vec<&String>) = self.args.iter().partition(|arg| arg.contains('='));
        let resources: Vec<String> = resources.into_iter().cloned().collect();
        let mut wanted = Vec::new();
        for text in &images {
            if let Some((container, image)) = text.split_once('=') {
                wanted.push((container, image));
            }
        }
        if resources.is_empty() && self.shared.files.is_empty() {
            return Err(CommandError::message(crate::resource::MISSING));
        }
        let infos = self.shared.infos(cx, &resources).await?;
        let mut errors = Vec::new();
        if wanted.is_empty() && !resources.iter().any(|r| r.contains('/')) {
            errors.push(CommandError::message("at least one image update is required"));
        } else if wanted.len() > 1 && wanted.iter().any(|(container, _)| *container == "*") {
            errors.push(CommandError::message(
                "all containers are already specified by *, but saw more than one container_name=container_image pairs",
            ));
        }
        CommandError::all(errors)?;
        // Containers that are not there do not keep the others from being changed.
        let mut missing = Vec::new();
        let changed = self
            .shared
            .change_all(cx, infos, "image updated", |info| {
                let path = self.shared.require_pod_spec(info)?;
                let mut object = info.object.clone();
                for (container, image) in &wanted {
                    let mut found = false;
                    for list in ["initContainers", "containers"] {
                        for entry in object.list_mut(&format!("{path}.{list}")) {
                            if *container == "*" || entry.text("name") == *container {
                                entry.set("image", *image);
                                found = true;
                            }
                        }
                    }
                    if !found {
                        missing.push(CommandError::message(format!("unable to find container named {container:?}")));
                    }
                }
                Ok(object)
            })
            .await;
        missing.extend(changed.err());
        CommandError::all(missing)
    }
}
