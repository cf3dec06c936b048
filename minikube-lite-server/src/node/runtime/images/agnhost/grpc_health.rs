//! `agnhost grpc-health-checking`: a gRPC server that says how it is, and an HTTP server by which that is changed.

use super::super::http::{self, Ends, Reply, Site};
use super::super::program::{self, log, stopped_go};
use super::super::serving::Server;
use super::super::{Process, times};
use crate::node::network::Accepted;
use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// `grpc.health.v1.HealthCheckResponse`, in its frame: `SERVING` and `NOT_SERVING`.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

/// How the server is.
struct Health(AtomicBool);

impl Site for Health {
    async fn answer(&self, request: Request<Incoming>, _: Ends) -> Reply {
        match request.uri().path() {
            "/make-serving" => self.0.store(true, Ordering::Relaxed),
            "/make-not-serving" => self.0.store(false, Ordering::Relaxed),
            _ => return http::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
        http::text(StatusCode::OK, "")
    }
}

/// Runs it until it is stopped.
pub async fn run(mut process: Process) -> i32 {
    let mut ports = [("port", 5000), ("http-port", 8080)];
    for (option, port) in &mut ports {
        let Some(given) = program::flag(process.args().get(1..).unwrap_or_default(), option) else { continue };
        let Ok(number) = given.parse() else {
            let text = format!("Error: invalid argument for \"--{option}\" flag: it must be a port\n");
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        };
        *port = number;
    }
    let [(_, grpc), (_, web)] = ports;
    let health = Arc::new(Health(AtomicBool::new(true)));
    let mut server = Server::new();
    let network = process.world.network().clone();
    let of_grpc = health.clone();
    let listening = http::listen(&mut server, &network, Ipv4Addr::UNSPECIFIED, web, health).and_then(|()| {
        let serve = move |accepted, draining| serve(accepted, of_grpc.clone(), draining);
        server.listen(&network, Ipv4Addr::UNSPECIFIED, grpc, serve)
    });
    let time = times::format(process.world.now(), "%Y/%m/%d %H:%M:%S");
    if listening.is_err() {
        log(&process, format!("{time} failed to listen: bind: address already in use")).await;
        return 1;
    }
    log(&process, format!("{time} Http server starting to listen on :{web}")).await;
    log(&process, format!("{time} gRPC server starting to listen on :{grpc}")).await;
    stopped_go(&mut process.signals).await
}

async fn serve(accepted: Accepted, health: Arc<Health>, draining: CancellationToken) {
    let requests = accepted.requests;
    let service = service_fn(move |request: Request<Incoming>| {
        requests.count();
        let answer = match request.uri().path() {
            METHOD if health.0.load(Ordering::Relaxed) => answer(SERVING, "0", ""),
            METHOD => answer(NOT_SERVING, "0", ""),
            _ => answer(&[], "12", "unknown service"),
        };
        async move {
            // The client is told once it has said everything.
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(accepted.stream), service);
    // A connection that fails has nobody left to tell.
    let _ = draining.run_until_cancelled(connection).await;
}

fn answer(
    message: &'static [u8],
    status: &'static str,
    why: &'static str,
) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    if !why.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(why));
    }
    let body = Full::new(Bytes::from_static(message)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}
