//! `kubectl config`: looking at kubeconfig files and changing them.

mod contexts;
mod get_contexts;
mod names;
mod property;
mod set_cluster;
mod set_context;
mod set_credentials;
mod view;

use super::{Entry, command};
use crate::client::kubeconfig::{self, Kubeconfig};
use crate::context::Context;
use crate::errors::CommandError;
use std::path::PathBuf;

pub static COMMANDS: &[Entry] = &[
    command::<contexts::CurrentContext>("current-context", "Show the current context"),
    command::<names::DeleteCluster>("delete-cluster", "Delete a cluster"),
    command::<contexts::DeleteContext>("delete-context", "Delete a context"),
    command::<names::DeleteUser>("delete-user", "Delete a user"),
    command::<names::GetClusters>("get-clusters", "List clusters"),
    command::<get_contexts::GetContexts>("get-contexts", "List contexts"),
    command::<names::GetUsers>("get-users", "List users"),
    command::<contexts::RenameContext>("rename-context", "Give a context another name"),
    command::<property::Set>("set", "Set one value"),
    command::<set_cluster::SetCluster>("set-cluster", "Add or change a cluster"),
    command::<set_context::SetContext>("set-context", "Add or change a context"),
    command::<set_credentials::SetCredentials>("set-credentials", "Add or change a user"),
    command::<property::Unset>("unset", "Remove one value"),
    command::<contexts::UseContext>("use-context", "Choose the current context").aliases(&["use"]),
    command::<view::View>("view", "Show the kubeconfig"),
];

/// The kubeconfig as these commands see it: its files need not exist yet.
fn open(cx: &Context<'_>) -> Result<Kubeconfig, CommandError> {
    kubeconfig::load_lenient(&kubeconfig::paths(cx.globals.kubeconfig.as_deref()))
}

/// The one argument of a command.
fn single(args: &[String]) -> Result<&str, CommandError> {
    match args {
        [only] => Ok(only),
        other => Err(unexpected(other)),
    }
}

fn unexpected(args: &[String]) -> CommandError {
    let error = CommandError::message(format!("Unexpected args: [{}]", args.join(" ")));
    CommandError::Helped(Some(Box::new(error)))
}

/// What kubectl calls the file that a message is about.
fn shown_file(config: &Kubeconfig) -> PathBuf {
    config.default_file()
}
