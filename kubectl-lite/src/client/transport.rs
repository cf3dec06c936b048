//! One HTTP client per run of the program.

use super::access::Access;
use super::assumed::Assumed;
use super::failure::{UNSTRUCTURED, decode, decode_object, decode_typed, refusal, unreachable};
use super::{credentials, tls};
use crate::cli::go_flags;
use crate::errors::CommandError;
use crate::klog;
use crate::streams::Streams;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared_types::json::Value;
use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// How often a request is sent once more.
const RETRIES: usize = 10;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the connection ended before there was an answer.
fn is_end(why: &str) -> bool {
    why == "EOF" || why.ends_with("connection reset by peer")
}

/// How long a server that has too much to do asks to be left alone.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let busy = response.status() == http::StatusCode::TOO_MANY_REQUESTS || response.status().is_server_error();
    let seconds = response.headers().get(http::header::RETRY_AFTER).filter(|_| busy)?;
    seconds.to_str().ok()?.parse().map(Duration::from_secs).ok()
}

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
    /// What a refusal says is not looked at, but for its code: discovery and the like.
    pub bare: bool,
    /// The path is somebody's own, and stands for no resource.
    pub absolute: bool,
}

const JSON: &str = "application/json";

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        let headers = HeaderMap::new();
        Request {
            method,
            path: path.into(),
            query: Vec::new(),
            accept: JSON,
            content_type: JSON,
            body: None,
            headers,
            bare: false,
            absolute: false,
        }
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
    pub fn bare(self) -> Request {
        Request { bare: true, ..self.absolute() }
    }
    pub fn absolute(self) -> Request {
        Request { absolute: true, ..self }
    }
    pub fn body(self, object: &Value) -> Request {
        Request { body: Some(object.to_string().into_bytes()), ..self }
    }
    /// The method as Go's errors name it: `Get`.
    pub fn verb(&self) -> String {
        let method = self.method.as_str();
        method[..1].to_string() + &method[1..].to_lowercase()
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
    /// What the body is said to be, where that is nothing that objects are written in.
    foreign: Option<String>,
}

impl Answer {
    /// The body as an object.
    pub fn json(&self) -> Result<Value, CommandError> {
        decode_object(self.object()?, UNSTRUCTURED)
    }
    /// The body of an answer that should be an object.
    ///
    /// # Errors
    /// It says that it is something else.
    pub fn object(&self) -> Result<&[u8], CommandError> {
        match &self.foreign {
            None => Ok(&self.body),
            Some(content_type) => Err(CommandError::message(format!("serializer for {content_type} doesn't exist"))),
        }
    }
}

/// What objects are written in.
const MEDIA_TYPES: [&str; 4] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"];

/// The type of an answer that cannot be an object.
fn foreign(response: &reqwest::Response) -> Option<String> {
    let content_type = response.headers().get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    let known = media_type.is_empty() || MEDIA_TYPES.contains(&media_type.as_str());
    (!known).then(|| content_type.to_string())
}

/// The client. Connections are kept between requests.
pub struct Client<'a> {
    access: Access,
    connection: OnceCell<Result<Connection, String>>,
    streams: &'a Streams,
    verbosity: i32,
    warnings: RefCell<Vec<String>>,
    pub(super) assumed: RefCell<Option<(Assumed, Option<PathBuf>)>>,
    /// Whether the server's version is still to be compared with this program's.
    unmatched: Cell<bool>,
}

/// What requests are sent with.
struct Connection {
    http: reqwest::Client,
    headers: HeaderMap,
}

impl Connection {
    fn new(access: &Access) -> Result<Connection, CommandError> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("kubectl/v1.36.2 (kubectl-lite/", env!("CARGO_PKG_VERSION"), ")"))
            // One request at a time on one connection: HTTP/1.1 has the shorter way to the first byte.
            .http1_only()
            .no_proxy()
            .tcp_nodelay(true)
            .gzip(access.compression && !is_local(access));
        let builder = builder.tls_backend_preconfigured(tls::config(access)?);
        let http = builder.build().map_err(|error| CommandError::message(error.to_string()))?;
        Ok(Connection { http, headers: headers(access)? })
    }
}

