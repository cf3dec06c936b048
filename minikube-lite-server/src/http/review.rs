//! The kinds that are only answered: who am I, may I, may they, whose token is this.

use super::negotiate::{Answer, Format, Shape};
use super::resource::Call;
use super::respond;
use super::token::{ISSUER, Wanted};
use crate::authorization::{self, Action, User};
use axum::body::Body;
use http::Response;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::schema;
use shared_types::status::Status;
use shared_types::time::format_time;
use shared_types::validation::{FieldError, Path};

/// Answers a review.
///
/// # Errors
/// `Invalid`, `BadRequest`.
pub fn answer(call: &mut Call<'_>, mut review: Value) -> Result<Response<Body>, Status> {
    let spec = review.at("spec").clone();
    let status = match call.kind.kind {
        "SelfSubjectReview" => json!({"userInfo": info(call.user)}),
        "TokenReview" => token_review(call, &spec)?,
        "SelfSubjectRulesReview" => rules_review(call, &spec)?,
        "SelfSubjectAccessReview" => access(call, call.user, &spec)?,
        _ => {
            if spec.text("user").is_empty() && spec.list("groups").is_empty() {
                return Err(invalid("spec.user", "".into(), "at least one of user or group must be specified"));
            }
            let namespace = &call.target.namespace;
            if call.kind.namespaced && spec.text("resourceAttributes.namespace") != namespace {
                let why = "spec.resourceAttributes.namespace must match namespace: ".to_string() + namespace;
                return Err(Status::bad_request(why));
            }
            let groups = spec.list("groups").iter().filter_map(Value::as_str).map(str::to_string).collect();
            let user = User { name: spec.text("user").into(), groups, ..User::default() };
            access(call, &user, &spec)?
        }
    };
    review.set("kind", call.kind.kind);
    review.set("apiVersion", call.kind.api_version());
    if call.kind.kind == "SelfSubjectReview" {
        review.set("metadata.creationTimestamp", format_time(call.app.registry.environment().now()));
    }
    review.set("status", status);
    let ty = schema::of_kind(&call.kind.api_version(), call.kind.kind);
    let name = ty.map_or("", |ty| ty.name.as_str());
    let format = Format { shape: Shape::Object, ..call.format(Answer::Single)? };
    Ok(respond::value(201, format, name, &review))
}

fn invalid(field: &str, value: Value, why: &str) -> Status {
    // The real server leaves the kind out.
    Status::invalid("", "authorization.k8s.io", "", &[FieldError::invalid(&Path::new(field), value, why)])
}

