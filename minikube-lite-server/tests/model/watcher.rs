//! Watchers that come and go, over HTTP as real ones do.

use crate::history::{History, Key, Model, Revision};
use axum::Router;
use axum::body::Body;
use fastrand::Rng;
use futures_util::StreamExt;
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::collections::BTreeMap;
use tower::ServiceExt;

/// Which objects a watcher wants.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// `""`: in all.
    pub namespace: &'static str,
    pub labels: &'static str,
    pub fields: &'static str,
    /// What `labels` and `fields` mean.
    pub selects: fn(&Key, &Model) -> bool,
}

impl Scope {
    fn covers(&self, key: &Key, model: &Model) -> bool {
        (self.namespace.is_empty() || self.namespace == key.0) && (self.selects)(key, model)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Added,
    Modified,
    Deleted,
}

/// What a watcher saw between two lists, through any number of watches.
struct Span {
    from: Revision,
    /// The list that it began with.
    initial: BTreeMap<Key, Revision>,
    events: Vec<(Revision, Seen, Key)>,
}

/// A watcher and the state that it has put together from what it was sent.
pub struct Watcher {
    api: Router,
    scope: Scope,
    rng: Rng,
    state: BTreeMap<Key, Value>,
    /// The last revision that it knows of.
    seen: Revision,
    spans: Vec<Span>,
    pub tally: Tally,
}

/// How much watchers did.
#[derive(Default, Debug)]
pub struct Tally {
    pub events: usize,
    pub connections: usize,
    pub lists: usize,
    /// Comparisons of the reconstructed state with a list of exactly its revision.
    pub comparisons: usize,
    /// How often the history that was asked for was gone.
    pub expired: usize,
}

/// Why a stream ended.
enum End {
    /// The watcher had enough.
    Left,
    Expired,
    /// The last object came.
    Done,
}

impl Watcher {
    pub fn new(api: Router, scope: Scope, seed: u64) -> Watcher {
        let (state, spans, tally) = (BTreeMap::new(), Vec::new(), Tally::default());
        Watcher { api, scope, rng: Rng::with_seed(seed), state, seen: 0, spans, tally }
    }

    /// Watches until an object of the name `last` comes, reconnecting at random, and returns the state then.
    ///
    /// # Panics
    /// When what comes does not fit what came before.
    pub async fn run(&mut self, last: &str) -> BTreeMap<Key, Value> {
        loop {
            self.begin().await;
            loop {
                match self.watch(last).await {
                    End::Done => {
                        self.compare().await;
                        return self.state.clone();
                    }
                    End::Expired => {
                        self.tally.expired += 1;
                        break;
                    }
                    End::Left if self.rng.u8(..20) == 0 => break,
                    End::Left => {}
                }
                if self.rng.u8(..3) == 0 {
                    self.compare().await;
                }
            }
        }
    }

    /// Learns the present: by a list, a list in pages, or a stream that begins with it.
    async fn begin(&mut self) {
        self.tally.lists += 1;
        let stream = self.rng.u8(..3) == 0;
        let (state, revision) = match stream {
            true => self.initial_events().await,
            false => loop {
                let limit = if self.rng.bool() { String::new() } else { format!("&limit={}", self.rng.u8(1..9)) };
                match self.list(&limit).await {
                    Ok(listed) => break listed,
                    Err(()) => self.tally.expired += 1,
                }
            },
        };
        assert!(revision >= self.seen, "a list goes back from {} to {revision}", self.seen);
        let initial = state.iter().map(|(key, object)| (key.clone(), revision_of(object))).collect();
        self.spans.push(Span { from: revision, initial, events: Vec::new() });
        (self.state, self.seen) = (state, revision);
    }

    /// The state must be what a list gives as of exactly the revision that was seen.
    async fn compare(&mut self) {
        let exact = format!("&resourceVersionMatch=Exact&resourceVersion={}", self.seen);
        match self.list(&exact).await {
            Ok((listed, revision)) => {
                assert_eq!(revision, self.seen);
                assert_eq!(self.state, listed, "{:?} at {revision}", self.scope);
                self.tally.comparisons += 1;
            }
            Err(()) => self.tally.expired += 1,
        }
    }

    fn path(&self, query: &str) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (labels, fields) = (encode(self.scope.labels), encode(self.scope.fields));
        let within = match self.scope.namespace {
            "" => String::new(),
            namespace => format!("namespaces/{namespace}/"),
        };
        format!("/api/v1/{within}configmaps?labelSelector={labels}&fieldSelector={fields}{query}")
    }

    async fn get(&self, query: &str) -> Body {
        let request = Request::get(self.path(query)).header("authorization", "Bearer secret").body(Body::empty());
        let response = self.api.clone().oneshot(request.expect("a good request")).await;
        response.unwrap_or_else(|never| match never {}).into_body()
    }

