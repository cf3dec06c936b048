//! Subresources, one function each.

use super::body::{self, FieldValidation};
use super::negotiate::{Answer, Format, Shape};
use super::resource::{Call, check_names};
use super::{options, patch, respond, review, stream};
use crate::registry::{DeleteOptions, Part, Preconditions, strategy_of};
use axum::body::Body;
use http::Response;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::schema;
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use shared_types::validation::{FieldError, Path};

/// Answers a request for a subresource.
pub async fn answer(call: &mut Call<'_>, request_body: Body) -> Result<Response<Body>, Status> {
    let name = call.sub.map_or("", |sub| sub.name);
    match (call.target.verb, name) {
        ("get", "status" | "resize" | "ephemeralcontainers") => call.get(),
        ("update", "status") => call.update(Part::Status, request_body).await,
        ("patch", "status") => patch::answer(call, Part::Status, request_body).await,
        ("update", "resize" | "ephemeralcontainers" | "finalize") => {
            let part = Part::Other(name_of(call));
            call.update(part, request_body).await
        }
        ("patch", "resize" | "ephemeralcontainers") => {
            let part = Part::Other(name_of(call));
            patch::answer(call, part, request_body).await
        }
        (_, "scale") => scale(call, request_body).await,
        ("create", "binding") => binding(call, request_body).await,
        ("create", "token") => {
            let request = sent(call, request_body, "authentication/v1.TokenRequest").await?;
            review::token_request(call, request)
        }
        ("create", "eviction") => eviction(call, request_body).await,
        (_, "log" | "exec" | "attach" | "portforward" | "proxy") => stream::answer(call, request_body).await,
        _ => Err(Status::method_not_allowed()),
    }
}

fn name_of(call: &Call<'_>) -> &'static str {
    call.sub.map_or("", |sub| sub.name)
}

/// The `Scale` of a workload.
fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.at("metadata").get(field) {
            metadata[field] = value.clone();
        }
    }
    let selector = LabelSelector::from_object(object.at("spec.selector")).ok().flatten();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": object.int("spec.replicas").unwrap_or(0)},
        "status": {
            "replicas": object.int("status.replicas").unwrap_or(0),
            "selector": selector.map(|selector| selector.to_string()).unwrap_or_default(),
        },
    })
}

async fn scale(call: &mut Call<'_>, request_body: Body) -> Result<Response<Body>, Status> {
    const TYPE: &str = "autoscaling/v1.Scale";
    let ty = schema::named(TYPE).ok_or_else(|| Status::internal("Scale has no schema"))?;
    let format = Format { shape: Shape::Object, ..call.format(Answer::Single)? };
    let (kind, namespace, name) = (call.kind, call.target.namespace.clone(), call.target.name.clone());
    if call.target.verb == "get" {
        let entry = call.app.registry.get(kind, &namespace, &name)?;
        return Ok(respond::value(200, format, TYPE, &scale_of(&entry.object()?)));
    }
    let patching = call.target.verb == "patch";
    let options_kind = if patching { "PatchOptions" } else { "UpdateOptions" };
    let options = options::write(options_kind, call.query, &call.headers)?;
    let text = body::read(request_body).await?;
    let sent = match patching {
        true => Err(patch::parse(body::media_type(&call.headers), &text)?),
        false => {
            let json = body::as_json(&call.headers, text)?;
            Ok(schema::decode(ty, &json).map_err(Status::bad_request)?.object)
        }
    };
    let mut change = |current: &Value| {
        if current.is_null() {
            return Err(Status::not_found(kind.plural, kind.group, &name));
        }
        let before = scale_of(current);
        let mut scale = match &sent {
            Ok(scale) => scale.clone(),
            Err(patch) => {
                let patched = patch.apply(ty, &before)?;
                schema::decode_value(ty, patched).map_err(Status::bad_request)?.object
            }
        };
        if patching && scale.text("metadata.resourceVersion") == before.text("metadata.resourceVersion") {
            scale.remove("metadata.resourceVersion");
        }
        check_names(kind, &scale, &namespace, &name)?;
        let replicas = scale.int("spec.replicas").unwrap_or(0);
        if replicas < 0 {
            let why = "must be greater than or equal to 0";
            let error = FieldError::invalid(&Path::new("spec.replicas"), replicas, why);
            return Err(Status::invalid("Scale", "autoscaling", &name, &[error]));
        }
        let mut object = current.clone();
        object.set("spec.replicas", replicas);
        match scale.text("metadata.resourceVersion") {
            "" => drop(object.remove("metadata.resourceVersion")),
            version => object.set("metadata.resourceVersion", version),
        }
        Ok(object)
    };
    let written = call.app.registry.update(kind, Part::Other("scale"), &namespace, &name, &mut change, options).await?;
    Ok(respond::value(200, format, TYPE, &scale_of(&written.object()?)))
}

