//! Why there is no answer, or none that can be used, in kubectl's words.

use super::transport::Request;
use crate::errors::CommandError;
use crate::go_format::cannot_unmarshal;
use http::StatusCode;
use rustls::CertificateError;
use serde::de::DeserializeOwned;
use shared_types::fields::Fields;
use shared_types::go_quote::{quote, quote_char};
use shared_types::json::{Value, parse};
use shared_types::status::{Status, StatusCause, StatusDetails};
use std::error::Error;
use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};

/// What answers of any kind are read into.
pub const UNSTRUCTURED: &str = "unstructured.detector";

/// Reads a body that should be JSON.
///
/// # Errors
/// It is not, in the words of Go's decoder.
pub fn decode(body: &[u8]) -> Result<Value, CommandError> {
    parse(body).map_err(|error| CommandError::message(json_words(body, &error)))
}

/// Reads a body that should be JSON of a type.
///
/// # Errors
/// It is not, in the words of Go's decoder.
pub fn decode_as<T: DeserializeOwned>(body: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(body).map_err(|error| CommandError::message(json_words(body, &error)))
}

/// Reads a body that should be an object, or nothing; `go_type` is what kubectl reads it into.
///
/// # Errors
/// It is something else, in the words of Go's decoder.
pub fn decode_object(body: &[u8], go_type: &str) -> Result<Value, CommandError> {
    match decode(body)? {
        value @ (Value::Object(_) | Value::Null) => Ok(value),
        other => Err(CommandError::message(cannot_unmarshal(&other, &format!("Go value of type {go_type}")))),
    }
}

/// What clients of one kind of objects read first.
pub const TYPE_META: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Reads the answer to a client that knows what kind of object it gets.
///
/// # Errors
/// It is no object that tells its kind.
pub fn decode_typed(body: &[u8]) -> Result<Value, CommandError> {
    let doing = "couldn't get version/kind; json parse error";
    let object = decode_object(body, TYPE_META).map_err(|error| error.doing(doing))?;
    for field in ["apiVersion", "kind"] {
        let value = object.at(field);
        if !value.is_string() && !value.is_null() {
            let why = cannot_unmarshal(value, &format!("Go struct field .{field} of type string"));
            return Err(CommandError::message(why).doing(doing));
        }
    }
    Ok(object)
}

fn json_words(body: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    if !error.is_syntax() {
        let no_object = decode_object(body, UNSTRUCTURED).err();
        return no_object.map_or_else(|| error.to_string(), |why| why.text());
    }
    let text = String::from_utf8_lossy(body);
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = String::from_utf8_lossy(line.as_bytes().get(error.column().saturating_sub(1)..).unwrap_or_default());
    let Some(found) = at.chars().next() else { return "unexpected end of JSON input".into() };
    let told = error.to_string();
    let place = [
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("expected `:`", "after object key"),
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing characters", "after top-level value"),
    ];
    let place = place.iter().find(|(words, _)| told.starts_with(words));
    let place = place.map_or("looking for beginning of value", |(_, place)| place);
    format!("invalid character {} {place}", quote_char(found))
}

/// Why a request has no answer.
pub fn unreachable(error: &reqwest::Error, request: &Request, url: &str) -> CommandError {
    let mut why = why(error, url);
    if why == MALFORMED && request.method == http::Method::GET {
        why = format!("{why} {}", quote(&first_line(url).unwrap_or_default()));
    }
    CommandError::Unreachable { verb: request.verb(), url: url.into(), why }
}

const MALFORMED: &str = "net/http: HTTP/1.x transport connection broken: malformed HTTP response";

/// How the answer of a server begins that does not speak HTTP; it is asked once more for that.
fn first_line(url: &str) -> std::io::Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap_or((url, ""));
    let mut connection = std::net::TcpStream::connect(host)?;
    connection.set_read_timeout(Some(std::time::Duration::from_secs(1)))?;
    connection.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
    let mut line = Vec::new();
    std::io::BufReader::new(connection.take(4096)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_string())
}

/// The TLS error behind another.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref().or_else(|| tls_error(error.downcast_ref::<std::io::Error>()?.get_ref()?))
}

