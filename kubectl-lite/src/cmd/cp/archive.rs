//! Archives of `cp`: written from files here, and unpacked to files here, while they are on their way.

use super::path;
use bytes::{Buf as _, Bytes};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use tokio::sync::mpsc;

/// Where an archive goes; to be written to by a thread of its own.
pub struct Sink(mpsc::Sender<Bytes>);

impl Sink {
    pub fn new(sender: mpsc::Sender<Bytes>) -> Sink {
        Sink(sender)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Bytes::copy_from_slice(bytes)).map_err(gone)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where an archive comes from; to be read by a thread of its own.
pub struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    unread: Bytes,
}

impl Pieces {
    pub fn new(receiver: mpsc::Receiver<Bytes>) -> Pieces {
        Pieces { receiver, unread: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.unread = piece,
                None => return Ok(0),
            }
        }
        let length = self.unread.len().min(buffer.len());
        self.unread.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Writes the archive of what is at `source`, which is called `name` in it. Links stay links; of folders only empty ones
/// are named.
///
/// # Errors
/// A file cannot be read, or the other side takes no more.
pub fn pack(source: &Path, name: &str, sink: Sink) -> io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::with_capacity(32 << 10, sink));
    archive.follow_symlinks(false);
    append(&mut archive, source, name)?;
    archive.into_inner()?.flush()
}

fn append<W: Write>(archive: &mut tar::Builder<W>, source: &Path, name: &str) -> io::Result<()> {
    if !fs::symlink_metadata(source)?.is_dir() {
        return archive.append_path_with_name(source, name);
    }
    let mut entries = fs::read_dir(source)?.collect::<io::Result<Vec<_>>>()?;
    if entries.is_empty() {
        return archive.append_dir(name, source);
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        append(archive, &entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()))?;
    }
    Ok(())
}

/// What of an archive has not been unpacked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Paths that lead out of the destination.
    pub outside: Vec<String>,
    /// Symbolic links, and where they point.
    pub links: Vec<(String, String)>,
}

/// Unpacks an archive whose names all begin with `prefix` to `destination`, which takes the place of the prefix.
///
/// # Errors
/// The archive is broken or holds something else, or a file cannot be written.
pub fn unpack(archive: impl Read, prefix: &str, destination: &str) -> io::Result<Skipped> {
    let mut skipped = Skipped::default();
    let mut archive = tar::Archive::new(archive);
    let destination = path::clean(destination);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(rest) = name.strip_prefix(prefix) else {
            return Err(io::Error::other("tar contents corrupted"));
        };
        let file = path::join(&destination, rest);
        let kind = entry.header().entry_type();
        if !path::is_inside(&destination, &file) {
            skipped.outside.push(file);
            continue;
        }
        fs::create_dir_all(path::folder(&file))?;
        if kind.is_dir() {
            fs::create_dir_all(&file)?;
        } else if kind.is_symlink() {
            let target = entry.link_name_bytes().unwrap_or_default();
            skipped.links.push((file, String::from_utf8_lossy(&target).into_owned()));
        } else {
            let mut out = fs::File::create(&file).map_err(|error| open_error(&file, &error))?;
            io::copy(&mut entry, &mut out)?;
        }
    }
    Ok(skipped)
}

/// As Go names what it could not open.
fn open_error(file: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("open {file}: {}", crate::resource::go_words(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn packed(source: &Path, name: &str) -> Vec<u8> {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(4);
        let all = Arc::new(Mutex::new(Vec::new()));
        let taking = {
            let all = all.clone();
            std::thread::spawn(move || {
                while let Some(piece) = receiver.blocking_recv() {
                    all.lock().unwrap().extend_from_slice(&piece);
                }
            })
        };
        pack(source, name, Sink::new(sender)).unwrap();
        taking.join().unwrap();
        Arc::try_unwrap(all).unwrap().into_inner().unwrap()
    }

    #[test]
    fn what_is_packed_unpacks() {
        let here = tempfile::tempdir().unwrap();
        let source = here.path().join("s");
        fs::create_dir_all(source.join("deep/empty")).unwrap();
        fs::write(source.join("a"), "alpha").unwrap();
        fs::write(source.join("deep/b"), vec![7; 100_000]).unwrap();
        std::os::unix::fs::symlink("a", source.join("link")).unwrap();
        let archive = packed(&source, "d");
        let target = here.path().join("t");
        let text = target.to_str().unwrap();
        let skipped = unpack(archive.as_slice(), "d", text).unwrap();
        assert_eq!(skipped.links, [(format!("{text}/link"), "a".to_string())]);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"alpha");
        assert_eq!(fs::read(target.join("deep/b")).unwrap(), vec![7; 100_000]);
        assert!(target.join("deep/empty").is_dir());
        assert_eq!(unpack(archive.as_slice(), "e", text).unwrap_err().to_string(), "tar contents corrupted");
        assert!(unpack(&archive[..archive.len() / 2], "d", text).is_err());
    }

    #[test]
    fn nothing_is_written_outside_of_the_destination() {
        let here = tempfile::tempdir().unwrap();
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..8].copy_from_slice(b"d/../../");
        header.as_mut_bytes()[8] = b'x';
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.extend([0; 1024]);
        let target = here.path().join("t/u");
        let skipped = unpack(archive.as_slice(), "d", target.to_str().unwrap()).unwrap();
        assert_eq!(skipped.outside.len(), 1);
        assert!(!here.path().join("x").exists() && !here.path().join("t/x").exists());
    }
}
