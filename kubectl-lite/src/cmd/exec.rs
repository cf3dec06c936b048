//! `kubectl exec`.

use super::Command;
use super::flags::SessionFlags;
use super::session::{Session, raw_terminal};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames, pods};
use shared_types::fields::Fields;
use shared_types::json::Value;

#[derive(clap::Args)]
pub struct Exec {
    /// POD or TYPE/NAME
    args: Vec<String>,
    /// After --: the command
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    session: SessionFlags,
    /// Files that name the object
    #[arg(long = "filename", short = 'f', value_delimiter = ',')]
    filenames: Vec<String>,
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
        let container = pods::container_or_default(cx, &pod, &self.session.container, self.session.quiet)?.text("name");
        let raw = raw_terminal(cx, self.session.stdin, self.session.tty, self.session.quiet)?;
        let request = request(cx, &pod, container, &self.command).await?;
        Session { request, stdin: self.session.stdin, raw, former_sizes: Vec::new(), detach_keys: Vec::new() }
            .run(cx)
            .await
    }
}

impl Exec {
    fn check(&self) -> Result<(), CommandError> {
        if self.args.first().is_none_or(String::is_empty) && self.filenames.is_empty() {
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
        pods::timeout(self.session.pod_running_timeout).map_err(|why| CommandError::usage("exec", why))?;
        Ok(())
    }

    async fn pod(&self, cx: &Context<'_>) -> Result<Value, CommandError> {
        let timeout = self.session.pod_running_timeout.length;
        let info = if self.filenames.is_empty() {
            pods::named(cx, &self.args[0]).await?
        } else {
            let files = Filenames { filenames: self.filenames.clone(), recursive: false, kustomize: None };
            let mut infos = Builder::new(cx)?.files(&files).arguments(&self.args).typed().all(false).await?;
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

#[cfg(test)]
mod tests {
    use crate::client::stream::fake::{Reply, Socket, kubectl, pod, serve, talking};
    use bytes::Bytes;
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;

    const EXIT_3: &str =
        r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;

    async fn say(socket: &mut Socket, channel: u8, text: &[u8]) {
        socket.send(Message::Binary([&[channel], text].concat().into())).await.unwrap();
    }

    async fn server(answer: impl Fn() -> Reply + Send + Sync + 'static) -> String {
        serve(move |asked| match asked.line.as_str() {
            "GET /api/v1/namespaces/default/pods/web" => Reply::Object(pod("web")),
            "POST /api/v1/namespaces/default/pods/web/exec" => Reply::Failure(400, "no SPDY"),
            "GET /api/v1/namespaces/default/pods/web/exec" => {
                assert_eq!(asked.protocols, "v5.channel.k8s.io");
                assert!(asked.has("container=c") && asked.has("stdout=true") && asked.has("stderr=true"), "{asked:?}");
                assert!(asked.has("command=sh") && asked.has("command="), "{asked:?}");
                assert!(!asked.has("tty=true"), "{asked:?}");
                answer()
            }
            other => panic!("{other}"),
        })
        .await
    }

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out() {
        let server = server(|| {
            talking("v5.channel.k8s.io", async |mut socket| {
                let mut input = Vec::new();
                loop {
                    match socket.next().await.unwrap().unwrap() {
                        Message::Binary(message) if message.as_ref() == [255, 0] => break,
                        Message::Binary(message) => {
                            assert_eq!(message[0], 0);
                            input.extend_from_slice(&message[1..]);
                        }
                        other => panic!("{other}"),
                    }
                }
                say(&mut socket, 1, &input).await;
                say(&mut socket, 2, b"to stderr\n").await;
                say(&mut socket, 3, EXIT_3.as_bytes()).await;
                socket.close(None).await.unwrap();
            })
        })
        .await;
        let ran = kubectl(&server, &["exec", "-i", "web", "--", "sh", ""], b"hello\n").await;
        assert_eq!(ran.texts(), ("hello\n".into(), "to stderr\ncommand terminated with exit code 3\n".into(), 3));
    }

    #[tokio::test]
    async fn much_goes_both_ways_at_the_same_time() {
        static INPUT: [u8; 3_000_000] = [7; 3_000_000];
        let server = server(|| {
            talking("v5.channel.k8s.io", async |socket| {
                let (mut sink, mut stream) = socket.split();
                let mut taken = 0;
                // All that comes is sent back before more is read.
                while taken < INPUT.len() {
                    if let Message::Binary(message) = stream.next().await.unwrap().unwrap() {
                        taken += message.len() - 1;
                        let back = [&[1], &message[1..]].concat();
                        sink.send(Message::Binary(back.into())).await.unwrap();
                    }
                }
                sink.send(Message::Binary(Bytes::from_static(b"\x03{\"status\":\"Success\"}"))).await.unwrap();
                sink.close().await.unwrap();
            })
        })
        .await;
        let ran = kubectl(&server, &["exec", "-i", "web", "--", "sh", ""], &INPUT).await;
        assert_eq!((ran.code, ran.err.text().as_str()), (0, ""));
        assert!(ran.out.bytes() == INPUT);
    }

    #[tokio::test]
    async fn what_breaks_off_is_told() {
        let gone = server(|| talking("v5.channel.k8s.io", async |socket| drop(socket))).await;
        let ran = kubectl(&gone, &["exec", "web", "--", "sh", ""], b"").await;
        assert_eq!(
            ran.err.text(),
            "error: error reading from error stream: next reader: websocket: close 1006 (abnormal closure): unexpected \
             EOF\n"
        );
        let refusing = server(|| Reply::Failure(400, "not now")).await;
        let ran = kubectl(&refusing, &["exec", "web", "--", "sh", ""], b"").await;
        assert_eq!(ran.texts(), (String::new(), "error: unable to upgrade connection: no SPDY\n".into(), 1));
        let other = server(|| talking("v1.other", async |socket| drop(socket))).await;
        let ran = kubectl(&other, &["exec", "web", "--", "sh", ""], b"").await;
        assert_eq!(ran.err.text(), "error: unable to upgrade connection: no SPDY\n");
    }

    #[tokio::test]
    async fn a_terminal_that_is_none_is_told() {
        let server = server(|| {
            talking("v5.channel.k8s.io", async |mut socket| {
                say(&mut socket, 1, b"out").await;
                socket.close(None).await.unwrap();
            })
        })
        .await;
        let ran = kubectl(&server, &["exec", "-it", "web", "--", "sh", ""], b"").await;
        let told = "Unable to use a TTY - input is not a terminal or the right kind of file\n";
        assert_eq!(ran.texts(), ("out".into(), told.into(), 0));
    }
}
