//! `kubectl cp`.

use super::Command;
use super::exec::require_pod;
use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct Cp {
    /// FROM TO, of which one is [NAMESPACE/]POD:PATH
    args: Vec<String>,
    /// Container; the Pod's first where empty
    #[arg(long, short, default_value = "")]
    container: String,
    /// Do not keep owners and permissions
    #[arg(long)]
    no_preserve: bool,
    /// How often to try again; negative for without end
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    retries: i64,
}

impl Command for Cp {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [from, to] = self.args.as_slice() else {
            return Err(CommandError::message("source and destination are required"));
        };
        let remote =
            |text: &str| text.split_once(':').is_some_and(|(pod, _)| !pod.is_empty() && !text.starts_with(['.', '/']));
        let pod = match (remote(from), remote(to)) {
            (true, true) => return Err(CommandError::message("one of src or dest must be a local file specification")),
            (false, false) => {
                return Err(CommandError::message("one of src or dest must be a remote file specification"));
            }
            (true, false) => from,
            (false, true) => to,
        };
        let pod = pod.split(':').next().unwrap_or_default();
        require_pod(cx, pod.rsplit('/').next().unwrap_or(pod)).await?;
        Err(CommandError::message("copying files is not possible in this version"))
    }
}
