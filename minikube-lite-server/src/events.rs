//! Recording of Events, with the grouping of repeats that client-go does, so that a loop cannot flood the API.

use crate::client::{Client, Part};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;
use shared_types::time::{format_micro_time, format_time};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many records of each sort are kept before the oldest go.
const MAX_RECORDS: usize = 4096;
/// From this many similar messages on they are combined into one Event.
const MAX_SIMILAR: usize = 10;
/// Similar messages further apart (seconds) than this are not combined.
const SIMILAR_INTERVAL: i64 = 600;
/// How many Events an object may have at once from one source, and the seconds after which it may have one more.
const BURST: f64 = 25.0;
const REFILL_SECONDS: f64 = 300.0;
/// Isomorphic Events of the newer API further apart (seconds) than this are no series.
const SERIES_INTERVAL: i64 = 360;

/// How many Events are written at a time: enough to share commits, too few to hold up the writes that they tell of.
const MAX_WRITES: usize = 2;

/// The object that an Event is about.
#[derive(Clone, Debug)]
pub struct About(pub(crate) Value);

impl From<&Value> for About {
    /// A reference to a whole object, which has its `apiVersion` and `kind`.
    fn from(object: &Value) -> About {
        let mut about = json!({
            "apiVersion": object.text("apiVersion"),
            "kind": object.text("kind"),
            "name": object.name(),
            "uid": object.uid(),
            "resourceVersion": object.text("metadata.resourceVersion"),
        });
        if !object.namespace().is_empty() {
            about.set("namespace", object.namespace());
        }
        About(about)
    }
}

impl About {
    /// A reference to a part of the object, such as `spec.containers{web}`.
    pub fn field(mut self, path: &str) -> About {
        self.0.set("fieldPath", path);
        self
    }
    fn identity(&self) -> String {
        let parts = ["kind", "namespace", "name", "uid", "apiVersion", "fieldPath"];
        parts.map(|part| self.0.text(part)).join("/")
    }
}

/// Takes Events from recorders and writes them in the background.
pub struct EventSink {
    client: Client,
    correlator: Mutex<Correlator>,
    writes: mpsc::UnboundedSender<Value>,
}

impl EventSink {
    /// A sink, and what to run for it to write.
    pub fn new(client: Client) -> (Arc<EventSink>, impl Future<Output = ()> + Send + 'static) {
        let (writes, mut pending) = mpsc::unbounded_channel();
        let sink = Arc::new(EventSink { client: client.clone(), correlator: Mutex::default(), writes });
        let run = async move {
            let mut running = JoinSet::new();
            while let Some(event) = pending.recv().await {
                let client = client.clone();
                running.spawn(async move {
                    if let Err(status) = write(&client, event).await {
                        tracing::debug!(error = %status, "an Event could not be written");
                    }
                });
                while running.len() >= MAX_WRITES {
                    running.join_next().await;
                }
            }
        };
        (sink, run)
    }
}

/// Records Events as one component.
#[derive(Clone)]
pub struct Recorder {
    sink: Arc<EventSink>,
    component: &'static str,
    /// The node, for components that run on one; the instance, in the newer style.
    host: Arc<str>,
}

impl Recorder {
    pub fn new(sink: Arc<EventSink>, component: &'static str, host: &str) -> Recorder {
        Recorder { sink, component, host: host.into() }
    }

    pub fn normal(&self, about: impl Into<About>, reason: &str, message: impl Into<String>) {
        self.record(about.into(), "Normal", reason, message.into());
    }
    pub fn warning(&self, about: impl Into<About>, reason: &str, message: impl Into<String>) {
        self.record(about.into(), "Warning", reason, message.into());
    }

    fn record(&self, about: About, event_type: &str, reason: &str, message: String) {
        let now = self.sink.client.environment().now();
        let mut correlator = self.sink.correlator.lock().unwrap_or_else(PoisonError::into_inner);
        let source = format!("{}/{}", self.component, self.host);
        let Some(seen) = correlator.observe(&source, &about, event_type, reason, message, now) else { return };
        let mut event = frame(&about, &seen.name, event_type, reason, &seen.message);
        event.set("source.component", self.component);
        if !self.host.is_empty() {
            event.set("source.host", &*self.host);
        }
        event.set("firstTimestamp", format_time(seen.first));
        event.set("lastTimestamp", format_time(now));
        event.set("count", seen.count);
        event.set("eventTime", Value::Null);
        event.set("reportingComponent", self.component);
        event.set("reportingInstance", &*self.host);
        self.send(event);
    }