fn why(error: &reqwest::Error, url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or(host);
    if error.is_timeout() {
        return "net/http: request canceled (Client.Timeout exceeded while awaiting headers)".into();
    }
    let mut source: Option<&dyn Error> = Some(error);
    let mut deepest = error.to_string();
    while let Some(cause) = source {
        deepest = cause.to_string();
        if let Some(tls) = tls_error(cause) {
            return tls_words(tls);
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return MALFORMED.into();
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            match io.kind() {
                ErrorKind::ConnectionRefused => return format!("dial tcp {}: connect: connection refused", peer(host)),
                ErrorKind::ConnectionReset => return format!("read tcp {}: connection reset by peer", peer(host)),
                ErrorKind::UnexpectedEof => return "unexpected EOF".into(),
                _ => {}
            }
        }
        source = cause.source();
    }
    if deepest.contains("lookup") || deepest.contains("Name or service not known") {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        return format!("dial tcp: lookup {name}{}: no such host", name_server());
    }
    if deepest.contains("connection closed") || deepest.contains("message completed") {
        return "EOF".into();
    }
    if deepest.contains("end of file before message length reached") {
        return "unexpected EOF".into();
    }
    if deepest.contains("scheme is not allowed") {
        return format!("unsupported protocol scheme {}", quote(url.split(':').next().unwrap_or_default()));
    }
    deepest
}

/// The address behind `host`, as far as it is known without asking: a loopback's own, with the scheme's port.
fn peer(host: &str) -> String {
    let name = host.strip_prefix("localhost").map(|port| format!("127.0.0.1{port}"));
    name.unwrap_or_else(|| host.to_string())
}

/// The name server that Go's resolver names where it finds nothing: ` on 10.0.0.1:53`.
fn name_server() -> String {
    let configuration = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let first = configuration.lines().find_map(|line| line.strip_prefix("nameserver"));
    let first = first.and_then(|rest| rest.split_whitespace().next());
    first.map(|server| format!(" on {server}:53")).unwrap_or_default()
}

/// What is wrong with the server's TLS, as Go says it.
fn tls_words(error: &rustls::Error) -> String {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::InvalidMessage(_) => return "http: server gave HTTP response to HTTPS client".into(),
        other => return format!("tls: {other}"),
    };
    let time = |time: rustls::pki_types::UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
    };
    let why = match certificate {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".into(),
        CertificateError::ExpiredContext { time: now, not_after } => {
            let (now, end) = (time(*now), time(*not_after));
            format!("certificate has expired or is not yet valid: current time {now} is after {end}")
        }
        CertificateError::NotValidYetContext { time: now, not_before } => {
            let (now, begin) = (time(*now), time(*not_before));
            format!("certificate has expired or is not yet valid: current time {now} is before {begin}")
        }
        CertificateError::NotValidForNameContext { expected, presented } => wrong_name(&expected.to_str(), presented),
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// `presented` holds the certificate's names as `DnsName("a")` and `IpAddress(127.0.0.1)`.
fn wrong_name(expected: &str, presented: &[String]) -> String {
    let is_address = expected.parse::<std::net::IpAddr>().is_ok();
    let kind = if is_address { "IpAddress(" } else { "DnsName(" };
    let names: Vec<&str> = presented
        .iter()
        .filter_map(|name| name.strip_prefix(kind)?.strip_suffix(')'))
        .map(|name| name.trim_matches('"'))
        .collect();
    match (is_address, names.is_empty()) {
        (true, true) => format!("cannot validate certificate for {expected} because it doesn't contain any IP SANs"),
        (false, true) => format!("certificate is not valid for any names, but wanted to match {expected}"),
        _ => format!("certificate is valid for {}, not {expected}", names.join(", ")),
    }
}

/// The `Status` of an answer that is not a success; one is made up where the server sent something else, or where what it
/// sent is not looked at.
pub fn refusal(code: StatusCode, is_text: bool, body: &[u8], request: &Request) -> Status {
    if !request.bare
        && let Ok(status) = serde_json::from_slice::<Status>(body)
        && status.kind == "Status"
    {
        return status;
    }
    let text = if is_text { String::from_utf8_lossy(body).trim().to_string() } else { "unknown".to_string() };
    let (reason, message) = match code.as_u16() {
        400 => ("BadRequest", "the server rejected our request for an unknown reason".to_string()),
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_string()),
        403 => ("Forbidden", text.clone()),
        404 => ("NotFound", "the server could not find the requested resource".to_string()),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_string()),
        406 if matches!(text.as_str(), "" | "unknown") => (
            "NotAcceptable",
            "the server was unable to respond with a content type that the client supports".to_string(),
        ),
        406 => ("NotAcceptable", text.clone()),
        415 => ("UnsupportedMediaType", text.clone()),
        409 if request.method == http::Method::POST => ("AlreadyExists", "the server reported a conflict".to_string()),
        409 => ("Conflict", "the server reported a conflict".to_string()),
        422 => ("Invalid", "the server rejected our request due to an error in our request".to_string()),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later".to_string(),
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_string()),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_string(),
        ),
        500.. => (
            "InternalError",
            format!("an error on the server ({}) has prevented the request from succeeding", quote(&text)),
        ),
        _ => (
            "",
            format!("the server responded with the status code {} but did not return more information", code.as_u16()),
        ),
    };
    let what = if request.absolute { None } else { asked_for(&request.path) };
    let message = match what {
        Some(what) => format!("{message} ({} {what})", request.method.as_str().to_lowercase()),
        None => message,
    };
    let mut status = Status::failure(code.as_u16(), reason, message);
    let cause = StatusCause { reason: UNEXPECTED.into(), message: text, ..StatusCause::default() };
    status.details = Some(Box::new(StatusDetails { causes: vec![cause], ..StatusDetails::default() }));
    status
}

