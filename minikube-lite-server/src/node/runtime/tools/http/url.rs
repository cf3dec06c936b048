//! URLs of HTTP.

use percent_encoding::percent_decode_str;

/// An `http` or `https` URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    pub scheme: &'static str,
    /// `user:password`, decoded.
    pub credentials: Option<String>,
    pub host: String,
    pub port: u16,
    /// The path with the query, from the slash on.
    pub target: String,
}

/// Why a text is no URL that can be used.
#[derive(Clone, Debug, PartialEq)]
pub enum UrlProblem {
    Scheme(String),
    NoHost,
    BadHost,
    BadPort,
    BadCharacter,
}

impl Url {
    /// Reads a URL; without a scheme it is one of `http`. The fragment is left out.
    ///
    /// # Errors
    /// See [`UrlProblem`].
    pub fn parse(text: &str) -> Result<Url, UrlProblem> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(UrlProblem::BadCharacter);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_lowercase(), rest),
            None => ("http".to_string(), text),
        };
        let (scheme, default_port) = match scheme.as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return Err(UrlProblem::Scheme(scheme)),
        };
        let rest = rest.split('#').next().unwrap_or("");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((credentials, address)) => (Some(percent_decode_str(credentials).decode_utf8_lossy().into()), address),
            None => (None, authority),
        };
        // An IPv6 address is in brackets.
        let port_at = address.rfind(':').filter(|at| !address[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) if at + 1 < address.len() => {
                (&address[..at], address[at + 1..].parse().map_err(|_| UrlProblem::BadPort)?)
            }
            Some(at) => (&address[..at], default_port),
            None => (address, default_port),
        };
        if host.is_empty() {
            return Err(UrlProblem::NoHost);
        }
        if host.contains(|c: char| "!\"#$%&'()*+,;<=>?@\\^`{|}".contains(c)) {
            return Err(UrlProblem::BadHost);
        }
        let target = if target.starts_with('/') { target.to_string() } else { format!("/{target}") };
        Ok(Url { scheme, credentials, host: host.to_string(), port, target })
    }

    /// Where a `Location` of this URL's answer leads.
    ///
    /// # Errors
    /// See [`UrlProblem`].
    pub fn join(&self, location: &str) -> Result<Url, UrlProblem> {
        if location.contains("://") {
            return Url::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{}://{rest}", self.scheme));
        }
        let path = self.target.split('?').next().unwrap_or("/");
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        let target = match location.chars().next() {
            Some('/') => location.to_string(),
            Some('?') => format!("{path}{location}"),
            _ => format!("{folder}{location}"),
        };
        Url::parse(&format!("{}{target}", self.origin()))
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host_header())
    }

    /// The host, with the port where it is not the scheme's usual one.
    pub fn host_header(&self) -> String {
        match (self.scheme, self.port) {
            ("http", 80) | ("https", 443) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// The last part of the path, as the name of a file.
    pub fn file_name(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or("");
        path.rsplit('/').next().unwrap_or("")
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.origin(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_completed() {
        for (text, shown, port) in [
            ("backend", "http://backend/", 80),
            ("http://backend:80/a?b#c", "http://backend/a?b", 80),
            ("backend:8080?x", "http://backend:8080/?x", 8080),
            ("HTTPS://u:p@backend:/x", "https://backend/x", 443),
            ("http://[::1]:81", "http://[::1]:81/", 81),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.port), (shown, port));
        }
        assert_eq!(Url::parse("http://u:p%40@h").unwrap().credentials.as_deref(), Some("u:p@"));
        for (text, problem) in [
            ("ftp://x", UrlProblem::Scheme("ftp".into())),
            ("http://", UrlProblem::NoHost),
            ("http://:80", UrlProblem::NoHost),
            ("http://x:99999", UrlProblem::BadPort),
            ("http://x:1x", UrlProblem::BadPort),
            ("http://a b", UrlProblem::BadCharacter),
            ("http://a|b", UrlProblem::BadHost),
        ] {
            assert_eq!(Url::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn locations_are_relative_to_where_they_were_found() {
        let base = Url::parse("http://h:81/a/b?q").unwrap();
        for (location, shown) in [
            ("/x", "http://h:81/x"),
            ("x", "http://h:81/a/x"),
            ("?y", "http://h:81/a/b?y"),
            ("//o/x", "http://o/x"),
            ("https://o", "https://o/"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), shown);
        }
    }
}
