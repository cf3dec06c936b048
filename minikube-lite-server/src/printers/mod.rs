//! The columns and cells of `kubectl get`, one file per kind (the server-side printing of KEP-515).
//!
//! Column names, types and priorities are what clients see; priority 1 is shown by `-o wide` only. Where a column shows a
//! field, its description is the field's own.

mod config_map;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod event;
mod horizontal_pod_autoscaler;
mod lease;
mod namespace;
mod node;
mod pod;
mod pod_status;
mod replica_set;
mod resource_quota;
mod role_binding;
mod secret;
mod service;
mod service_account;

use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use shared_types::kinds::Kind;
use shared_types::time::{human_duration, parse_time};

/// A column of a `meta.k8s.io/v1` Table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// An OpenAPI type: `string`, `integer`, `date`.
    pub ty: &'static str,
    /// An OpenAPI format; `name` marks the column that identifies the row.
    pub format: &'static str,
    pub description: &'static str,
    /// 0 is always shown, anything higher only where there is room (`-o wide`).
    pub priority: i32,
}

/// One row: a cell per column, and the conditions that apply to the whole row (`Completed` for Pods that are done).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub cells: Vec<Value>,
    pub conditions: Vec<Value>,
}

/// A column that is always shown.
const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, ty: "string", format: "", description, priority: 0 }
}

/// A column of `-o wide`.
const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}

const CREATION_TIMESTAMP: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

const NAME: Column = Column {
    format: "name",
    ..column(
        "Name",
        "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
    )
};
const AGE: Column = column("Age", CREATION_TIMESTAMP);
const CREATED_AT: Column = Column { ty: "date", ..column("Created At", CREATION_TIMESTAMP) };
const CONTAINERS: Column = wide("Containers", "Names of each container in the template.");
const IMAGES: Column = wide("Images", "Images referenced by each container in the template.");

/// What kinds without columns of their own show.
const PLAIN_COLUMNS: &[Column] = &[NAME, CREATED_AT];

const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

/// How one kind is shown.
struct Printer {
    columns: &'static [Column],
    row: fn(&Value, Timestamp) -> Row,
}

fn printer(kind: &Kind) -> Printer {
    /// A printer from the module of a kind whose rows have no conditions.
    macro_rules! cells {
        ($module:ident) => {
            Printer {
                columns: $module::COLUMNS,
                row: |object, now| Row { cells: $module::cells(object, now), conditions: Vec::new() },
            }
        };
    }
    match (kind.group, kind.kind) {
        ("", "Pod") => Printer { columns: pod::COLUMNS, row: pod::row },
        ("", "Service") => cells!(service),
        ("", "Endpoints") => cells!(endpoints),
        ("discovery.k8s.io", "EndpointSlice") => cells!(endpoint_slice),
        ("apps", "Deployment") => cells!(deployment),
        ("apps", "ReplicaSet") => cells!(replica_set),
        ("", "ConfigMap") => cells!(config_map),
        ("", "Secret") => cells!(secret),
        ("", "ServiceAccount") => cells!(service_account),
        ("", "Namespace") => cells!(namespace),
        ("", "Node") => cells!(node),
        ("" | "events.k8s.io", "Event") => cells!(event),
        ("", "ResourceQuota") => cells!(resource_quota),
        ("coordination.k8s.io", "Lease") => cells!(lease),
        ("autoscaling", "HorizontalPodAutoscaler") => cells!(horizontal_pod_autoscaler),
        ("rbac.authorization.k8s.io", "RoleBinding") => cells!(role_binding),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            Printer { columns: role_binding::CLUSTER_COLUMNS, ..cells!(role_binding) }
        }
        _ => Printer {
            columns: PLAIN_COLUMNS,
            row: |object, _| Row {
                cells: vec![object.name().into(), object.text("metadata.creationTimestamp").into()],
                conditions: Vec::new(),
            },
        },
    }
}

/// The columns of a kind's table.
pub fn columns(kind: &'static Kind) -> &'static [Column] {
    printer(kind).columns
}

/// The row of one object of the kind, with ages as of `now`.
pub fn row(kind: &'static Kind, object: &Value, now: Timestamp) -> Row {
    (printer(kind).row)(object, now)
}

/// The cell of an [`AGE`] column.
fn age(object: &Value, now: Timestamp) -> Value {
    since(object.text("metadata.creationTimestamp"), now).into()
}

/// How long ago an API time was; `<unknown>` where it is not set.
fn since(time: &str, now: Timestamp) -> String {
    parse_time(time).map_or_else(|| UNKNOWN.to_string(), |time| human_duration(now.duration_since(time)))
}

/// `text`, or `fallback` where it is empty.
fn or<'a>(text: &'a str, fallback: &'a str) -> &'a str {
    if text.is_empty() { fallback } else { text }
}

/// Labels, or a selector made of labels: `app=web,tier=front`.
fn format_labels(labels: &Object) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect();
    or(&pairs.join(","), NONE).to_string()
}

/// The names and the images of the containers of a Pod template.
fn template_containers(object: &Value) -> (String, String) {
    let containers = object.list("spec.template.spec.containers");
    let all = |field: &str| containers.iter().map(|c| c.text(field)).collect::<Vec<_>>().join(",");
    (all("name"), all("image"))
}

/// The first three of a list, and how many more there are: `80,81,82 + 1 more...`.
fn first_three(mut items: impl Iterator<Item = String>) -> String {
    let shown: Vec<String> = items.by_ref().take(3).collect();
    match items.count() {
        0 => shown.join(","),
        more => format!("{} + {more} more...", shown.join(",")),
    }
}

/// `host:port`, with IPv6 addresses in brackets.
fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
