//! kube-proxy: which Pod a connection to a Service goes to.

mod counters;

pub use counters::Requests;
