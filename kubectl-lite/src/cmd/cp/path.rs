//! Paths of `cp`, here and in the container. They are worked on as text: those in the container are not ours to look at.

use crate::errors::CommandError;

/// `[[NAMESPACE/]POD:]PATH`.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// The Pod; `None` for a path on this machine.
    pub place: Option<Place>,
    /// Without a slash at its end, but for the root folder of a container.
    pub path: String,
}

/// Whose container a path is in.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub namespace: Option<String>,
    pub pod: String,
}

impl Spec {
    /// # Errors
    /// It has not the form.
    pub fn parse(text: &str) -> Result<Spec, CommandError> {
        let wrong = || CommandError::message("filespec must match the canonical format: [[namespace/]pod:]file/path");
        let Some((pod, path)) = text.split_once(':') else {
            return Ok(Spec { place: None, path: without_slash(text) });
        };
        let place = match pod.split('/').collect::<Vec<_>>().as_slice() {
            [""] => return Err(wrong()),
            [pod] => Place { namespace: None, pod: pod.to_string() },
            [namespace, pod] => {
                let namespace = Some(namespace.to_string()).filter(|namespace| !namespace.is_empty());
                Place { namespace, pod: pod.to_string() }
            }
            _ => return Err(wrong()),
        };
        Ok(Spec { place: Some(place), path: without_slash(path) })
    }
}

fn without_slash(path: &str) -> String {
    if path == "/" { path.to_string() } else { path.strip_suffix('/').unwrap_or(path).to_string() }
}

/// The shortest path that names the same, as far as text alone tells: `a//./b/../c` is `a/c`, nothing is `.`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

/// `path` inside of `folder`.
pub fn join(folder: &str, path: &str) -> String {
    clean(&format!("{folder}/{path}"))
}

/// The last part of the path.
pub fn base(path: &str) -> String {
    let path = clean(path);
    match path.rsplit('/').next() {
        Some("") | None => "/".into(),
        Some(last) => last.into(),
    }
}

/// The path without its last part.
pub fn folder(path: &str) -> String {
    match clean(path).rsplit_once('/') {
        None => ".".into(),
        Some(("", _)) => "/".into(),
        Some((folder, _)) => folder.into(),
    }
}

/// How `tar` names what is at `path`: without what leads out of the folder that it works in, or to the root.
pub fn inside(path: &str) -> String {
    let path = clean(path.trim_start_matches('/'));
    let mut rest = path.as_str();
    while let Some(after) = rest.strip_prefix("../") {
        rest = after;
    }
    if matches!(rest, "." | "..") { String::new() } else { rest.trim_start_matches('/').to_string() }
}

/// Whether `path` is `folder` or inside of it; both are clean.
pub fn is_inside(folder: &str, path: &str) -> bool {
    match folder {
        "." => !path.starts_with('/') && path != ".." && !path.starts_with("../"),
        "/" => path.starts_with('/'),
        folder => path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_may_name_a_pod() {
        let place =
            |namespace: Option<&str>, pod: &str| Some(Place { namespace: namespace.map(Into::into), pod: pod.into() });
        for (text, expected, path) in [
            ("a/b/", None, "a/b"),
            ("p:/x", place(None, "p"), "/x"),
            ("n/p:x/", place(Some("n"), "p"), "x"),
            ("p:", place(None, "p"), ""),
            ("p:/", place(None, "p"), "/"),
        ] {
            assert_eq!(Spec::parse(text).unwrap(), Spec { place: expected, path: path.into() }, "{text}");
        }
        assert!(Spec::parse(":x").is_err() && Spec::parse("a/b/c:x").is_err());
    }

    #[test]
    fn paths_are_worked_on_as_text() {
        for (path, cleaned) in
            [("a//./b/../c", "a/c"), ("", "."), ("/..", "/"), ("../../a", "../../a"), ("a/../..", ".."), ("/a/", "/a")]
        {
            assert_eq!(clean(path), cleaned, "{path}");
        }
        assert_eq!((base("/a/b").as_str(), folder("/a/b").as_str()), ("b", "/a"));
        assert_eq!((base("/").as_str(), folder("/a").as_str(), folder("a").as_str()), ("/", "/", "."));
        for (path, name) in [("/tmp/x", "tmp/x"), ("../../x", "x"), (".", ""), ("/", ""), ("a/../..", "")] {
            assert_eq!(inside(path), name, "{path}");
        }
        for (folder, path, within) in [
            ("/t", "/t/a", true),
            ("/t", "/t", true),
            ("/t", "/tt", false),
            (".", "a", true),
            (".", "../a", false),
            (".", "..a", true),
        ] {
            assert_eq!(is_inside(folder, path), within, "{folder} {path}");
        }
    }
}
