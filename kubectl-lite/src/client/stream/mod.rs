//! Requests that go on as a stream in both directions: WebSockets (RFC 6455) over the client's own connections, with its
//! certificates and credentials.

#[cfg(test)]
pub mod fake;
pub mod remote_command;

use super::transport::{Client, Request};
use crate::errors::CommandError;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use shared_types::status::Status;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::Role;

/// A WebSocket, and the subprotocol that the server has chosen for it.
pub struct WebSocket {
    pub stream: WebSocketStream<reqwest::Upgraded>,
    pub protocol: String,
}

impl Client<'_> {
    /// Asks the server to go on with one of the subprotocols, the first of which is liked best.
    ///
    /// # Errors
    /// Why the server refuses, or what else there is in place of a WebSocket.
    pub async fn websocket(&self, mut request: Request, protocols: &[&'static str]) -> Result<WebSocket, CommandError> {
        let key = generate_key();
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| CommandError::message(format!("invalid header value {text:?}")))
        };
        request.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        request.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        request.headers.insert(SEC_WEBSOCKET_KEY, text(&key)?);
        request.headers.insert(SEC_WEBSOCKET_PROTOCOL, text(&protocols.join(", "))?);
        let response = self.start(&request, None).await?;
        let status = response.status();
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_string();
        let (accepted, protocol) = (header(SEC_WEBSOCKET_ACCEPT), header(SEC_WEBSOCKET_PROTOCOL));
        if status != http::StatusCode::SWITCHING_PROTOCOLS {
            let body = response.bytes().await.unwrap_or_default();
            let why = match serde_json::from_slice::<Status>(&body) {
                Ok(status) if status.kind == "Status" => status.message,
                _ => String::from_utf8_lossy(&body).trim().to_string(),
            };
            return Err(CommandError::message(format!("unable to upgrade connection: {why}")));
        }
        if accepted != derive_accept_key(key.as_bytes()) || !protocols.contains(&protocol.as_str()) {
            return Err(CommandError::message(format!(
                "unable to upgrade connection: the server went on with {protocol:?} in place of a WebSocket"
            )));
        }
        let upgraded = response
            .upgrade()
            .await
            .map_err(|error| CommandError::message(format!("unable to upgrade connection: {error}")))?;
        Ok(WebSocket { stream: WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await, protocol })
    }
}
