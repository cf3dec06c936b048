//! `kubectl cp`: a tar archive through a command in the container.

mod archive;
mod path;

use super::Command;
use super::exec;
use super::session::with_streams;
use crate::cli::go_flags;
use crate::client::stream::remote_command::{self, Input, Output, PROTOCOLS};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use archive::{Pieces, Sink, Skipped};
use path::{Place, Spec};
use serde_json::Value;
use shared_types::fields::Fields;
use std::io;
use tokio::sync::mpsc;

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
    /// How often to go on after the connection broke off while copying from a container; negative for without end
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    retries: i64,
}

/// How many pieces of the archive may wait for the slower side.
const PIECES: usize = 8;

impl Command for Cp {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [from, to] = self.args.as_slice() else {
            return Err(CommandError::message("source and destination are required"));
        };
        let (from, to) = (Spec::parse(from)?, Spec::parse(to)?);
        if from.place.is_some() && to.place.is_some() {
            return Err(CommandError::message("one of src or dest must be a local file specification"));
        }
        if from.path.is_empty() || to.path.is_empty() {
            return Err(CommandError::message("filepath can not be empty"));
        }
        match (&from.place, &to.place) {
            (Some(place), _) => self.download(cx, place, &from.path, &to.path).await,
            (_, Some(place)) => self.upload(cx, &from.path, place, &to.path).await,
            (None, None) => Err(CommandError::message("one of src or dest must be a remote file specification")),
        }
    }
}

impl Cp {
    async fn upload(&self, cx: &Context<'_>, from: &str, place: &Place, to: &str) -> Result<(), CommandError> {
        if std::fs::metadata(from).is_err() {
            return Err(CommandError::message(format!("{from} doesn't exist in local filesystem")));
        }
        let pod = self.pod(cx, place).await?;
        let is_folder = self.execute(cx, &pod, &["test", "-d", to], Input::default(), true, async |_, _| Ok(())).await;
        let to = if is_folder.is_ok() { path::join(to, &path::base(from)) } else { path::clean(to) };
        let mut command = vec!["tar"];
        if self.no_preserve {
            command.extend(["--no-same-permissions", "--no-same-owner"]);
        }
        let folder = path::folder(&to);
        command.extend(["-xmf", "-", "-C", &folder]);

        let (sender, receiver) = mpsc::channel(PIECES);
        let (source, name) = (path::clean(from), path::base(&to));
        let packing = tokio::task::spawn_blocking(move || archive::pack(source.as_ref(), &name, Sink::new(sender)));
        let input = Input { stdin: Some(receiver), sizes: None };
        let ran = self.execute(cx, &pod, &command, input, false, async |output, piece| print(cx, output, piece)).await;
        let packed = packing.await.map_err(io::Error::other)?;
        match packed {
            // The command ended before it had read everything, and says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ran,
            Err(error) => Err(CommandError::message(error.to_string())),
            Ok(()) => ran,
        }
    }

    async fn download(&self, cx: &Context<'_>, place: &Place, from: &str, to: &str) -> Result<(), CommandError> {
        let pod = self.pod(cx, place).await?;
        let (sender, receiver) = mpsc::channel(PIECES);
        let (prefix, folder) = (path::inside(from), to.to_string());
        let unpacking = tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces::new(receiver);
            let skipped = archive::unpack(&mut pieces, &prefix, &folder)?;
            // The command may go on after the end of the archive.
            io::copy(&mut pieces, &mut io::sink())?;
            Ok::<_, io::Error>(skipped)
        });
        let mut taken = 0u64;
        let mut tries = 0;
        let ran = loop {
            let resumed = format!("tar cf - {from} | tail -c+{}", taken + 1);
            let command: &[&str] = if self.retries == 0 { &["tar", "cf", "-", from] } else { &["sh", "-c", &resumed] };
            let ran = self
                .execute(cx, &pod, command, Input::default(), false, async |output, piece| match output {
                    Output::Stderr => cx.streams.err().write_all(piece),
                    Output::Stdout => {
                        taken += piece.len() as u64;
                        let piece = bytes::Bytes::copy_from_slice(piece);
                        sender.send(piece).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
                    }
                })
                .await;
            let broken = matches!(ran, Err(CommandError::Message(_) | CommandError::Unreachable(_)));
            if !broken || sender.is_closed() || (self.retries >= 0 && tries >= self.retries) {
                break ran;
            }
            tries += 1;
            writeln!(cx.streams.out(), "Resuming copy at {taken} bytes, retry {tries}/{}", self.retries)?;
        };
        let refused = sender.is_closed();
        drop(sender);
        match unpacking.await.map_err(io::Error::other)? {
            // Half an archive is no wonder where the command failed.
            Err(_) if ran.is_err() && !refused => ran,
            Err(error) => Err(CommandError::message(error.to_string())),
            Ok(skipped) => {
                tell(cx, &skipped, &pod, from)?;
                ran
            }
        }
    }

    async fn pod(&self, cx: &Context<'_>, place: &Place) -> Result<Value, CommandError> {
        let resource = cx.resource("pods").await?;
        let namespace = match &place.namespace {
            Some(namespace) => namespace.clone(),
            None => cx.namespace()?.0,
        };
        let pod = cx.client()?.json(crate::client::Request::get(resource.object(&namespace, &place.pod))).await?;
        if let phase @ ("Succeeded" | "Failed") = pod.text("status.phase") {
            return Err(CommandError::message(format!(
                "cannot exec into a container in a completed pod; current phase is {phase}"
            )));
        }
        Ok(pod)
    }

    async fn execute(
        &self,
        cx: &Context<'_>,
        pod: &Value,
        command: &[&str],
        input: Input,
        quiet: bool,
        output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
    ) -> Result<(), CommandError> {
        let container = pods::container_or_default(cx, pod, &self.container, quiet)?.text("name");
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        let request = exec::request(cx, pod, container, &command).await?;
        let request = with_streams(request, input.stdin.is_some(), false);
        let socket = cx.client()?.websocket(request, &PROTOCOLS).await?;
        remote_command::run(socket, input, output).await
    }
}

/// Tells about what has not been unpacked.
fn tell(cx: &Context<'_>, skipped: &Skipped, pod: &Value, from: &str) -> Result<(), CommandError> {
    let err = cx.streams.err();
    for path in &skipped.outside {
        writeln!(err, "warning: file {path:?} is outside target destination, skipping")?;
    }
    let mut hint = format!(
        " (consider using \"kubectl exec -n {:?} {:?} -- tar cf - {from:?} | tar xf -\")",
        pod.namespace(),
        pod.name()
    );
    for (path, target) in &skipped.links {
        writeln!(err, "warning: skipping symlink: {path:?} -> {target:?}{}", std::mem::take(&mut hint))?;
    }
    Ok(())
}

fn print(cx: &Context<'_>, output: Output, piece: &[u8]) -> io::Result<()> {
    match output {
        Output::Stdout => cx.streams.out().write_all(piece),
        Output::Stderr => cx.streams.err().write_all(piece),
    }
}
