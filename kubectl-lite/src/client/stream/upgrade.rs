//! Taking over the connection of a request, as a WebSocket or for SPDY.

use crate::client::transport::{Client, Request};
use crate::errors::CommandError;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode};
use shared_types::spdy::{self, Session};
use shared_types::status::Status;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::Role;

/// [`spdy::PROTOCOL_VERSION`].
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// A WebSocket with the server.
pub type WebSocket = WebSocketStream<reqwest::Upgraded>;

impl Client<'_> {
    /// Asks the server to go on as a WebSocket of a subprotocol; `None` if it answers anything else.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(super) async fn web_socket(
        &self,
        mut request: Request,
        protocol: &'static str,
    ) -> Result<Option<WebSocket>, CommandError> {
        let key = generate_key();
        let text = HeaderValue::from_str(&key);
        request.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        request.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        request.headers.insert(SEC_WEBSOCKET_KEY, text.map_err(|error| CommandError::message(error.to_string()))?);
        request.headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        let response = self.start(&request, None).await.map_err(|error| match unexpected(error) {
            CommandError::Unreachable { why, .. } => CommandError::Message(why),
            error => error,
        })?;
        let headers = response.headers();
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS
            && text_of(headers, SEC_WEBSOCKET_ACCEPT) == derive_accept_key(key.as_bytes())
            && text_of(headers, SEC_WEBSOCKET_PROTOCOL) == protocol;
        if !upgrades {
            return Ok(None);
        }
        let upgraded = response.upgrade().await.map_err(|error| CommandError::message(error.to_string()))?;
        Ok(Some(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await))
    }

    /// Asks the server to go on with SPDY, whose streams mean what one of the protocols says, the first of which is liked
    /// best. Gives the one that the server has chosen too.
    ///
    /// # Errors
    /// Why it refuses, or that it cannot be reached.
    pub(super) async fn spdy(
        &self,
        request: Request,
        protocols: &[&'static str],
    ) -> Result<(Session, String), CommandError> {
        let mut request = Request { method: Method::POST, ..request };
        request.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers.insert(UPGRADE, HeaderValue::from_static(spdy::UPGRADE));
        for protocol in protocols {
            request.headers.append(PROTOCOL_VERSION, HeaderValue::from_static(protocol));
        }
        let response = self.start(&request, None).await;
        let response = response.map_err(|error| unexpected(error).doing("error sending request"))?;
        let has = |name, part| text_of(response.headers(), name).to_ascii_lowercase().contains(part);
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS
            && has(CONNECTION, "upgrade")
            && has(UPGRADE, &spdy::UPGRADE.to_ascii_lowercase());
        let failed = |why: String| CommandError::message(format!("unable to upgrade connection: {why}"));
        if !upgrades {
            return Err(match response.bytes().await {
                Ok(body) => failed(refusal(&body)),
                Err(_) => failed("unable to read error from server response".into()),
            });
        }
        let protocol = text_of(response.headers(), PROTOCOL_VERSION).to_string();
        let upgraded = response.upgrade().await.map_err(|error| failed(error.to_string()))?;
        Ok((Session::client(upgraded), protocol))
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What an answer says that is no upgrade.
fn refusal(body: &[u8]) -> String {
    match serde_json::from_slice::<Status>(body) {
        Ok(status) if status.kind == "Status" && !status.message.is_empty() => status.message,
        _ => match String::from_utf8_lossy(body).trim() {
            "" => "empty server response".into(),
            text => text.into(),
        },
    }
}

/// Whoever upgrades a connection expects more than an end.
fn unexpected(error: CommandError) -> CommandError {
    match error {
        CommandError::Unreachable { verb, url, why } if why == "EOF" => {
            CommandError::Unreachable { verb, url, why: format!("unexpected {why}") }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_as_it_stands() {
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods \"x\" not found"}"#;
        let silent = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":403}"#;
        for (body, told) in [
            (status, "pods \"x\" not found"),
            (silent, silent),
            (r#"{"kind":"Pod","apiVersion":"v1"}"#, r#"{"kind":"Pod","apiVersion":"v1"}"#),
            (" no way\n", "no way"),
            ("\n", "empty server response"),
        ] {
            assert_eq!(refusal(body.as_bytes()), told);
        }
    }
}
