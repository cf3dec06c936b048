//! Accepting connections: TLS, HTTP/1.1 and HTTP/2, and the orderly end.

use super::write_buffer::WriteBuffer;
use axum::Router;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections may take to finish what they are at when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take over the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client of HTTP/1.1 may take over a request's headers, and leave a connection idle between two requests, as in
/// kube-apiserver.
const IDLE: Duration = Duration::from_secs(90);
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
            let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(WriteBuffer::new(stream)));
            let stream = match stop.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => stream,
                Some(Ok(Err(problem))) => return tracing::debug!("TLS handshake: {problem}"),
                Some(Err(_)) | None => return,
            };
            if let Err(problem) = serve_connection(stream, router, &stop).await {
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

/// Serves one connection to its end, in the protocol that was agreed on.
async fn serve_connection(
    stream: TlsStream<WriteBuffer<TcpStream>>,
    router: Router,
    stop: &CancellationToken,
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
        builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEADERS);
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
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    async fn server() -> (SocketAddr, tempfile::TempDir) {
        let folder = tempfile::TempDir::new().unwrap();
        let tls = crate::certificates::prepare(folder.path(), &[]).unwrap().tls;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(|| async { "hello" });
        tokio::spawn(serve(listener, tls, router, CancellationToken::new()));
        (address, folder)
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_do_not_finish_are_dropped() {
        let (address, _folder) = server().await;
        // Neither a handshake, nor a request, nor the end of one, nor another one.
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for (handshake, sent, limit) in
            [(false, "", HANDSHAKE), (true, "", IDLE), (true, "GET / HTTP/1.1\r\nHost:", IDLE), (true, request, IDLE)]
        {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut stream: crate::node::network::Connection = Box::new(stream);
            if handshake {
                stream = tls::connect(stream, "localhost", Trust::Anybody).await.unwrap();
            }
            stream.write_all(sent.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let began = Instant::now();
            let mut answer = Vec::new();
            // How TLS ends does not matter.
            let _ = tokio::time::timeout(4 * IDLE, stream.read_to_end(&mut answer))
                .await
                .unwrap_or_else(|_| panic!("after {sent:?} it is not dropped"));
            let after = began.elapsed();
            assert!(
                after > limit - Duration::from_secs(1) && after < limit + Duration::from_secs(2),
                "{sent}: {after:?}"
            );
            let answered = String::from_utf8_lossy(&answer).contains("hello");
            assert_eq!(answered, sent == request, "{sent}");
        }
    }
}
