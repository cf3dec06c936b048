//! Taking over a request's connection, as a WebSocket (RFC 6455) or for SPDY.

use crate::http::respond;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt};
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use shared_types::spdy;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

/// A connection that has been taken over.
pub type Connection = TokioIo<Upgraded>;
/// A WebSocket with a client.
pub type WebSocket = WebSocketStream<Connection>;

/// How much of what a client sends is read at once (bytes). Each open WebSocket takes this memory.
const READ_BUFFER: usize = 16 << 10;

/// Whether a request asks for another protocol.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

/// Whether a request asks for a WebSocket.
pub fn is_web_socket(headers: &HeaderMap) -> bool {
    asks_for(headers, "websocket")
}

/// Whether a request asks for SPDY.
pub fn is_spdy(headers: &HeaderMap) -> bool {
    asks_for(headers, spdy::UPGRADE)
}

fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or("");
    is_upgrade(headers) && upgrade.eq_ignore_ascii_case(protocol)
}

/// The words of a list in headers of one name.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// The WebSocket subprotocols that a client speaks, the one it likes best first.
pub fn subprotocols(headers: &HeaderMap) -> Vec<&str> {
    listed(headers, &SEC_WEBSOCKET_PROTOCOL)
}

/// The client's first subprotocol that the server has too. A client that names none speaks `""`.
///
/// # Errors
/// The answer to a client that speaks none of them.
pub fn choose_subprotocol<'a>(headers: &HeaderMap, supported: &[&'a str]) -> Result<&'a str, Response<Body>> {
    let mut wanted = subprotocols(headers);
    if wanted.is_empty() {
        wanted.push("");
    }
    let chosen = wanted.iter().find_map(|wanted| supported.iter().find(|have| *have == wanted));
    chosen.copied().ok_or_else(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    })
}

/// The answer that begins a WebSocket with a subprotocol (`""`: none).
///
/// # Errors
/// The answer to a request that is no proper WebSocket handshake.
pub fn web_socket_answer(headers: &HeaderMap, subprotocol: &str) -> Result<Response<Body>, Response<Body>> {
    let refuse = |why: &str| Err(respond::text(400, format!("{why}\n")));
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return refuse("unsupported websocket version: the Sec-WebSocket-Version header must be 13");
    }
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY) else {
        return refuse("the Sec-WebSocket-Key header is missing");
    };
    let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) else {
        return refuse("the Sec-WebSocket-Key header is invalid");
    };
    let mut response = switching("websocket");
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(value) = HeaderValue::try_from(subprotocol).ok().filter(|value| !value.is_empty()) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    Ok(response)
}

/// The answer that begins a SPDY connection, and the stream protocol that client and server agree on.
///
/// # Errors
/// The answer to a client that names none of the supported ones.
pub fn spdy_answer<'a>(
    headers: &HeaderMap,
    supported: &[&'a str],
) -> Result<(Response<Body>, &'a str), Response<Body>> {
    let name = HeaderName::from_static("x-stream-protocol-version");
    let wanted = listed(headers, &name);
    if wanted.is_empty() {
        let why = format!("unable to upgrade: {} is required\n", spdy::PROTOCOL_VERSION);
        return Err(respond::text(400, why));
    }
    let Some(chosen) = wanted.iter().find_map(|wanted| supported.iter().find(|have| *have == wanted)) else {
        let (wanted, ours) = (wanted.join(" "), supported.join(" "));
        let why = "unable to upgrade: unable to negotiate protocol:";
        let why = format!("{why} client supports [{wanted}], server accepts [{ours}]\n");
        let mut response = respond::text(403, why);
        for protocol in supported.iter().filter_map(|protocol| HeaderValue::try_from(*protocol).ok()) {
            response.headers_mut().append("x-accepted-stream-protocol-versions", protocol);
        }
        return Err(response);
    };
    let mut response = switching(spdy::UPGRADE);
    if let Ok(value) = HeaderValue::try_from(*chosen) {
        response.headers_mut().insert(name, value);
    }
    Ok((response, chosen))
}

/// 101, to a protocol.
fn switching(protocol: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    response
}

/// The connection, once the answer has been sent; `None` when the client has gone.
pub async fn taken_over(upgrade: OnUpgrade) -> Option<Connection> {
    match upgrade.await {
        Ok(connection) => Some(TokioIo::new(connection)),
        Err(problem) => {
            tracing::debug!("upgrade: {problem}");
            None
        }
    }
}

/// The WebSocket, once the answer has been sent; `None` when the client has gone.
pub async fn web_socket(upgrade: OnUpgrade) -> Option<WebSocket> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    Some(WebSocketStream::from_raw_socket(taken_over(upgrade).await?, Role::Server, Some(config)).await)
}

/// A WebSocket that messages are sent through, and on which the client says nothing: watches and logs.
pub struct OneWay {
    pub upgrade: OnUpgrade,
    pub stop: CancellationToken,
}

impl OneWay {
    /// Sends until there is no more, or the client closes.
    pub fn send(self, messages: impl Stream<Item = Message> + Send + 'static) {
        tokio::spawn(async move {
            let Some(socket) = web_socket(self.upgrade).await else { return };
            let (mut sink, mut received) = socket.split();
            let sending = async {
                let mut messages = std::pin::pin!(messages);
                while let Some(message) = messages.next().await {
                    sink.send(message).await?;
                }
                sink.send(normal_closure()).await?;
                sink.close().await
            };
            let closed = async { while let Some(Ok(_)) = received.next().await {} };
            let mut closed = std::pin::pin!(closed);
            let sent = tokio::select! {
                sent = sending => sent.is_ok(),
                () = &mut closed => false,
                () = self.stop.cancelled() => false,
            };
            if sent {
                // Until the client has read everything.
                let _ = tokio::time::timeout(super::channels::LINGER, closed).await;
            }
        });
    }
}

/// The last message of a WebSocket that ends as it should (1000). Clients take one without a code for a failure.
pub fn normal_closure() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }))
}

/// A text message; what is not UTF-8 goes as binary.
pub fn text_message(text: Bytes) -> Message {
    match Utf8Bytes::try_from(text.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(text),
    }
}
