//! Small files that only their owner may read.

use std::io::{ErrorKind, Write};
use std::path::Path;

/// The text of a file, if there is one.
///
/// # Errors
/// One line for the user.
pub fn read_optional(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(format!("cannot read {}: {problem}", path.display())),
    }
}

/// Writes a file of mode 0600 in one step: readers see the old text or the new, never a part.
///
/// # Errors
/// One line for the user.
pub fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let failed = |problem: std::io::Error| format!("cannot write {}: {problem}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// Makes a folder that only its owner may enter.
///
/// # Errors
/// One line for the user.
pub fn make_private_folder(path: &Path) -> Result<(), String> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|problem| format!("cannot make folder {}: {problem}", path.display()))
}
