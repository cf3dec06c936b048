//! The HTTP front: reads a request, asks the registry, writes the answer. No rule of any kind lives here.

mod apply;
pub mod auth;
mod body;
mod compress;
mod discovery;
mod health;
mod list_body;
mod metrics;
mod negotiate;
mod openapi;
mod options;
mod patch;
mod pretty;
mod query;
mod request;
mod resource;
mod respond;
mod review;
mod serve;
mod stream;
mod subresource;
pub mod token;
mod watch;
mod write_buffer;

pub use serve::{Tls, serve};

use crate::authorization::{self, Action};
use crate::node::api::Nodes;
use crate::registry::Registry;
use auth::Authenticator;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{ACCEPT, VARY};
use http::{HeaderValue, Response};
use negotiate::{Answer, Format};
use query::Query;
use request::Target;
use shared_types::status::Status;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What requests are answered from.
pub struct App {
    pub registry: Arc<Registry>,
    /// The kubelets, for logs, commands in containers and connections to Pods.
    pub nodes: Nodes,
    pub authenticator: Authenticator,
    /// Where clients reach this server, as `host:port`.
    pub address: String,
    /// Cancelled when the server is about to stop: streams end, readiness fails.
    pub stop: CancellationToken,
}

/// The routes: one handler, since the table of kinds decides what paths there are.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let pretty = query.has("pretty").then(|| query.get("pretty").to_string());
    // Errors are told in the client's format if it has a usable one, else as JSON.
    let format = Format::of_errors(request.headers(), pretty.as_deref());
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let gzip = compress::is_accepted(request.headers());
    let response = match answer(&app, request, &query).await {
        Ok(response) => response,
        Err(status) => respond::status(&status, format),
    };
    tracing::debug!(%method, path, code = response.status().as_u16(), "request");
    if gzip { compress::gzip(response) } else { response }
}

async fn answer(app: &Arc<App>, request: Request, query: &Query) -> Result<Response<Body>, Status> {
    let registry = &app.registry;
    let mut user = app.authenticator.authenticate(registry, request.headers())?;
    if let Some(other) = auth::impersonated(request.headers())? {
        let action = Action::Resource {
            verb: "impersonate",
            group: "",
            resource: "users",
            subresource: "",
            namespace: "",
            name: &other.name,
        };
        authorization::check(registry, &user, &action)?;
        user = other;
    }
    match request::parse(request.method(), request.uri().path(), query.flag("watch")) {
        Target::Resource(resource) => {
            let action = Action::Resource {
                verb: resource.verb,
                group: &resource.group,
                resource: &resource.resource,
                subresource: &resource.subresource,
                namespace: &resource.namespace,
                name: &resource.name,
            };
            authorization::check(registry, &user, &action)?;
            resource::answer(app, &user, resource, query, request).await
        }
        Target::Other => {
            let verb = request.method().as_str().to_lowercase();
            authorization::check(registry, &user, &Action::Path { verb: &verb, path: request.uri().path() })?;
            other(app, request, query).await
        }
    }
}

async fn other(app: &Arc<App>, request: Request, query: &Query) -> Result<Response<Body>, Status> {
    let path = request.uri().path();
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    if let Some(response) = health::answer(path, query, app.stop.is_cancelled()) {
        return Ok(response);
    }
    if path == "/metrics" {
        return Ok(metrics::answer(app.nodes.network().services()));
    }
    if let Some(response) = openapi::answer(path, query, request.headers()) {
        return Ok(response);
    }
    let pretty = query.has("pretty").then(|| query.get("pretty"));
    if path == "/version" {
        let mut body = serde_json::to_vec_pretty(&health::version()).unwrap_or_default();
        body.push(b'\n');
        return Ok(respond::bytes(200, "application/json", body));
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let document = discovery::document(path, accept, &app.address);
    let format = |accept_any: bool| match negotiate::negotiate(request.headers(), pretty, Answer::Single) {
        Ok(format) => Ok(format),
        Err(_) if accept_any => Ok(Format::of_errors(request.headers(), pretty)),
        Err(status) => Err(status),
    };
    match document {
        Some(discovery::Document::Plain(ty, value)) => {
            let mut response = respond::value(200, format(false)?, &format!("meta/v1.{ty}"), &value);
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            Ok(response)
        }
        Some(discovery::Document::Aggregated(version, value)) => {
            let format = Format { shape: negotiate::Shape::Object, ..format(true)? };
            let mut response = respond::value(200, format, "apidiscovery/v2.APIGroupDiscoveryList", &value);
            let media = match version {
                "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            };
            let headers = response.headers_mut();
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media));
            headers.insert(VARY, HeaderValue::from_static("Accept"));
            Ok(response)
        }
        Some(discovery::Document::UnknownVersion) => Err(Status::no_resource()),
        Some(discovery::Document::Unknown) | None => Ok(respond::not_found_page()),
    }
}
