//! Talking to the server: the kubeconfig, the transport, discovery and the mapping from names to resources.

pub mod access;
pub mod assumed;
mod chosen;
pub mod credentials;
pub mod discovery;
pub mod failure;
pub mod kubeconfig;
pub mod restmapper;
pub mod stream;
pub mod tls;
pub mod transport;
pub mod version;

pub use restmapper::{Resource, RestMapper};
pub use transport::{Answer, Client, Request};
