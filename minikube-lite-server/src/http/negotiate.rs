//! Content negotiation: in which format, and as what, a client wants its answer.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use shared_types::status::Status;

/// The encoding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json { pretty: bool },
    Yaml,
}

/// What objects are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Object,
    /// `meta.k8s.io` Table, in this version (KEP-515).
    Table(&'static str),
    /// `meta.k8s.io` PartialObjectMetadata, or a list of them, in this version.
    Metadata(&'static str),
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub encoding: Encoding,
    pub shape: Shape,
}

impl Format {
    /// The format for a failure: the client's, or JSON where it accepts nothing that is written.
    pub fn of_errors(headers: &HeaderMap, pretty: Option<&str>) -> Format {
        let encoding = match negotiate(headers, pretty, Answer::Single) {
            Ok(format) => format.encoding,
            Err(_) => Encoding::Json { pretty: wants_pretty(headers, pretty) },
        };
        Format { encoding, shape: Shape::Object }
    }

    pub fn content_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Json { .. } => "application/json",
            Encoding::Yaml => "application/yaml",
        }
    }
}

/// What kind of answer is negotiated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Single,
    List,
    Watch,
}

/// The format for an answer.
///
/// # Errors
/// `NotAcceptable`.
pub fn negotiate(headers: &HeaderMap, pretty: Option<&str>, answer: Answer) -> Result<Format, Status> {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    let json = Encoding::Json { pretty: wants_pretty(headers, pretty) };
    if accept.trim().is_empty() {
        return Ok(Format { encoding: json, shape: Shape::Object });
    }
    let mut wrong_shape = false;
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or("");
        let encoding = match media {
            "application/json" | "*/*" | "application/*" => json,
            "application/yaml" if answer != Answer::Watch => Encoding::Yaml,
            _ => continue,
        };
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let parameter = |name| parameters.iter().find(|(have, _)| *have == name).map_or("", |(_, value)| *value);
        let version = match parameter("v") {
            "v1" => "v1",
            "v1beta1" => "v1beta1",
            _ => "",
        };
        let meta = parameter("g") == "meta.k8s.io" && !version.is_empty();
        let shape = match parameter("as") {
            "" => Shape::Object,
            "Table" if meta => Shape::Table(version),
            "PartialObjectMetadata" if meta && answer != Answer::List => Shape::Metadata(version),
            "PartialObjectMetadataList" if meta && answer == Answer::List => Shape::Metadata(version),
            _ => {
                wrong_shape = true;
                continue;
            }
        };
        return Ok(Format { encoding, shape });
    }
    Err(not_acceptable(answer, wrong_shape))
}

fn not_acceptable(answer: Answer, wrong_shape: bool) -> Status {
    const MEDIA: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    if wrong_shape || answer == Answer::Watch {
        let media = match answer {
            Answer::Watch => "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
            _ => MEDIA,
        };
        return Status::failure(406, "NotAcceptable", format!("only the following media types are accepted: {media}"));
    }
    let stream = match answer {
        Answer::List => ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        _ => "",
    };
    let message = format!("406: Not Acceptable\n\nAvailable representations: {MEDIA}{stream}");
    let mut status = Status::failure(406, "NotAcceptable", message);
    status.details = Some(Box::default());
    status
}

/// People at a terminal or browser get indented JSON unless they say otherwise.
fn wants_pretty(headers: &HeaderMap, pretty: Option<&str>) -> bool {
    match pretty {
        Some(value) => !["0", "false"].contains(&value),
        None => {
            let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|prefix| agent.starts_with(prefix))
        }
    }
}
