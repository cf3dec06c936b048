//! `exec` and `attach`: a command's streams, to a client over WebSocket channels or SPDY.

use super::channels::{self, Channel, Encoding};
use super::upgrade;
use super::{check_assigned, container, kubelet_failure, kubelet_words, pod};
use crate::http::resource::Call;
use crate::http::respond;
use crate::node::api::{Nodes, Session, Wanted};
use axum::body::Body;
use futures_util::future::BoxFuture;
use http::Response;
use shared_types::json::Value;
use shared_types::spdy;
use shared_types::status::{Status, StatusCause, StatusDetails};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;

/// Subprotocols of WebSockets, as the API server (v5) and the kubelet (the others) have them.
const WEB_SOCKET: &[&str] = &[
    "v5.channel.k8s.io",
    "",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
];
/// Stream protocols of SPDY, as the kubelet has them.
const SPDY: &[&str] = &["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
/// How long a client may take to open its streams (the kubelet's `streamCreationTimeout`).
const OPENING: Duration = Duration::from_secs(30);
/// The longest message about the terminal's size that is read (bytes).
const RESIZE_LIMIT: usize = 4 << 10;

/// What is asked of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// To run a command.
    Exec,
    /// To join its first process.
    Attach,
}

/// The kubelet's part: begins the task when it is time to.
struct Kubelet {
    nodes: Nodes,
    pod: Value,
    container: String,
    task: Task,
    argv: Vec<String>,
    wanted: Wanted,
}

impl Kubelet {
    async fn begin(&self) -> Result<Session, Status> {
        match self.task {
            Task::Exec => self.nodes.exec(&self.pod, &self.container, self.argv.clone(), self.wanted).await,
            Task::Attach => self.nodes.attach(&self.pod, &self.container, self.wanted).await,
        }
    }
}

/// Answers the request, and serves the streams once the connection is taken over.
pub async fn answer(call: &mut Call<'_>, task: Task) -> Result<Response<Body>, Status> {
    let pod = pod(call)?;
    let container = container::choose(&pod, call.query.get("container"))?;
    check_assigned(&pod)?;
    let (web_socket, spdy) = (upgrade::is_web_socket(&call.headers), upgrade::is_spdy(&call.headers));
    let Some(upgrade) = call.upgrade.take().filter(|_| web_socket || spdy) else {
        return Err(Status::bad_request("Upgrade request required"));
    };
    let tty = call.query.flag("tty");
    let wanted = Wanted {
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        // A terminal has one output only.
        stderr: call.query.flag("stderr") && !tty,
        tty,
    };
    if !wanted.stdin && !wanted.stdout && !wanted.stderr {
        return Ok(respond::text(400, "you must specify at least 1 of stdin, stdout, stderr"));
    }
    let argv = call.query.all("command").iter().map(ToString::to_string).collect();
    let kubelet = Kubelet { nodes: call.app.nodes.clone(), pod, container, task, argv, wanted };
    let stop = call.app.stop.clone();
    if spdy {
        let (response, protocol) = match upgrade::spdy_answer(&call.headers, SPDY) {
            Ok(accepted) => accepted,
            Err(refusal) => return Ok(refusal),
        };
        return Ok(match kubelet.begin().await {
            Ok(session) => {
                tokio::spawn(async move {
                    let Some(connection) = upgrade::taken_over(upgrade).await else { return };
                    over_spdy(connection, protocol, wanted, session, task, stop).await;
                });
                response
            }
            Err(status) => kubelet_failure(&status),
        });
    }
    let accepted = upgrade::choose_subprotocol(&call.headers, WEB_SOCKET)
        .and_then(|protocol| Ok((upgrade::web_socket_answer(&call.headers, protocol)?, protocol)));
    let (response, protocol) = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal),
    };
    let (encoding, report) = (Encoding::of(protocol), Report::of(protocol));
    if report == Report::Translated {
        // The API server itself speaks v5: it accepts before it asks the kubelet.
        tokio::spawn(async move {
            let Some(socket) = upgrade::web_socket(upgrade).await else { return };
            let mut streams = over_web_socket(socket, encoding, wanted, stop).await;
            match kubelet.begin().await {
                Ok(session) => run(session, streams, report, task).await,
                Err(status) => {
                    let why = format!("unable to upgrade connection: {}", kubelet_words(&status));
                    report.write(&mut streams.error, &Status::internal(why)).await;
                }
            }
        });
        return Ok(response);
    }
    Ok(match kubelet.begin().await {
        Ok(session) => {
            tokio::spawn(async move {
                let Some(socket) = upgrade::web_socket(upgrade).await else { return };
                let streams = over_web_socket(socket, encoding, wanted, stop).await;
                run(session, streams, report, task).await;
            });
            response
        }
        Err(status) => kubelet_failure(&status),
    })
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// The client's ends of the streams.
struct Streams {
    stdin: Option<Reader>,
    stdout: Option<Writer>,
    stderr: Option<Writer>,
    resize: Option<Reader>,
    error: Writer,
    /// Resolves when the client has gone.
    gone: BoxFuture<'static, ()>,
}

