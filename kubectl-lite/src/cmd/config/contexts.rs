//! `kubectl config current-context`, `use-context`, `rename-context` and `delete-context`.

use super::{open, shown_file, single, unexpected};
use crate::client::kubeconfig::{edit, remove_stanza, stanza_mut};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct CurrentContext {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for CurrentContext {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = self.args;
        let config = open(cx)?;
        match config.document.text("current-context") {
            "" => Err(CommandError::message("current-context is not set")),
            name => Ok(writeln!(cx.streams.out(), "{name}")?),
        }
    }
}

#[derive(clap::Args)]
pub struct UseContext {
    /// CONTEXT
    args: Vec<String>,
}

impl Command for UseContext {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = single(&self.args)?;
        if name.is_empty() {
            return Err(CommandError::message("empty context names are not allowed"));
        }
        let config = open(cx)?;
        if config.stanza("contexts", name).is_none() {
            return Err(CommandError::message(format!("no context exists with the name: {name:?}")));
        }
        config.set_current_context(name)?;
        Ok(writeln!(cx.streams.out(), "Switched to context {name:?}.")?)
    }
}

#[derive(clap::Args)]
pub struct RenameContext {
    /// OLD NEW
    args: Vec<String>,
}

impl Command for RenameContext {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [old, new] = self.args.as_slice() else { return Err(unexpected(&self.args)) };
        let config = open(cx)?;
        let file = shown_file(&config);
        let Some(context) = config.stanza("contexts", old).cloned() else {
            let file = file.display();
            return Err(CommandError::message(format!("cannot rename the context {old:?}, it's not in {file}")));
        };
        if config.stanza("contexts", new).is_some() {
            return Err(CommandError::message(format!(
                "cannot rename the context {old:?}, the context {new:?} already exists in {}",
                file.display()
            )));
        }
        edit(&config.file_of("contexts", old), |document| {
            remove_stanza(document, "contexts", old);
            *stanza_mut(document, "contexts", new) = context;
        })?;
        if config.document.text("current-context") == old {
            config.set_current_context(new)?;
        }
        Ok(writeln!(cx.streams.out(), "Context {old:?} renamed to {new:?}.")?)
    }
}

#[derive(clap::Args)]
pub struct DeleteContext {
    /// CONTEXT
    args: Vec<String>,
}

impl Command for DeleteContext {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [name] = self.args.as_slice() else { return Err(CommandError::Helped(None)) };
        let config = open(cx)?;
        let file = shown_file(&config);
        if config.stanza("contexts", name).is_none() {
            return Err(CommandError::message(format!("cannot delete context {name}, not in {}", file.display())));
        }
        if config.document.text("current-context") == name {
            let advice = "use \"kubectl config use-context\" to select a different one";
            writeln!(cx.streams.err(), "warning: this removed your active context, {advice}")?;
        }
        edit(&config.file_of("contexts", name), |document| remove_stanza(document, "contexts", name))?;
        Ok(writeln!(cx.streams.out(), "deleted context {name} from {}", file.display())?)
    }
}
