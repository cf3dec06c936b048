//! The command line.

use clap::{Args, Parser, Subcommand};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A Kubernetes control plane in one small process.
#[derive(Parser, Debug)]
#[command(name = "minikube-lite-server", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start a server and open a shell that is set up to use it; the server ends with the shell.
    Shell(Shell),
}

#[derive(Args, Debug)]
pub struct Shell {
    #[command(flatten)]
    pub serve: Serve,
    /// Run this command instead of an interactive shell, and exit with its code.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Args, Debug, Clone)]
pub struct Serve {
    /// Address and port to serve on; port 0 takes a free one.
    #[arg(long, env = "MINIKUBE_LITE_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Folder that keeps the cluster's state [default: minikube-lite in the user's data folder].
    #[arg(long, env = "MINIKUBE_LITE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// File to write a kubeconfig for this server to [default: kubeconfig in the data folder].
    #[arg(long, env = "MINIKUBE_LITE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Number of simulated nodes; with none, Pods stay Pending.
    #[arg(long, env = "MINIKUBE_LITE_NODES", default_value_t = 2, value_name = "N")]
    pub nodes: usize,
    /// Range from which Services take their ClusterIPs.
    #[arg(long, env = "MINIKUBE_LITE_SERVICE_CLUSTER_IP_RANGE", default_value = "10.96.0.0/12", value_name = "CIDR")]
    pub service_cluster_ip_range: String,
    /// Address of this host on which NodePorts are listened on, or none.
    #[arg(long, env = "MINIKUBE_LITE_NODE_PORT_ADDRESS", default_value = "127.0.0.1", value_name = "ADDR")]
    pub node_port_address: NodePortAddress,
    /// Give Services of type LoadBalancer addresses from 127.96.0.0/16, on which this host listens.
    #[arg(long, env = "MINIKUBE_LITE_LOAD_BALANCER")]
    pub load_balancer: bool,
    /// File that describes images of one's own; see fixtures/lessons/images.yaml.
    #[arg(long, env = "MINIKUBE_LITE_IMAGES", value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// Make every random choice from this seed, so that names, addresses and UIDs are the same in every run.
    #[arg(long, env = "MINIKUBE_LITE_SEED", value_name = "N")]
    pub seed: Option<u64>,
    /// Bearer token of the administrator [default: random, made once for a data folder].
    #[arg(long, env = "MINIKUBE_LITE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// How much to log, on standard error: off, error, warn, info, debug or trace.
    #[arg(long, env = "MINIKUBE_LITE_LOG", default_value = "warn", value_name = "LEVEL")]
    pub log: tracing::level_filters::LevelFilter,
}

/// Where NodePorts are listened on.
#[derive(Clone, Copy, Debug)]
pub enum NodePortAddress {
    None,
    Ip(IpAddr),
}

impl NodePortAddress {
    /// The address, if there is to be one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            NodePortAddress::None => None,
            NodePortAddress::Ip(ip) => Some(ip),
        }
    }
}

impl FromStr for NodePortAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<NodePortAddress, String> {
        match text {
            "none" => Ok(NodePortAddress::None),
            _ => text.parse().map(NodePortAddress::Ip).map_err(|_| "neither an IP address nor \"none\"".to_string()),
        }
    }
}

impl Serve {
    /// The folder for state.
    ///
    /// # Errors
    /// When the platform's data folder cannot be told.
    pub fn data_dir(&self) -> Result<PathBuf, String> {
        match &self.data_dir {
            Some(folder) => Ok(folder.clone()),
            None => default_data_dir().ok_or_else(|| {
                "cannot tell the user's data folder: set HOME, or name a folder with --data-dir".to_string()
            }),
        }
    }
}

/// `minikube-lite` in the user's data folder: `$XDG_DATA_HOME`, or the platform's usual place.
fn default_data_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = match set("XDG_DATA_HOME") {
        Some(folder) => folder,
        None if cfg!(target_os = "macos") => set("HOME")?.join("Library/Application Support"),
        None if cfg!(windows) => set("LOCALAPPDATA")?,
        None => set("HOME")?.join(".local/share"),
    };
    Some(base.join("minikube-lite"))
}
