//! One transfer of curl: connect, ask, follow, write.

use super::super::super::pipe::Output;
use super::super::super::process::Process;
use super::super::http::{self, Body, Client, Head, Problem, Request, Url, UrlProblem};
use super::options::{DataKind, Options};
use super::{VERSION, progress};
use crate::node::network::tls::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::{self, CertificateError};

/// Redirects that are followed unless told otherwise.
const MAX_REDIRECTS: usize = 50;
/// How long connecting may take unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);
/// What `--data-urlencode` leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a transfer failed: curl's exit code and its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: i32,
    pub message: String,
}

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }
}

/// How long a transfer took until its steps were done, from its start.
#[derive(Clone, Debug, Default)]
pub struct Times {
    pub lookup: Duration,
    pub connect: Duration,
    /// Zero without TLS.
    pub handshake: Duration,
    pub first_byte: Duration,
    pub total: Duration,
}

/// What is known of a transfer.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// As it was given, and after redirects.
    pub url: String,
    pub effective_url: String,
    pub scheme: &'static str,
    pub method: String,
    /// 0 without an answer.
    pub status: u16,
    pub version: &'static str,
    pub content_type: String,
    pub redirects: usize,
    pub redirect_url: String,
    pub connects: usize,
    pub remote: Option<SocketAddrV4>,
    /// Bytes of bodies, and of heads.
    pub received: u64,
    pub sent: u64,
    pub head_size: usize,
    /// What the server said that the body's length is.
    pub expected: Option<u64>,
    pub times: Times,
    pub error: Option<Failure>,
}

impl Report {
    pub fn per_second(bytes: u64, time: Duration) -> u64 {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        bytes.saturating_mul(1_000_000) / micros
    }
    pub fn speed(&self) -> u64 {
        Report::per_second(self.received, self.times.total)
    }
}

/// A connection that may be used again.
pub struct Kept {
    scheme: &'static str,
    host: String,
    client: Client,
}

/// A transfer.
pub struct Transfer<'a> {
    process: &'a Process,
    options: &'a Options,
    pub report: Report,
    /// Whether the meter is shown.
    pub meter: bool,
    start: Instant,
    step: Step,
}

/// What the transfer is at.
enum Step {
    Resolving,
    Connecting,
    Transferring,
}

