//! What runs in a container, over a WebSocket ([`channels`]) or SPDY ([`spdy`]).

pub mod channels;
pub mod spdy;

use super::upgrade::WebSocket;
use crate::errors::CommandError;
use bytes::Bytes;
use shared_types::status::Status;
use std::io;
use tokio::sync::mpsc;

/// A connection to a command in a container.
pub enum Connection {
    WebSocket(Box<WebSocket>),
    Spdy(Box<spdy::Streams>),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

impl Size {
    /// As it goes over the wire.
    fn message(self) -> String {
        shared_types::json!({"Width": self.columns, "Height": self.rows}).to_string()
    }
}

/// Which output a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

/// What goes to the other side.
#[derive(Default)]
pub struct Input {
    /// Ends with its sender. `None` where standard input was not asked for.
    pub stdin: Option<mpsc::Receiver<Bytes>>,
    /// Sizes of the terminal, the first of them now.
    pub sizes: Option<mpsc::Receiver<Size>>,
}

/// Passes everything on in both directions until the command has ended.
///
/// # Errors
/// The command failed ([`CommandError::Terminated`] with its exit code), could not be run, or the connection broke off.
pub async fn run(
    connection: Connection,
    input: Input,
    output: impl AsyncFnMut(Output, &[u8]) -> io::Result<()>,
) -> Result<(), CommandError> {
    match connection {
        Connection::WebSocket(socket) => channels::run(*socket, input, output).await,
        Connection::Spdy(streams) => streams.run(input, output).await,
    }
}

/// The next of `receiver`; nothing ever comes where there is none.
async fn next<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// What the `Status` of the error stream says.
fn ended(outcome: &[u8]) -> Result<(), CommandError> {
    if outcome.is_empty() {
        return Ok(());
    }
    let protocol_error = |why: String| Err(CommandError::message(format!("error stream protocol error: {why}")));
    let Ok(status) = serde_json::from_slice::<Status>(outcome) else {
        return protocol_error(format!("no Status in {:?}", String::from_utf8_lossy(outcome)));
    };
    match (status.status.as_str(), status.reason.as_str()) {
        ("Success", _) => Ok(()),
        ("Failure", "NonZeroExitCode") => {
            let Some(details) = &status.details else { return protocol_error("details must be set".into()) };
            let Some(cause) = details.causes.iter().find(|cause| cause.reason == "ExitCode") else {
                return protocol_error("no ExitCode cause given".into());
            };
            match cause.message.parse::<u8>() {
                Ok(code) => {
                    let message = format!("command terminated with exit code {code}");
                    Err(CommandError::Terminated { message, code })
                }
                Err(_) => protocol_error(format!("invalid exit code value {:?}", cause.message)),
            }
        }
        ("Failure", _) => Err(CommandError::message(status.message)),
        _ => protocol_error("unknown error".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_how_it_ended() {
        let failed = |status: &str| ended(status.as_bytes()).unwrap_err();
        assert!(ended(b"").is_ok());
        assert!(ended(br#"{"metadata":{},"status":"Success"}"#).is_ok());
        let exit = r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",
            "details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
        let error = failed(exit);
        assert_eq!((error.render().as_str(), error.exit_code()), ("command terminated with exit code 3\n", 3));
        let error = failed(
            r#"{"status":"Failure","reason":"InternalError","message":"Internal error occurred: x","code":500}"#,
        );
        assert_eq!((error.render().as_str(), error.exit_code()), ("error: Internal error occurred: x\n", 1));
        for (wrong, why) in [
            (exit.replace("\"3\"", "\"300\""), "invalid exit code value \"300\""),
            (exit.replace("\"reason\":\"ExitCode\"", "\"reason\":\"Other\""), "no ExitCode cause given"),
            (r#"{"status":"Failure","reason":"NonZeroExitCode"}"#.into(), "details must be set"),
            ("{}".into(), "unknown error"),
            ("boom".into(), "no Status in \"boom\""),
        ] {
            assert_eq!(failed(&wrong).text(), format!("error stream protocol error: {why}"), "{wrong}");
        }
    }
}
