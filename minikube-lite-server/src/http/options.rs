//! Options of the verbs, from the query and, for deletions, from the body too.

use super::query::Query;
use crate::registry::{DeleteOptions, ListOptions, Match, Preconditions, Propagation, WriteOptions};
use http::HeaderMap;
use http::header::USER_AGENT;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::schema;
use shared_types::selector::{FieldSelector, LabelSelector};
use shared_types::status::Status;
use shared_types::validation::{ErrorList, FieldError, Path};

const META: &str = "meta.k8s.io";
/// The longest name of a field manager, in bytes.
const MAX_MANAGER: usize = 128;

fn invalid(options: &str, errors: &[FieldError]) -> Status {
    Status::invalid(options, META, "", errors)
}

/// Whether `dryRun` asks for a dry run.
fn dry_run(values: &[&str], errors: &mut ErrorList) -> bool {
    if !values.is_empty() && values.iter().any(|value| *value != "All") {
        errors.push(FieldError::not_supported(&Path::new("dryRun"), shared_types::json!(values), &["All"]));
    }
    !values.is_empty()
}

/// The options of create, update and patch; `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`.
///
/// # Errors
/// `Invalid`.
pub fn write(kind: &str, query: &Query, headers: &HeaderMap) -> Result<WriteOptions, Status> {
    let mut errors = ErrorList::new();
    let dry_run = dry_run(&query.all("dryRun"), &mut errors);
    let manager = query.get("fieldManager");
    let path = Path::new("fieldManager");
    if manager.len() > MAX_MANAGER {
        errors.push(FieldError::too_long(&path, MAX_MANAGER));
    }
    if let Some(position) = manager.chars().position(|c| c.is_control()) {
        let why = format!(
            "invalid character U+{:04X} (at position {position})",
            manager.chars().nth(position).map_or(0, u32::from)
        );
        errors.push(FieldError::invalid(&path, manager, why + " is not printable"));
    }
    if !errors.is_empty() {
        return Err(invalid(kind, &errors));
    }
    Ok(WriteOptions { manager: manager_name(manager, headers), dry_run, ..WriteOptions::default() })
}

/// The field manager of a write: as named, or else the first part of the user agent.
fn manager_name(named: &str, headers: &HeaderMap) -> String {
    if !named.is_empty() {
        return named.to_string();
    }
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let product = agent.split('/').next().unwrap_or("");
    match product.split_whitespace().next() {
        Some(_) => product.chars().take(MAX_MANAGER).collect(),
        None => "unknown".into(),
    }
}

