//! `proxy_pass`: requests passed on to other servers.

use super::config::{Config, Scope};
use super::site::{Answer, Exchange};
use super::syntax::Mistake;
use super::template::Template;
use crate::node::runtime::images::http::canonical;
use crate::node::runtime::images::program::resolve;
use crate::node::runtime::process::Process;
use crate::node::runtime::tools::http::{self as client, Client, Problem, Request};
use ::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, SERVER, TRANSFER_ENCODING, UPGRADE,
};
use ::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
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
    pub async fn resolve(config: &Config, process: &Process) -> Result<Upstreams, Mistake> {
        let mut upstreams = Upstreams::default();
        for (name, servers, at) in config.targets() {
            let mut addresses = Vec::new();
            for server in servers {
                let (host, port) = server.rsplit_once(':').unwrap_or((server.as_str(), "80"));
                let port = port.parse().map_err(|_| at.mistake(format!("invalid port in upstream \"{server}\"")))?;
                let found = resolve(process, host, port).await;
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
        let mut client = match Client::connect(&exchange.running.world, address).await {
            Ok(client) => client,
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => "111: Connection refused",
                    std::io::ErrorKind::HostUnreachable => "113: Host is unreachable",
                    _ => "110: Connection timed out",
                };
                exchange.complain(&format!("connect() failed ({why}) while connecting to upstream")).await;
                continue;
            }
        };
        let request = Request {
            method: exchange.parts.method.to_string(),
            target: uri,
            headers: headers(exchange, host, scope),
            body: exchange.body.clone(),
        };
        return match ask(&mut client, &request).await {
            Ok(answer) => Ok(answer),
            Err(problem) => {
                let why = match problem {
                    Problem::Io(error) => client::reason(&error),
                    Problem::Empty => "upstream prematurely closed connection",
                    Problem::NotHttp => "upstream sent an invalid header",
                };
                exchange.complain(&format!("{why} while reading response header from upstream")).await;
                Err(StatusCode::BAD_GATEWAY)
            }
        };
    }
    Err(StatusCode::BAD_GATEWAY)
}

async fn ask(client: &mut Client, request: &Request) -> Result<Answer, Problem> {
    let (head, mut body) = client.send(request).await?;
    let mut answer = Answer::new(StatusCode::from_u16(head.status).map_err(|_| Problem::NotHttp)?);
    let mut content = BytesMut::new();
    while let Some(chunk) = client.chunk(&mut body).await? {
        content.extend_from_slice(&chunk);
        if content.len() > LARGEST {
            return Err(Problem::Io(std::io::ErrorKind::OutOfMemory.into()));
        }
    }
    answer.body = content.freeze();
    for (name, value) in head.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        match name {
            SERVER | DATE | CONNECTION | CONTENT_LENGTH | TRANSFER_ENCODING => {}
            CONTENT_TYPE => answer.content_type = Some(value),
            name => drop(answer.headers.append(name, value)),
        }
    }
    Ok(answer)
}

/// The client's headers, with what nginx changes and what `proxy_set_header` says.
fn headers(exchange: &Exchange<'_>, host: &str, scope: &Scope) -> Vec<(String, String)> {
    let mut kept: HeaderMap = exchange.parts.headers.clone();
    for name in [HOST, CONNECTION, UPGRADE, TRANSFER_ENCODING, CONTENT_LENGTH] {
        kept.remove(name);
    }
    let mut all = vec![("Host".to_string(), host.to_string()), ("Connection".to_string(), "close".to_string())];
    for header in &scope.proxy_headers {
        let fill = |name: &str| if name == "proxy_host" { host.into() } else { exchange.variable(name) };
        let value = header.value.fill(fill).replace(['\r', '\n'], " ");
        all.retain(|(name, _)| !name.eq_ignore_ascii_case(&header.name));
        kept.remove(header.name.as_str());
        if !value.is_empty() {
            all.push((header.name.clone(), value));
        }
    }
    if !exchange.body.is_empty() {
        all.push(("Content-Length".into(), exchange.body.len().to_string()));
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    all.extend(kept.iter().map(|(name, value)| (canonical(name.as_str()), text(value))));
    all
}
