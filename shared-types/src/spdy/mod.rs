//! SPDY/3.1 as Kubernetes uses it: several byte streams over one connection, for `exec`, `attach` and `port-forward`.
//!
//! [`frame`] reads and writes frames, [`headers`] their header blocks, [`Session`] is a connection with its [`Stream`]s,
//! for either side, and [`Tunnel`] carries one through a WebSocket (KEP-4006).
//!
//! Flow control windows are neither kept nor announced, as Kubernetes' own library leaves them out: a slow reader holds
//! up the connection, and with it the other side.
//!
//! Source: "SPDY Protocol - Draft 3.1".

pub mod frame;
pub mod headers;
mod session;
mod stream;
mod tunnel;

pub use headers::Headers;
pub use session::{Incoming, Session};
pub use stream::Stream;
pub use tunnel::Tunnel;

/// The value of `Upgrade` with which a client asks for it.
pub const UPGRADE: &str = "SPDY/3.1";
/// The header by which client and server agree on what the streams mean.
pub const PROTOCOL_VERSION: &str = "X-Stream-Protocol-Version";
/// The WebSocket subprotocol of a port-forward whose messages are a SPDY connection (KEP-4006).
pub const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
/// The stream protocol of a port-forward.
pub const PORT_FORWARD_PROTOCOL: &str = "portforward.k8s.io";