/// Selectors, paging and resourceVersion of a list or deletecollection.
///
/// # Errors
/// `BadRequest`, `Invalid`.
pub fn list(query: &Query) -> Result<ListOptions, Status> {
    let labels = LabelSelector::parse(query.get("labelSelector")).map_err(Status::bad_request)?;
    let fields = FieldSelector::parse(query.get("fieldSelector")).map_err(Status::bad_request)?;
    let limit = query.int("limit")?.map_or(0, |limit| usize::try_from(limit).unwrap_or(0));
    query.int("timeoutSeconds")?;
    let version = query.get("resourceVersion");
    let wanted = query.get("resourceVersionMatch");
    let token = Some(query.get("continue")).filter(|token| !token.is_empty());
    let path = Path::new("resourceVersionMatch");
    let mut errors = ErrorList::new();
    if !wanted.is_empty() {
        if version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(&path, why));
        }
        if token.is_some() {
            errors.push(FieldError::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !["Exact", "NotOlderThan"].contains(&wanted) {
            errors.push(FieldError::not_supported(&path, wanted, &["Exact", "NotOlderThan", ""]));
        }
        if wanted == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(&path, why));
        }
    }
    if query.has("sendInitialEvents") {
        errors.push(FieldError::forbidden(&Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list"));
    }
    if !errors.is_empty() {
        return Err(invalid("ListOptions", &errors));
    }
    if token.is_some() && !version.is_empty() && version != "0" {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    let wanted = match wanted {
        "Exact" => Some(Match::Exact),
        "NotOlderThan" => Some(Match::NotOlderThan),
        // A page of a list at a revision is of exactly that revision.
        _ if limit > 0 && !version.is_empty() && version != "0" => Some(Match::Exact),
        _ => None,
    };
    let resource_version = match version {
        "" => None,
        text => {
            let revision =
                parse_revision(text).map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
            Some((revision, wanted)).filter(|(revision, _)| *revision > 0)
        }
    };
    Ok(ListOptions { labels, fields, limit, continue_token: token.map(str::to_string), resource_version })
}

/// A resourceVersion as a number.
///
/// # Errors
/// Kubernetes' words for one that isn't.
pub fn parse_revision(text: &str) -> Result<u64, String> {
    text.parse().map_err(|problem: std::num::ParseIntError| {
        let why = match problem.kind() {
            std::num::IntErrorKind::PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")
    })
}

/// The revision to watch from (`None`: from the present objects), and whether initial events are asked for.
///
/// # Errors
/// `Invalid`, or `InternalError` for a revision that is no number, as kube-apiserver has it.
pub fn watch(query: &Query) -> Result<(Option<u64>, bool), Status> {
    let wanted = query.get("resourceVersionMatch");
    let initial = query.flag("sendInitialEvents");
    let path = Path::new("resourceVersionMatch");
    let mut errors = ErrorList::new();
    if query.has("sendInitialEvents") {
        if wanted != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(&path, why));
        }
        if !["", "NotOlderThan"].contains(&wanted) {
            errors.push(FieldError::not_supported(&path, wanted, &["NotOlderThan"]));
        }
    } else if !wanted.is_empty() {
        let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        errors.push(FieldError::forbidden(&path, why));
    }
    if !query.get("continue").is_empty() {
        errors.push(FieldError::forbidden(&Path::new("continue"), "continue is forbidden for watch"));
    }
    if !errors.is_empty() {
        return Err(invalid("ListOptions", &errors));
    }
    let revision = match query.get("resourceVersion") {
        "" => None,
        text => Some(parse_revision(text).map_err(|why| Status::failure(500, "", why))?).filter(|r| *r > 0),
    };
    Ok((revision, initial))
}

/// The options of a deletion, from the query or the body (JSON), of which the body counts.
///
/// # Errors
/// `BadRequest`, `Invalid`.
pub fn delete(query: &Query, body: &[u8]) -> Result<DeleteOptions, Status> {
    let mut given = Value::Null;
    if !body.iter().all(u8::is_ascii_whitespace) {
        if let Some(why) = schema::json_syntax_error(body) {
            return Err(Status::bad_request(format!("couldn't get version/kind; json parse error: {why}")));
        }
        let ty =
            schema::named("meta/v1.DeleteOptions").ok_or_else(|| Status::internal("no schema of DeleteOptions"))?;
        given = schema::decode(ty, body).map_err(Status::bad_request)?.object;
    } else {
        if let Some(seconds) = query.int("gracePeriodSeconds")? {
            given.set("gracePeriodSeconds", seconds);
        }
        if query.has("propagationPolicy") {
            given.set("propagationPolicy", query.get("propagationPolicy"));
        }
        if query.has("orphanDependents") {
            given.set("orphanDependents", query.flag("orphanDependents"));
        }
        if query.has("dryRun") {
            given.set("dryRun", shared_types::json!(query.all("dryRun")));
        }
    }
    let mut errors = ErrorList::new();
    let policy = given.at("propagationPolicy").as_str();
    let path = Path::new("propagationPolicy");
    let propagation = match (policy, given.at("orphanDependents").as_bool()) {
        (Some(policy), Some(_)) => {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid(&path, policy, why));
            None
        }
        (Some("Foreground"), None) => Some(Propagation::Foreground),
        (Some("Background"), None) | (None, Some(false)) => Some(Propagation::Background),
        (Some("Orphan"), None) | (None, Some(true)) => Some(Propagation::Orphan),
        (Some(other), None) => {
            errors.push(FieldError::not_supported(&path, other, &["Foreground", "Background", "Orphan", "nil"]));
            None
        }
        (None, None) => None,
    };
    let values: Vec<&str> = given.list("dryRun").iter().filter_map(Value::as_str).collect();
    let dry_run = dry_run(&values, &mut errors);
    if !errors.is_empty() {
        return Err(invalid("DeleteOptions", &errors));
    }
    let text = |path: &str| given.at(path).as_str().map(str::to_string);
    Ok(DeleteOptions {
        // A negative period means "at once", as it is stored and shown.
        grace_period_seconds: given.int("gracePeriodSeconds").map(|seconds| if seconds < 0 { 1 } else { seconds }),
        propagation,
        preconditions: Preconditions {
            uid: text("preconditions.uid"),
            resource_version: text("preconditions.resourceVersion"),
        },
        dry_run,
    })
}
