//! `kubectl exec` and `kubectl attach`.

use super::Command;
use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::Builder;

#[derive(clap::Args)]
pub struct Exec {
    /// POD or TYPE/NAME
    args: Vec<String>,
    /// After --: the command
    #[arg(last = true)]
    command: Vec<String>,
    /// Container; the Pod's first where empty
    #[arg(long, short, default_value = "")]
    container: String,
    /// Files that name the object
    #[arg(long = "filename", short = 'f', value_delimiter = ',')]
    filenames: Vec<String>,
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration, hide = true)]
    pod_running_timeout: go_flags::Duration,
    /// Print nothing but what the command prints
    #[arg(long, short)]
    quiet: bool,
    /// Pass on standard input
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Give the command a terminal
    #[arg(long, short)]
    tty: bool,
}

impl Command for Exec {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.args.is_empty() && self.filenames.is_empty() {
            return Err(CommandError::message("pod, type/name or --filename must be specified"));
        }
        if self.command.is_empty() && self.args.len() < 2 {
            return Err(CommandError::message("you must specify at least one command for the container"));
        }
        if self.command.is_empty() {
            return Err(CommandError::message(
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl exec -h' \
                 for help and examples",
            ));
        }
        require_pod(cx, &self.args[0]).await?;
        Err(CommandError::message("running a command in a container is not possible in this version"))
    }
}

/// Checks that the Pod is there.
pub async fn require_pod(cx: &Context<'_>, name: &str) -> Result<crate::resource::Info, CommandError> {
    let name = if name.contains('/') { name.to_string() } else { format!("pods/{name}") };
    let mut infos = Builder::new(cx)?.arguments(&[name]).all(true).await?;
    infos.pop().ok_or_else(|| CommandError::message(crate::resource::MISSING))
}

#[derive(clap::Args)]
pub struct Attach {
    /// POD or TYPE/NAME
    args: Vec<String>,
    /// Container; the Pod's first where empty
    #[arg(long, short, default_value = "")]
    container: String,
    #[arg(long, default_value = "ctrl-p,ctrl-q", hide = true)]
    detach_keys: String,
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration, hide = true)]
    pod_running_timeout: go_flags::Duration,
    /// Print nothing but what the container prints
    #[arg(long, short)]
    quiet: bool,
    /// Pass on standard input
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Standard input is a terminal
    #[arg(long, short)]
    tty: bool,
}

impl Command for Attach {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        match self.args.as_slice() {
            [] => Err(CommandError::message("at least 1 argument is required for attach")),
            [name] => {
                require_pod(cx, name).await?;
                Err(CommandError::message("attaching to a container is not possible in this version"))
            }
            [_, _] => Err(CommandError::message("attach TYPE NAME is not supported, use TYPE/NAME")),
            many => Err(CommandError::message(format!(
                "expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {}: [{}]",
                many.len(),
                many.join(" ")
            ))),
        }
    }
}
