//! Accepting connections: TLS, HTTP/1.1 and HTTP/2, and the orderly end.

use super::write_buffer::WriteBuffer;
use axum::Router;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections may take to finish what they are at when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long clients may leave off before they are dropped.
#[derive(Clone, Copy)]
struct Patience {
    /// Over the TLS handshake.
    handshake: Duration,
    /// With HTTP/1.1, over a request's headers and between two requests.
    idle: Duration,
}

/// As in kube-apiserver.
const PATIENCE: Patience = Patience { handshake: Duration::from_secs(10), idle: Duration::from_secs(90) };
/// How often a client of HTTP/2 is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(15);

/// How long a request's line and headers may be, as in Go's HTTP server: selectors are part of them.
const HEADERS: usize = 1 << 20;

/// The server's certificate and key, ready for use.
pub type Tls = Arc<ServerConfig>;

/// Runs what can be answered at once, as reads can, within the task of its connection; what has to wait gets a task.
#[derive(Clone)]
struct AtOnce;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for AtOnce {
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        // Polled anew by its task, it need not be woken by this.
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(future);
        }
    }
}

/// Serves connections until `stop` is cancelled, then lets those that are busy finish.
pub async fn serve(listener: TcpListener, tls: Tls, router: Router, stop: CancellationToken) {
    serve_patiently(listener, tls, router, stop, PATIENCE).await;
}

async fn serve_patiently(listener: TcpListener, tls: Tls, router: Router, stop: CancellationToken, patience: Patience) {
    let acceptor = TlsAcceptor::from(tls);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(problem) => {
                // Out of file descriptors, most likely: give others time to close.
                tracing::warn!("cannot accept a connection: {problem}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let handshake = tokio::time::timeout(patience.handshake, shake_hands(stream, &acceptor));
            let stream = match stop.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => stream,
                Some(Ok(Err(problem))) => return tracing::debug!("TLS handshake: {problem}"),
                Some(Err(_)) | None => return,
            };
            if let Err(problem) = serve_connection(stream, router, &stop, patience.idle).await {
                tracing::debug!("connection: {problem}");
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

/// Begins TLS. Who speaks plain HTTP is told so, as by Go's server.
async fn shake_hands(mut stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<TlsStream<WriteBuffer<TcpStream>>> {
    const PLAIN_HTTP: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
        // What nobody reads would cut the answer off.
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(PLAIN_HTTP).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain HTTP"));
    }
    acceptor.accept(WriteBuffer::new(stream)).await
}

/// Serves one connection to its end, in the protocol that was agreed on.
async fn serve_connection(
    stream: TlsStream<WriteBuffer<TcpStream>>,
    router: Router,
    stop: &CancellationToken,
    idle: Duration,
) -> hyper::Result<()> {
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, service) = (TokioIo::new(stream), TowerToHyperService::new(router));
    if speaks_http2 {
        let mut builder = http2::Builder::new(AtOnce);
        builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PONG);
        builder.max_header_list_size(HEADERS as u32).max_concurrent_streams(1000);
        builder.initial_stream_window_size(1 << 20).adaptive_window(false);
        let connection = pin!(builder.serve_connection(stream, service));
        finish(connection, stop, |connection| connection.graceful_shutdown()).await
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(HEADERS);
        let connection = pin!(builder.serve_connection(stream, service).with_upgrades());
        finish(connection, stop, |connection| connection.graceful_shutdown()).await
    }
}

/// Waits for the end of a connection; when the server stops, that comes with the end of the current request.
async fn finish<C: Future>(
    mut connection: Pin<&mut C>,
    stop: &CancellationToken,
    shut_down: fn(Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    shut_down(connection.as_mut());
    connection.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::network::tls::{self, Trust};

    #[tokio::test]
    async fn clients_that_do_not_finish_are_dropped() {
        let folder = tempfile::TempDir::new().unwrap();
        let tls = crate::certificates::prepare(folder.path(), &[]).unwrap().tls;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(|| async { "hello" });
        // Enough for a handshake on a busy machine.
        let patience = Patience { handshake: Duration::from_secs(2), idle: Duration::from_secs(2) };
        tokio::spawn(serve_patiently(listener, tls, router, CancellationToken::new(), patience));

        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), "{answer}");

        // Neither a handshake, nor a request, nor the end of one, nor another one.
        let whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let clients = [(false, ""), (true, ""), (true, "GET / HTTP/1.1\r\nHost:"), (true, whole)];
        let each = clients.map(|(handshake, sent)| async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut stream: crate::node::network::Connection = Box::new(stream);
            if handshake {
                stream = tls::connect(stream, "localhost", Trust::Anybody).await.unwrap();
            }
            stream.write_all(sent.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = Vec::new();
            let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
            // How TLS ends does not matter.
            assert!(end.is_ok(), "after {sent:?} it is not dropped");
            let answered = String::from_utf8_lossy(&answer).contains("hello");
            assert_eq!(answered, sent == whole, "{sent}");
        });
        futures_util::future::join_all(each).await;
    }
}
