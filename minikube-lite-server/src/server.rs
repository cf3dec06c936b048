//! Putting the rooms together: start, serve, stop.

use crate::certificates;
use crate::cli::Serve;
use crate::client::Client;
use crate::environment::Environment;
use crate::http::auth::Authenticator;
use crate::http::token::{self, Tokens};
use crate::http::{App, router, serve};
use crate::node::NodeSettings;
use crate::node::kubelet::node::{Images, Latencies};
use crate::node::network::{self, NetworkSettings};
use crate::node::runtime::images_file::ImagesFile;
use crate::node::tokens::TokenIssuer;
use crate::registry::{Registry, Settings, Store, attributes_of_bytes};
use crate::store::DiskEngine;
use crate::{bootstrap, controllers, files, kubeconfig, node};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared_types::kinds;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where the server listens unless told otherwise.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);

/// The address of the Service `kubernetes`, by which Pods reach the API server.
const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// A server that answers requests.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The kubeconfig that it wrote.
    pub kubeconfig: PathBuf,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
    registry: Arc<Registry>,
}

/// Starts a server; it answers when this returns.
///
/// # Errors
/// One line for the user.
pub async fn start(options: &Serve) -> Result<Running, String> {
    // Before anything else, so that a mistake in the file leaves nothing behind.
    let images = options.images.as_deref().map(ImagesFile::read).transpose()?;
    let folder = options.data_dir()?;
    files::make_private_folder(&folder)?;
    let wanted = options.listen.unwrap_or(DEFAULT_ADDRESS);
    let listener = TcpListener::bind(wanted).await.map_err(|problem| match problem.kind() {
        std::io::ErrorKind::AddrInUse => format!("cannot listen on {wanted}: the port is in use"),
        _ => format!("cannot listen on {wanted}: {problem}"),
    })?;
    let address = listener.local_addr().map_err(|problem| format!("cannot listen on {wanted}: {problem}"))?;

    let environment = Environment::new(options.seed);
    let opening = {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || Store::open(DiskEngine::open(&folder)?, attributes_of_bytes))
    };
    let preparing = {
        let of_cluster = [Ipv4Addr::LOCALHOST, SERVICE_ADDRESS, *bootstrap::CONTROL_PLANE.ip()].map(IpAddr::V4);
        let (folder, addresses) = (folder.clone(), [&[address.ip()][..], &of_cluster].concat());
        tokio::task::spawn_blocking(move || certificates::prepare(&folder, &addresses))
    };
    let interrupted = |_| "starting was interrupted".to_string();
    let store = opening.await.map_err(interrupted)??;
    let certificates = preparing.await.map_err(interrupted)??;
    let token = token(&folder, options.token.as_deref())?;

    let settings = Settings { service_cluster_ip_range: options.service_cluster_ip_range.clone() };
    let registry = Arc::new(Registry::new(store, environment, settings)?);
    let client = |component: &'static str| Client::new(registry.clone(), component);
    bootstrap::run(&client("kube-apiserver"), &registry.first_service_ip())
        .await
        .map_err(|status| format!("cannot set up the cluster: {status}"))?;
    // Watches begin with the present: what came before is another server's or the set-up's.
    registry.begin_watch_window();

    let stop = CancellationToken::new();
    let mut workers = Vec::new();
    workers.extend(controllers::start(&client, &certificates.authority, &stop));
    let tokens = Arc::new(tokens(&folder)?);
    let node_settings = NodeSettings {
        nodes: options.nodes,
        latencies: Latencies::default(),
        images: Images { file: images.map(Arc::new) },
        tokens: pod_tokens(registry.clone(), tokens.clone()),
    };
    let nodes = node::start(&client, node_settings, stop.clone()).await;
    let (nodes, kubelet) = nodes.map_err(|status| format!("cannot set up the nodes: {status}"))?;
    workers.push(kubelet);
    let host = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let reachable = SocketAddr::new(host, address.port());
    let network_settings = NetworkSettings {
        api_server: Some(reachable),
        nodes: node::addresses(options.nodes),
        node_port_address: options.node_port_address.ip(),
        load_balancers: options.load_balancer,
    };
    workers.push(network::start(client, nodes.network().clone(), network_settings, stop.clone()));

    let app = Arc::new(App {
        registry: registry.clone(),
        nodes,
        authenticator: Authenticator::new(token.clone(), tokens),
        address: reachable.to_string(),
        stop: stop.clone(),
    });
    let serving = tokio::spawn(serve(listener, certificates.tls, router(app), stop.clone()));
    let file = options.kubeconfig.clone().unwrap_or_else(|| folder.join("kubeconfig"));
    let text = kubeconfig::render(&format!("https://{reachable}"), &certificates.authority, &token)?;
    files::write_private(&file, &text)?;
    Ok(Running { address, kubeconfig: file, stop, serving, workers, registry })
}

