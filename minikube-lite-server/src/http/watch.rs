//! Watch streams: newline-delimited events, as objects, tables or metadata, over HTTP or a WebSocket.

use super::App;
use super::negotiate::{Format, Shape};
use super::respond::{self, Include};
use crate::registry::{Entry, Event, Selection, Watch, event};
use bytes::Bytes;
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::json;
use shared_types::kinds::Kind;
use shared_types::status::Status;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often a client that allows bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How many chunks may wait for a slow client before its stream stops reading events.
const CHUNKS: usize = 16;

/// What to watch and how to tell of it.
pub struct Request {
    pub kind: &'static Kind,
    pub namespace: String,
    pub selection: Selection,
    pub format: Format,
    pub include: Include,
    /// Begin with the present objects, as ADDED events.
    pub initial: bool,
    /// Close the initial events with a bookmark that says so (KEP-3157).
    pub initial_bookmark: bool,
    pub bookmarks: bool,
    /// Watch from here, unless `initial`.
    pub revision: u64,
    pub timeout: Duration,
}

/// Starts the stream. Each item is a whole number of events.
///
/// # Errors
/// `Expired`, also where it ends the stream later; then it is the last event.
pub fn start(app: Arc<App>, request: Request) -> Result<mpsc::Receiver<Bytes>, Status> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let registry = &app.registry;
    let (present, revision) = match request.initial {
        true => registry.snapshot(request.kind, &request.namespace),
        false => (Vec::new(), request.revision.min(registry.revision_of(request.kind))),
    };
    let watch = registry.watch(request.kind, &request.namespace, revision)?;
    let stop = app.stop.clone();
    tokio::spawn(async move {
        let deadline = Instant::now() + request.timeout;
        let writer = Writer { request, app, columns_sent: false };
        tokio::select! {
            () = writer.run(present, revision, watch, &sender) => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = stop.cancelled() => {}
            () = sender.closed() => {}
        }
    });
    Ok(receiver)
}

struct Writer {
    request: Request,
    app: Arc<App>,
    /// A table's column definitions go with the first event only.
    columns_sent: bool,
}

/// What became of an object as one watch sees it, which depends on its selectors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Added,
    Modified,
    Deleted,
}

impl Seen {
    fn name(self) -> &'static str {
        match self {
            Seen::Added => "ADDED",
            Seen::Modified => "MODIFIED",
            Seen::Deleted => "DELETED",
        }
    }
}

impl Writer {
    async fn run(mut self, present: Vec<Arc<Entry>>, revision: u64, mut watch: Watch, sender: &mpsc::Sender<Bytes>) {
        let mut chunk = Vec::new();
        for entry in &present {
            if !self.request.selection.matches(entry) {
                continue;
            }
            match self.object(Seen::Added, entry, entry.revision) {
                Ok(line) => chunk.extend_from_slice(&line),
                Err(status) => chunk.extend_from_slice(&error(&status)),
            }
        }
        drop(present);
        if self.request.initial_bookmark {
            chunk.extend_from_slice(&self.bookmark(revision, true));
        }
        if !chunk.is_empty() && sender.send(chunk.into()).await.is_err() {
            return;
        }
        let mut next_bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            let events = tokio::select! {
                events = watch.next() => events,
                () = tokio::time::sleep_until(next_bookmark), if self.request.bookmarks => {
                    next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    // Everything up to the present has been looked at, so the client may resume from here.
                    let line = self.bookmark(watch.seen(), false);
                    if sender.send(line).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            let events = match events {
                Ok(events) => events,
                Err(status) => {
                    let _ = sender.send(error(&status)).await;
                    return;
                }
            };
            let mut lines: Vec<Bytes> = Vec::new();
            for event in &events {
                match self.event(event) {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => {}
                    Err(status) => lines.push(error(&status)),
                }
            }
            let chunk = match lines.as_slice() {
                [] => continue,
                [only] => only.clone(),
                many => many.concat().into(),
            };
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    }

    /// The line for a committed write, if this watch sees it.
    fn event(&mut self, event: &Event) -> Result<Option<Bytes>, Status> {
        let selection = &self.request.selection;
        let before = event.previous.as_ref().filter(|previous| selection.matches(previous));
        let after = (!event.deleted && selection.matches(&event.entry)).then_some(&event.entry);
        let (seen, entry) = match (before, after) {
            (None, None) => return Ok(None),
            (None, Some(entry)) => (Seen::Added, entry),
            (Some(_), Some(entry)) => (Seen::Modified, entry),
            (Some(_), None) if event.deleted => (Seen::Deleted, &event.entry),
            // It no longer matches: gone for this watch, as it was when it still did.
            (Some(previous), None) => return self.object(Seen::Deleted, previous, event.revision).map(Some),
        };
        if self.request.format.shape == Shape::Object && !event::is_view(self.request.kind) {
            return Ok(Some(event.encoded.get(seen.name(), || line(seen.name(), &entry.bytes))));
        }
        self.object(seen, entry, event.revision).map(Some)
    }

    /// The line for an object as of a revision.
    fn object(&mut self, seen: Seen, entry: &Entry, revision: u64) -> Result<Bytes, Status> {
        let entry = &*event::entry_as(self.request.kind, entry)?;
        if self.request.format.shape == Shape::Object {
            return Ok(line(seen.name(), &at_revision(&entry.bytes, entry.revision, revision)));
        }
        let mut object = entry.object()?;
        object.set("metadata.resourceVersion", revision.to_string());
        match self.request.format.shape {
            Shape::Table(version) => {
                let head = json!({"resourceVersion": revision.to_string()});
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                let (kind, include, now) = (self.request.kind, self.request.include, self.now());
                let table = respond::table(kind, version, &head, include, now, [Ok(object)].into_iter(), columns)?;
                Ok(line(seen.name(), &table))
            }
            Shape::Metadata(version) => Ok(line(seen.name(), &respond::metadata_only(&object, version))),
            Shape::Object => Ok(line(seen.name(), &entry.bytes)),
        }
    }

    fn now(&self) -> Timestamp {
        self.app.registry.environment().now()
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = match self.request.format.shape {
            Shape::Metadata(version) => ("PartialObjectMetadata", format!("meta.k8s.io/{version}")),
            Shape::Table(version) => ("Table", format!("meta.k8s.io/{version}")),
            Shape::Object => (self.request.kind.kind, self.request.kind.api_version()),
        };
        let mut object = format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata}"#);
        if kind == "Table" {
            let row =
                format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"{api_version}","metadata":{metadata}}}"#);
            object += &format!(r#","columnDefinitions":null,"rows":[{{"cells":null,"object":{row}}}]"#);
        }
        object.push('}');
        line("BOOKMARK", object.as_bytes())
    }
}

fn line(name: &str, object: &[u8]) -> Bytes {
    [br#"{"type":""#, name.as_bytes(), br#"","object":"#, object, b"}\n"].concat().into()
}

/// The last event of a stream that cannot go on.
pub fn error(status: &Status) -> Bytes {
    line("ERROR", &respond::encode_status(status))
}

/// The bytes of an object with its own revision replaced by another.
fn at_revision(bytes: &Bytes, own: u64, wanted: u64) -> Bytes {
    if own == wanted {
        return bytes.clone();
    }
    let field = format!("\"resourceVersion\":\"{own}\"");
    match bytes.windows(field.len()).position(|window| window == field.as_bytes()) {
        Some(start) => {
            let other = format!("\"resourceVersion\":\"{wanted}\"");
            [&bytes[..start], other.as_bytes(), &bytes[start + field.len()..]].concat().into()
        }
        None => bytes.clone(),
    }
}
