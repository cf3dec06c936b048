//! `kubectl config get-contexts`.

use super::open;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::table::Layout;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct GetContexts {
    /// CONTEXT...; all of them where none is named
    args: Vec<String>,
    /// name
    #[arg(long, short, default_value = "")]
    output: String,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
}

impl Command for GetContexts {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if !matches!(self.output.as_str(), "" | "name") {
            return Err(CommandError::message(format!(
                "--output {} is not available in kubectl config get-contexts; resetting to default output format",
                self.output
            )));
        }
        let config = open(cx)?;
        let (mut names, mut problems) = (Vec::new(), Vec::new());
        if self.args.is_empty() {
            names = config.names("contexts");
        }
        for name in &self.args {
            match config.stanza("contexts", name) {
                Some(_) => names.push(name),
                None => problems.push(format!("context {name} not found")),
            }
        }
        names.sort_unstable();
        let mut layout = Layout::new();
        let by_name = self.output == "name";
        if !by_name && !self.no_headers {
            layout.row(["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]);
        }
        for name in names {
            if by_name {
                layout.row([name]);
                continue;
            }
            let Some(context) = config.stanza("contexts", name) else { continue };
            let mark = if config.document.text("current-context") == name { "*" } else { "" };
            let fields = ["cluster", "user", "namespace"].map(|field| context.text(field));
            layout.row([&[mark, name], fields.as_slice()].concat());
        }
        layout.write(&mut *cx.streams.out().writer())?;
        match problems.as_slice() {
            [] => Ok(()),
            [only] => Err(CommandError::message(only.clone())),
            many => Err(CommandError::Many(many.iter().map(CommandError::message).collect())),
        }
    }
}