impl<'a> Transfer<'a> {
    pub fn new(process: &'a Process, options: &'a Options, url: &str) -> Transfer<'a> {
        let report = Report { url: url.to_string(), effective_url: url.to_string(), ..Report::default() };
        Transfer { process, options, report, meter: false, start: Instant::now(), step: Step::Resolving }
    }

    /// Runs it; the body goes to `output`.
    pub async fn run(mut self, output: &Output, connection: &mut Option<Kept>) -> Report {
        let url = match self.url() {
            Ok(url) => url,
            Err(failure) => return Report { error: Some(failure), ..self.report },
        };
        if self.meter {
            self.say(&format!("{}{}", progress::HEADER, progress::line(&self.report))).await;
        }
        let result = match self.options.max_time {
            Some(limit) => match timeout(limit, self.follow(url, output, connection)).await {
                Ok(result) => result,
                Err(_) => {
                    *connection = None;
                    Err(self.timed_out())
                }
            },
            None => self.follow(url, output, connection).await,
        };
        self.report.times.total = self.start.elapsed();
        if self.meter {
            self.say(&format!("{}\n", progress::line(&self.report))).await;
        }
        self.report.error = result.err();
        self.report
    }

    fn timed_out(&self) -> Failure {
        let after = self.start.elapsed().as_millis();
        let message = match (&self.step, self.report.expected) {
            (Step::Resolving, _) => format!("Resolving timed out after {after} milliseconds"),
            (Step::Connecting, _) => format!("Connection timed out after {after} milliseconds"),
            (Step::Transferring, Some(expected)) => {
                let received = self.report.received;
                format!(
                    "Operation timed out after {after} milliseconds with {received} out of {expected} bytes received"
                )
            }
            (Step::Transferring, None) => {
                let received = self.report.received;
                format!("Operation timed out after {after} milliseconds with {received} bytes received")
            }
        };
        Failure::new(28, message)
    }

    /// The URL to begin with; with `--get` the data is part of it.
    fn url(&self) -> Result<Url, Failure> {
        let rejected = |why: &str| Failure::new(3, format!("URL rejected: {why}"));
        let mut url = Url::parse(&self.report.url).map_err(|problem| match problem {
            UrlProblem::Scheme(scheme) => Failure::new(1, format!("Protocol \"{scheme}\" not supported")),
            UrlProblem::NoHost => rejected("No host part in the URL"),
            UrlProblem::BadHost => rejected("Bad hostname"),
            UrlProblem::BadPort => rejected("Port number was not a decimal number between 0 and 65535"),
            UrlProblem::BadCharacter => rejected("Malformed input to a URL function"),
        })?;
        if self.options.get && !self.options.data.is_empty() {
            let separator = if url.target.contains('?') { '&' } else { '?' };
            url.target += &format!("{separator}{}", String::from_utf8_lossy(&self.data()?));
        }
        Ok(url)
    }

    /// What is to be sent.
    fn data(&self) -> Result<Vec<u8>, Failure> {
        let mut data = Vec::new();
        for piece in &self.options.data {
            if !data.is_empty() && !self.options.json {
                data.push(b'&');
            }
            let file = |name: &str| {
                let failure = |_| Failure::new(26, format!("Failed to open {name}"));
                self.process.world.files().read(&self.process.path(name)).map_err(failure)
            };
            match (piece.kind, piece.text.strip_prefix('@')) {
                (DataKind::Text, Some(name)) => {
                    data.extend(file(name)?.iter().filter(|byte| !b"\r\n\0".contains(byte)));
                }
                (DataKind::Binary, Some(name)) => data.extend_from_slice(&file(name)?),
                (DataKind::UrlEncode, _) => {
                    let (name, text) = piece.text.split_once('=').unwrap_or(("", &piece.text));
                    let separator = if name.is_empty() { "" } else { "=" };
                    data.extend(format!("{name}{separator}{}", utf8_percent_encode(text, ENCODED)).bytes());
                }
                _ => data.extend(piece.text.bytes()),
            }
        }
        Ok(data)
    }

    async fn follow(&mut self, mut url: Url, output: &Output, connection: &mut Option<Kept>) -> Result<(), Failure> {
        let options = self.options;
        let mut body = if options.get { Vec::new() } else { self.data()? };
        let mut method = match &options.method {
            Some(method) => method.clone(),
            None if options.head => "HEAD".into(),
            None if !options.data.is_empty() && !options.get => "POST".into(),
            None => "GET".into(),
        };
        loop {
            let location = self.exchange(&url, &method, &body, output, connection).await?;
            let Some(location) = location else { return Ok(()) };
            let limit = options.max_redirects.unwrap_or(MAX_REDIRECTS);
            if self.report.redirects >= limit {
                return Err(Failure::new(47, format!("Maximum ({limit}) redirects followed")));
            }
            self.report.redirects += 1;
            // Browsers made this of a POST that is redirected.
            if options.method.is_none() && method == "POST" && matches!(self.report.status, 301..=303) {
                (method, body) = ("GET".into(), Vec::new());
            }
            url = location;
        }
    }

    /// One request and its answer. Gives where it leads, when it is a redirect that is to be followed.
    async fn exchange(
        &mut self,
        url: &Url,
        method: &str,
        body: &[u8],
        output: &Output,
        connection: &mut Option<Kept>,
    ) -> Result<Option<Url>, Failure> {
        self.report.effective_url = url.to_string();
        (self.report.scheme, self.report.method) = (url.scheme, method.to_string());
        let request = self.request(url, method, body);
        let reused = connection.take().filter(|kept| {
            (kept.scheme, &kept.host) == (url.scheme, &url.host)
                && kept.client.address.port() == url.port
                && kept.client.is_reusable()
        });
        let is_reused = reused.is_some();
        let mut client = match reused {
            Some(kept) => {
                self.info(&format!("Re-using existing {}: connection with host {}", url.scheme, url.host)).await;
                kept.client
            }
            None => self.connect(url).await?,
        };
        self.step = Step::Transferring;
        self.show(&request).await;
        let sent = match client.send(&request).await {
            // The server closed it in the meantime.
            Err(_) if is_reused => {
                client = self.connect(url).await?;
                client.send(&request).await
            }
            sent => sent,
        };
        self.report.remote = Some(client.address);
        self.report.sent += body.len() as u64;
        let (head, mut answer) = sent.map_err(|problem| match problem {
            Problem::Io(problem) => receive_failure(&problem),
            Problem::Empty => Failure::new(52, "Empty reply from server"),
            Problem::NotHttp => Failure::new(1, "Received HTTP/0.9 when not allowed"),
        })?;
        self.report.times.first_byte = self.start.elapsed();
        let next = self.read_head(url, &head, &answer, output).await?;
        let fails = head.status >= 400 && (self.options.fail || self.options.fail_with_body);
        let failure = Failure::new(22, format!("The requested URL returned error: {}", head.status));
        if fails && !self.options.fail_with_body {
            return Err(failure);
        }
        self.read_body(&mut client, &mut answer, output, next.is_some()).await?;
        if client.is_reusable() {
            self.info(&format!("Connection #0 to host {} left intact", url.host)).await;
            *connection = Some(Kept { scheme: url.scheme, host: url.host.clone(), client });
        } else {
            self.info("shutting down connection #0").await;
        }
        if fails { Err(failure) } else { Ok(next) }
    }

    async fn connect(&mut self, url: &Url) -> Result<Client, Failure> {
        let (host, port) = (&url.host, url.port);
        let given = self.options.resolve.iter().find(|(name, of, _)| name.eq_ignore_ascii_case(host) && *of == port);
        let resolved = match given {
            Some((_, _, ip)) => Ok(*ip),
            None => http::resolve(&self.process.world, host).await,
        };
        let resolved = if self.options.ipv6 || resolved.is_err() { None } else { resolved.ok() };
        let Some(ip) = resolved else { return Err(Failure::new(6, format!("Could not resolve host: {host}"))) };
        self.report.times.lookup = self.start.elapsed();
        if host.parse::<std::net::Ipv4Addr>().is_err() {
            self.info(&format!("Host {host}:{port} was resolved.\n* IPv6: (none)\n* IPv4: {ip}")).await;
        }
        self.info(&format!("  Trying {ip}:{port}...")).await;
        self.step = Step::Connecting;
        let limit = self.options.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let begun = Instant::now();
        match timeout(limit, Client::connect(&self.process.world, SocketAddrV4::new(ip, port))).await {
            Err(_) => Err(self.timed_out()),
            Ok(Err(problem)) => {
                self.info(&format!("connect to {ip} port {port} failed: {}", http::reason(&problem))).await;
                let after = begun.elapsed().as_millis();
                let code = if problem.kind() == io::ErrorKind::TimedOut { 28 } else { 7 };
                let message =
                    format!("Failed to connect to {host} port {port} after {after} ms: Could not connect to server");
                Err(Failure::new(code, message))
            }
            Ok(Ok(client)) => {
                self.report.connects += 1;
                self.report.times.connect = self.start.elapsed();
                self.info(&format!("Connected to {host} ({ip}) port {port}\n* using HTTP/1.x")).await;
                if url.scheme == "https" { self.begin_tls(host, client).await } else { Ok(client) }
            }
        }
    }

    async fn begin_tls(&mut self, host: &str, client: Client) -> Result<Client, Failure> {
        // No certificate in the cluster is signed by an authority that images bring along.
        let authorities = match &self.options.authorities {
            _ if self.options.insecure => Default::default(),
            Some(file) => self
                .process
                .world
                .files()
                .read(&self.process.path(file))
                .map_err(|_| Failure::new(77, format!("error adding trust anchors from file: {file}")))?,
            None => Default::default(),
        };
        let trust = if self.options.insecure { Trust::Anybody } else { Trust::Authorities(&authorities) };
        let client = client.begin_tls(host, trust).await.map_err(|problem| tls_failure(host, &problem))?;
        self.report.times.handshake = self.start.elapsed();
        Ok(client)
    }

    fn request(&self, url: &Url, method: &str, body: &[u8]) -> Request {
        let options = self.options;
        let mut headers = vec![("Host".to_string(), url.host_header())];
        if let Some(user) = options.user.as_ref().or(url.credentials.as_ref()) {
            let user = if user.contains(':') { user.clone() } else { format!("{user}:") };
            headers.push(("Authorization".into(), format!("Basic {}", STANDARD.encode(user))));
        }
        let agent = options.user_agent.clone().unwrap_or_else(|| format!("curl/{VERSION}"));
        headers.push(("User-Agent".into(), agent));
        headers.push(("Accept".into(), if options.json { "application/json" } else { "*/*" }.into()));
        let sends = !body.is_empty() || method == "POST";
        let mut own = Vec::new();
        if sends {
            let kind = if options.json { "application/json" } else { "application/x-www-form-urlencoded" };
            own = vec![("Content-Length".to_string(), body.len().to_string()), ("Content-Type".into(), kind.into())];
        }
        let mut given = Vec::new();
        for header in &options.headers {
            // `Name:` leaves the header out, `Name;` sends it empty.
            let (name, value) = match header.split_once(':') {
                Some((name, value)) => (name.trim(), Some(value.trim()).filter(|value| !value.is_empty())),
                None => match header.strip_suffix(';') {
                    Some(name) => (name.trim(), Some("")),
                    None => continue,
                },
            };
            let is_other = |(other, _): &(String, String)| !other.eq_ignore_ascii_case(name);
            own.retain(is_other);
            match (headers.iter().position(|header| !is_other(header)), value) {
                (Some(at), Some(value)) if name.eq_ignore_ascii_case("host") => headers[at].1 = value.to_string(),
                (at, value) => {
                    at.into_iter().for_each(|at| drop(headers.remove(at)));
                    given.extend(value.map(|value| (name.to_string(), value.to_string())));
                }
            }
        }
        headers.retain(|(name, value)| name != "User-Agent" || !value.is_empty());
        headers.extend(given.into_iter().chain(own));
        let body = if sends { Bytes::copy_from_slice(body) } else { Bytes::new() };
        Request { method: method.to_string(), target: url.target.clone(), headers, body }
    }

    /// Takes note of a head, writes it where it is wanted, and tells where it leads.
    async fn read_head(
        &mut self,
        url: &Url,
        head: &Head,
        body: &Body,
        output: &Output,
    ) -> Result<Option<Url>, Failure> {
        let report = &mut self.report;
        (report.status, report.version) = (head.status, head.version.trim_end_matches(".0"));
        report.content_type = head.header("content-type").unwrap_or("").to_string();
        report.head_size += head.raw.len();
        report.expected = body.length;
        for line in String::from_utf8_lossy(&head.raw).lines() {
            self.verbose(&format!("< {line}\n")).await;
        }
        if let Some(file) = &self.options.dump_header {
            let to = match file.as_str() {
                "-" => self.process.stdout.clone(),
                _ => self.process.create(file, self.report.redirects > 0).map_err(|_| write_failure())?,
            };
            to.write(&head.raw).await.map_err(|_| write_failure())?;
        }
        if self.options.include || self.options.head {
            output.write(&head.raw).await.map_err(|_| write_failure())?;
        }
        let location = head.header("location").filter(|_| (300..400).contains(&head.status));
        let next = location.and_then(|location| url.join(location).ok());
        self.report.redirect_url = next.as_ref().map(Url::to_string).unwrap_or_default();
        Ok(next.filter(|_| self.options.follow))
    }

    /// Reads the body, and writes it unless it is to be skipped.
    async fn read_body(
        &mut self,
        client: &mut Client,
        body: &mut Body,
        output: &Output,
        skip: bool,
    ) -> Result<(), Failure> {
        loop {
            match client.chunk(body).await {
                Ok(Some(bytes)) if skip => drop(bytes),
                Ok(Some(bytes)) => {
                    self.verbose(&format!("{{ [{} bytes data]\n", bytes.len())).await;
                    self.report.received += bytes.len() as u64;
                    output.write(&bytes).await.map_err(|_| write_failure())?;
                }
                Ok(None) => return Ok(()),
                Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => {
                    let message = match body.missing() {
                        Some(missing) => format!("end of response with {missing} bytes missing"),
                        None => "transfer closed with outstanding read data remaining".into(),
                    };
                    return Err(Failure::new(18, message));
                }
                Err(problem) if problem.kind() == io::ErrorKind::InvalidData => {
                    return Err(Failure::new(56, "Illegal or missing hexadecimal sequence in chunked-encoding"));
                }
                Err(problem) => return Err(receive_failure(&problem)),
            }
        }
    }

    async fn show(&self, request: &Request) {
        self.verbose(&format!("> {} {} HTTP/1.1\n", request.method, request.target)).await;
        for (name, value) in &request.headers {
            self.verbose(&format!("> {name}: {value}\n")).await;
        }
        self.verbose("> \n").await;
        self.info("Request completely sent off").await;
    }

    async fn info(&self, text: &str) {
        self.verbose(&format!("* {text}\n")).await;
    }

    async fn verbose(&self, text: &str) {
        if self.options.verbose {
            self.say(text).await;
        }
    }

    /// Writes to standard error, which may be closed.
    async fn say(&self, text: &str) {
        let _ = self.process.stderr.write(text.as_bytes()).await;
    }
}

