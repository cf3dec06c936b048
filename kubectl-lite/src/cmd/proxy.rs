//! `kubectl proxy`: the API on a local port, with this program's credentials.

use super::Command;
use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use regex::Regex;
use std::convert::Infallible;
use std::rc::Rc;

#[derive(clap::Args)]
pub struct Proxy {
    #[arg(hide = true)]
    args: Vec<String>,
    /// Hosts that may be asked for (regular expressions)
    #[arg(long, default_value = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$")]
    accept_hosts: String,
    /// Paths that may be asked for (regular expressions)
    #[arg(long, default_value = "^.*")]
    accept_paths: String,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    address: String,
    /// What paths of the API begin with here
    #[arg(long, default_value = "/")]
    api_prefix: String,
    #[arg(long, hide = true)]
    append_server_path: bool,
    /// Let everything through
    #[arg(long)]
    disable_filter: bool,
    #[arg(long, default_value = "0s", value_parser = go_flags::duration, hide = true)]
    keepalive: go_flags::Duration,
    /// Port to listen on; 0 for any
    #[arg(long, short, default_value_t = 8001, value_parser = go_flags::int::<u16>)]
    port: u16,
    /// Methods that may not be used (regular expressions)
    #[arg(long, default_value = "^$")]
    reject_methods: String,
    /// Paths that may not be asked for (regular expressions)
    #[arg(long, default_value = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach")]
    reject_paths: String,
    #[arg(long, short = 'u', default_value = "", hide = true)]
    unix_socket: String,
    #[arg(long, short = 'w', default_value = "", hide = true)]
    www: String,
    #[arg(long, short = 'P', default_value = "/static/", hide = true)]
    www_prefix: String,
}

/// Which requests go through.
struct Filter {
    hosts: Vec<Regex>,
    paths: Vec<Regex>,
    rejected_paths: Vec<Regex>,
    rejected_methods: Vec<Regex>,
}

fn patterns(text: &str) -> Result<Vec<Regex>, CommandError> {
    let compile = |text: &str| Regex::new(text).map_err(|error| CommandError::message(error.to_string()));
    text.split(',').filter(|part| !part.is_empty()).map(compile).collect()
}

impl Filter {
    fn lets_through(&self, method: &str, host: &str, path: &str) -> bool {
        let any = |patterns: &[Regex], text: &str| patterns.iter().any(|pattern| pattern.is_match(text));
        let host =
            host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(h, _)| h);
        !any(&self.rejected_paths, path)
            && !any(&self.rejected_methods, method)
            && any(&self.hosts, host)
            && any(&self.paths, path)
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = status;
    response
}

impl Command for Proxy {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let filter = if self.disable_filter {
            None
        } else {
            Some(Filter {
                hosts: patterns(&self.accept_hosts)?,
                paths: patterns(&self.accept_paths)?,
                rejected_paths: patterns(&self.reject_paths)?,
                rejected_methods: patterns(&self.reject_methods)?,
            })
        };
        let filter = Rc::new(filter);
        let client = cx.client()?;
        let listener = tokio::net::TcpListener::bind((self.address.as_str(), self.port)).await.map_err(|error| {
            CommandError::message(format!("listen tcp {}:{}: bind: {}", self.address, self.port, error))
        })?;
        writeln!(cx.streams.out(), "Starting to serve on {}", listener.local_addr()?)?;
        cx.streams.out().flush()?;
        let prefix = self.api_prefix.trim_end_matches('/').to_string();
        let local = tokio::task::LocalSet::new();
        let forward = client.forwarder()?;
        local
            .run_until(async move {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let (filter, forward, prefix) = (filter.clone(), forward.clone(), prefix.clone());
                    tokio::task::spawn_local(async move {
                        let service = service_fn(move |request: Request<Incoming>| {
                            let (filter, forward, prefix) = (filter.clone(), forward.clone(), prefix.clone());
                            async move { Ok::<_, Infallible>(answer(request, &filter, &forward, &prefix).await) }
                        });
                        // A connection that breaks off concerns nobody else.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            })
            .await
    }
}

async fn answer(
    request: Request<Incoming>,
    filter: &Option<Filter>,
    forward: &crate::client::transport::Forwarder,
    prefix: &str,
) -> Response<Body> {
    let path = request.uri().path().to_string();
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Some(filter) = filter
        && !filter.lets_through(request.method().as_str(), host, &path)
    {
        return text(StatusCode::FORBIDDEN, "Forbidden".into());
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Some(target) = target.strip_prefix(prefix) else {
        return text(StatusCode::NOT_FOUND, "404 page not found\n".into());
    };
    let target = target.to_string();
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return text(StatusCode::BAD_REQUEST, "the request broke off".into());
    };
    match forward.send(parts.method, &target, parts.headers, body.to_bytes()).await {
        Err(error) => text(StatusCode::BAD_GATEWAY, error.to_string()),
        Ok(answer) => {
            use futures_util::StreamExt as _;
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                if name != http::header::TRANSFER_ENCODING && name != http::header::CONNECTION {
                    response = response.header(name, value);
                }
            }
            let stream = answer.bytes_stream().map(|piece| piece.map(Frame::data).map_err(std::io::Error::other));
            response
                .body(http_body_util::BodyExt::boxed(StreamBody::new(stream)))
                .unwrap_or_else(|error| text(StatusCode::BAD_GATEWAY, error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_hosts_and_harmless_paths_go_through() {
        let filter = Filter {
            hosts: patterns(r"^localhost$,^127\.0\.0\.1$").unwrap(),
            paths: patterns("^.*").unwrap(),
            rejected_paths: patterns("^/api/.*/pods/.*/exec").unwrap(),
            rejected_methods: patterns("^$").unwrap(),
        };
        assert!(filter.lets_through("GET", "localhost:8001", "/api"));
        assert!(!filter.lets_through("GET", "evil.example.com", "/api"));
        assert!(!filter.lets_through("POST", "127.0.0.1:1", "/api/v1/namespaces/n/pods/p/exec"));
    }
}
