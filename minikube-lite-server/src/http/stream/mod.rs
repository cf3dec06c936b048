//! Subresources that are streams: logs, commands in containers, port-forwards and proxies.
//!
//! [`upgrade`] turns a request into a WebSocket or a SPDY connection. [`channels`] divides a WebSocket into numbered
//! channels, as SPDY divides a connection into streams, so that [`command`] and [`port_forward`] are the same over both.

mod channels;
mod command;
mod container;
mod log;
mod port_forward;
mod proxy;
pub mod upgrade;

use super::resource::Call;
use super::respond;
use crate::authorization::{self, Action};
use axum::body::Body;
use http::{Method, Response};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::status::Status;

/// Answers a request for one of these subresources.
pub async fn answer(call: &mut Call<'_>, body: Body) -> Result<Response<Body>, Status> {
    let subresource = call.sub.map_or("", |sub| sub.name);
    match (call.kind.kind, subresource) {
        (_, "proxy") => return proxy::answer(call, body).await,
        ("Pod", "log") => return log::answer(call).await,
        _ => {}
    }
    if call.method == Method::GET {
        // A WebSocket begins with a GET, which must not let those in who may only look (KEP-4006, 1.35).
        let action = Action::Resource {
            verb: "create",
            group: "",
            resource: &call.target.resource,
            subresource,
            namespace: &call.target.namespace,
            name: &call.target.name,
        };
        authorization::check(&call.app.registry, call.user, &action)?;
    }
    match subresource {
        "exec" => command::answer(call, command::Task::Exec).await,
        "attach" => command::answer(call, command::Task::Attach).await,
        "portforward" => port_forward::answer(call).await,
        name => Err(Status::internal(format!("{}/{name} is not a stream", call.kind.plural))),
    }
}

/// The Pod that a request is about.
fn pod(call: &Call<'_>) -> Result<Value, Status> {
    call.app.registry.get(call.kind, &call.target.namespace, &call.target.name)?.object()
}

/// A stream needs a kubelet to come from.
fn check_assigned(pod: &Value) -> Result<(), Status> {
    match pod.text("spec.nodeName") {
        "" => Err(Status::bad_request(format!("pod {} does not have a host assigned", pod.name()))),
        _ => Ok(()),
    }
}

/// What a kubelet says of a failure: plain text, as its own server answers it.
fn kubelet_words(status: &Status) -> &str {
    status.message.strip_prefix("Internal error occurred: ").unwrap_or(&status.message)
}

/// A kubelet's failure to begin a stream, which reaches clients as it is.
fn kubelet_failure(status: &Status) -> Response<Body> {
    respond::text(status.code, kubelet_words(status))
}