/// Who is asking, and on behalf of whom.
fn headers(access: &Access) -> Result<HeaderMap, CommandError> {
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
    Ok(headers)
}

impl<'a> Client<'a> {
    /// # Errors
    /// Certificates cannot be used.
    pub fn new(access: Access, streams: &'a Streams, verbosity: i32) -> Result<Client<'a>, CommandError> {
        let connection = OnceCell::new();
        if access.exec.is_none() {
            let _ = connection.set(Ok(Connection::new(&access)?));
        }
        let (warnings, assumed) = (RefCell::default(), RefCell::default());
        Ok(Client { access, connection, streams, verbosity, warnings, assumed, unmatched: Cell::new(false) })
    }

    /// Compares the server's version with this program's before anything else is asked.
    pub fn matching_version(self, wanted: bool) -> Client<'a> {
        Client { unmatched: Cell::new(wanted), ..self }
    }

    /// The connection; a credential plugin is run when it is first needed.
    fn connection(&self) -> Result<&Connection, String> {
        let connect = || {
            let mut access = self.access.clone();
            if let Some(exec) = &access.exec {
                let credential = credentials::from_exec(exec, self.streams.input_is_terminal)
                    .map_err(|why| format!("getting credentials: {why}"))?;
                access.token = credential.token.or(access.token);
                access.certificate = credential.certificate.or(access.certificate);
            }
            Connection::new(&access).map_err(|error| error.text())
        };
        self.connection.get_or_init(connect).as_ref().map_err(Clone::clone)
    }

    pub(super) fn streams(&self) -> &Streams {
        self.streams
    }

