//! How requests are answered by a configuration.

use super::config::{Action, Config, Listen, Location, Matcher, Scope, VirtualServer};
use super::pages;
use super::proxy::{self, Upstreams};
use super::template::Template;
use crate::node::runtime::files::Files;
use crate::node::runtime::images::http::{self as server, Ends, Reply, Site};
use crate::node::runtime::images::{site_files, times};
use crate::node::runtime::pipe::Output;
use crate::node::runtime::world::World;
use ::http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderName, HeaderValue, LAST_MODIFIED,
    LOCATION, REFERER, SERVER, USER_AGENT,
};
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use site_files::Found;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a request may be redirected within the server.
const REDIRECTS: usize = 10;

/// A configuration at work, on one of its addresses.
pub struct Running {
    pub config: Arc<Config>,
    pub upstreams: Arc<Upstreams>,
    pub world: World,
    pub version: String,
    pub access_log: Output,
    pub error_log: Output,
    /// `nginx/1.28.0`
    pub server: HeaderValue,
    pub counts: Arc<Counts>,
}

/// What `stub_status` shows.
#[derive(Default)]
pub struct Counts {
    pub accepted: AtomicU64,
    pub requests: AtomicU64,
}

/// One request on its way to an answer.
pub struct Exchange<'a> {
    pub running: &'a Running,
    pub ends: Ends,
    pub parts: &'a Parts,
    pub body: Bytes,
    pub server: &'a VirtualServer,
    /// The path, which redirects within the server change.
    pub uri: String,
    /// What the groups of the location's regular expression have matched, the whole first.
    pub captures: Vec<String>,
}

/// An answer before the headers that every answer has.
pub struct Answer {
    pub status: StatusCode,
    pub content_type: Option<HeaderValue>,
    pub modified: Option<HeaderValue>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: StatusCode) -> Answer {
        Answer { status, content_type: None, modified: None, headers: HeaderMap::new(), body: Bytes::new() }
    }
    fn typed(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let content_type = HeaderValue::try_from(content_type).ok();
        Answer { content_type, body: body.into(), ..Answer::new(status) }
    }
    fn moved(status: StatusCode, to: &str) -> Answer {
        let mut answer = Answer::new(status);
        if let Ok(to) = HeaderValue::try_from(to) {
            answer.headers.insert(LOCATION, to);
        }
        answer
    }
}

impl Site for Running {
    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Reply {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        let (parts, incoming) = request.into_parts();
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).or(parts.uri.host()).unwrap_or("");
        let server = choose(&self.config, ends, host.rsplit_once(':').map_or(host, |(name, _)| name));
        let path = site_files::normalize(parts.uri.path());
        let mut exchange = Exchange {
            running: self,
            ends,
            parts: &parts,
            body: Bytes::new(),
            server,
            uri: path.unwrap_or_default(),
            captures: Vec::new(),
        };
        let (answer, scope) = if exchange.uri.is_empty() || (host.is_empty() && parts.version == Version::HTTP_11) {
            (Answer::new(StatusCode::BAD_REQUEST), &server.scope)
        } else {
            // A body is only read where it can matter.
            let has_body = parts.method != Method::GET && parts.method != Method::HEAD;
            match if has_body { server::body(incoming).await } else { Some(Bytes::new()) } {
                Some(body) => {
                    exchange.body = body;
                    exchange.answer().await
                }
                None => (Answer::new(StatusCode::PAYLOAD_TOO_LARGE), &server.scope),
            }
        };
        exchange.reply(answer, scope).await
    }
}

/// The server for a host name among those that listen where the connection came in: by its name, or else the default.
fn choose<'a>(config: &'a Config, ends: Ends, host: &str) -> &'a VirtualServer {
    let listens = |listen: &Listen| {
        listen.port == ends.local.port() && (listen.address.is_unspecified() || listen.address == *ends.local.ip())
    };
    let there = || config.servers.iter().filter(|server| server.listens.iter().any(listens));
    let named = |name: &String| match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => host.len() > end.len() && host.ends_with(end),
        (_, Some(start)) => host.len() > start.len() && host.starts_with(start),
        _ => name.eq_ignore_ascii_case(host),
    };
    let default = || there().find(|server| server.listens.iter().any(|listen| listens(listen) && listen.default));
    let found = there().find(|server| server.names.iter().any(named)).or_else(default).or_else(|| there().next());
    // Who listens has a server.
    found.unwrap_or(&config.servers[0])
}

