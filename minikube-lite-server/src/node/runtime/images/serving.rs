//! A program that serves connections: what it listens on, and the connections that are open.

use crate::node::network::{Accepted, Listening, PodNetwork};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The listeners and connections of one server program. Dropping it closes all of them.
pub struct Server {
    listening: Vec<(Ipv4Addr, u16, Listening)>,
    connections: TaskTracker,
    /// Set when the server takes no more work, so that its connections end as soon as they are idle.
    draining: CancellationToken,
    /// Set when connections are to be dropped as they are.
    closed: CancellationToken,
    _close: DropGuard,
}

impl Server {
    /// A server that listens on nothing yet.
    #[must_use]
    pub fn new() -> Server {
        let closed = CancellationToken::new();
        Server {
            listening: Vec::new(),
            connections: TaskTracker::new(),
            draining: CancellationToken::new(),
            _close: closed.clone().drop_guard(),
            closed,
        }
    }

    /// Listens on a port of the Pod. `serve` gives the task of each connection; its second argument is set when the
    /// server drains.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when something of the Pod listens there.
    pub fn listen<F, Serving>(&mut self, network: &PodNetwork, address: Ipv4Addr, port: u16, serve: F) -> io::Result<()>
    where
        F: Fn(Accepted, CancellationToken) -> Serving + Send + Sync + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        let (connections, draining, closed) = (self.connections.clone(), self.draining.clone(), self.closed.clone());
        let handler = move |accepted| {
            let serving = serve(accepted, draining.clone());
            let closed = closed.clone();
            connections.spawn(async move {
                tokio::select! {
                    biased;
                    () = serving => {}
                    () = closed.cancelled_owned() => {}
                }
            });
        };
        self.listening.push((address, port, network.listen(address, port, Arc::new(handler))?));
        Ok(())
    }

    /// Set when the server drains. A child of it can end some connections before.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Whether it listens on this address and port.
    pub fn listens(&self, address: Ipv4Addr, port: u16) -> bool {
        self.listening.iter().any(|(a, p, _)| (*a, *p) == (address, port))
    }

    /// Closes the listeners for which `keep` says no; their connections go on.
    pub fn retain(&mut self, mut keep: impl FnMut(Ipv4Addr, u16) -> bool) {
        self.listening.retain(|(address, port, _)| keep(*address, *port));
    }

    /// Takes no more connections, and waits until those that are open have ended, each after its current request.
    pub async fn drain(mut self) {
        self.listening.clear();
        self.draining.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}
