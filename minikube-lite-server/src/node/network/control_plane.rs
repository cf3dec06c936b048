//! The API server as the cluster sees it: it listens on the control plane's address, and Pods reach it there through the
//! Service `kubernetes` as they reach any other server.

use super::{Accepted, DnsSettings, Handler, Identity, Listening, Network};
use crate::bootstrap::CONTROL_PLANE;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

impl Network {
    /// Has connections to the control plane end at the API server's own socket, until what is returned is dropped.
    ///
    /// # Errors
    /// `AddrInUse` when something else listens there.
    pub fn serve_control_plane(&self, api_server: SocketAddr) -> io::Result<Listening> {
        let name = "control-plane".to_string();
        let identity = Identity {
            namespace: String::new(),
            hostname: name.clone(),
            name,
            ip: *CONTROL_PLANE.ip(),
            node_ip: *CONTROL_PLANE.ip(),
            subdomain: String::new(),
            dns: DnsSettings::default(),
        };
        let handler: Handler = Arc::new(move |accepted| drop(tokio::spawn(pass_on(accepted, api_server))));
        self.join(identity).listen(Ipv4Addr::UNSPECIFIED, CONTROL_PLANE.port(), handler)
    }
}

async fn pass_on(mut accepted: Accepted, api_server: SocketAddr) {
    // Who does not get through sees the connection end.
    let Ok(mut server) = TcpStream::connect(api_server).await else { return };
    let _ = server.set_nodelay(true);
    let _ = copy_bidirectional(&mut accepted.stream, &mut server).await;
}
