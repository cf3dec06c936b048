//! `kubectl config get-clusters`, `get-users`, `delete-cluster` and `delete-user`.

use super::{open, shown_file};
use crate::client::kubeconfig::{edit, remove_stanza};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct GetClusters {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for GetClusters {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = self.args;
        print_names(cx, "clusters")
    }
}

#[derive(clap::Args)]
pub struct GetUsers {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for GetUsers {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = self.args;
        print_names(cx, "users")
    }
}

#[derive(clap::Args)]
pub struct DeleteCluster {
    /// CLUSTER
    args: Vec<String>,
}

impl Command for DeleteCluster {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else { return Err(CommandError::Helped(None)) };
        delete(cx, "clusters", "cluster", name)
    }
}

#[derive(clap::Args)]
pub struct DeleteUser {
    /// USER
    args: Vec<String>,
}

impl Command for DeleteUser {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else {
            return Err(CommandError::usage("config delete-user", "user to delete is required"));
        };
        delete(cx, "users", "user", name)
    }
}

fn print_names(cx: &Context<'_>, list: &str) -> Result<(), CommandError> {
    writeln!(cx.streams.out(), "NAME")?;
    for name in open(cx)?.names(list) {
        writeln!(cx.streams.out(), "{name}")?;
    }
    Ok(())
}

fn delete(cx: &Context<'_>, list: &str, what: &str, name: &str) -> Result<(), CommandError> {
    let config = open(cx)?;
    let file = shown_file(&config);
    if config.stanza(list, name).is_none() {
        return Err(CommandError::message(format!("cannot delete {what} {name}, not in {}", file.display())));
    }
    edit(&config.file_of(list, name), |document| remove_stanza(document, list, name))?;
    Ok(writeln!(cx.streams.out(), "deleted {what} {name} from {}", file.display())?)
}
