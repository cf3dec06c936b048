//! One HTTP client per run of the program.

use super::access::Access;
use super::{credentials, tls};
use crate::errors::CommandError;
use crate::streams::Streams;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use shared_types::status::Status;
use std::cell::RefCell;
use std::time::Instant;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What is asked of the server.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// `/api/v1/namespaces/default/pods`.
    pub path: String,
    /// In order; a parameter with an empty value is left out.
    pub query: Vec<(&'static str, String)>,
    pub accept: &'static str,
    pub content_type: &'static str,
    pub body: Option<Vec<u8>>,
    /// Beyond those that every request has.
    pub headers: HeaderMap,
}

const JSON: &str = "application/json";

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        let headers = HeaderMap::new();
        Request { method, path: path.into(), query: Vec::new(), accept: JSON, content_type: JSON, body: None, headers }
    }
    pub fn get(path: impl Into<String>) -> Request {
        Self::new(Method::GET, path)
    }
    pub fn post(path: impl Into<String>, object: &Value) -> Request {
        Request { body: Some(object.to_string().into_bytes()), ..Self::new(Method::POST, path) }
    }
    pub fn put(path: impl Into<String>, object: &Value) -> Request {
        Request { body: Some(object.to_string().into_bytes()), ..Self::new(Method::PUT, path) }
    }
    /// A patch of the given content type.
    pub fn patch(path: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Request {
        Request { content_type, body: Some(body), ..Self::new(Method::PATCH, path) }
    }
    pub fn delete(path: impl Into<String>) -> Request {
        Self::new(Method::DELETE, path)
    }
    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Request {
        let value = value.into();
        if !value.is_empty() {
            self.query.push((key, value));
        }
        self
    }
    pub fn accept(self, accept: &'static str) -> Request {
        Request { accept, ..self }
    }
    pub fn body(self, object: &Value) -> Request {
        Request { body: Some(object.to_string().into_bytes()), ..self }
    }
    /// Path and query as they go over the wire.
    pub fn target(&self) -> String {
        let mut target = self.path.clone();
        for (index, (key, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 && !self.path.contains('?') { '?' } else { '&' });
            target.push_str(key);
            target.push('=');
            target.extend(utf8_percent_encode(value, QUERY));
        }
        target
    }
}

/// What the server answered to a request that succeeded.
#[derive(Debug)]
pub struct Answer {
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, CommandError> {
        parse(&self.body)
    }
}

/// Reads a body that should be JSON.
fn parse(body: &[u8]) -> Result<Value, CommandError> {
    serde_json::from_slice(body).map_err(|_| {
        let text = String::from_utf8_lossy(body);
        let first = text.trim_start().chars().next().unwrap_or_default();
        CommandError::message(format!("invalid character '{first}' looking for beginning of value"))
    })
}

