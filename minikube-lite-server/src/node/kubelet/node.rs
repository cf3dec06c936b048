//! A simulated node as its Pods see it.

use super::config::service_links::ServiceLink;
use super::config::volumes::HostPaths;
use super::news::Message;
use crate::client::Client;
use crate::controllers::runtime::Informer;
use crate::node::network::{Network, PodIps};
use crate::node::runtime::Reference;
use crate::node::runtime::images::{self, Image};
use crate::node::runtime::images_file::ImagesFile;
use crate::node::runtime::log::LogSpace;
use crate::node::runtime::sandbox::Sandboxes;
use crate::node::tokens::TokenIssuer;
use jiff::SignedDuration;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How long things take on a simulated node.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// To pull an image that the node does not have.
    pub pull: SignedDuration,
    /// To start a container whose image is there.
    pub start: SignedDuration,
    /// To stop a Pod whose containers end when they are asked to.
    pub stop: SignedDuration,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            pull: SignedDuration::from_millis(10),
            start: SignedDuration::from_millis(10),
            stop: SignedDuration::from_millis(400),
        }
    }
}

/// What a Pod shares with the others of its node.
pub struct Node {
    pub name: String,
    pub ip: Ipv4Addr,
    pub ips: PodIps,
    /// The images that are present.
    pub images: HashSet<String>,
    pub host_paths: HostPaths,
    pub latencies: Latencies,
    pub context: Arc<Context>,
}

/// What all nodes share.
pub struct Context {
    pub client: Client,
    pub network: Network,
    pub sandboxes: Sandboxes,
    pub tokens: TokenIssuer,
    pub services: Arc<Informer<ServiceLink>>,
    pub images: Images,
    pub logs: LogSpace,
    /// To the kubelet's loop.
    pub messages: mpsc::UnboundedSender<Message>,
}

/// The images that the nodes can have.
#[derive(Clone, Default)]
pub struct Images {
    /// The author's own.
    pub file: Option<Arc<ImagesFile>>,
}

impl Images {
    /// The image of a reference that resolves.
    pub fn find(&self, reference: &Reference) -> Arc<Image> {
        images::find(reference, self.file.as_deref())
    }

    /// Whether a registry has it.
    ///
    /// # Errors
    /// What the registry answers.
    pub fn resolve(&self, reference: &Reference) -> Result<(), String> {
        images::resolve(reference, self.file.as_deref())
    }
}
