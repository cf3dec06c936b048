//! The verbs on resources.

use super::App;
use super::body::{self, FieldValidation};
use super::negotiate::{self, Answer, Format};
use super::query::Query;
use super::request::Resource;
use super::respond::{self, Include};
use super::stream::upgrade::{self, OneWay};
use super::{options, patch, review, subresource, watch};
use crate::authorization::User;
use crate::registry::{DeleteOptions, Listing, Part, Selection, Written, event, uid_conflict};
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Response, Uri};
use hyper::upgrade::OnUpgrade;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{Kind, Subresource};
use shared_types::selector::{FieldSelector, LabelSelector};
use shared_types::status::{Status, StatusDetails};
use std::sync::Arc;
use std::time::Duration;

/// A resource request with what it takes to answer.
pub struct Call<'a> {
    pub app: &'a Arc<App>,
    pub user: &'a User,
    pub kind: &'static Kind,
    pub sub: Option<&'static Subresource>,
    pub target: Resource,
    pub query: &'a Query,
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    /// The means to take over the connection, where a request asks for that.
    pub upgrade: Option<OnUpgrade>,
    pub warnings: Vec<String>,
}

/// Answers a resource request.
pub async fn answer(
    app: &Arc<App>,
    user: &User,
    target: Resource,
    query: &Query,
    request: Request,
) -> Result<Response<Body>, Status> {
    let Some((kind, sub)) = target.resolve() else {
        if !super::discovery::has_group(&target.group) {
            return Ok(respond::not_found_page());
        }
        return Err(Status::no_resource());
    };
    let verb = target.verb;
    let allowed = match sub {
        Some(sub) => sub.verbs,
        None => kind.verbs,
    };
    // A collection cannot be replaced or patched, nor a named object created.
    let shape_fits = match verb {
        "create" => target.name.is_empty() || sub.is_some(),
        "update" | "patch" => !target.name.is_empty(),
        "list" | "deletecollection" => sub.is_none(),
        _ => true,
    };
    let cluster_wide = kind.namespaced && target.namespace.is_empty();
    // A proxy leaves it to what is behind it which methods there are.
    let allows = allowed.contains(&verb) || sub.is_some_and(|sub| sub.name == "proxy");
    if !allows || !shape_fits || (cluster_wide && ["create", "deletecollection"].contains(&verb)) {
        return Err(Status::method_not_allowed());
    }
    let (mut parts, request_body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    let mut call = Call { app, user, kind, sub, target, query, method, uri, headers, upgrade, warnings: Vec::new() };
    if let Some(warning) = deprecation(kind) {
        call.warnings.push(warning.to_string());
    }
    let result = match (verb, sub) {
        (_, Some(_)) => subresource::answer(&mut call, request_body).await,
        ("get", _) => call.get(),
        ("list", _) => call.list(),
        ("watch", _) => call.watch(),
        ("create", _) => call.create(request_body).await,
        ("update", _) => call.update(Part::Main, request_body).await,
        ("patch", _) => patch::answer(&mut call, Part::Main, request_body).await,
        ("delete", _) => call.delete(request_body).await,
        ("deletecollection", _) => call.delete_collection(request_body).await,
        _ => Err(Status::method_not_allowed()),
    };
    let mut response = match result {
        Ok(response) => response,
        Err(status) => respond::status(&status, call.error_format()),
    };
    respond::add_warnings(&mut response, &call.warnings);
    Ok(response)
}

/// The warning that every use of a deprecated kind gives.
fn deprecation(kind: &Kind) -> Option<&'static str> {
    match (kind.group, kind.kind) {
        ("", "Endpoints") => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        _ => None,
    }
}

