//! HTTP/2 (RFC 9113) as a client that costs little: what a load program takes for itself, the server beside it lacks.

mod hpack;
mod records;
mod state;

use bytes::Bytes;
use records::Records;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use state::State;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A connection; requests of many clients share it.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to send.
    work: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request says.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Fields that other requests have too, by their names in lower case.
    pub fields: &'a [(&'static str, &'a str)],
    pub body: Option<Bytes>,
    /// Whether the answer's bytes are wanted even if it is a success, or only how many there are.
    pub keep: bool,
}

impl Connection {
    /// Opens a connection to a server that is known by this authority, and serves it in a task.
    pub async fn open(
        stream: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        authority: &str,
    ) -> io::Result<Connection> {
        let records = Records::connect(stream, config, name).await?;
        let shared = Arc::new(Shared { state: Mutex::new(State::new(authority)), work: Notify::new() });
        let driven = shared.clone();
        tokio::spawn(async move {
            let ended = drive(records, &driven).await;
            driven
                .state()
                .end(ended.err().map_or("the server closed the connection".to_string(), |why| why.to_string()));
        });
        Ok(Connection(shared))
    }

    /// Sends a request, and waits for the beginning of the answer.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, String> {
        let id = poll_fn(|cx| self.0.state().begin(&request, cx.waker())).await?;
        self.0.work.notify_one();
        let mut response = Response { connection: self.0.clone(), id, status: 0 };
        response.status = poll_fn(|cx| self.0.state().status(id, cx.waker())).await?;
        Ok(response)
    }
}

/// An answer, of which the beginning is here.
pub struct Response {
    connection: Arc<Shared>,
    id: u32,
    pub status: u16,
}

impl Response {
    /// The bytes that have come since the last call; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        poll_fn(|cx| self.connection.state().data(self.id, cx.waker())).await
    }

    /// Waits for the end, and tells the length.
    pub async fn end(self) -> Result<u64, String> {
        poll_fn(|cx| self.connection.state().length(self.id, cx.waker())).await
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        if self.connection.state().forget(self.id) {
            self.connection.work.notify_one();
        }
    }
}

/// Sends what there is to send and reads what comes, until the connection ends.
async fn drive(mut records: Records, shared: &Shared) -> io::Result<()> {
    let mut frames = Vec::new();
    loop {
        shared.state().take_outgoing(&mut frames);
        records.write(&frames).await?;
        tokio::select! {
            ready = records.readable() => {
                ready?;
                let mut state = shared.state();
                if !records.read(&mut |bytes| state.receive(bytes))? {
                    return Ok(());
                }
            }
            () = shared.work.notified() => {}
        }
    }
}
