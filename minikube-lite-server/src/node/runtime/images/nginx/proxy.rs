//! `proxy_pass`: requests passed on to other servers.

use super::config::{Config, Scope};
use super::site::{Answer, Exchange};
use super::syntax::Mistake;
use super::template::Template;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, SERVER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest answer that is passed on, in bytes.
const LARGEST: usize = 32 << 20;

/// The addresses of all servers that requests may be passed to. As nginx does, names are looked up once, at the start.
#[derive(Default)]
pub struct Upstreams {
    /// By the name of the group, or `HOST[:PORT]`.
    groups: HashMap<String, Vec<(String, SocketAddrV4)>>,
    next: AtomicUsize,
}

impl Upstreams {
    /// Looks up all names in a configuration.
    ///
    /// # Errors
    /// When one has no address: nginx does not start then.
    pub async fn resolve(config: &Config, process: &crate::node::runtime::process::Process) -> Result<Upstreams, Mistake> {
        let mut upstreams = Upstreams::default();
        for (name, servers, at) in config.targets() {
            let mut addresses = Vec::new();
            for server in servers {
                let (host, port) = server.rsplit_once(':').unwrap_or((server.as_str(), "80"));
                let port = port.parse().map_err(|_| at.mistake(format!("invalid port in upstream \"{server}\"")))?;
                let found = crate::node::runtime::images::program::resolve(process, host, port).await;
                let address = found.map_err(|_| at.mistake(format!("host not found in upstream \"{host}\"")))?;
                addresses.push((server.clone(), address));
            }
            upstreams.groups.insert(name, addresses);
        }
        Ok(upstreams)
    }

    /// The servers of a group, the one whose turn it is first.
    fn turn(&self, name: &str) -> Vec<SocketAddrV4> {
        let Some(group) = self.groups.get(name) else { return Vec::new() };
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..group.len()).map(|i| group[(first + i) % group.len()].1).collect()
    }
}

/// Passes a request on, and gives what came back.
///
/// # Errors
/// 502 when there is no answer.
pub async fn pass(
    exchange: &Exchange<'_>,
    target: &Template,
    location: &str,
    scope: &Scope,
) -> Result<Answer, StatusCode> {
    let target = target.fill(|name| exchange.variable(name));
    let rest = target.strip_prefix("http://").ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let query = exchange.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = match path {
        // A path in place of the location's.
        Some(path) => format!("/{path}{}{query}", exchange.uri.strip_prefix(location).unwrap_or_default()),
        None => exchange.parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_string(),
    };
    let addresses = exchange.running.upstreams.turn(host);
    if addresses.is_empty() {
        exchange.complain(&format!("no resolver defined to resolve {host}")).await;
        return Err(StatusCode::BAD_GATEWAY);
    }
    for address in addresses {
        let stream = match exchange.running.world.network().connect(address).await {
            Ok(stream) => stream,
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => "111: Connection refused",
                    std::io::ErrorKind::HostUnreachable => "113: Host is unreachable",
                    _ => "110: Connection timed out",
                };
                let what = format!("connect() failed ({why}) while connecting to upstream");
                exchange.complain(&what).await;
                continue;
            }
        };
        let headers = headers(exchange, host, scope);
        return match ask(TokioIo::new(stream), exchange, &uri, headers).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                exchange.complain(&format!("upstream failed ({error}) while reading response header from upstream")).await;
                Err(StatusCode::BAD_GATEWAY)
            }
        };
    }
    Err(StatusCode::BAD_GATEWAY)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn ask<S>(stream: TokioIo<S>, exchange: &Exchange<'_>, uri: &str, headers: HeaderMap) -> Result<Answer, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new().title_case_headers(true).handshake(stream).await?;
    let mut request = Request::new(Full::<Bytes>::new(exchange.body.clone()));
    *request.method_mut() = exchange.parts.method.clone();
    *request.uri_mut() = uri.parse()?;
    *request.headers_mut() = headers;
    let asking = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
        Ok::<_, Failure>((parts, body))
    };
    // The connection is driven here, so that it ends with the request.
    let (mut parts, body) = tokio::select! {
        biased;
        done = asking => done?,
        ended = connection => return Err(ended.err().map_or_else(|| "the connection was closed".into(), Failure::from)),
    };
    let content_type = parts.headers.remove(CONTENT_TYPE);
    for name in [SERVER, DATE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    Ok(Answer { status: parts.status, content_type, headers: parts.headers, body })
}

/// The client's headers, with what nginx changes and what `proxy_set_header` says.
fn headers(exchange: &Exchange<'_>, host: &str, scope: &Scope) -> HeaderMap {
    let mut headers = exchange.parts.headers.clone();
    for name in [HOST, CONNECTION, UPGRADE, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let mut all = HeaderMap::new();
    all.insert(HOST, HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("")));
    all.insert(CONNECTION, HeaderValue::from_static("close"));
    for header in &scope.proxy_headers {
        let value = match header.value.fill(|name| if name == "proxy_host" { host.into() } else { exchange.variable(name) }) {
            value if value.is_empty() => {
                headers.remove(header.name.as_str());
                continue;
            }
            value => value,
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&header.name), HeaderValue::try_from(value)) {
            headers.remove(&name);
            all.insert(name, value);
        }
    }
    all.extend(headers);
    all
}
