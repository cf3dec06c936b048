//! `kubectl cp`: a tar archive through a command in the container.

mod archive;
mod path;

use super::Command;
use super::exec;
use super::session::with_streams;
use crate::cli::go_flags;
use crate::client::stream::remote_command::{self, Input, Output};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use archive::{Pieces, Sink, Skipped};
use path::{Place, Spec};
use shared_types::fields::Fields;
use shared_types::json::Value;
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
            // There was no command, or it ended before it had read everything, and says why.
            Err(_) if matches!(ran, Err(CommandError::Message(_) | CommandError::Unreachable { .. })) => ran,
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
        if let Some(told) = pods::told_choice(&pod, &self.container) {
            writeln!(cx.streams.out(), "{told}")?;
        }
        let mut taken = 0u64;
        let mut tries = 0;
        let ran = loop {
            let resumed = format!("tar cf - {from} | tail -c+{}", taken + 1);
            let command: &[&str] = if self.retries == 0 { &["tar", "cf", "-", from] } else { &["sh", "-c", &resumed] };
            let ran = self
                .execute(cx, &pod, command, Input::default(), true, async |output, piece| match output {
                    Output::Stderr => cx.streams.out().write_all(piece),
                    Output::Stdout => {
                        taken += piece.len() as u64;
                        let piece = bytes::Bytes::copy_from_slice(piece);
                        sender.send(piece).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
                    }
                })
                .await;
            let broken = matches!(ran, Err(CommandError::Message(_) | CommandError::Unreachable { .. }));
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
                // What the command did not find is told by itself, and is no failure of the copy.
                match ran {
                    Err(CommandError::Terminated { .. }) => Ok(()),
                    ran => ran,
                }
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
        let connection = cx.client()?.remote_command(request).await?;
        remote_command::run(connection, input, output).await
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

#[cfg(test)]
mod tests {
    use super::archive;
    use crate::client::stream::fake::{Asked, Reply, Written, kubectl, pod, serve, talking};
    use futures_util::{SinkExt as _, StreamExt as _};
    use std::io::Write as _;
    use tokio_tungstenite::tungstenite::Message;

    /// The archive of a Pod's file.
    fn archive() -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        archive.append_data(&mut header, "etc/motd", &b"hello"[..]).unwrap();
        archive.into_inner().unwrap()
    }

    /// A Pod in which `/dir` is a folder; what is unpacked there is kept in `taken`.
    async fn server(taken: Written) -> String {
        const END: &[u8] = b"\x03{\"status\":\"Success\"}";
        let exit = |code: u8| {
            format!(
                "\x03{{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{{\"causes\":[{{\"reason\":\"ExitCode\",\"message\":\"{code}\"}}]}}}}"
            )
        };
        let exec = move |asked: &Asked| {
            let folder = asked.has("command=/dir");
            let mut taken = taken.clone();
            match asked.query.split('&').find_map(|pair| pair.strip_prefix("command=")) {
                Some("test") => talking("v5.channel.k8s.io", async move |mut socket| {
                    let end = if folder { END.to_vec() } else { exit(1).into_bytes() };
                    socket.send(Message::Binary(end.into())).await.unwrap();
                    socket.close(None).await.unwrap();
                }),
                Some("tar") if asked.has("stdin=true") => talking("v5.channel.k8s.io", async move |mut socket| {
                    while let Some(Ok(Message::Binary(message))) = socket.next().await {
                        if message[0] == 255 {
                            break;
                        }
                        taken.write_all(&message[1..]).unwrap();
                    }
                    socket.send(Message::Binary(END.into())).await.unwrap();
                    socket.close(None).await.unwrap();
                }),
                Some("tar") if asked.has("command=/etc/motd") => talking("v5.channel.k8s.io", async |mut socket| {
                    for piece in archive().chunks(1000) {
                        socket.send(Message::Binary([&[1], piece].concat().into())).await.unwrap();
                    }
                    socket.send(Message::Binary(END.into())).await.unwrap();
                    socket.close(None).await.unwrap();
                }),
                _ => talking("v5.channel.k8s.io", async move |mut socket| {
                    let told = b"\x02tar: /nope: No such file or directory\n".to_vec();
                    socket.send(Message::Binary(told.into())).await.unwrap();
                    socket.send(Message::Binary(exit(2).into())).await.unwrap();
                    socket.close(None).await.unwrap();
                }),
            }
        };
        serve(move |asked| match asked.line.as_str() {
            "GET /api/v1/namespaces/default/pods/web" => Reply::Object(pod("web")),
            "GET /api/v1/namespaces/default/pods/web/exec" => exec(asked),
            other => panic!("{other}"),
        })
        .await
    }

    #[tokio::test]
    async fn files_come_from_a_pod() {
        let here = tempfile::tempdir().unwrap();
        let to = here.path().join("m");
        let to = to.to_str().unwrap();
        let server = server(Written::default()).await;
        let ran = kubectl(&server, &["cp", "web:/etc/motd", to], b"").await;
        assert_eq!(ran.texts(), (String::new(), String::new(), 0));
        assert_eq!(std::fs::read(to).unwrap(), b"hello");
        let ran = kubectl(&server, &["cp", "web:/nope", to], b"").await;
        assert_eq!(ran.texts(), ("tar: /nope: No such file or directory\n".into(), String::new(), 0));
        let folder = here.path().to_str().unwrap();
        let ran = kubectl(&server, &["cp", "web:/etc/motd", folder], b"").await;
        assert_eq!(ran.texts(), (String::new(), format!("error: open {folder}: is a directory\n"), 1));
    }

    #[tokio::test]
    async fn files_go_into_a_pod() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("f");
        std::fs::write(&file, "text").unwrap();
        for (to, name) in [("web:/dir", "f"), ("web:/other/g", "g")] {
            let taken = Written::default();
            let server = server(taken.clone()).await;
            let ran = kubectl(&server, &["cp", file.to_str().unwrap(), to], b"").await;
            assert_eq!(ran.texts(), (String::new(), String::new(), 0));
            let target = here.path().join("unpacked");
            archive::unpack(taken.bytes().as_slice(), name, target.to_str().unwrap()).unwrap();
            assert_eq!(std::fs::read(target).unwrap(), b"text");
        }
    }
}
