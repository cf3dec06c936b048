//! Accepting connections: TLS, HTTP/1.1 and HTTP/2, and the orderly end.

use super::write_buffer::WriteBuffer;
use axum::Router;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// How long connections may take to finish what they are at when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take over the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

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
    let graceful = GracefulShutdown::new();
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
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(WriteBuffer::new(stream))).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(problem)) => return tracing::debug!("TLS handshake: {problem}"),
                Err(_) => return,
            };
            let mut builder = Builder::new(AtOnce);
            builder.http1().max_buf_size(HEADERS);
            builder.http2().max_header_list_size(HEADERS as u32);
            builder.http2().max_concurrent_streams(1000).initial_stream_window_size(1 << 20).adaptive_window(false);
            let service = TowerToHyperService::new(router);
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            if let Err(problem) = watcher.watch(connection.into_owned()).await {
                tracing::debug!("connection: {problem}");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}
