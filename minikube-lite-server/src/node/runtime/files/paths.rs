//! Paths as text.

/// A path as an absolute one without `.` and empty parts, seen from the directory `cwd`; `..` stays, because what it
/// means depends on links.
pub fn absolute(cwd: &str, path: &str) -> String {
    let mut whole = String::new();
    let start = if path.starts_with('/') { "" } else { cwd };
    for part in start.split('/').chain(path.split('/')).filter(|part| !part.is_empty() && *part != ".") {
        whole.push('/');
        whole.push_str(part);
    }
    if whole.is_empty() || (path.ends_with('/') && whole.len() > 1) {
        whole.push('/');
    }
    whole
}

/// The last part of a path: `c` of `/a/b/c` and of `/a/b/c/`.
pub fn file_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

/// The directory of an absolute path: `/a/b` of `/a/b/c`.
pub fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}
