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
