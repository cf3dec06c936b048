//! What is kept, in sled: key `bucket/key`, value the revision (8 bytes, big endian) and the bytes.

use bytes::Bytes;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the data folder's layout is called; a folder with another one is not touched.
const FORMAT: &[u8] = b"1";
const FORMAT_KEY: &[u8] = b"\0format";
const REVISION_KEY: &[u8] = b"\0revision";
/// How long a database that was just closed may stay locked: sled's threads hold it a little longer than its owner.
const LET_GO: Duration = Duration::from_millis(500);

/// A sled database in a folder.
#[derive(Clone)]
pub struct Tree {
    db: sled::Db,
}

impl Tree {
    /// Opens or makes the database in `folder`.
    ///
    /// # Errors
    /// One line for the user: the folder is in use, unreadable, or of another format.
    pub fn open(folder: &Path) -> Result<Tree, String> {
        let shown = folder.display();
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(4 << 20)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let started = Instant::now();
        let db = loop {
            match config.open() {
                Ok(db) => break db,
                Err(sled::Error::Io(io)) if io.to_string().contains("lock") => {
                    if started.elapsed() > LET_GO {
                        return Err(format!("data folder {shown} is in use by another server"));
                    }
                    std::thread::sleep(LET_GO / 100);
                }
                Err(other) => return Err(format!("cannot open data folder {shown}: {other}")),
            }
        };
        let wrong = |problem: sled::Error| format!("cannot read data folder {shown}: {problem}");
        match db.get(FORMAT_KEY).map_err(wrong)? {
            Some(format) if format == FORMAT => {}
            Some(format) => {
                return Err(format!(
                    "data folder {shown} has format {}, and this version reads format {} only",
                    String::from_utf8_lossy(&format),
                    String::from_utf8_lossy(FORMAT)
                ));
            }
            None if db.is_empty() => drop(db.insert(FORMAT_KEY, FORMAT).map_err(wrong)?),
            None => return Err(format!("data folder {shown} holds a database of some other program")),
        }
        Ok(Tree { db })
    }

    /// Calls `each` with bucket, key, revision and bytes of every value, and returns the last revision.
    ///
    /// # Errors
    /// One line for the user.
    pub fn load(&self, each: &mut dyn FnMut(&str, &str, u64, Bytes)) -> Result<u64, String> {
        let revision = |bytes: &[u8]| bytes.first_chunk().map(|chunk| u64::from_be_bytes(*chunk));
        let damaged = || "the data folder is damaged: a record cannot be read".to_string();
        let mut last = 0;
        for item in self.db.iter() {
            let (key, value) = item.map_err(|problem| format!("cannot read the data folder: {problem}"))?;
            if key.as_ref() == REVISION_KEY {
                last = last.max(revision(&value).ok_or_else(damaged)?);
            } else if key.first() != Some(&0) {
                let key = std::str::from_utf8(&key).map_err(|_| damaged())?;
                let (bucket, key) = key.split_once('/').ok_or_else(damaged)?;
                let modified = revision(&value).ok_or_else(damaged)?;
                each(bucket, key, modified, Bytes::copy_from_slice(&value[8..]));
                last = last.max(modified);
            }
        }
        Ok(last)
    }

    /// Makes changes durable, a batch at a time; `last` is the revision up to which all are in. May be repeated.
    ///
    /// # Errors
    /// Of the file system.
    pub fn apply<'a>(
        &self,
        changes: impl Iterator<Item = (&'a str, &'a str, u64, Option<&'a [u8]>)>,
        last: u64,
    ) -> Result<(), String> {
        /// How many changes go into one batch, which sled holds in memory.
        const BATCH: usize = 512;
        let failed = |problem: sled::Error| problem.to_string();
        let (mut batch, mut length) = (sled::Batch::default(), 0);
        for (bucket, key, revision, bytes) in changes {
            let key = [bucket.as_bytes(), b"/", key.as_bytes()].concat();
            match bytes {
                Some(bytes) => batch.insert(key, [&revision.to_be_bytes()[..], bytes].concat()),
                None => batch.remove(key),
            }
            length += 1;
            if length == BATCH {
                self.db.apply_batch(std::mem::take(&mut batch)).map_err(failed)?;
                length = 0;
            }
        }
        batch.insert(REVISION_KEY, &last.to_be_bytes());
        self.db.apply_batch(batch).and_then(|()| self.db.flush().map(drop)).map_err(failed)
    }
}
