//! A raw client of the API's streams: upgrades to SPDY and to WebSockets, without any kubectl.

use crate::Server;
use crate::load::kubeconfig::{self, Access};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::header::{HeaderName, UPGRADE};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use shared_types::spdy;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A connection that the server has let go of.
pub type Connection = TokioIo<Upgraded>;

/// A connection to a server, and the token that each request on it must have.
///
/// # Panics
/// If there is none.
pub async fn connect(access: &Access) -> (TlsStream<TcpStream>, Option<String>) {
    let config = crate::load::api::tls(access, "http/1.1").expect("the kubeconfig has certificates");
    let address = access.server.trim_start_matches("https://");
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let name = ServerName::try_from("127.0.0.1").expect("this is an address");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS works");
    (stream, access.token.clone())
}

/// Sends a request with these headers over a connection of its own.
///
/// # Panics
/// If the server cannot be asked.
pub async fn request(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> Response<Incoming> {
    let access = kubeconfig::read(&server.kubeconfig()).expect("the server wrote a kubeconfig");
    let (stream, token) = connect(&access).await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP works");
    // Its end shows as an error of the request, or of what it is upgraded to.
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder().method(method).uri(path).header(HOST, server.address());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).expect("this is a request");
    sender.send_request(request).await.expect("the server answers")
}

/// The connection, if the server agrees to change the protocol.
///
/// # Errors
/// Its answer, if it does not.
pub async fn upgrade(response: Response<Incoming>) -> Result<Connection, Response<Incoming>> {
    if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(response);
    }
    Ok(TokioIo::new(hyper::upgrade::on(response).await.expect("the connection is upgraded")))
}

/// Opens a SPDY connection as older clients do.
///
/// # Errors
/// The server's answer, if it refuses.
pub async fn over_spdy(server: &Server, path: &str, protocol: &str) -> Result<spdy::Session, Response<Incoming>> {
    let version = HeaderName::from_static("x-stream-protocol-version");
    let headers = [(CONNECTION, "Upgrade"), (UPGRADE, spdy::UPGRADE), (version, protocol)];
    Ok(spdy::Session::client(upgrade(request(server, Method::POST, path, &headers).await).await?))
}

/// Opens a WebSocket.
///
/// # Errors
/// The server's answer, if it refuses.
pub async fn over_web_socket(
    server: &Server,
    path: &str,
    protocol: &str,
) -> Result<WebSocketStream<Connection>, Response<Incoming>> {
    let headers = [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        (SEC_WEBSOCKET_PROTOCOL, protocol),
    ];
    // Who speaks none does not name it.
    let headers = if protocol.is_empty() { &headers[..4] } else { &headers[..] };
    let connection = upgrade(request(server, Method::GET, path, headers).await).await?;
    Ok(WebSocketStream::from_raw_socket(connection, Role::Client, None).await)
}