/// The client. Connections are kept between requests.
pub struct Client<'a> {
    http: reqwest::Client,
    access: Access,
    headers: HeaderMap,
    streams: &'a Streams,
    verbosity: i32,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Client<'a> {
    /// # Errors
    /// Certificates or credentials cannot be had.
    pub fn new(mut access: Access, streams: &'a Streams, verbosity: i32) -> Result<Client<'a>, CommandError> {
        if let Some(exec) = &access.exec {
            let credential = credentials::from_exec(exec)?;
            access.token = credential.token.or(access.token);
            access.certificate = credential.certificate.or(access.certificate);
        }
        let mut headers = HeaderMap::new();
        let authorization = match (&access.token, &access.basic) {
            (Some(token), _) if !token.is_empty() => Some(format!("Bearer {token}")),
            (_, Some((name, password))) => {
                use base64::Engine as _;
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
                Some(format!("Basic {pair}"))
            }
            _ => None,
        };
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| CommandError::message(format!("invalid header value {text:?}")))
        };
        if let Some(text) = authorization {
            headers.insert(http::header::AUTHORIZATION, header(&text)?);
        }
        for (name, value) in &access.impersonation {
            let name = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| CommandError::message(format!("invalid header name {name:?}")))?;
            headers.append(name, header(value)?);
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("kubectl/v1.36.2 (kubectl-lite/", env!("CARGO_PKG_VERSION"), ")"))
            // One request at a time on one connection: HTTP/1.1 has the shorter way to the first byte.
            .http1_only()
            .no_proxy()
            .tcp_nodelay(true)
            .gzip(access.compression && !is_local(&access));
        let builder = builder.tls_backend_preconfigured(tls::config(&access)?);
        let http = builder.build().map_err(|error| CommandError::message(error.to_string()))?;
        Ok(Client { http, access, headers, streams, verbosity, warnings: RefCell::default() })
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The server's `Status` where it refuses, or why it could not be reached.
    pub async fn send(&self, request: Request) -> Result<Answer, CommandError> {
        let response = self.start(&request, self.access.timeout).await?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unreachable(&request, &error))?;
        if self.verbosity >= 8 {
            self.trace(format_args!("\"Response Body\" body={:?}", String::from_utf8_lossy(&body)))?;
        }
        if status.is_success() {
            return Ok(Answer { body });
        }
        Err(refusal(status, &body, &request).into())
    }

    /// Sends a request and reads the answer as JSON.
    pub async fn json(&self, request: Request) -> Result<Value, CommandError> {
        self.send(request).await?.json()
    }

    /// Begins a watch; its events come one by one, without a timeout.
    pub async fn watch(&self, request: Request) -> Result<Events, CommandError> {
        let response = self.start(&request, None).await?;
        if response.status().is_success() {
            return Ok(Events {
                stream: Box::pin(response.bytes_stream().map(|r| r.map(|b| b.to_vec()))),
                buffer: Vec::new(),
                seen: 0,
            });
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        Err(refusal(status, &body, &request).into())
    }

    /// For passing on whole requests, as `kubectl proxy` does.
    pub fn forwarder(&self) -> Forwarder {
        Forwarder { http: self.http.clone(), server: self.access.server.clone(), headers: self.headers.clone() }
    }

    /// Sends a request and gives the answer before its body.
    pub(super) async fn start(
        &self,
        request: &Request,
        timeout: Option<std::time::Duration>,
    ) -> Result<reqwest::Response, CommandError> {
        let url = format!("{}{}", self.access.server, request.target());
        let mut call = self.http.request(request.method.clone(), &url).headers(self.headers.clone());
        if !request.headers.is_empty() {
            call = call.headers(request.headers.clone());
        }
        call = call.header(http::header::ACCEPT, request.accept);
        if let Some(body) = &request.body {
            call = call.header(http::header::CONTENT_TYPE, request.content_type).body(body.clone());
        }
        if let Some(timeout) = timeout {
            call = call.timeout(timeout);
        }
        if self.verbosity >= 8
            && let Some(body) = &request.body
        {
            self.trace(format_args!("\"Request Body\" body={:?}", String::from_utf8_lossy(body)))?;
        }
        let begun = Instant::now();
        let response = call.send().await.map_err(|error| self.unreachable(request, &error))?;
        if self.verbosity >= 6 {
            let (verb, status, took) = (&request.method, response.status(), begun.elapsed().as_millis());
            self.trace(format_args!(
                "\"Response\" verb=\"{verb}\" url=\"{url}\" status=\"{status}\" milliseconds={took}"
            ))?;
        }
        if self.verbosity >= 7 {
            for (name, value) in response.headers() {
                self.trace(format_args!("\"Response Header\" {name}={value:?}"))?;
            }
        }
        for warning in response.headers().get_all(http::header::WARNING) {
            self.warn(warning)?;
        }
        Ok(response)
    }

    /// Shows a `Warning` header (RFC 7234, `299 - "text"`), each text once.
    fn warn(&self, header: &HeaderValue) -> Result<(), CommandError> {
        let text = String::from_utf8_lossy(header.as_bytes());
        let Some(text) = text.strip_prefix("299 ").and_then(|rest| rest.split_once(" \"")).map(|(_, t)| t) else {
            return Ok(());
        };
        let text = text.strip_suffix('"').unwrap_or(text).replace("\\\"", "\"").replace("\\\\", "\\");
        let mut told = self.warnings.borrow_mut();
        if !told.contains(&text) {
            if self.streams.err_is_terminal && std::env::var_os("NO_COLOR").is_none() {
                writeln!(self.streams.err(), "\u{1b}[33;1mWarning:\u{1b}[0m {text}")?;
            } else {
                writeln!(self.streams.err(), "Warning: {text}")?;
            }
            told.push(text);
        }
        Ok(())
    }

    /// How many different warnings the server has sent.
    pub fn warnings(&self) -> usize {
        self.warnings.borrow().len()
    }

    fn trace(&self, what: std::fmt::Arguments<'_>) -> Result<(), CommandError> {
        let now = jiff::Zoned::now().strftime("%m%d %H:%M:%S%.6f");
        Ok(writeln!(self.streams.err(), "I{now} {:>7} round_trippers.go:632] {what}", std::process::id())?)
    }

    /// Why there was no answer, in kubectl's words.
    fn unreachable(&self, request: &Request, error: &reqwest::Error) -> CommandError {
        let host = self.access.host();
        let mut source: Option<&dyn std::error::Error> = Some(error);
        let mut deepest = error.to_string();
        while let Some(cause) = source {
            deepest = cause.to_string();
            if let Some(io) = cause.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::ConnectionRefused
            {
                return CommandError::Unreachable(format!(
                    "The connection to the server {host} was refused - did you specify the right host or port?"
                ));
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                deepest = tls_words(tls);
                break;
            }
            source = cause.source();
        }
        if error.is_timeout() {
            let method = format!("{:?}", request.method.as_str().to_lowercase());
            let verb = method.trim_matches('"');
            let verb = format!("{}{}", verb[..1].to_uppercase(), &verb[1..]);
            deepest = format!(
                "{verb} {:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                format!("{}{}", self.access.server, request.target())
            );
        } else if deepest.contains("lookup") || deepest.contains("Name or service not known") {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            deepest = format!("dial tcp: lookup {name}: no such host");
        } else if deepest.contains("connection closed") || deepest.contains("message completed") {
            deepest = "EOF".to_string();
        }
        CommandError::Unreachable(format!("Unable to connect to the server: {deepest}"))
    }
}

