//! `pods/proxy`, `services/proxy` and `nodes/proxy`: HTTP requests that go on to where the name in their path says.

use super::upgrade;
use crate::http::resource::Call;
use crate::http::respond;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use shared_types::status::Status;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Where the API server's own requests come from.
const FROM: Ipv4Addr = Ipv4Addr::new(192, 168, 49, 1);
/// How long connecting may take (kube-apiserver's dialer).
const CONNECTING: Duration = Duration::from_secs(30);
/// The kubelet's port.
const KUBELET_PORT: u16 = 10250;

/// `name`, `name:port` or `scheme:name:port`, as the path names what is asked.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    scheme: &'a str,
    name: &'a str,
    port: &'a str,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Name<'a>> {
        let parts: Vec<&str> = text.split(':').collect();
        let name = match *parts.as_slice() {
            [name] => Name { scheme: "", name, port: "" },
            [name, port] => Name { scheme: "", name, port },
            [scheme, name, port] => Name { scheme, name, port },
            _ => return None,
        };
        (!name.name.is_empty() && ["", "http", "https"].contains(&name.scheme)).then_some(name)
    }
}

/// Answers the request.
pub async fn answer(call: &mut Call<'_>, body: Body) -> Result<Response<Body>, Status> {
    let target = call.target.name.clone();
    let what = call.kind.kind.to_lowercase();
    let Some(name) = Name::parse(&target) else {
        return Err(Status::bad_request(format!("invalid {what} request {target:?}")));
    };
    let path = path_after_proxy(call);
    if call.kind.kind == "Node" {
        return node(call, &name, path.as_deref().unwrap_or("/"));
    }
    let address = match call.kind.kind {
        "Service" => endpoint(call, &name)?,
        _ => pod(call, &name)?,
    };
    let upgrading = upgrade::is_upgrade(&call.headers);
    let Some(path) = path.filter(|path| !path.is_empty() || upgrading) else {
        return Ok(to_slash(call));
    };
    let sent = async {
        // Nothing in the cluster speaks TLS to the API server.
        if name.scheme == "https" {
            return Err("http: server gave HTTP response to HTTPS client".to_string());
        }
        forward(call, body, address, &path).await
    };
    sent.await.map_err(|why| unavailable(format!("error trying to reach service: {why}")))
}

fn unavailable(message: String) -> Status {
    Status::failure(503, "ServiceUnavailable", message)
}

/// What follows `proxy` in the path, as it was sent, with its leading slash.
fn path_after_proxy(call: &Call<'_>) -> Option<String> {
    // `/api/v1/namespaces/NAMESPACE/pods/NAME/proxy`, or `/api/v1/nodes/NAME/proxy`.
    let before = if call.kind.namespaced { 7 } else { 5 };
    let rest = call.uri.path().splitn(before + 2, '/').nth(before + 1);
    rest.map(|rest| format!("/{rest}"))
}