impl Running {
    /// Ends streams, lets requests finish, stops the controllers, and closes the store.
    pub async fn stop(self) {
        self.stop.cancel();
        if self.serving.await.is_err() {
            tracing::error!("serving ended with a panic");
        }
        for worker in &self.workers {
            worker.abort();
        }
        for worker in self.workers {
            // Aborted on purpose.
            let _ = worker.await;
        }
        let registry = self.registry;
        if tokio::task::spawn_blocking(move || registry.close()).await.is_err() {
            tracing::error!("closing the store failed");
        }
    }
}

/// The administrator's token: given, or kept in the data folder, or made and kept there.
fn token(folder: &Path, given: Option<&str>) -> Result<String, String> {
    if let Some(given) = given {
        let token = given.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err("the token must be one word".to_string());
        }
        return Ok(token.to_string());
    }
    let file = folder.join("token");
    if let Some(kept) = files::read_optional(&file)?.map(|text| text.trim().to_string()).filter(|t| !t.is_empty()) {
        return Ok(kept);
    }
    // A secret is never made from the seed.
    let made = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
    files::write_private(&file, &made)?;
    Ok(made)
}

/// The key that signs ServiceAccounts' tokens, kept in the data folder.
fn tokens(folder: &Path) -> Result<Tokens, String> {
    let file = folder.join("sa.key");
    if let Some(kept) = files::read_optional(&file)? {
        let key =
            STANDARD.decode(kept.trim()).map_err(|problem| format!("{} is damaged: {problem}", file.display()))?;
        return Tokens::new(&key);
    }
    let key = Tokens::generate_key()?;
    files::write_private(&file, &STANDARD.encode(&key))?;
    Tokens::new(&key)
}

/// Issues the tokens that nodes ask for on behalf of their Pods.
fn pod_tokens(registry: Arc<Registry>, tokens: Arc<Tokens>) -> TokenIssuer {
    /// Tokens that Pods get by default hold longer than they say, for programs that never read the file again.
    const DEFAULT_SECONDS: i64 = 3607;
    const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;
    Arc::new(move |wanted| {
        let account = kinds::named("ServiceAccount");
        let account = registry.get(account, wanted.namespace, wanted.service_account)?.object()?;
        let (pod, uid) = wanted.pod;
        let seconds = if wanted.seconds == DEFAULT_SECONDS { EXTENDED_SECONDS } else { wanted.seconds };
        let audience = if wanted.audience.is_empty() { token::ISSUER } else { wanted.audience };
        let wanted = token::Wanted {
            namespace: wanted.namespace,
            service_account: &account,
            audiences: vec![audience.to_string()],
            seconds,
            bound: Some(("Pod", pod, uid)),
        };
        tokens.issue(&registry, &wanted).map(|(token, _)| token)
    })
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be received.
pub async fn wait_for_signal() -> Result<(), String> {
    let failed = |problem: std::io::Error| format!("cannot receive signals: {problem}");
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            result = tokio::signal::ctrl_c() => result.map_err(failed),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}