/// Passes on requests with this client's credentials.
#[derive(Clone)]
pub struct Forwarder {
    http: reqwest::Client,
    server: String,
    headers: HeaderMap,
}

impl Forwarder {
    /// Sends a request; `target` is its path and query.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, reqwest::Error> {
        for name in [http::header::HOST, http::header::CONNECTION, http::header::CONTENT_LENGTH] {
            headers.remove(name);
        }
        headers.extend(self.headers.clone());
        self.http.request(method, format!("{}{target}", self.server)).headers(headers).body(body).send().await
    }
}

/// A certificate that does not verify, as Go says it.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError;
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "tls: failed to verify certificate: x509: certificate signed by unknown authority".into()
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid".into()
        }
        rustls::Error::InvalidCertificate(why) => format!("tls: failed to verify certificate: x509: {why}"),
        other => format!("tls: {other}"),
    }
}

fn is_local(access: &Access) -> bool {
    ["127.", "localhost", "[::1]"].iter().any(|local| access.host().starts_with(local))
}

/// The `Status` of an answer that is not a success; one is made up where the server sent something else.
fn refusal(code: StatusCode, body: &[u8], request: &Request) -> Status {
    if let Ok(status) = serde_json::from_slice::<Status>(body)
        && status.kind == "Status"
    {
        return status;
    }
    let text = String::from_utf8_lossy(body).trim().to_string();
    let (reason, message) = match code.as_u16() {
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_string()),
        403 => ("Forbidden", text),
        404 => ("NotFound", "the server could not find the requested resource".to_string()),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_string()),
        406 => ("NotAcceptable", text),
        415 => ("UnsupportedMediaType", text),
        409 => ("Conflict", "the server reported a conflict".to_string()),
        410 => ("Gone", text),
        422 => ("Invalid", "the server rejected our request due to an error in our request".to_string()),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later".to_string(),
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_string()),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_string(),
        ),
        500.. => {
            ("InternalError", format!("an error on the server ({text:?}) has prevented the request from succeeding"))
        }
        _ => (
            "",
            format!("the server responded with the status code {} but did not return more information", code.as_u16()),
        ),
    };
    let _ = request;
    Status::failure(code.as_u16(), reason, message)
}

/// The events of a watch.
pub struct Events {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Vec<u8>, reqwest::Error>>>>,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no end of a line.
    seen: usize,
}

impl Events {
    /// The next event (`{"type": ..., "object": ...}`); `None` when the server ends the watch.
    pub async fn next(&mut self) -> Result<Option<Value>, CommandError> {
        while let Some(line) = self.line().await? {
            if !line.iter().all(u8::is_ascii_whitespace) {
                // A line that breaks off ends the watch, as the end itself does.
                return if line.ends_with(b"\n") { parse(&line).map(Some) } else { Ok(parse(&line).ok()) };
            }
        }
        Ok(None)
    }

    /// The next bytes as they come; what [`Events::line`] has taken in already is not among them.
    ///
    /// # Errors
    /// The connection broke off.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, CommandError> {
        match self.stream.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(_)) => Err(CommandError::message("unexpected EOF")),
            None => Ok(None),
        }
    }

    /// The next line with its end, which the last one may lack.
    pub async fn line(&mut self) -> Result<Option<Vec<u8>>, CommandError> {
        loop {
            if let Some(end) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=self.seen + end).collect();
                self.seen = 0;
                return Ok(Some(line));
            }
            self.seen = self.buffer.len();
            match self.stream.next().await {
                Some(Ok(piece)) => self.buffer.extend_from_slice(&piece),
                // A stream that breaks off is over, as one that ends.
                Some(Err(_)) | None => {
                    self.seen = 0;
                    let rest = std::mem::take(&mut self.buffer);
                    return Ok(if rest.is_empty() { None } else { Some(rest) });
                }
            }
        }
    }
}