/// The reason of the cause by which a `Status` that was made up is known.
const UNEXPECTED: &str = "UnexpectedServerResponse";

/// Whether the server said this itself, and said it as somebody who knows the caller.
pub fn is_considered(error: &CommandError) -> bool {
    error.status().is_some_and(|status| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        !matches!(status.code, 401 | 403) && causes.into_iter().all(|cause| cause.reason != UNEXPECTED)
    })
}

/// `deployments.apps web` for the path of a Deployment.
fn asked_for(path: &str) -> Option<String> {
    let mut segments = path.trim_start_matches('/').split('/');
    let group = match segments.next()? {
        "api" => "",
        "apis" => segments.next()?,
        _ => return None,
    };
    segments.next()?;
    let rest: Vec<&str> = segments.collect();
    let rest = match rest.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let resource = shared_types::status::qualified(rest.first()?, group);
    Some(match rest.get(1) {
        Some(name) => format!("{resource} {name}"),
        None => resource,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_as_go_does() {
        for (text, words) in [
            ("<html>", "invalid character '<' looking for beginning of value"),
            ("", "unexpected end of JSON input"),
            ("{\"a\": \"b", "unexpected end of JSON input"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\": 1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} {}", "invalid character '{' after top-level value"),
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap_err().text(), words, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_as_go_does() {
        let typed = |text: &str| decode_typed(text.as_bytes()).map_err(|error| error.text());
        assert_eq!(typed("{\"kind\": \"Pod\"}").unwrap().text("kind"), "Pod");
        assert!(typed("null").unwrap().is_null());
        let why = |text: &str| typed(text).unwrap_err().replace("couldn't get version/kind; json parse error: ", "");
        assert_eq!(why("{\"kind\": \"Po"), "unexpected end of JSON input");
        let number = "json: cannot unmarshal number into Go struct field .kind of type string";
        assert_eq!(why("{\"kind\": 5}"), number);
        assert!(why("[]").starts_with("json: cannot unmarshal array into Go value of type struct { APIVersion string"));
        let other = "json: cannot unmarshal string into Go value of type version.Info";
        assert_eq!(decode_object(b"\"a\"", "version.Info").unwrap_err().text(), other);
    }

    #[test]
    fn paths_tell_what_was_asked_for() {
        for (path, what) in [
            ("/api/v1/namespaces/n/pods", Some("pods")),
            ("/apis/apps/v1/namespaces/n/deployments/web/scale", Some("deployments.apps web")),
            ("/api/v1/namespaces/n", Some("namespaces n")),
            ("/api/v1", None),
            ("/version", None),
        ] {
            assert_eq!(asked_for(path).as_deref(), what, "{path}");
        }
    }

    #[test]
    fn names_of_certificates_are_listed() {
        let names = ["DnsName(\"a\")", "IpAddress(127.0.0.1)", "DnsName(\"b\")"].map(String::from);
        assert_eq!(wrong_name("c", &names), "certificate is valid for a, b, not c");
        assert_eq!(wrong_name("10.0.0.1", &names), "certificate is valid for 127.0.0.1, not 10.0.0.1");
        let none = "cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs";
        assert_eq!(wrong_name("10.0.0.1", &names[..1]), none);
    }
}
