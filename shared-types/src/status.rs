//! The `Status` object: how the API says that something went wrong (API conventions, "Response Status Kind").

use crate::validation::FieldError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A `meta/v1` `Status`. Constructors below give each failure its code, reason and message in Kubernetes' own form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub kind: String,
    pub api_version: String,
    pub metadata: crate::json::Object,
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<StatusDetails>>,
    pub code: u16,
}

/// What the failure was about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusDetails {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<StatusCause>,
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: i32,
}

/// One cause of the failure, with the field it concerns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusCause {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

impl std::error::Error for Status {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `resource.group`, or just `resource` in the core group: how messages name a resource.
pub fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_string() } else { format!("{resource}.{group}") }
}

impl Status {
    /// A failure with the given code, reason and message, without details.
    pub fn failure(code: u16, reason: &str, message: impl Into<String>) -> Status {
        Status {
            kind: "Status".into(),
            api_version: "v1".into(),
            status: "Failure".into(),
            message: message.into(),
            reason: reason.into(),
            code,
            ..Status::default()
        }
    }
    /// A success, as a delete answers it.
    pub fn success() -> Status {
        Status { kind: "Status".into(), api_version: "v1".into(), status: "Success".into(), ..Status::default() }
    }
    fn about(mut self, resource: &str, group: &str, name: &str) -> Status {
        self.details = Some(Box::new(StatusDetails {
            name: name.into(),
            group: group.into(),
            kind: resource.into(),
            ..StatusDetails::default()
        }));
        self
    }
    /// Adds the details of a request that concerns `resource` (plural) in `group`.
    pub fn with_details(self, resource: &str, group: &str, name: &str) -> Status {
        self.about(resource, group, name)
    }
    pub fn not_found(resource: &str, group: &str, name: &str) -> Status {
        Self::failure(404, "NotFound", format!("{} {name:?} not found", qualified(resource, group)))
            .about(resource, group, name)
    }
    pub fn already_exists(resource: &str, group: &str, name: &str) -> Status {
        Self::failure(409, "AlreadyExists", format!("{} {name:?} already exists", qualified(resource, group)))
            .about(resource, group, name)
    }
    /// A write met a newer object, or a precondition did not hold; `why` ends the message.
    pub fn conflict(resource: &str, group: &str, name: &str, why: &str) -> Status {
        let what = qualified(resource, group);
        Self::failure(409, "Conflict", format!("Operation cannot be fulfilled on {what} {name:?}: {why}"))
            .about(resource, group, name)
    }
    /// The conflict of a write with an outdated resourceVersion.
    pub fn modified(resource: &str, group: &str, name: &str) -> Status {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, group, name, why)
    }
    pub fn bad_request(message: impl Into<String>) -> Status {
        Self::failure(400, "BadRequest", message)
    }
    pub fn forbidden(resource: &str, group: &str, name: &str, why: &str) -> Status {
        let what = qualified(resource, group);
        let message = match (what.as_str(), name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{what} is forbidden: {why}"),
            _ => format!("{what} {name:?} is forbidden: {why}"),
        };
        Self::failure(403, "Forbidden", message).about(resource, group, name)
    }
    pub fn unauthorized() -> Status {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }
    pub fn method_not_allowed() -> Status {
        let mut status =
            Self::failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        status.details = Some(Box::default());
        status
    }
    /// No such route.
    pub fn no_resource() -> Status {
        let mut status = Self::failure(404, "NotFound", "the server could not find the requested resource");
        status.details = Some(Box::default());
        status
    }
    /// The resourceVersion or continue token is older than the history that is kept.
    pub fn expired(message: impl Into<String>) -> Status {
        Self::failure(410, "Expired", message)
    }
    pub fn internal(message: impl fmt::Display) -> Status {
        let mut status = Self::failure(500, "InternalError", format!("Internal error occurred: {message}"));
        status.details = Some(Box::new(StatusDetails {
            causes: vec![StatusCause { message: message.to_string(), ..StatusCause::default() }],
            ..StatusDetails::default()
        }));
        status
    }
    pub fn request_too_large(message: impl Into<String>) -> Status {
        Self::failure(413, "RequestEntityTooLarge", message)
    }
    /// An object did not pass validation. `kind` is the kind's name (`Deployment`), as this error alone uses it.
    pub fn invalid(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> Status {
        // Equal messages are reported once, as the aggregate of errors does.
        let mut messages: Vec<String> = Vec::new();
        for error in errors {
            let message = error.to_string();
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        let list = match messages.as_slice() {
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let what = qualified(kind, group);
        let mut status = Self::failure(422, "Invalid", format!("{what} {name:?} is invalid: {list}"));
        status.details = Some(Box::new(StatusDetails {
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
            causes: errors
                .iter()
                .map(|e| StatusCause { reason: e.kind.reason().into(), message: e.body(), field: e.field.clone() })
                .collect(),
            ..StatusDetails::default()
        }));
        status
    }

    pub fn is_not_found(&self) -> bool {
        self.reason == "NotFound"
    }
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }
}
