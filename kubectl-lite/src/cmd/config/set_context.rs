//! `kubectl config set-context`.

use super::{open, unexpected};
use crate::client::kubeconfig::{edit, stanza_mut};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

/// The values come as `--cluster`, `--user` and `--namespace`, which all commands take.
#[derive(clap::Args)]
pub struct SetContext {
    /// CONTEXT
    args: Vec<String>,
    /// Change the current context
    #[arg(long)]
    current: bool,
}

impl Command for SetContext {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let given = match self.args.as_slice() {
            [] => "",
            [name] => name,
            more => return Err(unexpected(more)),
        };
        let config = open(cx)?;
        let name = match (given, self.current) {
            ("", false) => return Err(CommandError::message("you must specify a non-empty context name or --current")),
            ("", true) => match config.document.text("current-context") {
                "" => return Err(CommandError::message("no current context is set")),
                current => current,
            },
            (_, true) => {
                return Err(CommandError::message("you cannot specify both a context name and --current"));
            }
            (name, false) => name,
        };
        let done = if config.stanza("contexts", name).is_some() { "modified" } else { "created" };
        let globals = &cx.globals;
        edit(&config.file_of("contexts", name), |document| {
            let context = stanza_mut(document, "contexts", name);
            let (cluster, namespace) = (globals.cluster.as_deref(), globals.namespace.as_deref());
            for (field, value) in [("cluster", cluster), ("user", globals.user.as_deref()), ("namespace", namespace)] {
                match value {
                    Some("") if field == "namespace" => drop(context.remove(field)),
                    Some(value) => context.set(field, value),
                    None => {}
                }
            }
        })?;
        Ok(writeln!(cx.streams.out(), "Context {name:?} {done}.")?)
    }
}