    /// How long discovery may take, as its requests say.
    pub(super) fn patience(&self) -> String {
        self.access.timeout.map_or("32s".into(), |length| go_flags::Duration { negative: false, length }.to_string())
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The server's `Status` where it refuses, or why it could not be reached.
    pub async fn send(&self, request: Request) -> Result<Answer, CommandError> {
        let answer = self.attempt(&request).await.and_then(|answer| {
            let text = answer.body.trim_ascii();
            // An answer that has begun and ended like an object confirms what was assumed.
            if self.assumed.borrow().is_some() && !(text.starts_with(b"{") && text.ends_with(b"}")) {
                answer.json()?;
            }
            Ok(answer)
        });
        match answer {
            Ok(answer) => {
                self.confirm();
                Ok(answer)
            }
            Err(error) => Err(self.failure(error).await),
        }
    }

    /// [`Client::send`] without a second look at what was assumed.
    pub(super) async fn attempt(&self, request: &Request) -> Result<Answer, CommandError> {
        let mut response = self.start(request, self.access.timeout).await;
        // A server that closes the connection before it has answered gets what it can be asked again.
        for _ in 0..RETRIES {
            match &response {
                Err(CommandError::Unreachable { why, .. }) if request.method == Method::GET && is_end(why) => {
                    tokio::time::sleep(PAUSE).await;
                    response = self.start(request, self.access.timeout).await;
                }
                _ => break,
            }
        }
        let response = response?;
        let (status, is_text) = (response.status(), is_text(&response));
        // What discovery answers is read whatever it says that it is.
        let foreign = if request.bare { None } else { foreign(&response) };
        let body = response.bytes().await.map_err(|error| self.cut_off(request, &error))?;
        if self.verbosity >= 8 {
            self.trace(format_args!("\"Response Body\" body={:?}", String::from_utf8_lossy(&body)))?;
        }
        if status.is_success() {
            return Ok(Answer { body, foreign });
        }
        Err(refusal(status, is_text, &body, request).into())
    }

    /// Why an answer was not read to its end.
    fn cut_off(&self, request: &Request, error: &reqwest::Error) -> CommandError {
        match unreachable(error, request, &self.url(request)) {
            CommandError::Unreachable { why, .. } => CommandError::CutOff { why },
            error => error,
        }
    }

    /// Tells that an answer has broken off, if that is the error.
    pub(super) fn tell_cut_off(&self, error: &CommandError) -> Result<(), CommandError> {
        let CommandError::CutOff { why } = error else { return Ok(()) };
        Ok(klog::error(self.streams, "request.go:1196", "Unexpected error when reading response body", why)?)
    }

    fn url(&self, request: &Request) -> String {
        format!("{}{}", self.access.server, request.target())
    }

    /// Sends a request and reads the answer as JSON.
    pub async fn json(&self, request: Request) -> Result<Value, CommandError> {
        self.send(request).await?.json()
    }

    /// [`Client::json`] for answers whose kind is known.
    pub async fn typed(&self, request: Request) -> Result<Value, CommandError> {
        decode_typed(self.send(request).await?.object()?)
    }

    /// Begins a watch; its events come one by one, without a timeout.
    pub async fn watch(&self, request: Request) -> Result<Events, CommandError> {
        self.stream(request, None).await
    }

    /// Sends a request whose answer is read as it comes.
    pub async fn stream(&self, request: Request, timeout: Option<Duration>) -> Result<Events, CommandError> {
        let response = match self.start(&request, timeout).await {
            Ok(response) => response,
            Err(error) => return Err(self.failure(error).await),
        };
        if response.status().is_success() {
            self.confirm();
            return Ok(Events {
                stream: Box::pin(response.bytes_stream().map(|r| r.map(|b| b.to_vec()))),
                buffer: Vec::new(),
                seen: 0,
            });
        }
        let (status, is_text) = (response.status(), is_text(&response));
        let body = response.bytes().await.unwrap_or_default();
        Err(self.failure(refusal(status, is_text, &body, &request).into()).await)
    }

    /// For passing on whole requests, as `kubectl proxy` does.
    ///
    /// # Errors
    /// Credentials cannot be had.
    pub fn forwarder(&self) -> Result<Forwarder, CommandError> {
        let Connection { http, headers } = self.connection().map_err(CommandError::message)?;
        Ok(Forwarder { http: http.clone(), server: self.access.server.clone(), headers: headers.clone() })
    }

    /// Sends a request and gives the answer before its body.
    pub(super) async fn start(
        &self,
        request: &Request,
        timeout: Option<Duration>,
    ) -> Result<reqwest::Response, CommandError> {
        if self.unmatched.take() {
            // The version is asked for by the same client, hence the box.
            Box::pin(self.match_version()).await?;
        }
        let url = self.url(request);
        let Connection { http, headers } = self.connection().map_err(|why| CommandError::Unreachable {
            verb: request.verb(),
            url: url.clone(),
            why,
        })?;
        let mut call = http.request(request.method.clone(), &url).headers(headers.clone());
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
        let mut retries = 0;
        let response = loop {
            let again = call.try_clone();
            let response = call.send().await.map_err(|error| unreachable(&error, request, &url))?;
            match (again, retry_after(&response)) {
                (Some(again), Some(length)) if retries < RETRIES => {
                    retries += 1;
                    tokio::time::sleep(length).await;
                    call = again;
                }
                _ => break response,
            }
        };
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
        Ok(klog::log(self.streams, 'I', "round_trippers.go:632", what)?)
    }
}

/// Whether the answer says that it is text, or nothing.
fn is_text(response: &reqwest::Response) -> bool {
    let content_type = response.headers().get(http::header::CONTENT_TYPE);
    content_type.is_none_or(|value| value.as_bytes().starts_with(b"text/"))
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

fn is_local(access: &Access) -> bool {
    ["127.", "localhost", "[::1]"].iter().any(|local| access.host().starts_with(local))
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
                return if line.ends_with(b"\n") { decode(&line).map(Some) } else { Ok(decode(&line).ok()) };
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
