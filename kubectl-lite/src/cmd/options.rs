//! `kubectl options` and `kubectl alpha`.

use super::Command;
use crate::cli::Globals;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct Options {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for Options {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = &self.args;
        let globals = <Globals as clap::Args>::augment_args(clap::Command::new("options"));
        writeln!(cx.streams.out(), "The following options can be passed to any command:")?;
        for arg in globals.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
            let long = arg.get_long().unwrap_or_default();
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(cx.streams.out(), "\n    {short}--{long}:\n\t{help}")?;
        }
        Ok(())
    }
}

/// `kubectl alpha`.
#[derive(clap::Args)]
pub struct Alpha {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for Alpha {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let _ = &self.args;
        Ok(writeln!(cx.streams.err(), "No alpha commands are available in this version of kubectl")?)
    }
}