    /// Records an Event of the newer style (`events.k8s.io`, KEP-383), where repeats make a series.
    pub fn action(&self, about: impl Into<About>, event_type: &str, reason: &str, action: &str, note: &str) {
        let about = about.into();
        let now = self.sink.client.environment().now();
        let mut correlator = self.sink.correlator.lock().unwrap_or_else(PoisonError::into_inner);
        let key = [self.component, &about.identity(), event_type, reason, action].join("|");
        let seen = correlator.series(key, &about, note, now);
        let mut event = frame(&about, &seen.name, event_type, reason, &seen.message);
        event.set("source", json!({}));
        event.set("firstTimestamp", Value::Null);
        event.set("lastTimestamp", Value::Null);
        event.set("eventTime", format_micro_time(seen.first));
        event.set("action", action);
        event.set("reportingComponent", self.component);
        event.set("reportingInstance", &*self.host);
        if seen.count > 1 {
            event.set("series", json!({"count": seen.count, "lastObservedTime": format_micro_time(now)}));
        }
        self.send(event);
    }

    fn send(&self, event: Value) {
        // Fails only when the process is about to end.
        let _ = self.sink.writes.send(event);
    }
}

fn frame(about: &About, name: &str, event_type: &str, reason: &str, message: &str) -> Value {
    let namespace = about.0.text("namespace");
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": if namespace.is_empty() { "default" } else { namespace }},
        "involvedObject": about.0,
        "type": event_type,
        "reason": reason,
        "message": message,
    })
}

/// Creates the Event, or brings the one that exists up to date.
async fn write(client: &Client, event: Value) -> Result<(), Status> {
    let kind = kinds::named("Event");
    let repeats = |event: &Value| event.int("count").or_else(|| event.int("series.count")).unwrap_or(1);
    if repeats(&event) == 1 {
        return client.create(kind, event).await.map(drop);
    }
    let refresh = |current: &mut Value| {
        if repeats(current) < repeats(&event) {
            for field in ["count", "series", "message", "lastTimestamp"] {
                if event.has(field) {
                    current.set(field, event.at(field).clone());
                }
            }
        }
    };
    match client.modify(kind, Part::Main, event.namespace(), event.name(), refresh).await {
        Err(status) if status.is_not_found() => match client.create(kind, event.clone()).await {
            // The first of the series was still on its way.
            Err(status) if status.is_already_exists() => {
                client.modify(kind, Part::Main, event.namespace(), event.name(), refresh).await.map(drop)
            }
            result => result.map(drop),
        },
        result => result.map(drop),
    }
}

/// What was recorded before.
#[derive(Default)]
struct Correlator {
    similar: HashMap<String, Similar>,
    seen: HashMap<String, Seen>,
    allowance: HashMap<String, Allowance>,
    /// The time in the newest name, so that no two are the same.
    last_stamp: i128,
}

struct Similar {
    messages: HashSet<String>,
    last: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    name: String,
    message: String,
    first: Timestamp,
    last: Timestamp,
    count: i64,
}

struct Allowance {
    tokens: f64,
    at: Timestamp,
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

impl Correlator {
    /// A name for a new Event: that of the object, and the time in nanoseconds to tell it from others.
    fn event_name(&mut self, about: &About, now: Timestamp) -> String {
        self.last_stamp = now.as_nanosecond().max(self.last_stamp + 1);
        format!("{}.{:x}", about.0.text("name"), self.last_stamp)
    }

