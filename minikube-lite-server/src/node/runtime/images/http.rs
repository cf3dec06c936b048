//! HTTP/1.1 as the servers among the images speak it.

use super::serving::Server;
use crate::node::network::{Accepted, PodNetwork};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An answer with its whole body.
pub type Reply = Response<Full<Bytes>>;

/// The largest request body that a server reads, in bytes.
pub const LARGEST_BODY: usize = 1 << 20;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub local: SocketAddrV4,
    pub peer: SocketAddrV4,
    /// `https` over TLS.
    pub scheme: &'static str,
}

/// What answers the requests of a server.
pub trait Site: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>, ends: Ends) -> impl Future<Output = Reply> + Send;

    /// How header names are written: `Content-Type` rather than `content-type`.
    const TITLE_CASE: bool = true;
}

/// Serves a site on a port of the Pod.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when something of the Pod listens there.
pub fn listen<S: Site>(
    server: &mut Server,
    network: &PodNetwork,
    address: Ipv4Addr,
    port: u16,
    site: Arc<S>,
) -> io::Result<()> {
    server.listen(network, address, port, move |accepted, draining| serve(accepted, site.clone(), draining))
}

/// Serves one connection to its end.
pub async fn serve<S: Site>(accepted: Accepted, site: Arc<S>, draining: CancellationToken) {
    serve_as("http", accepted, site, draining).await;
}

/// Serves one connection, which may be TLS' inner one, to its end.
pub async fn serve_as<S: Site>(scheme: &'static str, accepted: Accepted, site: Arc<S>, draining: CancellationToken) {
    let ends = Ends { local: accepted.local, peer: accepted.peer, scheme };
    let requests = accepted.requests;
    let service = service_fn(move |request| {
        requests.count();
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request, ends).await) }
    });
    let connection = http1::Builder::new()
        .title_case_headers(S::TITLE_CASE)
        .serve_connection(TokioIo::new(accepted.stream), service);
    let mut connection = pin!(connection);
    // A connection that fails has nobody left to tell.
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// An answer with a body of the given content type.
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A text, as Go's servers send it.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", body)
}

/// The body of a request, up to [`LARGEST_BODY`]. `None` when it is larger or the client has gone.
pub async fn body(incoming: Incoming) -> Option<Bytes> {
    Limited::new(incoming, LARGEST_BODY).collect().await.ok().map(http_body_util::Collected::to_bytes)
}

/// A header's value as text; empty without.
pub fn header<B>(request: &Request<B>, name: impl Into<HeaderName>) -> &str {
    request.headers().get(name.into()).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The value of a parameter of the query, with `%xx` and `+` resolved.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(key) == name).then(|| unescape(value))
    })
}

fn unescape(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Go's `Header` names: `X-Forwarded-For` for `x-forwarded-for`.
pub fn canonical(name: &str) -> String {
    let mut start = true;
    let letter = |c: char| {
        let letter = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        letter
    };
    name.chars().map(letter).collect()
}
