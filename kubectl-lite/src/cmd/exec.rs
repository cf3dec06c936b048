//! `kubectl exec`.

use super::Command;
use super::session::{Session, raw_terminal};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames, pods};
use serde_json::Value;
use shared_types::fields::Fields;

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
    /// How long to wait for a Pod
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration)]
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
        self.check()?;
        let pod = self.pod(cx).await?;
        if let phase @ ("Succeeded" | "Failed") = pod.text("status.phase") {
            return Err(CommandError::message(format!(
                "cannot exec into a container in a completed pod; current phase is {phase}"
            )));
        }
        let container = pods::container_or_default(cx, &pod, &self.container, self.quiet)?.text("name");
        let raw = raw_terminal(cx, self.stdin, self.tty, self.quiet)?;
        let request = request(cx, &pod, container, &self.command).await?;
        Session { request, stdin: self.stdin, raw, former_sizes: Vec::new(), detach_keys: Vec::new() }.run(cx).await
    }
}

impl Exec {
    fn check(&self) -> Result<(), CommandError> {
        if self.args.is_empty() && self.filenames.is_empty() {
            return Err(CommandError::message("pod, type/name or --filename must be specified"));
        }
        if self.command.is_empty() {
            let named = if self.filenames.is_empty() { 1 } else { 0 };
            return Err(CommandError::message(if self.args.len() <= named {
                "you must specify at least one command for the container"
            } else {
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl exec \
                 -h' for help and examples"
            }));
        }
        pods::timeout(self.pod_running_timeout).map_err(|why| CommandError::usage("exec", why))?;
        Ok(())
    }

    async fn pod(&self, cx: &Context<'_>) -> Result<Value, CommandError> {
        let timeout = self.pod_running_timeout.length;
        let info = if self.filenames.is_empty() {
            pods::named(cx, &self.args[0]).await?
        } else {
            let files = Filenames { filenames: self.filenames.clone(), recursive: false, kustomize: None };
            let mut infos = Builder::new(cx)?.files(&files).arguments(&self.args).all(true).await?;
            if infos.len() > 1 {
                return Err(CommandError::message("cannot exec into multiple objects at a time"));
            }
            infos.pop().ok_or_else(|| CommandError::message(crate::resource::MISSING))?
        };
        pods::attachable(cx, &info, timeout).await
    }
}

/// Asks for `command` in a container; the streams are for the session to say.
pub async fn request(
    cx: &Context<'_>,
    pod: &Value,
    container: &str,
    command: &[String],
) -> Result<Request, CommandError> {
    let resource = cx.resource("pods").await?;
    let path = format!("{}/exec", resource.object(pod.namespace(), pod.name()));
    let mut request = Request::get(path).query("container", container);
    // Arguments may be empty, unlike other parameters.
    request.query.extend(command.iter().map(|argument| ("command", argument.clone())));
    Ok(request)
}
