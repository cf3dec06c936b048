//! What the API server asks of the kubelets: logs, commands in containers, attaching to them, connections to Pods.

use super::kubelet::container::id;
use super::network::{Connection, Network};
use super::runtime::container::Container;
pub use super::runtime::log::{LogOptions, LogStream};
use super::runtime::sandbox::{Sandbox, Sandboxes};
pub use super::runtime::session::{Session, Wanted};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::status::Status;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// The way from the API server to the kubelets of all nodes.
#[derive(Clone)]
pub struct Nodes {
    network: Network,
    sandboxes: Sandboxes,
}

impl Nodes {
    /// The kubelets of nodes whose Pods are in this network.
    pub fn new(network: Network) -> Nodes {
        Nodes { network, sandboxes: Sandboxes::default() }
    }

    /// What runs on the nodes.
    pub(super) fn sandboxes(&self) -> &Sandboxes {
        &self.sandboxes
    }

    /// The log of a container, in pieces of many lines. The Pod is as the API has it, with its status.
    ///
    /// # Errors
    /// `BadRequest` with the kubelet's words when there is no log (yet).
    pub async fn logs(
        &self,
        pod: &Value,
        container: &str,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Bytes>, Status> {
        let wanted = container_id(pod, container, options.previous).map_err(Status::bad_request)?;
        let is_wanted = |run| id(pod.uid(), container, run) == wanted;
        let log = self.sandboxes.get(pod.uid()).and_then(|sandbox| sandbox.log(container, is_wanted));
        Ok(match log {
            Some(log) => log.read(options),
            // It was another server's.
            None => stream::empty().boxed(),
        })
    }

    /// Runs a command in a running container.
    ///
    /// # Errors
    /// With the kubelet's words when the container does not run. A command that cannot start is a session that ends
    /// with the runtime's words.
    pub async fn exec(
        &self,
        pod: &Value,
        container: &str,
        argv: Vec<String>,
        streams: Wanted,
    ) -> Result<Session, Status> {
        let container = self.container(pod, container)?;
        Ok(container.exec(argv, streams).unwrap_or_else(|why| Session::ended(Err(container.cannot_exec(&why)))))
    }

    /// Attaches to the first process of a running container.
    ///
    /// # Errors
    /// As for [`Nodes::exec`].
    pub async fn attach(&self, pod: &Value, container: &str, streams: Wanted) -> Result<Session, Status> {
        Ok(self.container(pod, container)?.attach(streams))
    }

    /// Connects to a port on the loopback address of a Pod, for port-forward.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens there; `NotFound` when the Pod does not run.
    pub async fn dial(&self, pod: &Value, port: u16) -> io::Result<Connection> {
        let sandbox = self.sandbox(pod).ok_or(io::ErrorKind::NotFound)?;
        sandbox.network.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await
    }

    /// The network of the cluster.
    pub fn network(&self) -> &Network {
        &self.network
    }

    fn sandbox(&self, pod: &Value) -> Option<Arc<Sandbox>> {
        self.sandboxes.get(pod.uid())
    }

    fn container(&self, pod: &Value, name: &str) -> Result<Arc<Container>, Status> {
        let running = self.sandbox(pod).and_then(|sandbox| sandbox.container(name));
        running.ok_or_else(|| Status::failure(500, "InternalError", format!("container not found (\"{name}\")")))
    }
}

/// The ID of the container whose log is wanted: the one that runs, or else the one that ran last.
fn container_id<'a>(pod: &'a Value, name: &str, previous: bool) -> Result<&'a str, String> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let mut statuses = lists.iter().flat_map(|list| pod.at("status").list(list));
    let Some(status) = statuses.find(|status| status.text("name") == name) else {
        return Err(format!("container \"{name}\" in pod \"{}\" is not available", pod.name()));
    };
    let (state, last) = (status.at("state"), status.text("lastState.terminated.containerID"));
    if previous {
        return match last {
            "" => Err(format!("previous terminated container \"{name}\" in pod \"{}\" not found", pod.name())),
            last => Ok(last),
        };
    }
    let waits = |why: &str| Err(format!("container \"{name}\" in pod \"{}\" is waiting to start: {why}", pod.name()));
    if state.has("running") {
        return Ok(status.text("containerID"));
    }
    match state.text("terminated.containerID") {
        "" => {}
        id => return Ok(id),
    }
    match (last, state.text("waiting.reason")) {
        ("", "ErrImagePull") => waits("image can't be pulled"),
        ("", "ImagePullBackOff") => waits("trying and failing to pull image"),
        ("", "") => Err(format!("container \"{name}\" in pod \"{}\" is waiting to start - no logs yet", pod.name())),
        ("", reason) => waits(reason),
        (last, _) => Ok(last),
    }
}
