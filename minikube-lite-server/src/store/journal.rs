//! The journal: files to which batches of writes are appended, each made durable with one system call.
//!
//! A batch is a header (its length and its CRC-32, 4 bytes each, little endian) and a payload of records, one after the
//! other: revision (8 bytes), the lengths of bucket, key and value (4 bytes each; [`DELETED`] for a value that is not
//! there), and those three. A batch that was cut off by a crash was never acknowledged, and ends the reading.

use super::Record;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The length of the value of a deletion.
const DELETED: u32 = u32::MAX;
const HEADER: usize = 8;

/// A record as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Recorded {
    pub bucket: String,
    pub key: String,
    pub revision: u64,
    /// `None` for a deletion.
    pub bytes: Option<Bytes>,
}

/// A journal that is written to.
pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Makes a new journal, `number` in its folder.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(folder: &Path, number: u64) -> io::Result<Journal> {
        let path = folder.join(format!("{number:010}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        // The name must outlast a crash as well.
        File::open(folder)?.sync_all()?;
        Ok(Journal { file, path, length: 0, buffer: Vec::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
    /// How many bytes have been written.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Appends a batch; it is on disk when this returns.
    ///
    /// # Errors
    /// Of the file system, or a record too long. The batch is taken back then.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        /// What a batch may need without the memory being given back.
        const KEPT: usize = 1 << 20;
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; HEADER]);
        for record in records {
            let value = record.bytes.as_deref();
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|length| *length != DELETED);
            let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a value is too long");
            let lengths = [
                length(record.bucket.as_bytes()).ok_or_else(too_long)?,
                length(record.key.as_bytes()).ok_or_else(too_long)?,
                value.map_or(Some(DELETED), length).ok_or_else(too_long)?,
            ];
            self.buffer.extend_from_slice(&record.revision.to_le_bytes());
            lengths.iter().for_each(|length| self.buffer.extend_from_slice(&length.to_le_bytes()));
            self.buffer.extend_from_slice(record.bucket.as_bytes());
            self.buffer.extend_from_slice(record.key.as_bytes());
            self.buffer.extend_from_slice(value.unwrap_or_default());
        }
        let payload = self.buffer.len() - HEADER;
        let length = u32::try_from(payload).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too long"))?;
        let checksum = crc32fast::hash(&self.buffer[HEADER..]);
        self.buffer[..4].copy_from_slice(&length.to_le_bytes());
        self.buffer[4..HEADER].copy_from_slice(&checksum.to_le_bytes());
        let written = self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data());
        if let Err(problem) = written {
            // What comes next must not follow half a batch.
            let _ = self.file.set_len(self.length);
            let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length));
            return Err(problem);
        }
        self.length += self.buffer.len() as u64;
        self.buffer.shrink_to(KEPT);
        Ok(())
    }
}

/// The journals of a folder, oldest first, and the number that comes after theirs.
///
/// # Errors
/// Of the file system.
pub fn files(folder: &Path) -> io::Result<(Vec<PathBuf>, u64)> {
    let mut numbered = Vec::new();
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        if let Some(number) = item.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) {
            numbered.push((number, item.path()));
        }
    }
    numbered.sort();
    let next = numbered.last().map_or(0, |(number, _)| number + 1);
    Ok((numbered.into_iter().map(|(_, path)| path).collect(), next))
}

/// Calls `each` with the records of a journal, in order, up to its end or where it was cut off.
///
/// # Errors
/// Of the file system.
pub fn read(path: &Path, each: &mut dyn FnMut(Recorded)) -> io::Result<()> {
    let content = Bytes::from(std::fs::read(path)?);
    let mut at = 0;
    while let Some((records, length)) = batch(&content, at) {
        at += length;
        records.into_iter().for_each(&mut *each);
    }
    if at < content.len() {
        let (cut, name) = (content.len() - at, path.display());
        tracing::warn!("{name}: the last {cut} bytes are of a write that did not finish, and are left out");
    }
    Ok(())
}

/// The records of the batch that begins at `at`, if it is all there, and its length in bytes.
fn batch(content: &Bytes, at: usize) -> Option<(Vec<Recorded>, usize)> {
    let header = content.get(at..at + HEADER)?;
    let length = u32::from_le_bytes(*header.first_chunk()?) as usize;
    let checksum = u32::from_le_bytes(*header[4..].first_chunk()?);
    let payload = content.get(at + HEADER..at + HEADER + length)?;
    if crc32fast::hash(payload) != checksum {
        return None;
    }
    let mut rest = content.slice_ref(payload);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let mut take = |length: u32| (rest.len() >= length as usize).then(|| rest.split_to(length as usize));
        let revision = u64::from_le_bytes(*take(8)?.first_chunk()?);
        let lengths = [take(4)?, take(4)?, take(4)?];
        let [bucket, key, value] = lengths.map(|length| length.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)));
        let bucket = String::from_utf8(take(bucket)?.to_vec()).ok()?;
        let key = String::from_utf8(take(key)?.to_vec()).ok()?;
        let bytes = match value {
            DELETED => None,
            // A copy, so that one value does not keep the whole file in memory.
            length => Some(Bytes::copy_from_slice(&take(length)?)),
        };
        records.push(Recorded { bucket, key, revision, bytes });
    }
    Some((records, HEADER + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, revision: u64, bytes: Option<&'static str>) -> Record {
        Record { bucket: "pods", key: key.into(), revision, bytes: bytes.map(Bytes::from) }
    }
    fn all(path: &Path) -> Vec<(String, u64, Option<Bytes>)> {
        let mut found = Vec::new();
        read(path, &mut |r| found.push((format!("{}/{}", r.bucket, r.key), r.revision, r.bytes))).unwrap();
        found
    }

    #[test]
    fn what_was_appended_is_read_however_the_file_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), 7).unwrap();
        journal.append(&[record("a", 1, Some("one")), record("b", 2, Some(""))]).unwrap();
        let first = journal.len();
        journal.append(&[record("a", 3, None)]).unwrap();
        let (files, next) = files(folder.path()).unwrap();
        assert_eq!((files.as_slice(), next), ([journal.path().to_path_buf()].as_slice(), 8));
        let expected = [
            ("pods/a".to_string(), 1, Some(Bytes::from("one"))),
            ("pods/b".to_string(), 2, Some(Bytes::new())),
            ("pods/a".to_string(), 3, None),
        ];
        assert_eq!(all(journal.path()), expected);
        let whole = std::fs::read(journal.path()).unwrap();
        for cut in 0..whole.len() {
            let path = folder.path().join("cut");
            std::fs::write(&path, &whole[..cut]).unwrap();
            let complete = if cut as u64 >= first { 2 } else { 0 };
            assert_eq!(all(&path), expected[..complete], "cut at {cut}");
        }
        let mut damaged = whole.clone();
        damaged[first as usize + HEADER + 2] ^= 1;
        std::fs::write(folder.path().join("damaged"), damaged).unwrap();
        assert_eq!(all(&folder.path().join("damaged")), expected[..2]);
    }
}