/// The location for a path: the exact one, or else the first regular expression that matches, or else that with the longest
/// beginning. With what the groups of the expression match.
fn locate<'a>(server: &'a VirtualServer, uri: &str) -> (Option<&'a Location>, Vec<String>) {
    let (mut longest, mut length, mut is_final) = (None, 0, false);
    for location in &server.locations {
        match &location.path {
            Matcher::Exact(path) if path == uri => return (Some(location), Vec::new()),
            Matcher::Prefix { path, is_final: ends } if uri.starts_with(path) && path.len() >= length => {
                (longest, length, is_final) = (Some(location), path.len(), *ends);
            }
            _ => {}
        }
    }
    let expressions = server.locations.iter().filter_map(|location| match &location.path {
        Matcher::Regex(_, regex) if !is_final => Some((location, regex.captures(uri)?)),
        _ => None,
    });
    match { expressions }.next() {
        Some((location, groups)) => {
            let groups = groups.iter().map(|group| group.map_or("", |group| group.as_str()).to_string());
            (Some(location), groups.collect())
        }
        None => (longest, Vec::new()),
    }
}

impl<'a> Exchange<'a> {
    /// The answer and what holds where it was found.
    async fn answer(&mut self) -> (Answer, &'a Scope) {
        let (mut redirects, mut error) = (0, None);
        loop {
            let (location, captures) = locate(self.server, &self.uri);
            self.captures = captures;
            let scope = location.map_or(&self.server.scope, |location| &location.scope);
            let step = match self.step(location, scope, error.is_some() || redirects > 0).await {
                Step::Redirect(_) if redirects >= REDIRECTS => Step::Error(StatusCode::INTERNAL_SERVER_ERROR),
                step => step,
            };
            redirects += 1;
            match step {
                Step::Redirect(uri) => self.uri = uri,
                Step::Done(mut answer) => {
                    answer.status = error.unwrap_or(answer.status);
                    return (answer, scope);
                }
                Step::Error(status) => {
                    let page = scope.error_pages.iter().find(|page| page.codes.contains(&status.as_u16()));
                    match page.filter(|_| error.is_none()) {
                        Some(page) if page.uri.starts_with('/') => {
                            let answer = page.answer.and_then(|code| StatusCode::from_u16(code).ok());
                            error = Some(answer.unwrap_or(status));
                            self.uri = page.uri.clone();
                        }
                        Some(page) => return (Answer::moved(StatusCode::FOUND, &page.uri), scope),
                        None => return (Answer::new(error.unwrap_or(status)), scope),
                    }
                }
            }
        }
    }

    async fn step(&self, location: Option<&'a Location>, scope: &Scope, redirected: bool) -> Step {
        if let (Some(answer), false) = (&self.server.action.answer, redirected) {
            return self.returns(answer.0, &answer.1, scope);
        }
        let action = location.map_or(&self.server.action, |location| &location.action);
        if action.internal && !redirected {
            return Step::Error(StatusCode::NOT_FOUND);
        }
        if let Some((code, text)) = &action.answer {
            return self.returns(*code, text, scope);
        }
        if action.denied {
            self.complain("access forbidden by rule").await;
            return Step::Error(StatusCode::FORBIDDEN);
        }
        if action.stub_status {
            return self.stub_status();
        }
        if let Some(target) = &action.proxy_pass {
            return match proxy::pass(self, target, location.map_or("", |location| location.path.replaced()), scope)
                .await
            {
                Ok(answer) => Step::Done(answer),
                Err(status) => Step::Error(status),
            };
        }
        match action.try_files.split_last() {
            Some((last, files)) => self.try_files(files, last, action, location, scope).await,
            None => self.file(action, location, scope).await,
        }
    }