/// The redirection of a path without a slash at its end, so that relative links work.
fn to_slash(call: &Call<'_>) -> Response<Body> {
    let query = call.uri.query().map_or(String::new(), |query| format!("?{query}"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::try_from(format!("{}/{query}", call.uri.path())) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A Pod's address.
fn pod(call: &Call<'_>, name: &Name<'_>) -> Result<Address, Status> {
    let pod = call.app.registry.get(call.kind, &call.target.namespace, name.name)?.object()?;
    let ports = pod.list("spec.containers").iter().flat_map(|container| container.list("ports"));
    let declared = ports.filter_map(|port| port.int("containerPort")).next();
    let port = match (name.port, declared) {
        ("", Some(port)) => port.to_string(),
        ("", None) => "80".to_string(),
        (port, _) => port.to_string(),
    };
    match pod.text("status.podIP").parse() {
        Ok(ip) => Ok(Address { ip, port }),
        Err(_) => Err(Status::bad_request("address not allowed")),
    }
}

/// The address of one of a Service's ready endpoints.
fn endpoint(call: &Call<'_>, name: &Name<'_>) -> Result<Address, Status> {
    let registry = &call.app.registry;
    let service = registry.get(call.kind, &call.target.namespace, name.name)?.object()?;
    let port_name = match name.port.parse::<i64>() {
        Ok(number) => {
            let ports = service.list("spec.ports");
            let Some(port) = ports.iter().find(|port| port.int("port") == Some(number)) else {
                let why = format!("no service port {number} found for service {:?}", name.name);
                return Err(unavailable(why));
            };
            port.text("name").to_string()
        }
        Err(_) => name.port.to_string(),
    };
    let nobody = |who: &str| unavailable(format!("no endpoints available for service {who:?}"));
    let endpoints =
        kinds::by_resource("", "v1", "endpoints").ok_or_else(|| Status::internal("Endpoints is no kind"))?;
    let endpoints = match registry.get(endpoints, &call.target.namespace, name.name) {
        Ok(entry) => entry.object()?,
        Err(status) if status.is_not_found() => return Err(nobody(name.name)),
        Err(status) => return Err(status),
    };
    let addresses: Vec<Address> =
        endpoints.list("subsets").iter().flat_map(|subset| ready(subset, &port_name)).collect();
    let chosen = registry.environment().random("proxy", |rng| rng.choice(&addresses).cloned());
    // Kubernetes repeats the whole request where a port has no endpoint, and only the name where there is none at all.
    chosen.ok_or_else(|| nobody(if endpoints.list("subsets").is_empty() { name.name } else { &call.target.name }))
}

/// The ready addresses of a subset that has a port of this name.
fn ready<'a>(subset: &'a Value, port_name: &'a str) -> impl Iterator<Item = Address> + 'a {
    let port =
        subset.list("ports").iter().find(|port| port.text("name") == port_name).and_then(|port| port.int("port"));
    let addresses = subset.list("addresses").iter().filter_map(|address| address.text("ip").parse().ok());
    addresses.filter_map(move |ip| Some(Address { ip, port: port?.to_string() }))
}

/// Where a request goes.
#[derive(Clone, Debug)]
struct Address {
    ip: Ipv4Addr,
    port: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ip, self.port)
    }
}

impl Address {
    /// # Errors
    /// In Go's words.
    fn socket(&self) -> Result<SocketAddrV4, String> {
        match self.port.parse() {
            Ok(port) => Ok(SocketAddrV4::new(self.ip, port)),
            Err(_) if self.port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(format!("dial tcp: address {}: invalid port", self.port))
            }
            Err(_) => Err(format!("dial tcp: lookup tcp/{}: unknown port", self.port)),
        }
    }
}