impl Call<'_> {
    fn pretty(&self) -> Option<&str> {
        self.query.has("pretty").then(|| self.query.get("pretty"))
    }
    /// The format of the answer.
    pub fn format(&self, answer: Answer) -> Result<Format, Status> {
        negotiate::negotiate(&self.headers, self.pretty(), answer)
    }
    fn error_format(&self) -> Format {
        Format::of_errors(&self.headers, self.pretty())
    }
    fn include(&self) -> Result<Include, Status> {
        match self.query.get("includeObject") {
            "" | "Metadata" => Ok(Include::Metadata),
            "Object" => Ok(Include::Object),
            "None" => Ok(Include::None),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
        }
    }
    /// One object as the answer.
    pub fn object(&self, code: u16, entry: &crate::registry::Entry) -> Result<Response<Body>, Status> {
        let (format, include) = (self.format(Answer::Single)?, self.include()?);
        let entry = &*event::entry_as(self.kind, entry)?;
        respond::object(code, format, self.kind, entry, include, self.app.registry.environment().now())
    }
    /// The outcome of a write as the answer.
    pub fn written(&mut self, written: Written) -> Result<Response<Body>, Status> {
        self.warnings.extend(written.warnings);
        self.object(if written.created { 201 } else { 200 }, &written.entry)
    }

    /// One object.
    pub fn get(&self) -> Result<Response<Body>, Status> {
        self.format(Answer::Single)?;
        let entry = self.app.registry.get(self.kind, &self.target.namespace, &self.target.name)?;
        self.object(200, &entry)
    }

    fn list(&self) -> Result<Response<Body>, Status> {
        let format = self.format(Answer::List)?;
        let options = options::list(self.query)?;
        let mut listing = self.app.registry.list(self.kind, &self.target.namespace, &options)?;
        event::entries_as(self.kind, &mut listing.entries)?;
        respond::list(format, self.kind, listing, self.include()?, self.app.registry.environment().now())
    }

    fn watch(&mut self) -> Result<Response<Body>, Status> {
        let format = self.format(Answer::Watch)?;
        let (revision, initial) = options::watch(self.query)?;
        let labels = LabelSelector::parse(self.query.get("labelSelector")).map_err(Status::bad_request)?;
        let mut fields = FieldSelector::parse(self.query.get("fieldSelector")).map_err(Status::bad_request)?;
        if !self.target.name.is_empty() {
            let field = "metadata.name".to_string();
            let term = shared_types::selector::FieldTerm { field, value: self.target.name.clone(), negated: false };
            fields.terms.push(term);
        }
        let timeout = match self.query.int("timeoutSeconds")? {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds.unsigned_abs().min(86_400)),
            // Kubernetes chooses between half an hour and an hour, so that clients don't all come back at once.
            _ => Duration::from_secs(self.app.registry.environment().random("watch", |rng| rng.u64(1800..3600))),
        };
        let bookmarks = self.query.flag("allowWatchBookmarks");
        let request = watch::Request {
            kind: self.kind,
            namespace: self.target.namespace.clone(),
            selection: Selection::new(self.kind, &labels, &fields)?,
            format,
            include: self.include()?,
            initial: revision.is_none() || initial,
            initial_bookmark: initial && bookmarks,
            bookmarks,
            revision: revision.unwrap_or(0),
            timeout,
        };
        let chunks = match watch::start(self.app.clone(), request) {
            Ok(receiver) => futures_util::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|chunk| (chunk, receiver))
            })
            .boxed(),
            // A watch that cannot start is told so in the stream.
            Err(status) => futures_util::stream::iter([watch::error(&status)]).boxed(),
        };
        if let Some(upgrade) = self.upgrade.take().filter(|_| upgrade::is_web_socket(&self.headers)) {
            return Ok(self.watch_over_web_socket(upgrade, chunks));
        }
        let mut response = Response::new(Body::from_stream(chunks.map(Ok::<_, std::convert::Infallible>)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache, private"));
        Ok(response)
    }

    /// Each event is a text message. Whichever subprotocol the client names is as good as none.
    fn watch_over_web_socket(&self, upgrade: OnUpgrade, chunks: BoxStream<'static, Bytes>) -> Response<Body> {
        let subprotocol = upgrade::subprotocols(&self.headers).first().copied().unwrap_or("");
        let response = match upgrade::web_socket_answer(&self.headers, subprotocol) {
            Ok(response) => response,
            Err(refusal) => return refusal,
        };
        let messages = chunks.flat_map(|chunk| {
            let lines = chunk.split_inclusive(|byte| *byte == b'\n').map(|line| chunk.slice_ref(line));
            futures_util::stream::iter(lines.map(upgrade::text_message).collect::<Vec<_>>())
        });
        OneWay { upgrade, stop: self.app.stop.clone() }.send(messages);
        response
    }

    async fn create(&mut self, request_body: Body) -> Result<Response<Body>, Status> {
        self.format(Answer::Single)?;
        let options = options::write("CreateOptions", self.query, &self.headers)?;
        let validation = FieldValidation::from_query(self.query, "CreateOptions")?;
        let json = body::as_json(&self.headers, body::read(request_body).await?)?;
        let object = body::decode(self.kind, &json, validation, &mut self.warnings)?;
        if !self.kind.is_stored() {
            return review::answer(self, object);
        }
        let written = self.app.registry.create(self.kind, &self.target.namespace, object, options).await?;
        self.written(written)
    }

    /// PUT to the object or its status.
    pub async fn update(&mut self, part: Part, request_body: Body) -> Result<Response<Body>, Status> {
        self.format(Answer::Single)?;
        let options = options::write("UpdateOptions", self.query, &self.headers)?;
        let validation = FieldValidation::from_query(self.query, "UpdateOptions")?;
        let json = body::as_json(&self.headers, body::read(request_body).await?)?;
        let object = body::decode(self.kind, &json, validation, &mut self.warnings)?;
        check_names(self.kind, &object, &self.target.namespace, &self.target.name)?;
        let (kind, namespace, name) = (self.kind, &self.target.namespace, &self.target.name);
        let mut change = |current: &Value| {
            let mut object = object.clone();
            if object.name().is_empty() {
                object.set("metadata.name", name.as_str());
            }
            let wanted = object.uid();
            if !current.is_null() && !wanted.is_empty() && wanted != current.uid() {
                return Err(uid_conflict(kind, namespace, name, wanted, current.uid()));
            }
            Ok(object)
        };
        let written = self.app.registry.update(kind, part, namespace, name, &mut change, options).await?;
        self.written(written)
    }

    async fn delete_options(&self, request_body: Body) -> Result<DeleteOptions, Status> {
        let bytes = body::read(request_body).await?;
        let json = if bytes.is_empty() { bytes } else { body::as_json(&self.headers, bytes)? };
        options::delete(self.query, &json)
    }

    async fn delete(&mut self, request_body: Body) -> Result<Response<Body>, Status> {
        self.format(Answer::Single)?;
        let options = self.delete_options(request_body).await?;
        let deleted = self.app.registry.delete(self.kind, &self.target.namespace, &self.target.name, options).await?;
        if !deleted.gone || crate::registry::strategy_of(self.kind).returns_deleted_object() {
            return self.object(200, &deleted.entry);
        }
        let object = deleted.entry.object()?;
        let mut status = Status::success();
        status.details = Some(Box::new(StatusDetails {
            name: self.target.name.clone(),
            group: self.kind.group.into(),
            kind: self.kind.plural.into(),
            uid: object.uid().into(),
            ..StatusDetails::default()
        }));
        let format = Format { shape: negotiate::Shape::Object, ..self.format(Answer::Single)? };
        Ok(respond::status(&status, format))
    }

    async fn delete_collection(&mut self, request_body: Body) -> Result<Response<Body>, Status> {
        let format = self.format(Answer::List)?;
        let options = self.delete_options(request_body).await?;
        let selected = options::list(self.query)?;
        let registry = &self.app.registry;
        let entries = registry.delete_collection(self.kind, &self.target.namespace, &selected, options).await?;
        let listing = Listing { entries, revision: registry.revision(), continue_token: None, remaining: None };
        respond::list(format, self.kind, listing, self.include()?, registry.environment().now())
    }
}

/// The object's name and namespace must be those of the URL.
///
/// # Errors
/// `BadRequest`.
pub fn check_names(kind: &Kind, object: &Value, namespace: &str, name: &str) -> Result<(), Status> {
    let sent = object.name();
    if !sent.is_empty() && sent != name {
        let message = format!("the name of the object ({sent}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(message));
    }
    let sent = object.namespace();
    if kind.namespaced && !sent.is_empty() && sent != namespace {
        let message =
            format!("the namespace of the object ({sent}) does not match the namespace on the URL ({namespace})");
        return Err(Status::bad_request(message));
    }
    Ok(())
}
