//! `pods/log`: a container's log, in one answer or as it grows.

use super::upgrade::{self, OneWay};
use super::{channels, container, pod};
use crate::http::query::Query;
use crate::http::resource::Call;
use crate::node::api::{LogOptions, LogStream};
use axum::body::Body;
use futures_util::StreamExt;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::status::Status;
use shared_types::validation::{ErrorList, FieldError, Path};

/// Subprotocols of a log over a WebSocket.
const WEB_SOCKET: &[&str] = &["", "binary.k8s.io", "base64.binary.k8s.io"];

/// Answers the request.
pub async fn answer(call: &mut Call<'_>) -> Result<Response<Body>, Status> {
    let options = options(call.query, &call.target.name, call.app.registry.environment().now())?;
    let pod = pod(call)?;
    let container = container::choose(&pod, call.query.get("container"))?;
    if pod.text("spec.nodeName").is_empty() {
        // Nobody can have written anything yet.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let pieces = call.app.nodes.logs(&pod, &container, options).await?;
    if let Some(upgrade) = call.upgrade.take().filter(|_| upgrade::is_web_socket(&call.headers)) {
        let accepted = upgrade::choose_subprotocol(&call.headers, WEB_SOCKET)
            .and_then(|protocol| Ok((upgrade::web_socket_answer(&call.headers, protocol)?, protocol)));
        let (response, protocol) = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => return Ok(refusal),
        };
        let messages = pieces.map(move |piece| channels::whole_message(piece, protocol));
        OneWay { upgrade, stop: call.app.stop.clone() }.send(messages);
        return Ok(response);
    }
    // Clients that follow a log must not keep the server from stopping.
    let pieces = pieces.take_until(call.app.stop.clone().cancelled_owned());
    let mut response = Response::new(Body::from_stream(pieces.map(Ok::<_, std::convert::Infallible>)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// Reads and validates `core/v1.PodLogOptions`.
fn options(query: &Query, pod: &str, now: Timestamp) -> Result<LogOptions, Status> {
    let (tail, limit_bytes) = (query.int("tailLines")?, query.int("limitBytes")?);
    let since_seconds = query.int("sinceSeconds")?;
    let since_time = match query.get("sinceTime") {
        "" => None,
        text => match text.parse::<Timestamp>() {
            Ok(time) => Some(time),
            Err(_) => return Err(not_a_time(text)),
        },
    };
    let mut errors = ErrorList::new();
    let mut invalid = |field: &str, value: i64, why: &str| {
        errors.push(FieldError::invalid(&Path::new(field), value, why));
    };
    if let Some(lines) = tail.filter(|lines| *lines < 0) {
        invalid("tailLines", lines, "must be greater than or equal to 0");
    }
    if let Some(bytes) = limit_bytes.filter(|bytes| *bytes < 1) {
        invalid("limitBytes", bytes, "must be greater than 0");
    }
    match (since_seconds, since_time) {
        (Some(_), Some(_)) => {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(FieldError::forbidden(&Path::new(""), why));
        }
        (Some(seconds @ ..1), None) => invalid("sinceSeconds", seconds, "must be greater than 0"),
        _ => {}
    }
    let stream = match query.get("stream") {
        "" | "All" => LogStream::All,
        "Stdout" => LogStream::Stdout,
        "Stderr" => LogStream::Stderr,
        other => {
            errors.push(FieldError::not_supported(&Path::new("stream"), other, &["All", "Stderr", "Stdout"]));
            LogStream::All
        }
    };
    if stream != LogStream::All && tail.is_some() {
        let why = "`tailLines` and specific `stream` are mutually exclusive for now";
        errors.push(FieldError::forbidden(&Path::new(""), why));
    }
    if !errors.is_empty() {
        return Err(Status::invalid("PodLogOptions", "", pod, &errors));
    }
    let before = |seconds: i64| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
    Ok(LogOptions {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        tail,
        since: since_time.or(since_seconds.map(before)),
        timestamps: query.flag("timestamps"),
        limit_bytes,
        stream,
    })
}

/// Go's words for what is not an RFC 3339 time.
fn not_a_time(text: &str) -> Status {
    let (text, layout) = (Value::from(text), r#""2006-01-02T15:04:05Z07:00""#);
    Status::bad_request(format!(r#"parsing time {text} as {layout}: cannot parse {text} as "2006""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<LogOptions, String> {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        options(&Query::parse(query), "web", now).map_err(|status| status.message)
    }

    #[test]
    fn options_are_read() {
        let options = read("follow=true&tailLines=5&sinceSeconds=60&limitBytes=9&timestamps=1").unwrap();
        assert!(options.follow && options.timestamps && !options.previous);
        assert_eq!((options.tail, options.limit_bytes), (Some(5), Some(9)));
        assert_eq!(options.since, "2026-01-01T00:00:00Z".parse().ok());
        assert!(read("sinceSeconds=9223372036854775807").is_ok());
    }

    #[test]
    fn mistakes_are_told() {
        let why = read("tailLines=-1").unwrap_err();
        let told =
            r#"PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"#;
        assert_eq!(why, told);
        assert!(read("limitBytes=0").unwrap_err().contains("limitBytes: Invalid value: 0: must be greater than 0"));
        assert!(read("sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z").unwrap_err().contains("at most one of"));
        assert!(read("tailLines=x").unwrap_err().contains("strconv.ParseInt"));
        assert!(read("sinceTime=yesterday").unwrap_err().starts_with("parsing time \"yesterday\""));
    }
}
