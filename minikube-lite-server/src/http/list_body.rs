//! The body of a list: put together from the stored bytes as the client takes it, so that a long list is never in memory
//! a second time.

use crate::registry::Entry;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The length of all chunks but the last: large enough for few frames, small enough for the processor's cache, and with an
/// HTTP/2 frame's header as long as four full TLS records.
const CHUNK: usize = (64 << 10) - 9;

/// `lead`, objects with commas between them, and the brackets that close the list.
pub struct ListBody {
    lead: Vec<u8>,
    entries: std::vec::IntoIter<Arc<Entry>>,
    /// How many bytes each object leaves out at its beginning: its kind and apiVersion.
    skip: usize,
    /// The object that the last chunk ended in, and how much of it is sent.
    cut: Option<(Arc<Entry>, usize)>,
    /// What is still to be sent, in bytes.
    left: usize,
}

const END: &[u8] = b"]}\n";

impl ListBody {
    /// A list that begins with `lead`. The first `skip` bytes of each object give way to a `{`.
    pub fn new(mut lead: Vec<u8>, entries: Vec<Arc<Entry>>, skip: usize) -> ListBody {
        // The brackets, and a comma or the end after each object.
        let objects: usize = entries.iter().map(|entry| object(entry, skip).len() + 2).sum();
        if entries.is_empty() {
            lead.extend_from_slice(END);
        }
        let left = lead.len() + objects + if entries.is_empty() { 0 } else { END.len() - 1 };
        ListBody { lead, entries: entries.into_iter(), skip, cut: None, left }
    }
}

impl Iterator for ListBody {
    type Item = Vec<u8>;

    /// The next chunk.
    fn next(&mut self) -> Option<Vec<u8>> {
        if self.left == 0 {
            return None;
        }
        let mut chunk = std::mem::take(&mut self.lead);
        // With room for the few bytes between objects that a full chunk may go over by.
        chunk.reserve((CHUNK + END.len()).min(self.left).saturating_sub(chunk.len()));
        while chunk.len() < CHUNK {
            let (entry, sent) = match self.cut.take() {
                Some(cut) => cut,
                None => match self.entries.next() {
                    Some(entry) => {
                        chunk.push(b'{');
                        (entry, 0)
                    }
                    None => break,
                },
            };
            let rest = object(&entry, self.skip).get(sent..).unwrap_or_default();
            let room = CHUNK.saturating_sub(chunk.len());
            if rest.len() > room {
                chunk.extend_from_slice(&rest[..room]);
                self.cut = Some((entry, sent + room));
                break;
            }
            chunk.extend_from_slice(rest);
            chunk.extend_from_slice(if self.entries.len() > 0 { b"," } else { END });
        }
        self.left = self.left.saturating_sub(chunk.len());
        Some(chunk)
    }
}

fn object(entry: &Entry, skip: usize) -> &[u8] {
    entry.bytes.get(skip..).unwrap_or(b"}")
}

impl Body for ListBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|chunk| Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn read(count: usize, size: usize) -> (u64, Vec<u8>, usize) {
        let bytes = Bytes::from(format!(r#"{{"kind":"X","x":"{}"}}"#, "x".repeat(size)));
        let entry = Arc::new(Entry { key: "k".into(), revision: 1, bytes, attributes: Default::default() });
        let mut body = ListBody::new(b"{\"items\":[".to_vec(), vec![entry; count], r#"{"kind":"X","#.len());
        let (promised, mut all, mut chunks) = (Body::size_hint(&body).exact().unwrap(), Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            all.extend_from_slice(frame.unwrap().data_ref().unwrap());
            chunks += 1;
        }
        (promised, all, chunks)
    }

    #[tokio::test]
    async fn chunks_make_the_whole_list_of_the_promised_size() {
        for (count, size) in [(0, 0), (1, 10), (3, 10), (2, 200_000), (5_000, 60)] {
            let (promised, all, chunks) = read(count, size).await;
            assert_eq!(promised, all.len() as u64);
            let list: shared_types::json::Value = serde_json::from_slice(&all).unwrap();
            assert_eq!(list["items"].as_array().unwrap().len(), count);
            assert!(chunks <= all.len() / CHUNK + 1);
        }
    }
}
