//! The HTTP/1.1 client that `curl` and `wget` share. It keeps what the server says as it came, because it is shown.

mod body;
mod url;

pub use body::Body;
pub use url::{Url, UrlProblem};

use super::hosts;
use crate::node::network::tls::{self, Trust};
use crate::node::network::{Connection, LookupError};
use crate::node::runtime::world::World;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddrV4;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long the head of an answer may be.
const MAX_HEAD: usize = 300 * 1024;
const MAX_HEADERS: usize = 256;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// In the order in which they are sent.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// As it came, with the empty line.
    pub raw: Bytes,
    /// `1.0` or `1.1`.
    pub version: &'static str,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Problem {
    Io(io::Error),
    /// The server closed the connection without a word.
    Empty,
    /// What it said is not HTTP.
    NotHttp,
}

impl From<io::Error> for Problem {
    fn from(problem: io::Error) -> Problem {
        Problem::Io(problem)
    }
}

/// The address of a host.
///
/// # Errors
/// Why it has none.
pub async fn resolve(world: &World, host: &str) -> Result<std::net::Ipv4Addr, LookupError> {
    hosts::lookup(world, host).await?.first().copied().ok_or(LookupError::NoName)
}

/// What C libraries say of a failure.
pub fn reason(problem: &io::Error) -> &'static str {
    match problem.kind() {
        io::ErrorKind::ConnectionRefused => "Connection refused",
        io::ErrorKind::TimedOut => "Operation timed out",
        io::ErrorKind::HostUnreachable => "Host is unreachable",
        io::ErrorKind::NetworkUnreachable => "Network unreachable",
        io::ErrorKind::BrokenPipe => "Broken pipe",
        _ => "Connection reset by peer",
    }
}

/// A connection to a server, over which requests go one after the other.
pub struct Client {
    pub address: SocketAddrV4,
    connection: Connection,
    /// What has arrived and was not used yet.
    received: BytesMut,
    /// The answer before may be followed by another one.
    is_reusable: bool,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// What connecting gives.
    pub async fn connect(world: &World, address: SocketAddrV4) -> io::Result<Client> {
        let connection = world.network().connect(address).await?;
        Ok(Client { address, connection, received: BytesMut::new(), is_reusable: true })
    }

    /// Begins TLS, before any request.
    ///
    /// # Errors
    /// What [`tls::connect`] gives.
    pub async fn begin_tls(self, host: &str, trust: Trust<'_>) -> io::Result<Client> {
        let connection = tls::connect(self.connection, host, trust).await?;
        Ok(Client { connection, ..self })
    }

    /// Whether another request can be sent.
    pub fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    /// Sends a request and reads the head of the answer. The body is to be read with [`Client::chunk`].
    ///
    /// # Errors
    /// See [`Problem`].
    pub async fn send(&mut self, request: &Request) -> Result<(Head, Body), Problem> {
        self.is_reusable = false;
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        for (name, value) in &request.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&request.body);
        // A server that answers without reading everything is none the worse for it.
        let sent = self.connection.write_all(&bytes).await;
        loop {
            let head = match self.head().await {
                Err(Problem::Empty) if sent.is_err() => return Err(Problem::Io(io::ErrorKind::ConnectionReset.into())),
                head => head?,
            };
            // An interim answer: the real one follows.
            if (100..200).contains(&head.status) && head.status != 101 {
                continue;
            }
            let body = Body::of(&request.method, &head);
            return Ok((head, body));
        }
    }

    async fn head(&mut self) -> Result<Head, Problem> {
        loop {
            if let Some(head) = parse(&mut self.received)? {
                return Ok(head);
            }
            if self.received.len() > MAX_HEAD {
                return Err(Problem::NotHttp);
            }
            if self.connection.read_buf(&mut self.received).await? == 0 {
                return Err(if self.received.is_empty() { Problem::Empty } else { Problem::NotHttp });
            }
        }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends before the body, `InvalidData` for chunks that are none.
    pub async fn chunk(&mut self, body: &mut Body) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = body.take(&mut self.received)? {
                return Ok(Some(bytes));
            }
            if body.is_over() {
                self.is_reusable = body.leaves_open();
                return Ok(None);
            }
            if self.connection.read_buf(&mut self.received).await? == 0 {
                body.end()?;
            }
        }
    }
}

/// Takes a head out of what has been received. `None` while it is not there as a whole.
fn parse(received: &mut BytesMut) -> Result<Option<Head>, Problem> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Problem::NotHttp),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut head = Head {
        raw: Bytes::new(),
        version: if response.version == Some(0) { "1.0" } else { "1.1" },
        status: response.code.unwrap_or(0),
        reason: response.reason.unwrap_or("").to_string(),
        headers: response.headers.iter().map(|header| (header.name.to_string(), text(header.value))).collect(),
    };
    head.raw = received.split_to(length).freeze();
    Ok(Some(head))
}

impl Head {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
