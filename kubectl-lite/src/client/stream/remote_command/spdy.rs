//! A command over SPDY, each of whose streams says in a header what it is for.

use super::{Input, Output, ended, next};
use crate::client::Request;
use crate::errors::CommandError;
use shared_types::spdy::{Session, Stream};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What the streams may mean, best first.
pub const PROTOCOLS: [&str; 5] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// The most that is read of an output at once (bytes).
const PIECE: usize = 32 << 10;

/// The streams of a command.
pub struct Streams {
    error: Stream,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
    /// How the command ended is told as a `Status`, otherwise in words.
    status: bool,
}

impl Streams {
    /// Opens the streams that the query of `request` asks for, for which the server waits before it begins.
    ///
    /// # Errors
    /// The server refuses one, or the connection is lost.
    pub async fn open(session: &Session, protocol: &str, request: &Request) -> Result<Streams, CommandError> {
        let failed = |why: io::Error| CommandError::message(format!("error creating stream: {why}"));
        let open = async |kind| session.open([("streamtype", kind)]).await.map_err(failed);
        let asked = |name| request.query.iter().any(|(key, value)| *key == name && value == "true");
        let wanted = async |name| if asked(name) { open(name).await.map(Some) } else { Ok(None) };
        let is = |versions: &[&str]| versions.contains(&protocol);
        Ok(Streams {
            error: open("error").await?,
            stdin: wanted("stdin").await?,
            stdout: wanted("stdout").await?,
            stderr: wanted("stderr").await?,
            // The first two versions do not know of the terminal's size.
            resize: if asked("tty") && is(&PROTOCOLS[..3]) { Some(open("resize").await?) } else { None },
            status: is(&PROTOCOLS[..2]),
        })
    }

    /// See [`super::run`].
    pub async fn run(
        self,
        mut input: Input,
        output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
    ) -> Result<(), CommandError> {
        let Streams { mut error, stdin, stdout, stderr, resize, status } = self;
        // Where the server takes no more, the command does not want it, or has ended.
        let feeding = async {
            let Some(mut stdin) = stdin else { return };
            while let Some(piece) = next(&mut input.stdin).await {
                if stdin.write_all(&piece).await.is_err() {
                    return;
                }
            }
            let _ = stdin.shutdown().await;
        };
        let resizing = async {
            let Some(mut resize) = resize else { return };
            while let Some(size) = next(&mut input.sizes).await {
                if resize.write_all(size.message().as_bytes()).await.is_err() {
                    return;
                }
            }
        };
        let sending = async {
            tokio::join!(feeding, resizing);
            std::future::pending::<()>().await;
        };
        let mut outcome = Vec::new();
        let receiving = async {
            let (written, told) = tokio::join!(receive(stdout, stderr, output), error.read_to_end(&mut outcome));
            written.map(|()| told)
        };
        let told = tokio::select! {
            told = receiving => told?,
            () = sending => return Ok(()),
        };
        // The official kubectl takes a lost connection for success here, though not over a WebSocket.
        told.map_err(|why| CommandError::message(format!("error reading from error stream: {why}")))?;
        if status {
            return ended(&outcome);
        }
        match String::from_utf8_lossy(&outcome).as_ref() {
            "" => Ok(()),
            why => Err(CommandError::message(format!("error executing remote command: {why}"))),
        }
    }
}

/// Hands on all output. A stream that breaks off is over; how the command ended is told elsewhere.
async fn receive(
    mut stdout: Option<Stream>,
    mut stderr: Option<Stream>,
    mut output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (mut out, mut err) = (vec![0; PIECE], vec![0; PIECE]);
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            length = read(&mut stdout, &mut out) => match length {
                0 => stdout = None,
                length => output(Output::Stdout, &out[..length]).await?,
            },
            length = read(&mut stderr, &mut err) => match length {
                0 => stderr = None,
                length => output(Output::Stderr, &err[..length]).await?,
            },
        }
    }
    Ok(())
}

/// Reads of `stream`; nothing ever comes where there is none.
async fn read(stream: &mut Option<Stream>, into: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use shared_types::spdy::Incoming;
    use std::collections::HashMap;
    use tokio::sync::mpsc;

    async fn opened(incoming: &mut Incoming, count: usize) -> HashMap<String, Stream> {
        let mut streams = HashMap::new();
        for _ in 0..count {
            let stream = incoming.next().await.unwrap();
            streams.insert(stream.headers().get("streamType").to_string(), stream);
        }
        streams
    }

    /// Runs with input against a server that opens so many streams, echoes the input and tells `outcome`.
    async fn echo(protocol: &str, asked: &[&'static str], count: usize, outcome: &str) -> (Vec<u8>, String) {
        let (near, far) = tokio::io::duplex(4096);
        let (client, (session, mut incoming)) = (Session::client(near), Session::server(far));
        let (sender, stdin) = mpsc::channel(1);
        sender.send(Bytes::from_static(b"echoed")).await.unwrap();
        drop(sender);
        let request = asked.iter().fold(Request::get("/"), |request, name| request.query(name, "true"));
        let mut output = Vec::new();
        let serving = async {
            let mut streams = opened(&mut incoming, count).await;
            let mut input = Vec::new();
            streams.get_mut("stdin").unwrap().read_to_end(&mut input).await.unwrap();
            let stdout = streams.get_mut("stdout").unwrap();
            stdout.write_all(&input).await.unwrap();
            streams.get_mut("error").unwrap().write_all(outcome.as_bytes()).await.unwrap();
            for stream in streams.values_mut() {
                stream.shutdown().await.unwrap();
            }
            drop(session);
        };
        let running = async {
            let streams = Streams::open(&client, protocol, &request).await.unwrap();
            let input = Input { stdin: Some(stdin), sizes: None };
            let take = async |_, piece: &[u8]| {
                output.extend_from_slice(piece);
                Ok(())
            };
            streams.run(input, take).await
        };
        let (result, ()) = tokio::join!(running, serving);
        (output, result.err().map(|error| error.text()).unwrap_or_default())
    }

    #[tokio::test]
    async fn every_version_tells_how_it_ended() {
        let status = r#"{"status":"Failure","message":"no such file"}"#;
        let plain = ["stdin", "stdout", "stderr"];
        for (protocol, outcome, told) in [
            ("v5.channel.k8s.io", status, "no such file"),
            ("v4.channel.k8s.io", status, "no such file"),
            ("v4.channel.k8s.io", r#"{"status":"Success"}"#, ""),
            ("v3.channel.k8s.io", "exit 3", "error executing remote command: exit 3"),
            ("v2.channel.k8s.io", "", ""),
            ("channel.k8s.io", "exit 3", "error executing remote command: exit 3"),
            ("", "", ""),
        ] {
            assert_eq!(echo(protocol, &plain, 4, outcome).await, (b"echoed".to_vec(), told.to_string()), "{protocol}");
        }
    }

    #[tokio::test]
    async fn terminals_have_a_stream_for_sizes_from_the_third_version_on() {
        for (protocol, count) in [("v4.channel.k8s.io", 4), ("v3.channel.k8s.io", 4), ("v2.channel.k8s.io", 3)] {
            let (output, told) = echo(protocol, &["stdin", "stdout", "tty"], count, "").await;
            assert_eq!((output.as_slice(), told.as_str()), (&b"echoed"[..], ""), "{protocol}");
        }
    }
}
