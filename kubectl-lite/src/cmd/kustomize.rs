//! `kubectl kustomize`.

use super::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::kustomize;
use shared_types::yaml::to_yaml;

#[derive(clap::Args)]
pub struct Kustomize {
    /// DIR; this folder where none is given
    args: Vec<String>,
    /// File to write to
    #[arg(long, short)]
    output: Option<String>,
}

impl Command for Kustomize {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let folder = match self.args.as_slice() {
            [] => ".",
            [folder] => folder,
            _ => return Err(CommandError::message("specify one path to kustomization.yaml")),
        };
        let objects = kustomize::build(folder)?;
        let text = objects.iter().map(to_yaml).collect::<Vec<_>>().join("---\n");
        match self.output {
            None => Ok(cx.streams.out().write_all(text.as_bytes())?),
            Some(path) => Ok(std::fs::write(path, text)?),
        }
    }
}
