//! Many connections on which nothing is said, and requests beside them.

use super::api::{Api, tls};
use super::kubeconfig::Access;
use super::measure::{self, Measured};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How many handshakes go on at once.
const AT_ONCE: usize = 64;
/// Files that the program wants for other things.
const OTHERS: u64 = 200;

/// Opens `wanted` connections, or as many as this process may, and measures requests while they are open. Says what the
/// connections take of the server's memory, where its process is known.
///
/// # Errors
/// One line: a connection or a request that failed.
pub async fn connections(
    access: &Access,
    api: &Api,
    wanted: usize,
    clients: usize,
    length: Duration,
    pid: Option<u32>,
) -> Result<Measured, String> {
    let allowed = usize::try_from(file_limit().saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    let count = wanted.min(allowed);
    let address = access.server.trim_start_matches("https://");
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_string();
    let name = ServerName::try_from(host).map_err(|error| format!("{address}: {error}"))?;
    let connector = TlsConnector::from(Arc::new(tls(access, "http/1.1")?));
    let before = pid.and_then(measure::resident);
    let open = |_| async {
        let problem = |error: std::io::Error| format!("cannot connect to {address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(problem)?;
        connector.connect(name.clone(), stream).await.map_err(problem)
    };
    let opened: Vec<_> = stream::iter(0..count).map(open).buffer_unordered(AT_ONCE).try_collect().await?;
    let memory = before.zip(pid.and_then(measure::resident)).map(|(before, after)| {
        format!(
            ", {:.1} KB of the server's memory each",
            after.saturating_sub(before) as f64 / 1e3 / count.max(1) as f64
        )
    });
    println!("{count} idle connections{}", memory.unwrap_or_default());
    let measured = measure::repeat(clients, length, |_, _| api.drain("GET", "/api/v1/namespaces/default", None)).await;
    drop(opened);
    measured
}

/// How many files this process may have open, once it may have as many as the system allows it.
fn file_limit() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // Without it, the limit is what it was.
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        raised.map_or(limit.current, |()| limit.maximum).unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    u64::MAX
}
