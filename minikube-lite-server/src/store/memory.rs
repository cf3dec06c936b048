//! A log in memory, for tests of what lies above it.

use super::{Engine, Record};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps values for as long as the process lives. Clones share them, so that a store can be opened once more over what an
/// earlier one wrote.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    values: BTreeMap<(&'static str, Arc<str>), (u64, Bytes)>,
    revision: u64,
}

impl Engine for MemoryEngine {
    fn load(&mut self, each: &mut dyn FnMut(&str, &str, u64, Bytes)) -> Result<u64, String> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        for ((bucket, key), (revision, bytes)) in &content.values {
            each(bucket, key, *revision, bytes.clone());
        }
        Ok(content.revision)
    }

    fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            let place = (record.bucket, record.key.clone());
            match &record.bytes {
                Some(bytes) => drop(content.values.insert(place, (record.revision, bytes.clone()))),
                None => drop(content.values.remove(&place)),
            }
            content.revision = record.revision;
        }
        Ok(())
    }
}
