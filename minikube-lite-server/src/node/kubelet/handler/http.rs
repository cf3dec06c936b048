//! HTTP requests of probes and hooks.

use super::{Target, errno};
use crate::node::network::Connection;
use crate::node::network::tls::{self, Trust};
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::error::Error;
use std::io;

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// How much of an answer is read, in bytes.
const BODY: usize = 10 << 10;

/// A `core/v1.HTTPGetAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Empty: the Pod's.
    host: String,
    port: u16,
    is_https: bool,
    path: String,
    headers: HeaderMap,
}

impl Get {
    pub fn of(spec: &Value, port: u16) -> Get {
        let mut headers = HeaderMap::new();
        for header in spec.list("httpHeaders") {
            let (name, value) =
                (header.text("name").parse::<HeaderName>(), header.text("value").parse::<HeaderValue>());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("kube-probe/1.36"));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Get {
            host: spec.text("host").into(),
            port,
            is_https: spec.text("scheme") == "HTTPS",
            path: format!("/{}", spec.text("path").trim_start_matches('/')),
            headers,
        }
    }

    pub fn url(&self, target: &Target) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", target.host(&self.host), self.port, self.path)
    }

    /// The status code of the answer, after redirects to the same host. The error is in Go's words.
    pub async fn ask(&self, target: &Target) -> Result<u16, String> {
        let mut get = self.clone();
        for _ in 0..REDIRECTS {
            let (code, location) = get.ask_once(target).await?;
            match location.filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308)) {
                Some(location) if get.follow(&location, target) => {}
                // A redirect to another host is as good as an answer.
                _ => return Ok(code),
            }
        }
        Err(format!("stopped after {REDIRECTS} redirects"))
    }

    async fn ask_once(&self, target: &Target) -> Result<(u16, Option<Uri>), String> {
        let mut stream: Connection = target.dial(&self.host, self.port).await?;
        if self.is_https {
            stream =
                tls::connect(stream, &target.host(&self.host), Trust::Anybody).await.map_err(|why| in_words(&why))?;
        }
        let failed = |why: hyper::Error| in_words(&why);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.parse().map_err(|_| format!("invalid path {:?}", self.path))?;
        *request.headers_mut() = self.headers.clone();
        if !self.headers.contains_key(HOST) {
            let host = format!("{}:{}", target.host(&self.host), self.port);
            let host = HeaderValue::try_from(host).map_err(|_| "invalid host".to_string())?;
            request.headers_mut().insert(HOST, host);
        }
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(failed)?;
            let code = answer.status().as_u16();
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok()?.parse().ok());
            let mut body = answer.into_body();
            let mut length = 0;
            while let Some(Ok(frame)) = body.frame().await {
                length += frame.data_ref().map_or(0, Bytes::len);
                if length > BODY {
                    break;
                }
            }
            Ok((code, location))
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            answer = &mut exchange => answer,
            // The answer may have been read already, whatever became of the connection then.
            ended = &mut connection => match (exchange.await, ended) {
                (Err(_), Err(why)) => Err(failed(why)),
                (answer, _) => answer,
            },
        }
    }

    /// Goes where a redirect leads, if that is the same host.
    fn follow(&mut self, location: &Uri, target: &Target) -> bool {
        if let Some(host) = location.host() {
            if host != target.host(&self.host) {
                return false;
            }
            self.is_https = location.scheme_str() == Some("https");
            self.port = location.port_u16().unwrap_or(if self.is_https { 443 } else { 80 });
        }
        self.path = match location.path_and_query() {
            Some(path) => path.to_string(),
            None => "/".into(),
        };
        true
    }
}

/// An error as Go words it.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => "EOF".into(),
                io::ErrorKind::InvalidData => "http: server gave HTTP response to HTTPS client".into(),
                _ => errno(error),
            };
        }
        if let Some(error) = inner.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
                return "EOF".into();
            }
            if error.is_parse() {
                return "net/http: HTTP/1.x transport connection broken: malformed HTTP response".into();
            }
        }
        cause = inner.source();
    }
    error.to_string()
}
