//! `kubectl create configmap`.

use super::sources::{Sources, Words};
use super::{Generate, hash, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct ConfigMap {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    sources: Sources,
}

impl Command for ConfigMap {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create configmap")?;
        let words = Words {
            wrong_key: |key, why| format!("{key:?} is not a valid key name for a ConfigMap: {why}"),
            twice: |key, name| {
                format!(
                    "cannot add key {key:?}, another key by that name already exists in Data for ConfigMap {name:?}"
                )
            },
        };
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name)});
        for (key, bytes) in self.sources.read(name, &words)? {
            // What is no text goes where bytes go.
            match String::from_utf8(bytes) {
                Ok(text) => map.map_mut("data").insert(key, text.into()),
                Err(other) => {
                    let packed = base64::engine::general_purpose::STANDARD.encode(other.as_bytes());
                    map.map_mut("binaryData").insert(key, packed.into())
                }
            };
        }
        if self.sources.append_hash {
            let name = format!("{name}-{}", hash::of(&map, name));
            map.set("metadata.name", name);
        }
        self.generate.create(cx, "configmaps", Some("failed to create configmap"), map).await
    }
}
