//! Kubernetes' control plane in one process.
//!
//! The rooms, from the outside in: [`http`] reads requests, [`registry`] holds the rules of every kind, [`store`] keeps
//! revisions and history, [`controllers`] and [`node`] act on what they watch, through [`client`] like any other client.
//! [`events`] records what they have to say. [`printers`] makes the cells of `kubectl get`.
//!
//! Invariants: `store` knows no kinds. `registry` knows no HTTP. `controllers` and `node` know no store.

pub mod authorization;
pub mod bootstrap;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod controllers;
pub mod environment;
pub mod events;
mod files;
pub mod http;
pub mod kubeconfig;
pub mod node;
pub mod printers;
pub mod registry;
pub mod server;
pub mod shell;
pub mod store;