async fn over_web_socket<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    socket: WebSocketStream<S>,
    encoding: Encoding,
    wanted: Wanted,
    stop: CancellationToken,
) -> Streams {
    let (channels, over) = channels::open(socket, encoding, 5, stop);
    let mut channels = channels.into_iter();
    let mut next = |wanted: bool| channels.next().filter(|_| wanted);
    let (stdin, mut stdout, mut stderr) = (next(wanted.stdin), next(wanted.stdout), next(wanted.stderr));
    let (mut error, resize) = (next(true), next(wanted.tty));
    // An empty message on the first output tells the client that everything is there.
    if let Some(first) = stdout.as_mut().or(stderr.as_mut()).or(error.as_mut()) {
        // Where the client has gone, all that follows finds out.
        let _ = first.send(b"").await;
    }
    let reader = |channel: Channel| -> Reader { Box::new(channel) };
    let writer = |channel: Channel| -> Writer { Box::new(channel) };
    Streams {
        stdin: stdin.map(reader),
        stdout: stdout.map(writer),
        stderr: stderr.map(writer),
        resize: resize.map(reader),
        error: error.map_or_else(|| Box::new(tokio::io::sink()) as Writer, writer),
        gone: Box::pin(async move { over.cancelled().await }),
    }
}

async fn over_spdy(
    connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    protocol: &str,
    wanted: Wanted,
    session: Session,
    task: Task,
    stop: CancellationToken,
) {
    let (client, mut incoming) = spdy::Session::server(connection);
    let serving = async {
        // The first two versions have no stream for the terminal's size.
        let resize = wanted.tty && ["v3.channel.k8s.io", "v4.channel.k8s.io"].contains(&protocol);
        let opening = collect(&mut incoming, wanted, resize);
        let Ok(Some(mut streams)) = tokio::time::timeout(OPENING, opening).await else { return };
        let client = client.clone();
        streams.gone = Box::pin(async move { client.closed().await });
        run(session, streams, Report::of(protocol), task).await;
    };
    tokio::select! {
        () = serving => {}
        () = stop.cancelled() => {}
    }
}

/// Waits for the streams that the client must open; `None` if it goes before.
async fn collect(incoming: &mut spdy::Incoming, wanted: Wanted, resize: bool) -> Option<Streams> {
    let expected = [true, wanted.stdin, wanted.stdout, wanted.stderr, resize].iter().filter(|yes| **yes).count();
    let (mut stdin, mut stdout, mut stderr, mut error, mut size) = (None, None, None, None, None);
    let mut have = 0;
    while have < expected {
        let stream = incoming.next().await?;
        let place = match stream.headers().get("streamType") {
            "stdin" => &mut stdin,
            "stdout" => &mut stdout,
            "stderr" => &mut stderr,
            "error" => &mut error,
            "resize" => &mut size,
            // Dropping it refuses it.
            _ => continue,
        };
        have += usize::from(place.replace(stream).is_none());
    }
    let reader = |stream: spdy::Stream| -> Reader { Box::new(stream) };
    let writer = |stream: spdy::Stream| -> Writer { Box::new(stream) };
    Some(Streams {
        stdin: stdin.filter(|_| wanted.stdin).map(reader),
        stdout: stdout.filter(|_| wanted.stdout).map(writer),
        stderr: stderr.filter(|_| wanted.stderr).map(writer),
        resize: size.map(reader),
        error: writer(error?),
        gone: Box::pin(std::future::pending()),
    })
}