/// Sends the request on, and gives its answer back as it comes. Errors are in Go's words.
async fn forward(call: &mut Call<'_>, body: Body, address: Address, path: &str) -> Result<Response<Body>, String> {
    let connecting = call.app.nodes.network().connect(FROM, address.socket()?);
    let connection = match tokio::time::timeout(CONNECTING, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(problem)) if problem.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Err(format!("dial tcp {address}: connect: connection refused"));
        }
        Ok(Err(problem)) if problem.kind() == std::io::ErrorKind::HostUnreachable => {
            return Err(format!("dial tcp {address}: connect: no route to host"));
        }
        _ => return Err(format!("dial tcp {address}: i/o timeout")),
    };
    let handshake = http1::handshake(TokioIo::new(connection)).await;
    let (mut sender, connection) = handshake.map_err(|problem| problem.to_string())?;
    tokio::spawn(async move {
        if let Err(problem) = connection.with_upgrades().await {
            tracing::debug!("proxied connection: {problem}");
        }
    });
    let upgrading = upgrade::is_upgrade(&call.headers);
    let client = call.upgrade.take().filter(|_| upgrading);
    let query = call.uri.query().map_or(String::new(), |query| format!("?{query}"));
    let uri = Uri::try_from(format!("{path}{query}")).map_err(|problem| problem.to_string())?;
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = forwarded_headers(call, &address, path);
    let mut response = sender.send_request(request).await.map_err(|problem| match problem.is_incomplete_message() {
        true => "EOF".to_string(),
        false => problem.to_string(),
    })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = hyper::upgrade::on(&mut response);
        if let Some(client) = client {
            let stop = call.app.stop.clone();
            tokio::spawn(async move {
                let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        let (parts, _) = response.into_parts();
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    let (mut parts, body) = response.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    for name in ["credentials", "headers", "methods", "origin"] {
        // The API server decides who may read its answers.
        parts.headers.remove(format!("access-control-allow-{name}"));
    }
    relocate(&mut parts.headers, &prefix(call, path), &address);
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The path below which what is proxied appears.
fn prefix(call: &Call<'_>, path: &str) -> String {
    let whole = call.uri.path();
    whole.strip_suffix(path).unwrap_or(whole).to_string()
}

fn forwarded_headers(call: &Call<'_>, address: &Address, path: &str) -> HeaderMap {
    let mut headers = call.headers.clone();
    let upgrade = headers.get(UPGRADE).filter(|_| upgrade::is_upgrade(&call.headers)).cloned();
    remove_hop_by_hop(&mut headers);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    // It was for the API server.
    headers.remove(AUTHORIZATION);
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    // HTTP/2 has it in the address.
    if let Some(host) = call.uri.authority() {
        set(HOST, host.as_str());
    }
    set(HeaderName::from_static("x-forwarded-for"), "127.0.0.1");
    set(HeaderName::from_static("x-forwarded-host"), &address.to_string());
    set(HeaderName::from_static("x-forwarded-proto"), "http");
    set(HeaderName::from_static("x-forwarded-uri"), &format!("{}{path}", prefix(call, path)));
    headers
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_lowercase()))
        .collect();
    const ALWAYS: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    for name in named.iter().map(String::as_str).chain(ALWAYS) {
        headers.remove(name);
    }
}

/// A redirection to elsewhere on the same server leads through the proxy again.
fn relocate(headers: &mut HeaderMap, prefix: &str, address: &Address) {
    let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
    let hosts = [format!("http://{address}"), format!("http://{}", address.ip)];
    let path = hosts.iter().find_map(|host| location.strip_prefix(host.as_str())).unwrap_or(location);
    if path.starts_with('/')
        && !path.starts_with("//")
        && let Ok(value) = HeaderValue::try_from(format!("{prefix}{path}"))
    {
        headers.insert(LOCATION, value);
    }
}

/// The few paths of a kubelet that tell something here.
fn node(call: &Call<'_>, name: &Name<'_>, path: &str) -> Result<Response<Body>, Status> {
    let registry = &call.app.registry;
    let node = registry.get(call.kind, "", name.name)?.object()?;
    let address = node.list("status.addresses").iter().find(|address| address.text("type") == "InternalIP");
    let ip = address.map_or("", |address| address.text("address"));
    if !name.port.is_empty() && name.port != KUBELET_PORT.to_string() {
        let why = format!("error trying to reach service: dial tcp {ip}:{}: connect: connection refused", name.port);
        return Err(unavailable(why));
    }
    if call.method != Method::GET && call.method != Method::HEAD {
        return Ok(respond::text(405, "405: Method Not Allowed"));
    }
    match path.trim_end_matches('/') {
        "/healthz" => Ok(respond::text(200, "ok")),
        "/pods" => {
            let kind = kinds::by_resource("", "v1", "pods").ok_or_else(|| Status::internal("Pod is no kind"))?;
            let (entries, _) = registry.snapshot(kind, "");
            let pods = entries.iter().map(|entry| entry.object()).collect::<Result<Vec<_>, _>>()?;
            let own: Vec<Value> = pods.into_iter().filter(|pod| pod.text("spec.nodeName") == name.name).collect();
            let list = shared_types::json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": own});
            Ok(respond::bytes(200, "application/json", list.to_string()))
        }
        _ => Ok(respond::not_found_page()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let name = |scheme, name, port| Some(Name { scheme, name, port });
        assert_eq!(Name::parse("web"), name("", "web", ""));
        assert_eq!(Name::parse("web:8080"), name("", "web", "8080"));
        assert_eq!(Name::parse("https:web:"), name("https", "web", ""));
        for wrong in ["", ":80", "ftp:web:21", "a:b:c:d"] {
            assert_eq!(Name::parse(wrong), None);
        }
    }

    #[test]
    fn redirections_stay_within_the_proxy() {
        let address = Address { ip: Ipv4Addr::new(10, 244, 0, 2), port: "8080".into() };
        let relocated = |location: &'static str| {
            let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            relocate(&mut headers, "/api/v1/namespaces/default/pods/web/proxy", &address);
            headers[LOCATION].to_str().unwrap().to_string()
        };
        assert_eq!(relocated("/login"), "/api/v1/namespaces/default/pods/web/proxy/login");
        assert_eq!(relocated("http://10.244.0.2:8080/a"), "/api/v1/namespaces/default/pods/web/proxy/a");
        assert_eq!(relocated("https://example.com/"), "https://example.com/");
    }
}
