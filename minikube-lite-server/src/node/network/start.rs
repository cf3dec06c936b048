//! What runs beside the network: it follows Services, and has the host's sockets opened.

use super::Network;
use super::host::{HostListeners, LoadBalancers};
use super::services::{ServiceView, SliceView};
use crate::client::Client;
use crate::controllers::runtime::{Change, EventSink, Informer, Meta, Recorder};
use shared_types::kinds;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the network is like.
#[derive(Clone, Debug, Default)]
pub struct NetworkSettings {
    /// The nodes by name and address.
    pub nodes: Vec<(String, Ipv4Addr)>,
    /// Where the API server listens, for Pods that ask it.
    pub api_server: Option<SocketAddr>,
    /// The address of the host on which NodePorts are listened on; none without one.
    pub node_port_address: Option<IpAddr>,
    /// Whether Services of type `LoadBalancer` get addresses of the host's loopback.
    pub load_balancers: bool,
}

/// Has the network follow the API's Services until `shutdown`. `client_for` gives a client for a component.
pub fn start(
    client_for: impl Fn(&'static str) -> Client,
    network: Network,
    settings: NetworkSettings,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    for (name, ip) in &settings.nodes {
        network.add_node(name, *ip);
    }
    // Nobody else has this address.
    let control_plane = settings.api_server.and_then(|address| network.serve_control_plane(address).ok());
    let client = client_for("kube-proxy");
    let (sink, write_events) = EventSink::new(client.clone());
    let follow = follow(network.clone(), client.clone());
    let node_ip = settings.nodes.first().map_or(Ipv4Addr::LOCALHOST, |(_, ip)| *ip);
    let events = Recorder::new(sink, "kube-proxy", settings.nodes.first().map_or("", |(name, _)| name));
    let listeners = HostListeners::new(network.clone(), client, events, settings.node_port_address, node_ip).run();
    let cloud = client_for("cloud-controller-manager");
    let (cloud_sink, write_cloud_events) = EventSink::new(cloud.clone());
    let balancers = LoadBalancers::new(network, cloud, Recorder::new(cloud_sink, "service-controller", ""));
    let balance = async move {
        match settings.load_balancers {
            true => balancers.run().await,
            false => std::future::pending().await,
        }
    };
    tokio::spawn(async move {
        let _control_plane = control_plane;
        let run = async { tokio::join!(follow, listeners, balance, write_events, write_cloud_events) };
        shutdown.run_until_cancelled(run).await;
    })
}

/// Keeps what the network knows of Services up to date, for ever.
async fn follow(network: Network, client: Client) {
    let namespaces = Informer::<Meta>::new(kinds::named("Namespace"));
    let services = Informer::<ServiceView>::new(kinds::named("Service"));
    let slices = Informer::<SliceView>::new(kinds::named("EndpointSlice"));
    let to = network.clone();
    namespaces.on_change(move |change: &Change<'_, Meta>| to.services().apply_namespace(change));
    let to = network.clone();
    services.on_change(move |change: &Change<'_, ServiceView>| to.services().apply_service(change));
    slices.on_change(move |change: &Change<'_, SliceView>| network.services().apply_slice(change));
    tokio::join!(namespaces.run(client.clone()), services.run(client.clone()), slices.run(client));
}
