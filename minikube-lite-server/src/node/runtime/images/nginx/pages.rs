//! The pages that nginx makes itself.

use crate::node::runtime::files::Files;
use crate::node::runtime::images::{site_files, times};
use ::http::StatusCode;
use std::fmt::Write;

/// The page of an error or a redirect. `server` is what the `Server` header says.
pub fn error(status: StatusCode, server: &str) -> String {
    let reason = match status.as_u16() {
        302 => "Found",
        413 => "Request Entity Too Large",
        405 => "Not Allowed",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => status.canonical_reason().unwrap_or_default(),
    };
    let title = format!("{} {reason}", status.as_str());
    let title = title.trim();
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// The listing of a directory (`autoindex on`).
pub fn listing(files: &Files, uri: &str, directory: &str) -> String {
    let title = format!("Index of {}", site_files::escape(uri));
    let mut page = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr><pre>");
    page.push_str("<a href=\"../\">../</a>\r\n");
    for name in files.list(directory).unwrap_or_default().iter().filter(|name| !name.starts_with('.')) {
        let Ok(stat) = files.stat(&format!("{directory}/{name}")) else { continue };
        let shown = format!("{}{}", site_files::escape(name), if stat.is_directory() { "/" } else { "" });
        let size = if stat.is_directory() { "-".to_string() } else { stat.size.to_string() };
        let time = times::format(stat.modified, "%d-%b-%Y %H:%M");
        let padding = 51usize.saturating_sub(shown.chars().count());
        let _ = write!(page, "<a href=\"{shown}\">{shown}</a>{:padding$}{time} {size:>19}\r\n", "");
    }
    page.push_str("</pre><hr></body>\r\n</html>\r\n");
    page
}
