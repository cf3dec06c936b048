//! Local connections, each as a pair of streams (one for what goes wrong) of one connection to the API server.

use super::ports::{Address, Pair};
use crate::context::Context;
use crate::errors::CommandError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared_types::spdy::{Session, Stream};
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// Forwards local connections.
pub struct Forwarder<'f, 'a> {
    cx: &'f Context<'a>,
    session: Session,
    /// Numbers the pairs of streams.
    requests: Cell<u64>,
}

/// What goes on for the forwarder: a listener gives its next connection, a connection ends.
enum Event {
    Connected(TcpListener, Pair, TcpStream),
    Done,
    Failed(String),
}

type Going<'g> = Pin<Box<dyn Future<Output = Event> + 'g>>;

impl<'f, 'a> Forwarder<'f, 'a> {
    pub fn new(cx: &'f Context<'a>, session: Session) -> Forwarder<'f, 'a> {
        Forwarder { cx, session, requests: Cell::new(0) }
    }

    /// Listens, and forwards until ^C or until the connection to the server is over.
    ///
    /// # Errors
    /// No port can be listened on, or the connection is lost.
    pub async fn run(self, addresses: &[Address], pairs: &[Pair]) -> Result<(), CommandError> {
        let mut going: FuturesUnordered<Going<'_>> = FuturesUnordered::new();
        for pair in pairs {
            match self.listen(addresses, *pair).await? {
                Ok(listeners) => going.extend(listeners.into_iter().map(|(listener, pair)| accept(listener, pair))),
                Err((local, why)) => writeln!(self.cx.streams.err(), "Unable to listen on port {local}: {why}")?,
            }
        }
        if going.is_empty() {
            let pairs: Vec<_> = pairs.iter().map(|pair| format!("{{{} {}}}", pair.local, pair.remote)).collect();
            return Err(CommandError::message(format!(
                "unable to listen on any of the requested ports: [{}]",
                pairs.join(" ")
            )));
        }
        self.cx.streams.out().flush()?;
        let lost = || Err(CommandError::message("lost connection to pod"));
        loop {
            let event = tokio::select! {
                Some(event) = going.next() => event,
                () = self.session.closed() => return lost(),
                // How everybody ends it.
                told = tokio::signal::ctrl_c() => return Ok(told?),
            };
            match event {
                Event::Connected(listener, pair, connection) => {
                    writeln!(self.cx.streams.out(), "Handling connection for {}", pair.local)?;
                    self.cx.streams.out().flush()?;
                    going.push(accept(listener, pair));
                    going.push(Box::pin(self.forward(connection, pair)));
                }
                Event::Done => {}
                Event::Failed(why) => {
                    let now = jiff::Zoned::now().strftime("%m%d %H:%M:%S%.6f");
                    writeln!(
                        self.cx.streams.err(),
                        "E{now} {:>7} portforward.go:424] \"Unhandled Error\" err={why:?} logger=\"UnhandledError\"",
                        std::process::id()
                    )?;
                    return lost();
                }
            }
        }
    }

    /// The listeners for one pair, with the local port that it got; else that port and why there are none.
    #[allow(clippy::type_complexity)]
    async fn listen(
        &self,
        addresses: &[Address],
        mut pair: Pair,
    ) -> Result<Result<Vec<(TcpListener, Pair)>, (u16, String)>, CommandError> {
        let mut listeners = Vec::new();
        let mut errors = Vec::new();
        let (mut localhost, mut localhost_failed, mut other_failed) = (0, 0, 0);
        for address in addresses {
            let wanted = SocketAddr::new(address.ip, pair.local);
            match TcpListener::bind(wanted).await.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                Ok((at, listener)) => {
                    // The other addresses take the same port.
                    pair.local = at.port();
                    writeln!(self.cx.streams.out(), "Forwarding from {at} -> {}", pair.remote)?;
                    localhost += usize::from(address.is_localhost);
                    listeners.push((listener, pair));
                }
                Err(error) => {
                    let (network, why) = (if wanted.is_ipv4() { "tcp4" } else { "tcp6" }, bind_words(&error));
                    errors.push(format!("unable to create listener: Error listen {network} {wanted}: bind: {why}"));
                    if address.is_localhost { localhost_failed += 1 } else { other_failed += 1 }
                }
            }
        }
        if (localhost == 0 && localhost_failed > 0) || other_failed > 0 {
            let why = format!("Listeners failed to create with the following errors: [{}]", errors.join(" "));
            return Ok(Err((pair.local, why)));
        }
        Ok(Ok(listeners))
    }

    /// Carries one connection.
    async fn forward(&self, mut connection: TcpStream, pair: Pair) -> Event {
        let (port, request) = (pair.remote.to_string(), self.requests.replace(self.requests.get() + 1).to_string());
        let headers = |kind| [("streamtype", kind), ("port", &*port), ("requestid", &*request)];
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            Event::Failed(format!("{what} {} -> {}: {why}", pair.local, pair.remote))
        };
        let opened = async {
            let mut errors = self.session.open(headers("error")).await?;
            // Nothing is said on it from this side.
            errors.shutdown().await?;
            Ok::<_, std::io::Error>((errors, self.session.open(headers("data")).await?))
        };
        let (mut errors, data) = match opened.await {
            Ok(streams) => streams,
            Err(why) => return failed("error creating streams for port", &why),
        };
        carry(&mut connection, data).await;
        let mut why = String::new();
        match errors.read_to_string(&mut why).await {
            Ok(_) if !why.is_empty() => failed("an error occurred forwarding", &why),
            _ => Event::Done,
        }
    }
}

/// Carries bytes both ways until the Pod's side has sent its last, or the local side breaks off, which concerns nobody
/// else.
async fn carry(connection: &mut TcpStream, data: Stream) {
    let (mut local_reader, mut local_writer) = connection.split();
    let (mut remote_reader, mut remote_writer) = tokio::io::split(data);
    let down = copy(&mut remote_reader, &mut local_writer);
    let up = async {
        let copied = copy(&mut local_reader, &mut remote_writer).await;
        if copied.is_ok() && remote_writer.shutdown().await.is_ok() {
            // The answer to it all may still come.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = down => {}
        () = up => {}
    }
}

/// The next connection to a listener.
fn accept<'g>(listener: TcpListener, pair: Pair) -> Going<'g> {
    Box::pin(async move {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => {
                    // Small pieces of a dialogue must not wait for each other; without it they are merely late.
                    let _ = connection.set_nodelay(true);
                    return Event::Connected(listener, pair, connection);
                }
                // Too many open files, or a connection that was gone at once: there will be others.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    })
}

fn bind_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "address already in use".into(),
        std::io::ErrorKind::AddrNotAvailable => "cannot assign requested address".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