    /// All pages of a list, which must be of one revision; `Err` when they have expired.
    async fn list(&self, query: &str) -> Result<(BTreeMap<Key, Value>, Revision), ()> {
        let (mut state, mut revision, mut next) = (BTreeMap::new(), None, String::new());
        loop {
            let body = axum::body::to_bytes(self.get(&format!("{query}{next}")).await, usize::MAX).await;
            let page: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
            if page.text("kind") == "Status" {
                assert_eq!(page.int("code"), Some(410), "{page}");
                return Err(());
            }
            let own = revision_of(&page);
            assert_eq!(*revision.get_or_insert(own), own, "pages of one revision");
            state.extend(page.list("items").iter().map(|object| (key(object), bare(object))));
            match page.text("metadata.continue") {
                "" => return Ok((state, own)),
                token => next = format!("&continue={token}"),
            }
        }
    }

    /// The present, from a stream that begins with it (KEP-3157).
    async fn initial_events(&self) -> (BTreeMap<Key, Value>, Revision) {
        let options = "&watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let mut lines = Lines::new(self.get(options).await);
        let mut state = BTreeMap::new();
        loop {
            let event = lines.next().await.expect("the stream goes on");
            let object = &event["object"];
            match event.text("type") {
                "ADDED" => assert!(state.insert(key(object), bare(object)).is_none(), "twice in the present: {object}"),
                "BOOKMARK" => {
                    assert_eq!(object.map("metadata.annotations")["k8s.io/initial-events-end"], "true");
                    return (state, revision_of(object));
                }
                other => panic!("{other} among the initial events"),
            }
        }
    }

    /// One connection, from what was seen last.
    async fn watch(&mut self, last: &str) -> End {
        self.tally.connections += 1;
        let mut lines = Lines::new(self.get(&format!("&watch=1&resourceVersion={}", self.seen)).await);
        for _ in 0..self.rng.usize(1..60) {
            let event = lines.next().await.expect("the stream goes on");
            let object = &event["object"];
            let (key, revision) = (key(object), revision_of(object));
            let seen = match event.text("type") {
                "ADDED" => Seen::Added,
                "MODIFIED" => Seen::Modified,
                "DELETED" => Seen::Deleted,
                _ => {
                    assert_eq!(object.int("code"), Some(410), "{event}");
                    return End::Expired;
                }
            };
            assert!(revision > self.seen, "{:?}: {event} after {}", self.scope, self.seen);
            let known = match seen {
                Seen::Deleted => self.state.remove(&key),
                _ => self.state.insert(key.clone(), bare(object)),
            };
            assert_eq!(known.is_some(), seen != Seen::Added, "{:?}: {event}", self.scope);
            self.seen = revision;
            self.tally.events += 1;
            let done = key.1 == last;
            self.spans.last_mut().expect("a list came first").events.push((revision, seen, key));
            if done {
                return End::Done;
            }
        }
        End::Left
    }

    /// Holds everything that was seen against what happened.
    ///
    /// # Panics
    /// When an event was lost, repeated, or told wrongly.
    pub fn check(&self, history: &History) {
        let selects = |key: &Key, model: &Model| self.scope.covers(key, model);
        for span in &self.spans {
            assert_eq!(span.initial, history.at(span.from, selects), "{:?}: list at {}", self.scope, span.from);
            let Some((to, ..)) = span.events.last() else { continue };
            let expected = history.steps.range(span.from + 1..=*to).filter_map(|(revision, step)| {
                let selected = |model: &Option<Model>| model.as_ref().is_some_and(|model| selects(&step.key, model));
                let seen = match (selected(&step.before), selected(&step.after)) {
                    (false, false) => return None,
                    (false, true) => Seen::Added,
                    (true, true) => Seen::Modified,
                    (true, false) => Seen::Deleted,
                };
                Some((*revision, seen, step.key.clone()))
            });
            assert!(expected.eq(span.events.iter().cloned()), "{:?}: other events after {}", self.scope, span.from);
        }
    }
}

/// The events of a stream, which need not come in whole lines.
struct Lines {
    body: axum::body::BodyDataStream,
    buffer: Vec<u8>,
}

impl Lines {
    fn new(body: Body) -> Lines {
        Lines { body: body.into_data_stream(), buffer: Vec::new() }
    }
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is an event"));
            }
            self.buffer.extend_from_slice(&self.body.next().await?.expect("the stream does not fail"));
        }
    }
}

fn key(object: &Value) -> Key {
    (object.namespace().to_string(), object.name().to_string())
}

fn revision_of(object: &Value) -> Revision {
    object.text("metadata.resourceVersion").parse().unwrap_or(0)
}

/// The object as it is in a list, where its kind goes without saying.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    object.remove("apiVersion");
    object.remove("kind");
    object
}