/// A user as the API describes one.
fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// Whether `user` may do what the attributes in `spec` describe.
fn access(call: &Call<'_>, user: &User, spec: &Value) -> Result<Value, Status> {
    let (resource, path) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
    let action = match (resource.is_null(), path.is_null()) {
        (false, true) => Action::Resource {
            verb: resource.text("verb"),
            group: resource.text("group"),
            resource: resource.text("resource"),
            subresource: resource.text("subresource"),
            namespace: resource.text("namespace"),
            name: resource.text("name"),
        },
        (true, false) => Action::Path { verb: path.text("verb"), path: path.text("path") },
        (both, _) => {
            let field = if both { "spec.resourceAttributes" } else { "spec.nonResourceAttributes" };
            let why = match both {
                true => "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                false => "cannot be specified in combination with resourceAttributes",
            };
            return Err(invalid(field, path.clone(), why));
        }
    };
    Ok(match authorization::allowed(&call.app.registry, user, &action) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn rules_review(call: &Call<'_>, spec: &Value) -> Result<Value, Status> {
    let namespace = spec.text("namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let granted = authorization::rules(&call.app.registry, call.user, namespace);
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in granted.into_iter().map(|granted| granted.rule) {
        if rule.list("nonResourceURLs").is_empty() {
            resources.push(rule);
        } else {
            paths.push(rule);
        }
    }
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}

fn token_review(call: &Call<'_>, spec: &Value) -> Result<Value, Status> {
    let token = spec.text("token");
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let registry = &call.app.registry;
    let wanted: Vec<&str> = spec.list("audiences").iter().filter_map(Value::as_str).collect();
    let claims = call.app.authenticator.tokens.claims(registry, token);
    let audiences: Vec<&str> = match &claims {
        Some(claims) => claims.list("aud").iter().filter_map(Value::as_str).collect(),
        None => vec![ISSUER],
    };
    let common: Vec<&str> = match wanted.is_empty() {
        true => vec![ISSUER],
        false => wanted,
    }
    .into_iter()
    .filter(|audience| audiences.contains(audience))
    .collect();
    Ok(match call.app.authenticator.token_user(registry, token).filter(|_| !common.is_empty()) {
        Some(user) => json!({"authenticated": true, "user": info(&user), "audiences": common}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    })
}

/// Issues a token for a ServiceAccount: its `token` subresource.
///
/// # Errors
/// `NotFound`, `Invalid`, `Conflict`.
pub fn token_request(call: &Call<'_>, mut request: Value) -> Result<Response<Body>, Status> {
    const TYPE: &str = "authentication/v1.TokenRequest";
    const HOUR: i64 = 3600;
    let registry = &call.app.registry;
    let (namespace, name) = (call.target.namespace.as_str(), call.target.name.as_str());
    let account = registry.get(call.kind, namespace, name)?.object()?;
    let seconds = request.int("spec.expirationSeconds").unwrap_or(HOUR);
    let why = match seconds {
        ..600 => Some("may not specify a duration less than 10 minutes"),
        4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
        _ => None,
    };
    if let Some(why) = why {
        let error = FieldError::invalid(&Path::new("spec.expirationSeconds"), seconds, why);
        return Err(Status::invalid("TokenRequest", "authentication.k8s.io", "", &[error]));
    }
    let bound = request.at("spec.boundObjectRef").clone();
    let mut bound_uid = String::new();
    if !bound.is_null() {
        let kind = match bound.text("kind") {
            "Pod" | "Secret" | "Node" => kinds::by_kind("v1", bound.text("kind")),
            _ => None,
        };
        let Some(kind) = kind else {
            return Err(Status::bad_request("cannot bind token for serviceaccount to object of this type"));
        };
        let scope = if kind.namespaced { namespace } else { "" };
        let object = registry.get(kind, scope, bound.text("name"))?.object()?;
        let wanted = bound.text("uid");
        if !wanted.is_empty() && wanted != object.uid() {
            let why = format!(
                "the UID in the bound object reference ({wanted}) does not match the UID in record. The \
                 object might have been deleted and then recreated"
            );
            return Err(Status::conflict(kind.plural, kind.group, object.name(), &why));
        }
        bound_uid = object.uid().to_string();
    }
    let audiences: Vec<String> =
        request.list("spec.audiences").iter().filter_map(Value::as_str).map(str::to_string).collect();
    let audiences = if audiences.is_empty() { vec![ISSUER.to_string()] } else { audiences };
    let wanted = Wanted {
        namespace,
        service_account: &account,
        audiences: audiences.clone(),
        seconds,
        bound: (!bound.is_null()).then_some((bound.text("kind"), bound.text("name"), bound_uid.as_str())),
    };
    let (token, end) = call.app.authenticator.tokens.issue(registry, &wanted)?;
    request.set("kind", "TokenRequest");
    request.set("apiVersion", "authentication.k8s.io/v1");
    request.set("metadata.name", name);
    request.set("metadata.namespace", namespace);
    request.set("metadata.creationTimestamp", format_time(registry.environment().now()));
    request.set("spec.audiences", audiences);
    request.set("spec.expirationSeconds", seconds);
    request.set("status.token", token);
    request.set("status.expirationTimestamp", format_time(Timestamp::from_second(end).unwrap_or(Timestamp::MAX)));
    let format = Format { shape: Shape::Object, ..call.format(Answer::Single)? };
    Ok(respond::value(201, format, TYPE, &request))
}
