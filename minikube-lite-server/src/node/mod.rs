//! The simulated nodes: a [`kubelet`] that gives each Pod its life, the [`runtime`] of its containers and the [`network`] that
//! gives it an address.
//!
//! Everything here reaches the API through [`crate::client`] only.

pub mod api;
pub mod kubelet;
pub mod network;
mod registration;
pub mod runtime;
pub mod tokens;

use crate::client::Client;
use crate::controllers::runtime::Informer;
use api::Nodes;
use kubelet::Kubelet;
use kubelet::node::{Context, Images, Latencies, Node};
use network::{Network, PodIps};
use runtime::log::LogSpace;
use shared_types::kinds;
use shared_types::status::Status;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokens::TokenIssuer;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the simulated nodes are like.
#[derive(Clone)]
pub struct NodeSettings {
    /// How many there are: `node-1`, `node-2`, ... At most [`MAX_NODES`].
    pub nodes: usize,
    pub latencies: Latencies,
    /// What images there are.
    pub images: Images,
    pub tokens: TokenIssuer,
}

/// The most nodes whose podCIDRs and addresses are distinct.
pub const MAX_NODES: usize = 250;

/// Registers the nodes and runs their kubelet until `shutdown`. `client_for` gives a client for a component. The API
/// server reaches the kubelets through what is returned.
///
/// # Errors
/// When a Node cannot be registered, or more than [`MAX_NODES`] are asked for.
pub async fn start(
    client_for: impl Fn(&'static str) -> Client,
    settings: NodeSettings,
    shutdown: CancellationToken,
) -> Result<(Nodes, JoinHandle<()>), Status> {
    let client = client_for("kubelet");
    let api = Nodes::new(Network::new(client.environment().clone()));
    let (messages, received) = mpsc::unbounded_channel();
    let context = Arc::new(Context {
        client: client.clone(),
        network: api.network().clone(),
        sandboxes: api.sandboxes().clone(),
        tokens: settings.tokens,
        services: Arc::new(Informer::new(kinds::named("Service"))),
        images: settings.images,
        logs: LogSpace::default(),
        messages,
    });
    let mut nodes = Vec::new();
    for index in 0..settings.nodes {
        let index = match u8::try_from(index) {
            Ok(index) if usize::from(index) < MAX_NODES => index,
            _ => return Err(Status::bad_request(format!("there can be at most {MAX_NODES} nodes"))),
        };
        nodes.push(Node {
            name: registration::name(index),
            ip: registration::ip(index),
            ips: PodIps::new(index),
            images: HashSet::new(),
            host_paths: Default::default(),
            latencies: settings.latencies,
            context: context.clone(),
        });
    }
    // Together, so that all share a commit.
    let indexes = (0..nodes.len()).filter_map(|index| u8::try_from(index).ok());
    futures_util::future::try_join_all(indexes.map(|index| registration::register(&client, index))).await?;
    let leases = renew_leases(client.clone(), nodes.len());
    let kubelet = Kubelet::new(context, received, nodes);
    let running = tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = leases => {}
            () = kubelet.run() => {}
        }
    });
    Ok((api, running))
}

/// The names and addresses of the first `count` nodes.
pub fn addresses(count: usize) -> Vec<(String, Ipv4Addr)> {
    let indexes = (0..count.min(MAX_NODES)).filter_map(|index| u8::try_from(index).ok());
    indexes.map(|index| (registration::name(index), registration::ip(index))).collect()
}

/// Keeps the Leases fresh.
async fn renew_leases(client: Client, nodes: usize) {
    /// Until the namespace of the Leases is there.
    const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
    loop {
        let mut next = registration::RENEWAL;
        for index in (0..nodes).filter_map(|index| u8::try_from(index).ok()) {
            if let Err(status) = registration::renew(&client, index).await {
                tracing::debug!(error = %status, node = registration::name(index), "a Lease could not be renewed");
                next = RETRY;
            }
        }
        tokio::time::sleep(next).await;
    }
}
