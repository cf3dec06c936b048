//! Requests that go on as a stream in both directions, over the client's own connections, with its certificates and
//! credentials: as a WebSocket (RFC 6455), or over SPDY where the server, or something on the way to it, upgrades to no
//! WebSocket (KEP-4006).

#[cfg(test)]
pub mod fake;
pub mod remote_command;
mod upgrade;

use super::transport::{Client, Request};
use crate::errors::CommandError;
use remote_command::Connection;
use shared_types::spdy::{PORT_FORWARD_PROTOCOL, Session, TUNNEL_PROTOCOL, Tunnel};

/// The variable that, where it is `false`, keeps commands in containers off WebSockets.
const REMOTE_COMMAND_WEBSOCKETS: &str = "KUBECTL_REMOTE_COMMAND_WEBSOCKETS";
/// The same for forwarded ports.
const PORT_FORWARD_WEBSOCKETS: &str = "KUBECTL_PORT_FORWARD_WEBSOCKETS";

impl Client<'_> {
    /// Asks for the streams of a command in a container, as the query says which.
    ///
    /// # Errors
    /// The server upgrades neither to a WebSocket nor to SPDY, or cannot be reached.
    pub async fn remote_command(&self, mut request: Request) -> Result<Connection, CommandError> {
        // The order in which errors show them.
        request.query.sort_by_key(|(key, _)| *key);
        if may_be(REMOTE_COMMAND_WEBSOCKETS)
            && let Some(socket) = self.web_socket(request.clone(), remote_command::channels::PROTOCOL).await?
        {
            return Ok(Connection::WebSocket(Box::new(socket)));
        }
        let protocols = remote_command::spdy::PROTOCOLS;
        let (session, protocol) = self.spdy(request.clone(), &protocols).await?;
        match protocol.as_str() {
            // Servers of old do not say that they speak the first version.
            "" => {}
            protocol if protocols.contains(&protocol) => {}
            _ => return Err(not_negotiated(&protocols, &protocol)),
        }
        let streams = remote_command::spdy::Streams::open(&session, &protocol, &request).await?;
        Ok(Connection::Spdy(Box::new(streams)))
    }

    /// Asks for the connection whose streams are connections to a Pod's ports.
    ///
    /// # Errors
    /// As above.
    pub async fn port_forward(&self, request: Request) -> Result<Session, CommandError> {
        let upgrading = |error: CommandError| error.doing("error upgrading connection");
        if may_be(PORT_FORWARD_WEBSOCKETS)
            && let Some(socket) = self.web_socket(request.clone(), TUNNEL_PROTOCOL).await.map_err(upgrading)?
        {
            return Ok(Session::client(Tunnel::new(socket)));
        }
        let (session, protocol) = self.spdy(request, &[PORT_FORWARD_PROTOCOL]).await.map_err(upgrading)?;
        if protocol != PORT_FORWARD_PROTOCOL {
            return Err(not_negotiated(&[PORT_FORWARD_PROTOCOL], &protocol));
        }
        Ok(session)
    }
}

/// Whether a variable of the environment does not forbid WebSockets.
fn may_be(variable: &str) -> bool {
    !std::env::var(variable).is_ok_and(|value| value.eq_ignore_ascii_case("false"))
}

fn not_negotiated(ours: &[&str], chosen: &str) -> CommandError {
    let ours = ours.join(" ");
    CommandError::message(format!("unable to negotiate protocol: client supports {ours:?}, server returned {chosen:?}"))
}
