//! Events, of the core group and of `events.k8s.io`: both are views of the same objects, and this one shows the core
//! view.

use super::*;

pub const COLUMNS: &[Column] = &[
    column("Last Seen", "The time at which the most recent occurrence of this event was recorded."),
    column("Type", "Type of this event (Normal, Warning), new types could be added in the future"),
    column(
        "Reason",
        "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
    ),
    column("Object", "The object that this event is about."),
    wide(
        "Subobject",
        "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" refers to the name of the container that triggered the event) or if no container name is specified \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an object.",
    ),
    wide("Source", "The component reporting this event. Should be a short machine understandable string."),
    column("Message", "A human-readable description of the status of this operation."),
    wide("First Seen", "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)"),
    wide("Count", "The number of times this event has occurred."),
    Column { priority: 1, ..NAME },
];

pub fn cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let field = |core: &str, events: &str| or(event.text(core), event.text(events)).to_string();
    let time = |core: &str, events: &str, fallback: String| match field(core, events) {
        time if time.is_empty() => fallback,
        time => since(&time, now),
    };
    let first_seen = time("firstTimestamp", "deprecatedFirstTimestamp", since(event.text("eventTime"), now));
    let (last_seen, count) = if event.has("series") {
        (since(event.text("series.lastObservedTime"), now), event.int("series.count").unwrap_or(0))
    } else {
        let count = event.int("count").or(event.int("deprecatedCount")).unwrap_or(0);
        // An event that counts nothing happened once.
        (time("lastTimestamp", "deprecatedLastTimestamp", first_seen.clone()), count.max(1))
    };
    let object = if event.has("involvedObject") { event.at("involvedObject") } else { event.at("regarding") };
    let kind = object.text("kind").to_lowercase();
    let target = if object.text("name").is_empty() { kind } else { format!("{kind}/{}", object.text("name")) };
    vec![
        last_seen.into(),
        event.text("type").into(),
        event.text("reason").into(),
        target.into(),
        object.text("fieldPath").into(),
        source(event).into(),
        field("message", "note").trim().into(),
        first_seen.into(),
        count.into(),
        event.name().into(),
    ]
}

/// `kubelet, node-1`: who reports the event, and where.
fn source(event: &Value) -> String {
    let first = |fields: &[&str]| fields.iter().map(|f| event.text(f)).find(|text| !text.is_empty()).unwrap_or("");
    // The core view names the controller `reportingComponent`, the other one `reportingController`.
    let component =
        first(&["source.component", "deprecatedSource.component", "reportingComponent", "reportingController"]);
    match first(&["source.host", "deprecatedSource.host", "reportingInstance"]) {
        "" => component.to_string(),
        instance => format!("{component}, {instance}"),
    }
}
