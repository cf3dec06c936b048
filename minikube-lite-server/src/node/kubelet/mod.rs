//! The kubelet of all simulated nodes: one loop that watches Pods, keeps a [`PodState`] for each that is assigned to one of the
//! nodes, wakes up when something is due, and takes in what has happened to containers meanwhile.
//!
//! A Pod that merely runs costs its small state and no timer. Writes run beside the loop, one at a time for each Pod, so
//! that many Pods share one commit; what changes meanwhile is written by the next one.

mod config;
pub mod container;
mod handler;
pub mod news;
pub mod node;
pub mod pod;
pub mod probe;
pub mod status;
#[cfg(test)]
mod tests;

use crate::client::{Change, Client, DeleteOptions, Part, Preconditions};
use crate::controllers::runtime::{Informer, Meta};
use crate::events::{About, EventSink, Recorder};
use config::sources::SourceKind;
use jiff::Timestamp;
use news::{Message, News};
use node::{Context, Node};
use pod::PodState;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::mask::Mask;
use shared_types::selector::{FieldSelector, FieldTerm, LabelSelector};
use shared_types::status::Status;
use status::Report;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// After this time a write that failed is tried again.
const RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// The fields that tell whether a change of a Pod asks for anything.
static GLANCE: LazyLock<Mask> = LazyLock::new(|| {
    let [grace, deletion] = ["metadata.deletionGracePeriodSeconds", "metadata.deletionTimestamp"];
    Mask::new(&["metadata.uid", "metadata.generation", grace, deletion])
});

/// The kubelet of all nodes.
pub struct Kubelet {
    context: Arc<Context>,
    messages: mpsc::UnboundedReceiver<Message>,
    kind: &'static Kind,
    nodes: Vec<Node>,
    recorders: Vec<Recorder>,
    node_index: HashMap<String, usize>,
    pods: HashMap<Arc<str>, Entry>,
    /// When Pods are to be looked at; of several times for one Pod only the one that its entry names counts.
    wakes: BinaryHeap<Reverse<(Timestamp, Arc<str>)>>,
    writes: JoinSet<Written>,
}

/// A Pod and what the loop does about it.
struct Entry {
    state: PodState,
    node: usize,
    wake: Option<Timestamp>,
    /// A write is under way.
    writing: bool,
    /// Its removal has been asked for.
    removed: bool,
    /// What of the Pod has been acted upon: its spec, and the grace period of its deletion.
    generation: Option<i64>,
    grace: Option<i64>,
    /// Conditions that others write decide about readiness.
    has_gates: bool,
}

/// The end of a write about the Pod with this UID.
struct Written {
    uid: Arc<str>,
    result: Result<(), Status>,
}

