//! Files of a container as a web server gives them: content types, validators, and paths that stay inside the root.

use super::times::{http_date, parse_http_date};
use crate::node::runtime::files::{FileKind, Files};
use bytes::Bytes;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

/// What a path names.
pub enum Found {
    File(SiteFile),
    Directory,
    /// A file that is no content, such as a program or a device.
    Forbidden,
    Missing,
}

/// A file with what its validators are made of.
pub struct SiteFile {
    pub content: Bytes,
    pub modified: Timestamp,
}

/// Looks at an absolute path.
pub fn find(files: &Files, path: &str) -> Found {
    match files.stat(path) {
        Ok(stat) if stat.is_directory() => Found::Directory,
        Ok(stat) if stat.kind == FileKind::Regular && stat.mode & 0o444 != 0 => match files.read(path) {
            Ok(content) => Found::File(SiteFile { content, modified: stat.modified }),
            Err(_) => Found::Forbidden,
        },
        Ok(_) => Found::Forbidden,
        Err(_) => Found::Missing,
    }
}

impl SiteFile {
    pub fn last_modified(&self) -> HeaderValue {
        HeaderValue::try_from(http_date(self.modified)).unwrap_or(HeaderValue::from_static(""))
    }

    /// Whether the client has it already (RFC 9110, section 13.2.2): by its entity tag, or else by its time.
    pub fn is_known(&self, request: &HeaderMap, etag: &str) -> bool {
        let text = |name| request.get(name).and_then(|value| value.to_str().ok());
        if let Some(tags) = text(IF_NONE_MATCH) {
            return tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
        }
        let since = text(IF_MODIFIED_SINCE).and_then(parse_http_date);
        since.is_some_and(|since| self.modified.as_second() <= since.as_second())
    }
}

/// The path of a request target without its `%xx`, `//`, `.` and `..`. `None` when it leaves the root or is no text.
pub fn normalize(path: &str) -> Option<String> {
    let plain = !path.contains(['%', '\0']) && !path.contains("//") && !path.contains("/.");
    if plain && path.starts_with('/') {
        return Some(path.to_string());
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    if decoded.contains('\0') || !decoded.starts_with('/') {
        return None;
    }
    let mut parts = Vec::new();
    for part in decoded.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let ends = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end)) && !parts.is_empty();
    Some(format!("/{}{}", parts.join("/"), if ends { "/" } else { "" }))
}

/// The content type of a file by the end of its name.
pub fn content_type(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" | "shtml" => "text/html",
        "css" => "text/css",
        "js" => "application/javascript",
        "json" => "application/json",
        "xml" => "text/xml",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "svg" | "svgz" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "mp4" => "video/mp4",
        "mp3" => "audio/mpeg",
        _ => return None,
    })
}

/// The text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_root() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a/b", Some("/a/b")),
            ("/a//b/", Some("/a/b/")),
            ("/a/./b/../c", Some("/a/c")),
            ("/a%20b", Some("/a b")),
            ("/a/..", Some("/")),
            ("/..", None),
            ("/a/../../etc/passwd", None),
            ("/%2e%2e/etc", None),
            ("/%00", None),
            ("*", None),
        ] {
            assert_eq!(normalize(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn types_go_by_the_name() {
        assert_eq!(content_type("/a/index.html"), Some("text/html"));
        assert_eq!(content_type("/a.d/README"), None);
        assert_eq!(content_type("/A.PNG"), Some("image/png"));
    }
}
