//! The simulated nodes: kubelet, runtime and network.
