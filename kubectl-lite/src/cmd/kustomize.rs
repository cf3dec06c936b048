//! `kubectl kustomize`.

use super::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::kustomize::{self, Restriction};
use shared_types::yaml::to_yaml;

#[derive(clap::Args)]
pub struct Kustomize {
    /// DIR; this folder where none is given
    args: Vec<String>,
    /// Which files may be named: LoadRestrictionsRootOnly (in or below the folder) or LoadRestrictionsNone
    #[arg(long, default_value = "LoadRestrictionsRootOnly")]
    load_restrictor: String,
    /// File to write to
    #[arg(long, short)]
    output: Option<String>,
    #[command(flatten)]
    outside: Outside,
}

/// What concerns programs outside: functions in containers, plugins, Helm. A kustomization that needs one is refused, so
/// that these have nothing to act on.
#[derive(clap::Args)]
struct Outside {
    #[arg(long, hide = true)]
    as_current_user: bool,
    #[arg(long, hide = true)]
    enable_alpha_plugins: bool,
    #[arg(long, hide = true)]
    enable_helm: bool,
    #[arg(long, short, hide = true)]
    env: Vec<String>,
    #[arg(long, hide = true)]
    helm_api_versions: Vec<String>,
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    #[arg(long, hide = true)]
    helm_debug: bool,
    #[arg(long, hide = true)]
    helm_kube_version: Option<String>,
    #[arg(long, hide = true)]
    mount: Vec<String>,
    #[arg(long, hide = true)]
    network: bool,
    #[arg(long, hide = true)]
    network_name: Option<String>,
}

impl Command for Kustomize {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let folder = match self.args.as_slice() {
            [] => ".",
            [folder] => folder,
            _ => return Err(CommandError::message("specify one path to kustomization.yaml")),
        };
        let restriction = match self.load_restrictor.as_str() {
            "LoadRestrictionsRootOnly" => Restriction::RootOnly,
            "LoadRestrictionsNone" => Restriction::None,
            other => {
                return Err(CommandError::message(format!(
                    "illegal flag value --load-restrictor {other}; legal values: [LoadRestrictionsRootOnly \
                     LoadRestrictionsNone]"
                )));
            }
        };
        let objects = kustomize::build(folder, restriction)?;
        let text = objects.iter().map(to_yaml).collect::<Vec<_>>().join("---\n");
        match self.output {
            None => Ok(cx.streams.out().write_all(text.as_bytes())?),
            Some(path) => Ok(std::fs::write(path, text)?),
        }
    }
}