/// Carries the streams until the command ends or the client goes, which ends the command.
async fn run(session: Session, streams: Streams, report: Report, task: Task) {
    let Session { stdin, stdout, stderr, resize, exit } = session;
    let Streams { stdin: input, stdout: output, stderr: errors, resize: sizes, mut error, gone } = streams;
    let ended = {
        let feeding = async {
            if let (Some(mut input), Some(mut stdin)) = (input, stdin) {
                // A command need not read its input to the end.
                let _ = tokio::io::copy(&mut input, &mut stdin).await;
                let _ = stdin.shutdown().await;
            }
            std::future::pending::<()>().await;
        };
        let resizing = async {
            if let (Some(sizes), Some(resize)) = (sizes, resize) {
                follow_sizes(sizes, &resize).await;
                // The terminal keeps its last size.
                std::future::pending::<()>().await;
                drop(resize);
            }
            std::future::pending::<()>().await;
        };
        let running = async {
            let ((), (), exit) = tokio::join!(copy_output(stdout, output), copy_output(stderr, errors), exit);
            exit
        };
        tokio::select! {
            exit = running => Some(exit),
            () = feeding => None,
            () = resizing => None,
            () = gone => None,
        }
    };
    if let Some(exit) = ended {
        report.write(&mut error, &outcome(exit, report, task)).await;
    }
}

async fn copy_output(from: Option<Reader>, to: Option<Writer>) {
    if let (Some(mut from), Some(mut to)) = (from, to) {
        // A client that does not want more ends the command's output.
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    }
}

/// Reads the sizes of the client's terminal: `{"Width":80,"Height":24}`, one after the other.
async fn follow_sizes(mut sizes: Reader, resize: &watch::Sender<(u16, u16)>) {
    let mut text = Vec::new();
    while let Ok(1..) = sizes.read_buf(&mut text).await {
        while let Some(end) = text.iter().position(|byte| *byte == b'}') {
            let message: Vec<u8> = text.drain(..=end).collect();
            let Ok(size) = serde_json::from_slice::<Value>(&message) else { return };
            let side = |name: &str| size[name].as_u64().and_then(|side| u16::try_from(side).ok());
            if let (Some(columns), Some(rows)) = (side("Width"), side("Height")) {
                resize.send_replace((columns, rows));
            }
        }
        if text.len() > RESIZE_LIMIT {
            return;
        }
    }
}

/// How a client learns how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    /// A failure's message in plain text, and nothing of success (before v4).
    Words,
    /// The kubelet's `Status` (v4).
    Status,
    /// The API server's `Status`, made from the kubelet's (v5).
    Translated,
}

impl Report {
    fn of(protocol: &str) -> Report {
        match protocol {
            "v5.channel.k8s.io" => Report::Translated,
            "v4.channel.k8s.io" | "v4.base64.channel.k8s.io" => Report::Status,
            _ => Report::Words,
        }
    }

    async fn write(self, error: &mut Writer, status: &Status) {
        let text = match (self, status.status.as_str()) {
            (Report::Words, "Success") => Vec::new(),
            (Report::Words, _) => status.message.clone().into_bytes(),
            (Report::Status | Report::Translated, _) => encode(status),
        };
        // Where the client has gone, nobody wants to know.
        let _ = error.write_all(&text).await;
        let _ = error.shutdown().await;
    }
}

/// A status as the kubelet writes it: without a kind, since it goes through no codec.
fn encode(status: &Status) -> Vec<u8> {
    let field = |name: &str, value: String| if value.is_empty() { value } else { format!(r#","{name}":{value}"#) };
    let text = |text: &str| if text.is_empty() { String::new() } else { Value::from(text).to_string() };
    let details = status.details.as_ref().and_then(|details| serde_json::to_string(details).ok());
    let code = if status.code == 0 { String::new() } else { status.code.to_string() };
    let fields = [
        field("status", text(&status.status)),
        field("message", text(&status.message)),
        field("reason", text(&status.reason)),
        field("details", details.unwrap_or_default()),
        field("code", code),
    ];
    format!(r#"{{"metadata":{{}}{}}}"#, fields.concat()).into_bytes()
}

/// What there is to say of an end.
fn outcome(exit: Result<i32, String>, report: Report, task: Task) -> Status {
    match exit {
        // Attaching succeeds however the process ends.
        Ok(0) => Status::success(),
        Ok(_) if task == Task::Attach => Status::success(),
        Ok(code) => {
            let detail = match report {
                Report::Translated => format!("command terminated with exit code {code}"),
                _ => format!("exit status {code}"),
            };
            let cause = StatusCause { reason: "ExitCode".into(), message: code.to_string(), ..StatusCause::default() };
            let message = format!("command terminated with non-zero exit code: {detail}");
            let mut status = Status::failure(0, "NonZeroExitCode", message);
            status.details = Some(Box::new(StatusDetails { causes: vec![cause], ..StatusDetails::default() }));
            status
        }
        Err(why) => {
            let what = if task == Task::Exec { "executing command in" } else { "attaching to" };
            let status = Status::internal(format!("error {what} container: {why}"));
            if report == Report::Translated { Status::internal(status.message) } else { status }
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