    /// What to write for an Event; `None` when its source has said too much about the object.
    fn observe(
        &mut self,
        source: &str,
        about: &About,
        event_type: &str,
        reason: &str,
        message: String,
        now: Timestamp,
    ) -> Option<Seen> {
        let object = about.identity();
        let similar_key = [source, &object, event_type, reason].join("|");
        make_room(&mut self.similar, |similar| similar.last);
        let fresh = || Similar { messages: HashSet::new(), last: now };
        let similar = self.similar.entry(similar_key.clone()).or_insert_with(fresh);
        if seconds(similar.last, now) > SIMILAR_INTERVAL as f64 {
            *similar = fresh();
        }
        similar.last = now;
        let combined = !similar.messages.contains(&message) && similar.messages.len() + 1 >= MAX_SIMILAR;
        let (key, message) = if combined {
            (similar_key, format!("(combined from similar events): {message}"))
        } else {
            similar.messages.insert(message.clone());
            ([&similar_key, message.as_str()].join("|"), message)
        };
        if !self.allows([source, &object].join("|"), now) {
            return None;
        }
        make_room(&mut self.seen, |seen| seen.last);
        let fresh = Seen { name: self.event_name(about, now), message: String::new(), first: now, last: now, count: 0 };
        let seen = self.seen.entry(key).or_insert(fresh);
        seen.count += 1;
        seen.last = now;
        seen.message = message;
        Some(seen.clone())
    }

    fn series(&mut self, key: String, about: &About, note: &str, now: Timestamp) -> Seen {
        make_room(&mut self.seen, |seen| seen.last);
        let fresh = Seen { name: self.event_name(about, now), message: note.into(), first: now, last: now, count: 0 };
        let seen = self.seen.entry(key).or_insert_with(|| fresh.clone());
        if seconds(seen.last, now) > SERIES_INTERVAL as f64 {
            *seen = fresh;
        }
        seen.count += 1;
        seen.last = now;
        seen.clone()
    }

    /// A token bucket per source and object.
    fn allows(&mut self, key: String, now: Timestamp) -> bool {
        make_room(&mut self.allowance, |allowance| allowance.at);
        let allowance = self.allowance.entry(key).or_insert(Allowance { tokens: BURST, at: now });
        allowance.tokens = (allowance.tokens + seconds(allowance.at, now) / REFILL_SECONDS).min(BURST);
        allowance.at = now;
        if allowance.tokens < 1.0 {
            return false;
        }
        allowance.tokens -= 1.0;
        true
    }
}

/// Drops the older half of the records when there are too many.
fn make_room<V>(records: &mut HashMap<String, V>, at: impl Fn(&V) -> Timestamp) {
    if records.len() < MAX_RECORDS {
        return;
    }
    let mut times: Vec<Timestamp> = records.values().map(&at).collect();
    times.sort();
    let middle = times[times.len() / 2];
    records.retain(|_, record| at(record) > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About(json!({"kind": "ReplicaSet", "namespace": "ns", "name": "web", "uid": "1"}))
    }
    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn equal_events_count_up_under_one_name() {
        let mut correlator = Correlator::default();
        let mut see = |second| correlator.observe("c/", &about(), "Normal", "R", "m".into(), at(second)).unwrap();
        let first = see(0);
        let second = see(5);
        assert_eq!((first.count, second.count), (1, 2));
        assert_eq!((&first.name, first.first), (&second.name, second.first));
    }

    #[test]
    fn many_similar_events_are_combined_and_then_dropped() {
        let mut correlator = Correlator::default();
        let mut see =
            |n: i64| correlator.observe("c/", &about(), "Normal", "Created", format!("Created pod: {n}"), at(0));
        for n in 0..9 {
            assert_eq!(see(n).unwrap().message, format!("Created pod: {n}"));
        }
        let combined = see(9).unwrap();
        assert_eq!(combined.message, "(combined from similar events): Created pod: 9");
        assert_eq!(see(10).unwrap().count, 2);
        for n in 11..25 {
            assert!(see(n).is_some());
        }
        assert_eq!(see(25), None, "the burst is used up");
    }

    #[test]
    fn a_series_ends_after_a_pause() {
        let mut correlator = Correlator::default();
        let mut see = |second| correlator.series("k".into(), &about(), "n", at(second)).count;
        assert_eq!([see(0), see(60), see(420), see(421 + SERIES_INTERVAL)], [1, 2, 3, 1]);
    }
}