/// What curl, with OpenSSL, says when TLS cannot begin.
fn tls_failure(host: &str, problem: &io::Error) -> Failure {
    /// What follows on the reason for which a server is not trusted.
    const ADVICE: &str = "\nMore details here: https://curl.se/docs/sslcerts.html\n\ncurl failed to verify the legitimacy of \
                          the server and therefore could not\nestablish a secure connection to it. To learn more about this \
                          situation and\nhow to fix it, please visit the webpage mentioned above.";
    let cause = problem.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let why = match why {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    let kind = if host.parse::<std::net::Ipv4Addr>().is_ok() { "ipv4 address" } else { "hostname" };
                    format!("SSL: no alternative certificate subject name matches target {kind} '{host}'")
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "SSL certificate problem: certificate has expired".into()
                }
                _ => "SSL certificate problem: unable to get local issuer certificate".into(),
            };
            Failure::new(60, format!("{why}{ADVICE}"))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Failure::new(35, "TLS connect error: error:0A0000C6:SSL routines::packet length too long")
        }
        Some(other) => Failure::new(35, format!("TLS connect error: {other}")),
        None if problem.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(35, "TLS connect error: error:0A000126:SSL routines::unexpected eof while reading")
        }
        None => Failure::new(35, format!("Recv failure: {}", http::reason(problem))),
    }
}

fn write_failure() -> Failure {
    Failure::new(23, "Failure writing output to destination")
}

fn receive_failure(problem: &io::Error) -> Failure {
    Failure::new(56, format!("Recv failure: {}", http::reason(problem)))
}
