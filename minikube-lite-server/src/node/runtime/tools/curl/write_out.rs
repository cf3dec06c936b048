//! `--write-out`: text with what is known of a transfer.

use super::transfer::Report;

/// Where the text goes: standard output first, other from `%{stderr}` on.
#[derive(Debug, Default, PartialEq)]
pub struct Written {
    pub stdout: String,
    pub stderr: String,
}

/// Fills a format with a transfer's report.
pub fn format(format: &str, report: &Report) -> Written {
    let mut written = Written::default();
    let mut to_stderr = false;
    let mut rest = format;
    while let Some(next) = rest.chars().next() {
        let (text, length) = match next {
            '\\' => escape(rest),
            '%' => match rest.strip_prefix("%{").and_then(|inner| inner.find('}').map(|end| &inner[..end])) {
                Some(variable) => {
                    match variable {
                        "stderr" => to_stderr = true,
                        "stdout" => to_stderr = false,
                        _ => {}
                    }
                    (value(variable, report), variable.len() + 3)
                }
                None if rest.starts_with("%%") => ("%".into(), 2),
                None => ("%".into(), 1),
            },
            other => (other.to_string(), other.len_utf8()),
        };
        if to_stderr { &mut written.stderr } else { &mut written.stdout }.push_str(&text);
        rest = &rest[length..];
    }
    written
}

fn escape(text: &str) -> (String, usize) {
    let known = match text[1..].chars().next() {
        Some('n') => "\n",
        Some('r') => "\r",
        Some('t') => "\t",
        Some(other) => return (format!("\\{other}"), 1 + other.len_utf8()),
        None => return ("\\".into(), 1),
    };
    (known.into(), 2)
}

fn value(variable: &str, report: &Report) -> String {
    let seconds = |time: std::time::Duration| format!("{:.6}", time.as_secs_f64());
    match variable {
        "http_code" | "response_code" => format!("{:03}", report.status),
        "time_total" => seconds(report.times.total),
        "time_namelookup" => seconds(report.times.lookup),
        "time_connect" => seconds(report.times.connect),
        "time_starttransfer" | "time_pretransfer" if report.status == 0 => seconds(Default::default()),
        "time_pretransfer" => seconds(report.times.connect),
        "time_starttransfer" => seconds(report.times.first_byte),
        "time_appconnect" => seconds(report.times.handshake),
        "time_redirect" => seconds(Default::default()),
        "size_download" => report.received.to_string(),
        "size_header" => report.head_size.to_string(),
        "size_upload" => report.sent.to_string(),
        "speed_download" => report.speed().to_string(),
        "remote_ip" => report.remote.map_or_else(String::new, |address| address.ip().to_string()),
        "remote_port" => report.remote.map_or(0, |address| address.port()).to_string(),
        "num_connects" => report.connects.to_string(),
        "num_redirects" => report.redirects.to_string(),
        "redirect_url" => report.redirect_url.clone(),
        "content_type" => report.content_type.clone(),
        "method" => report.method.clone(),
        "scheme" => report.scheme.to_string(),
        "url" => report.url.clone(),
        "url_effective" => report.effective_url.clone(),
        "http_version" => report.version.to_string(),
        "exitcode" => report.error.as_ref().map_or(0, |error| error.code).to_string(),
        "errormsg" => report.error.as_ref().map_or_else(String::new, |error| error.message.clone()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_escapes_are_replaced() {
        let report = Report { status: 200, received: 12, ..Report::default() };
        let text = format(r"%{http_code} %{size_download}%%\n\x%{nosuch}|%{stderr}err% %{", &report);
        assert_eq!((text.stdout.as_str(), text.stderr.as_str()), ("200 12%\n\\x|", "err% %{"));
        assert_eq!(format("%{http_code}", &Report::default()).stdout, "000");
    }
}
