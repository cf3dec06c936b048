//! Talking to the server: the kubeconfig, the transport, discovery and the mapping from names to resources.

pub mod kubeconfig;