impl Kubelet {
    /// A kubelet of these nodes, which share `context`; `messages` is the other end of its channel. Its Events are written
    /// by a task of their own.
    pub fn new(context: Arc<Context>, messages: mpsc::UnboundedReceiver<Message>, nodes: Vec<Node>) -> Kubelet {
        let (sink, write_events) = EventSink::new(context.client.clone());
        tokio::spawn(write_events);
        Kubelet {
            kind: kinds::named("Pod"),
            recorders: nodes.iter().map(|node| Recorder::new(sink.clone(), "kubelet", &node.name)).collect(),
            node_index: nodes.iter().enumerate().map(|(index, node)| (node.name.clone(), index)).collect(),
            nodes,
            context,
            messages,
            pods: HashMap::new(),
            wakes: BinaryHeap::new(),
            writes: JoinSet::new(),
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let client = self.context.client.clone();
        let sources = SourceKind::ALL.map(|kind| follow_sources(&self.context, kind));
        let (config_maps, secrets) = (sources[0].run(client.clone()), sources[1].run(client.clone()));
        let services = self.context.services.clone();
        let pods = async {
            // Containers learn of the Services that are there.
            services.synced().await;
            loop {
                if let Err(status) = self.follow().await {
                    tracing::debug!(error = %status, "the kubelet's watch of Pods ended");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::join!(services.run(client), config_maps, secrets, pods);
    }

    /// Lists Pods and follows their changes until the watch ends.
    async fn follow(&mut self) -> Result<(), Status> {
        let list = self.context.client.list(self.kind, "", &LabelSelector::default()).await?;
        let mut watch = self.context.client.watch_selected(self.kind, &assigned(), list.revision)?;
        let present: std::collections::HashSet<&str> = list.items.iter().map(Fields::uid).collect();
        let gone: Vec<Arc<str>> = self.pods.keys().filter(|uid| !present.contains(&***uid)).cloned().collect();
        for uid in gone {
            self.forget(&uid);
        }
        // Addresses that are in use are known before the first new one is given.
        let (old, new): (Vec<Value>, Vec<Value>) = list.items.into_iter().partition(|pod| pod.has("status.podIP"));
        for pod in old.into_iter().chain(new) {
            if self.is_news(&pod) {
                self.observe(Arc::new(pod));
            }
        }
        loop {
            let wake = self.next_wake();
            tokio::select! {
                change = watch.next_encoded() => {
                    let (change, pod, _) = change?;
                    let glance = pod.part(&GLANCE)?;
                    if change == Change::Deleted {
                        self.forget(glance.uid());
                    } else if self.is_news(&glance) {
                        self.observe(Arc::new(pod.object()?));
                    }
                },
                Some(message) = self.messages.recv() => self.hear(message).await,
                Some(written) = self.writes.join_next() => if let Ok(written) = written {
                    self.finish_write(written).await;
                },
                () = sleep_until(&self.context.client, wake) => self.wake().await,
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.context.client.environment().now()
    }

    /// Whether a change of a Pod, of which the fields of [`GLANCE`] are given, asks for anything. Most changes are what this
    /// loop has written itself.
    fn is_news(&self, pod: &Value) -> bool {
        let Some(entry) = self.pods.get(pod.uid()) else { return true };
        if entry.state.tells_metadata() {
            entry.state.reread(&self.nodes[entry.node]);
        }
        entry.generation != pod.int("metadata.generation") || entry.grace != grace(pod) || entry.has_gates
    }

    /// A Pod is there or has changed.
    fn observe(&mut self, pod: Arc<Value>) {
        let Some(&node) = self.node_index.get(pod.text("spec.nodeName")) else { return };
        let now = self.now();
        let (generation, grace) = (pod.int("metadata.generation"), grace(&pod));
        if let Some(entry) = self.pods.get_mut(pod.uid()) {
            entry.state.dirty |= entry.generation != generation || entry.has_gates;
            (entry.generation, entry.grace) = (generation, grace);
        } else {
            let state = PodState::new(&pod, &mut self.nodes[node], now);
            let has_gates = !pod.list("spec.readinessGates").is_empty();
            let entry = Entry { state, node, wake: None, writing: false, removed: false, generation, grace, has_gates };
            self.pods.insert(pod.uid().into(), entry);
        }
        self.sync(&pod, now);
    }

    /// Takes in a message.
    async fn hear(&mut self, message: Message) {
        let now = self.now();
        match message {
            Message::Pod { uid, news, pod: Some(pod) } => self.receive(&uid, news, &pod, now),
            Message::Pod { uid, news, pod: None } => {
                let Some(entry) = self.pods.get(&uid) else { return };
                match self.read(&uid, &entry.state).await {
                    Ok(Some(pod)) => self.receive(&uid, news, &pod, now),
                    // It is gone; the watch will say so.
                    Ok(None) => {}
                    Err(status) => {
                        tracing::warn!(error = %status, "a Pod could not be read");
                        let (messages, uid) = (self.context.messages.clone(), uid.clone());
                        tokio::spawn(async move {
                            tokio::time::sleep(Duration::try_from(RETRY).unwrap_or_default()).await;
                            // Without a loop nobody needs to know.
                            let _ = messages.send(Message::Pod { uid, news, pod: None });
                        });
                    }
                }
            }
            Message::Source { kind, namespace, name } => {
                let mut waiting = Vec::new();
                for (uid, entry) in self.pods.iter_mut().filter(|(_, entry)| entry.state.namespace == *namespace) {
                    if entry.state.source_changed(kind, &name, &self.nodes[entry.node], now) {
                        waiting.push(uid.clone());
                    }
                }
                for uid in waiting {
                    self.look_at(&uid, now).await;
                }
            }
        }
    }

    fn receive(&mut self, uid: &Arc<str>, news: News, pod: &Arc<Value>, now: Timestamp) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        entry.state.receive(news, pod, &mut self.nodes[entry.node], now);
        self.sync(pod, now);
    }

    /// Does what is due for a Pod, and sees that it is written.
    fn sync(&mut self, pod: &Arc<Value>, now: Timestamp) {
        let Some((uid, _)) = self.pods.get_key_value(pod.uid()) else { return };
        let uid = uid.clone();
        let Some(entry) = self.pods.get_mut(&uid) else { return };
        entry.state.advance(pod, &mut self.nodes[entry.node], now);
        for occurrence in entry.state.take_occurrences() {
            let mut about = About::from(&**pod);
            if let Some(field) = &occurrence.field {
                about = about.field(field);
            }
            let recorder = &self.recorders[entry.node];
            match occurrence.warning {
                true => recorder.warning(about, occurrence.reason, occurrence.message),
                false => recorder.normal(about, occurrence.reason, occurrence.message),
            }
        }
        if entry.removed {
            return;
        }
        let client = self.context.client.clone();
        if !entry.writing && entry.state.is_gone(now) {
            (entry.writing, entry.removed) = (true, true);
            self.writes.spawn(remove(client, self.kind, pod, uid.clone()));
        } else if !entry.writing && entry.state.should_write(now) {
            entry.writing = true;
            entry.state.dirty = false;
            let report = Report::new(&entry.state, pod, self.nodes[entry.node].ip, now);
            self.writes.spawn(write(client, self.kind, pod, uid.clone(), report));
        }
        // A Pod that is gone waits for the end of the write that is under way.
        let wake = entry.state.next_wake().filter(|_| !entry.state.is_gone(now));
        self.schedule(&uid, wake);
    }

    fn schedule(&mut self, uid: &Arc<str>, wake: Option<Timestamp>) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        if entry.wake != wake {
            entry.wake = wake;
            if let Some(at) = wake {
                self.wakes.push(Reverse((at, uid.clone())));
            }
        }
    }

    /// When the next Pod is to be looked at.
    fn next_wake(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, uid))) = self.wakes.peek() {
            if self.pods.get(uid).is_some_and(|entry| entry.wake == Some(*at)) {
                return Some(*at);
            }
            self.wakes.pop();
        }
        None
    }

    /// Looks at the Pods that are due.
    async fn wake(&mut self) {
        let now = self.now();
        while self.next_wake().is_some_and(|at| at <= now) {
            let Some(Reverse((_, uid))) = self.wakes.pop() else { return };
            self.look_at(&uid, now).await;
        }
    }

    /// The Pod as it is; `None` when it is gone.
    async fn read(&self, uid: &str, state: &PodState) -> Result<Option<Arc<Value>>, Status> {
        match self.context.client.get(self.kind, &state.namespace, &state.name).await {
            Ok(pod) => Ok((pod.uid() == uid).then(|| Arc::new(pod))),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Reads a Pod and does what is due.
    async fn look_at(&mut self, uid: &Arc<str>, now: Timestamp) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        entry.wake = None;
        let Some(entry) = self.pods.get(uid) else { return };
        match self.read(uid, &entry.state).await {
            Ok(Some(pod)) => self.sync(&pod, now),
            // The watch will say so.
            Ok(None) => {}
            Err(status) => {
                tracing::warn!(error = %status, "a Pod could not be read");
                self.schedule(uid, Some(now + RETRY));
            }
        }
    }

    async fn finish_write(&mut self, written: Written) {
        let now = self.now();
        let Some(entry) = self.pods.get_mut(&written.uid) else { return };
        entry.writing = false;
        match written.result {
            Ok(()) => {
                if !entry.removed && (entry.state.should_write(now) || entry.state.is_gone(now)) {
                    self.look_at(&written.uid, now).await;
                }
            }
            Err(status) if status.is_not_found() => {}
            Err(status) => {
                tracing::warn!(error = %status, pod = entry.state.name, "a Pod could not be written");
                entry.removed = false;
                entry.state.dirty = true;
                self.schedule(&written.uid, Some(now + RETRY));
            }
        }
    }

    fn forget(&mut self, uid: &str) {
        let Some(entry) = self.pods.remove(uid) else { return };
        self.context.sandboxes.remove(uid);
        if let Some(ip) = entry.state.ip.filter(|_| !entry.state.is_finished()) {
            self.nodes[entry.node].ips.release(ip);
        }
    }
}

/// An informer that tells the loop of changes of ConfigMaps or Secrets.
fn follow_sources(context: &Arc<Context>, kind: SourceKind) -> Informer<Meta> {
    let informer: Informer<Meta> = Informer::new(kind.kind());
    let messages = context.messages.clone();
    informer.on_change(move |change| {
        if let Some(meta) = change.object() {
            let (namespace, name) = (meta.namespace.clone(), meta.name.clone());
            // Without a loop nobody needs to know.
            let _ = messages.send(Message::Source { kind, namespace, name });
        }
    });
    informer
}

/// Selects Pods that have a node, which once given does not change.
fn assigned() -> FieldSelector {
    FieldSelector { terms: vec![FieldTerm { field: "spec.nodeName".into(), value: String::new(), negated: true }] }
}

/// The seconds that a Pod gets to end; `None` while it is not being deleted.
fn grace(pod: &Value) -> Option<i64> {
    pod.is_terminating().then(|| pod.int("metadata.deletionGracePeriodSeconds").unwrap_or(0))
}

/// Waits until the moment, for ever without one.
async fn sleep_until(client: &Client, moment: Option<Timestamp>) {
    match moment {
        Some(at) => {
            let wait = at.duration_since(client.environment().now());
            tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

/// Writes the status of the Pod, unless another one has taken its name.
fn write(
    client: Client,
    kind: &'static Kind,
    pod: &Value,
    uid: Arc<str>,
    report: Report,
) -> impl Future<Output = Written> + Send + 'static {
    let (namespace, name) = (pod.namespace().to_string(), pod.name().to_string());
    async move {
        let change = |current: &mut Value| {
            if current.uid() == &*uid {
                report.write(current);
            }
        };
        let result = client.modify(kind, Part::Status, &namespace, &name, change).await.map(drop);
        Written { uid, result }
    }
}

/// Confirms the deletion of a Pod whose containers have stopped.
fn remove(
    client: Client,
    kind: &'static Kind,
    pod: &Value,
    uid: Arc<str>,
) -> impl Future<Output = Written> + Send + 'static {
    let (namespace, name) = (pod.namespace().to_string(), pod.name().to_string());
    async move {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Preconditions { uid: Some(uid.to_string()), ..Preconditions::default() },
            ..DeleteOptions::default()
        };
        let result = match client.delete(kind, &namespace, &name, options).await {
            // Another Pod has the name.
            Err(status) if status.is_conflict() => Ok(()),
            result => result,
        };
        Written { uid, result }
    }
}
