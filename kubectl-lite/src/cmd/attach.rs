//! `kubectl attach`, and the attaching of `run` and `debug`.

use super::Command;
use super::flags::SessionFlags;
use super::logs;
use super::session::{Session, keys, raw_terminal};
use crate::client::Request;
use crate::client::stream::remote_command::Size;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use crate::terminal;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// The keys that leave a container to itself.
pub const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

#[derive(clap::Args)]
pub struct Attach {
    /// POD or TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    session: SessionFlags,
    /// Keys that end the session and leave the container running
    #[arg(long, default_value = DETACH_KEYS)]
    detach_keys: String,
}

impl Command for Attach {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = match self.args.as_slice() {
            [] => return Err(CommandError::message("at least 1 argument is required for attach")),
            [name] => name.clone(),
            [kind, name] => format!("{kind}/{name}"),
            many => {
                return Err(CommandError::message(format!(
                    "expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {}: [{}]",
                    many.len(),
                    many.join(" ")
                )));
            }
        };
        let timeout =
            pods::timeout(self.session.pod_running_timeout).map_err(|why| CommandError::usage("attach", why))?;
        let info = pods::named(cx, &name).await?;
        let pod = pods::attachable(cx, &info, timeout).await?;
        if let phase @ ("Succeeded" | "Failed") = pod.text("status.phase") {
            return Err(CommandError::message(format!(
                "cannot attach a container in a completed pod; current phase is {phase}"
            )));
        }
        let attachment = Attachment {
            pod: &pod,
            container: &self.session.container,
            stdin: self.session.stdin,
            tty: self.session.tty,
            quiet: self.session.quiet,
            detach_keys: &self.detach_keys,
            command: "kubectl attach",
        };
        attachment.run(cx).await
    }
}

/// A container to attach to, and how.
pub struct Attachment<'p> {
    pub pod: &'p Value,
    /// The default one where this is empty.
    pub container: &'p str,
    pub stdin: bool,
    pub tty: bool,
    pub quiet: bool,
    pub detach_keys: &'p str,
    /// The command by which one can attach again.
    pub command: &'p str,
}

impl Attachment<'_> {
    /// Attaches until the container ends, or the user leaves it.
    ///
    /// # Errors
    /// There is no such container, or see [`Session::run`].
    pub async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let container = pods::container_or_default(cx, self.pod, self.container, self.quiet)
            .map_err(|error| error.doing("cannot attach to the container"))?;
        let name = container.text("name");
        // What was not given a terminal cannot be attached to by one, and the other way round.
        let tty = container.flag("tty");
        if self.tty && !tty && !self.quiet {
            writeln!(cx.streams.err(), "error: Unable to use a TTY - container {name} did not allocate one")?;
        }
        let raw = raw_terminal(cx, self.stdin, tty, self.quiet)?;
        if !self.quiet {
            writeln!(
                cx.streams.err(),
                "All commands and output from this session will be recorded in container logs, including credentials \
                 and sensitive information passed through the command prompt.\n\
                 If you don't see a command prompt, try pressing enter."
            )?;
        }
        // A size that changes has the program in the container draw its screen anew.
        let other = |size: Size| Size { columns: size.columns.saturating_add(1), rows: size.rows.saturating_add(1) };
        let session = Session {
            request: self.request(cx, name).await?,
            stdin: self.stdin,
            raw,
            former_sizes: terminal::size().map(other).into_iter().collect(),
            detach_keys: if raw { keys(self.detach_keys)? } else { Vec::new() },
        };
        session.run(cx).await?;
        if raw && !self.quiet {
            self.tell_how_to_resume(cx, name)?;
        }
        Ok(())
    }

    /// Attaches; where that is not possible, prints what the container has printed so far.
    ///
    /// # Errors
    /// That is not possible either.
    pub async fn run_or_read(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let (pod, name, quiet) = (self.pod, self.container, self.quiet);
        match self.run(cx).await {
            // Nothing went wrong that has not been told.
            Ok(()) | Err(CommandError::Exit(0)) => Ok(()),
            Err(error @ CommandError::Exit(_)) => Err(error),
            Err(error) => {
                writeln!(
                    cx.streams.err(),
                    "warning: couldn't attach to pod/{}, falling back to streaming logs: {}",
                    pod.name(),
                    error.text()
                )?;
                let container = pods::container_or_default(cx, pod, name, quiet)?;
                logs::so_far(cx, pod, container.text("name")).await
            }
        }
    }

    async fn request(&self, cx: &Context<'_>, container: &str) -> Result<Request, CommandError> {
        let resource = cx.resource("pods").await?;
        let path = format!("{}/attach", resource.object(self.pod.namespace(), self.pod.name()));
        Ok(Request::get(path).query("container", container))
    }

    fn tell_how_to_resume(&self, cx: &Context<'_>, container: &str) -> Result<(), CommandError> {
        let command =
            format!("'{} {} -c {container} -n {} -i -t'", self.command, self.pod.name(), self.pod.namespace());
        let ephemeral = self.pod.list("spec.ephemeralContainers").iter().any(|c| c.text("name") == container);
        if ephemeral {
            writeln!(
                cx.streams.out(),
                "Session ended, the ephemeral container will not be restarted but may be reattached using {command} if \
                 it is still running"
            )?;
        } else {
            writeln!(cx.streams.out(), "Session ended, resume using {command} command")?;
        }
        Ok(())
    }
}