/// Reads the body of a subresource that takes an object of another kind.
async fn sent(call: &mut Call<'_>, request_body: Body, type_name: &str) -> Result<Value, Status> {
    let validation = FieldValidation::from_query(call.query, "CreateOptions")?;
    let text = body::read(request_body).await?;
    let json = body::as_json(&call.headers, text)?;
    let ty = schema::named(type_name).ok_or_else(|| Status::internal(format!("{type_name} has no schema")))?;
    let decoded = schema::decode(ty, &json).map_err(Status::bad_request)?;
    validation.judge(call.kind, decoded.strict_errors, &mut call.warnings)?;
    Ok(decoded.object)
}

fn success(call: &Call<'_>) -> Result<Response<Body>, Status> {
    let mut status = Status::success();
    status.code = 201;
    let format = Format { shape: Shape::Object, ..call.format(Answer::Single)? };
    Ok(respond::status(&status, format))
}

/// Assigns a Pod to a node.
async fn binding(call: &mut Call<'_>, request_body: Body) -> Result<Response<Body>, Status> {
    let object = sent(call, request_body, "core/v1.Binding").await?;
    let options = options::write("CreateOptions", call.query, &call.headers)?;
    let (kind, namespace, name) = (call.kind, call.target.namespace.clone(), call.target.name.clone());
    let target = object.text("target.name").to_string();
    if target.is_empty() {
        let error = FieldError::required(&Path::new("target.name"), "");
        return Err(Status::invalid("Binding", "", &name, &[error]));
    }
    let now = shared_types::time::format_time(call.app.registry.environment().now());
    let mut change = |current: &Value| {
        let refuse = |why: String| Err(Status::conflict("pods/binding", "", &name, &why));
        if current.is_terminating() {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        let assigned = current.text("spec.nodeName");
        if !assigned.is_empty() {
            return refuse(format!("pod {name} is already assigned to node {assigned:?}"));
        }
        let mut pod = current.clone();
        pod.remove("metadata.resourceVersion");
        pod.set("spec.nodeName", target.as_str());
        set_scheduled(&mut pod, &now);
        Ok(pod)
    };
    call.app.registry.update(kind, Part::Other("binding"), &namespace, &name, &mut change, options).await?;
    success(call)
}

/// A bound Pod is scheduled.
fn set_scheduled(pod: &mut Value, now: &str) {
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let mut conditions = pod.list("status.conditions").to_vec();
    match conditions.iter_mut().find(|c| c.text("type") == "PodScheduled") {
        Some(existing) => *existing = condition,
        None => conditions.push(condition),
    }
    pod.set("status.conditions", conditions);
}

/// Deletes a Pod on behalf of `drain`.
async fn eviction(call: &mut Call<'_>, request_body: Body) -> Result<Response<Body>, Status> {
    let object = sent(call, request_body, "policy/v1.Eviction").await?;
    check_names(call.kind, &object, &call.target.namespace, &call.target.name)?;
    let options = options::write("CreateOptions", call.query, &call.headers)?;
    let wanted = object.at("deleteOptions");
    let text = |path: &str| wanted.at(path).as_str().map(str::to_string);
    let options = DeleteOptions {
        grace_period_seconds: wanted.int("gracePeriodSeconds"),
        preconditions: Preconditions {
            uid: text("preconditions.uid"),
            resource_version: text("preconditions.resourceVersion"),
        },
        dry_run: options.dry_run || wanted.list("dryRun").iter().any(|value| value == "All"),
        ..DeleteOptions::default()
    };
    debug_assert!(strategy_of(call.kind).returns_deleted_object() || call.kind.kind == "Pod");
    call.app.registry.delete(call.kind, &call.target.namespace, &call.target.name, options).await?;
    success(call)
}