    fn returns(&self, code: u16, text: &Template, scope: &Scope) -> Step {
        let Ok(status) = StatusCode::from_u16(code) else { return Step::Error(StatusCode::INTERNAL_SERVER_ERROR) };
        let text = text.fill(|name| self.variable(name));
        if matches!(code, 301 | 302 | 303 | 307 | 308) {
            return Step::Done(Answer::moved(status, &self.absolute(&text)));
        }
        if text.is_empty() && code >= 300 {
            return Step::Error(status);
        }
        Step::Done(Answer::typed(status, &self.type_of(scope), text))
    }

    /// A URL with the host of the request, unless it has one.
    fn absolute(&self, url: &str) -> String {
        if url.starts_with('/') {
            format!("{}://{}{url}", self.ends.scheme, self.header(HOST))
        } else {
            url.to_string()
        }
    }

    fn type_of(&self, scope: &Scope) -> String {
        site_files::content_type(&self.uri).map_or_else(|| scope.default_type.clone(), String::from)
    }

    async fn try_files(
        &self,
        files: &[Template],
        last: &Template,
        action: &Action,
        location: Option<&Location>,
        scope: &Scope,
    ) -> Step {
        for candidate in files {
            let uri = candidate.fill(|name| self.variable(name));
            let path = self.path(&uri, action, location, scope);
            match (site_files::find(self.files(), &path), uri.ends_with('/')) {
                (Found::File(_), false) | (Found::Directory, true) => {
                    return self.file_at(&uri, action, location, scope).await;
                }
                _ => {}
            }
        }
        let last = last.fill(|name| self.variable(name));
        match last.strip_prefix('=').and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok()) {
            Some(status) if status.as_u16() < 300 => Step::Done(Answer::new(status)),
            Some(status) => Step::Error(status),
            None => Step::Redirect(last.split('?').next().unwrap_or_default().to_string()),
        }
    }

    async fn file(&self, action: &Action, location: Option<&Location>, scope: &Scope) -> Step {
        self.file_at(&self.uri, action, location, scope).await
    }

    async fn file_at(&self, uri: &str, action: &Action, location: Option<&Location>, scope: &Scope) -> Step {
        if self.parts.method != Method::GET && self.parts.method != Method::HEAD {
            return Step::Error(StatusCode::METHOD_NOT_ALLOWED);
        }
        let path = self.path(uri, action, location, scope);
        if uri.ends_with('/') {
            return self.index(uri, &path, scope).await;
        }
        match site_files::find(self.files(), &path) {
            Found::File(file) => self.give(uri, file, scope),
            Found::Directory => {
                Step::Done(Answer::moved(StatusCode::MOVED_PERMANENTLY, &self.absolute(&format!("{uri}/"))))
            }
            Found::Forbidden => {
                self.complain(&format!("open() \"{path}\" failed (13: Permission denied)")).await;
                Step::Error(StatusCode::FORBIDDEN)
            }
            Found::Missing => {
                self.complain(&format!("open() \"{path}\" failed (2: No such file or directory)")).await;
                Step::Error(StatusCode::NOT_FOUND)
            }
        }
    }

    fn give(&self, uri: &str, file: site_files::SiteFile, scope: &Scope) -> Step {
        let etag = format!("\"{:x}-{:x}\"", file.modified.as_second(), file.content.len());
        let known = file.is_known(&self.parts.headers, &etag);
        let mut answer = Answer::new(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        answer.modified = Some(file.last_modified());
        answer.headers.insert(ETAG, HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")));
        if !known {
            answer.content_type = match site_files::content_type(uri) {
                Some(known) => Some(HeaderValue::from_static(known)),
                None => HeaderValue::try_from(&scope.default_type).ok(),
            };
            answer.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            answer.body = file.content;
        }
        Step::Done(answer)
    }

    async fn index(&self, uri: &str, directory: &str, scope: &Scope) -> Step {
        let directory = directory.trim_end_matches('/');
        for index in &scope.index {
            if index.starts_with('/') {
                return Step::Redirect(index.clone());
            }
            let stat = self.files().stat(&format!("{directory}/{index}"));
            if stat.is_ok_and(|stat| !stat.is_directory()) {
                return Step::Redirect(format!("{uri}{index}"));
            }
        }
        if !self.files().is_directory(directory) && !directory.is_empty() {
            self.complain(&format!(
                "\"{directory}/{}\" is not found (2: No such file or directory)",
                scope.index.join(" ")
            ))
            .await;
            return Step::Error(StatusCode::NOT_FOUND);
        }
        if scope.autoindex {
            return Step::Done(Answer::typed(
                StatusCode::OK,
                "text/html",
                pages::listing(self.files(), uri, directory),
            ));
        }
        self.complain(&format!("directory index of \"{directory}/\" is forbidden")).await;
        Step::Error(StatusCode::FORBIDDEN)
    }

    /// Where the file for a path is.
    fn path(&self, uri: &str, action: &Action, location: Option<&Location>, scope: &Scope) -> String {
        match (&action.alias, location.map(|location| &location.path)) {
            // It names the file with what the expression has matched.
            (Some(alias), Some(Matcher::Regex(..))) => Template::parse(alias).fill(|name| self.variable(name)),
            (Some(alias), Some(path)) => format!("{alias}{}", uri.strip_prefix(path.text()).unwrap_or(uri)),
            _ => format!("{}{uri}", scope.root),
        }
    }

    fn stub_status(&self) -> Step {
        let counts = &self.running.counts;
        let (accepted, requests) = (counts.accepted.load(Ordering::Relaxed), counts.requests.load(Ordering::Relaxed));
        let text = format!(
            "Active connections: 1 \nserver accepts handled requests\n {accepted} {accepted} {requests} \n\
             Reading: 0 Writing: 1 Waiting: 0 \n"
        );
        Step::Done(Answer::typed(StatusCode::OK, "text/plain", text))
    }

    fn files(&self) -> &'a Files {
        self.running.world.files()
    }

    /// A header of the request as text; empty without.
    pub fn header(&self, name: HeaderName) -> &'a str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> String {
        let (peer, local) = (self.ends.peer, self.ends.local);
        let query = self.parts.uri.query().unwrap_or_default();
        let host = || {
            let host = self.header(HOST);
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            if name.is_empty() { self.server.names.first().cloned().unwrap_or_default() } else { name.to_lowercase() }
        };
        match name {
            "host" => host(),
            "http_host" => self.header(HOST).to_string(),
            "hostname" => self.running.world.hostname().to_string(),
            "remote_addr" | "proxy_add_x_forwarded_for" => {
                let before = self.header(HeaderName::from_static("x-forwarded-for"));
                if name == "remote_addr" || before.is_empty() {
                    peer.ip().to_string()
                } else {
                    format!("{before}, {}", peer.ip())
                }
            }
            "remote_port" => peer.port().to_string(),
            "server_addr" => local.ip().to_string(),
            "server_port" => local.port().to_string(),
            "server_name" => self.server.names.first().cloned().unwrap_or_default(),
            "server_protocol" => format!("{:?}", self.parts.version),
            "scheme" => self.ends.scheme.into(),
            "https" => if self.ends.scheme == "https" { "on" } else { "" }.into(),
            "uri" | "document_uri" => self.uri.clone(),
            "request_uri" => self.parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_string(),
            "request_method" => self.parts.method.to_string(),
            "request" => self.request_line(),
            "request_body" => String::from_utf8_lossy(&self.body).into_owned(),
            "args" | "query_string" => query.to_string(),
            "is_args" => if query.is_empty() { "" } else { "?" }.into(),
            "nginx_version" => self.running.version.clone(),
            "time_local" => times::second(self.running.world.now(), |second| second.log.clone()),
            "time_iso8601" => times::format(self.running.world.now(), "%Y-%m-%dT%H:%M:%S+00:00"),
            "msec" => {
                let now = self.running.world.now();
                format!("{}.{:03}", now.as_second(), now.subsec_millisecond())
            }
            "pid" => "1".into(),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().ok().and_then(|at: usize| self.captures.get(at)).cloned().unwrap_or_default()
            }
            _ => match name.split_once('_') {
                Some(("arg", name)) => server::parameter(query, name).unwrap_or_default(),
                Some(("http", name)) => HeaderName::try_from(name.replace('_', "-"))
                    .map(|name| self.header(name).to_string())
                    .unwrap_or_default(),
                _ => String::new(),
            },
        }
    }

    fn request_line(&self) -> String {
        let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{} {target} {:?}", self.parts.method, self.parts.version)
    }

    /// Writes to the error log.
    pub async fn complain(&self, what: &str) {
        let running = self.running;
        let time = times::format(running.world.now(), "%Y/%m/%d %H:%M:%S");
        let line = format!(
            "{time} [error] 1#1: *{} {what}, client: {}, server: {}, request: \"{}\", host: \"{}\"\n",
            running.counts.requests.load(Ordering::Relaxed),
            self.ends.peer.ip(),
            self.server.names.first().map_or("", String::as_str),
            self.request_line(),
            self.header(HOST),
        );
        // A log that nobody keeps is no reason not to answer.
        let _ = running.error_log.write(line.as_bytes()).await;
    }

    /// Completes the answer with the headers in nginx's order, and logs the request.
    async fn reply(&self, mut answer: Answer, scope: &Scope) -> Reply {
        let status = answer.status;
        let is_page = status.as_u16() >= 300 && status != StatusCode::NOT_MODIFIED;
        let server = if scope.tokens { self.running.server.clone() } else { HeaderValue::from_static("nginx") };
        if is_page && answer.body.is_empty() {
            answer.body = pages::error(status, server.to_str().unwrap_or("nginx")).into();
            answer.content_type = Some(HeaderValue::from_static("text/html"));
        }
        let now = self.running.world.now();
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(10);
        headers.insert(SERVER, server);
        headers.insert(DATE, times::second(now, |second| second.date.clone()));
        let has_body = status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT;
        if has_body {
            if let Some(content_type) = answer.content_type {
                headers.insert(CONTENT_TYPE, content_type);
            }
            headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
        }
        headers.extend(answer.modified.map(|modified| (LAST_MODIFIED, modified)));
        let asked_to_close =
            self.parts.headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let keeps = !asked_to_close && self.parts.version == Version::HTTP_11 && status != StatusCode::BAD_REQUEST;
        headers.insert(CONNECTION, HeaderValue::from_static(if keeps { "keep-alive" } else { "close" }));
        headers.extend(answer.headers);
        let added = matches!(status.as_u16(), 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
        for header in scope.headers.iter().filter(|header| added || header.always) {
            let value = header.value.fill(|name| self.variable(name));
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(&header.name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        let sent = if has_body && self.parts.method != Method::HEAD { answer.body.len() } else { 0 };
        if has_body {
            *response.body_mut() = Full::new(answer.body);
        }
        if scope.access_log {
            self.log(status, sent).await;
        }
        response
    }

    /// Writes to the access log, in the format `main` of the image's configuration.
    async fn log(&self, status: StatusCode, sent: usize) {
        let or_dash = |text: &'a str| if text.is_empty() { "-" } else { text };
        let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut line = String::with_capacity(160);
        times::second(self.running.world.now(), |second| {
            // Writing to a string does not fail.
            let _ = writeln!(
                line,
                "{} - - [{}] \"{} {target} {:?}\" {} {sent} \"{}\" \"{}\" \"{}\"",
                self.ends.peer.ip(),
                second.log,
                self.parts.method,
                self.parts.version,
                status.as_str(),
                or_dash(self.header(REFERER)),
                or_dash(self.header(USER_AGENT)),
                or_dash(self.header(HeaderName::from_static("x-forwarded-for"))),
            );
        });
        let _ = self.running.access_log.write(line.as_bytes()).await;
    }
}

/// What comes of a request at one location.
enum Step {
    Done(Answer),
    /// The path goes on at another location.
    Redirect(String),
    Error(StatusCode),
}
