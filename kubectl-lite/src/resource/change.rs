//! Changing an object: only what differs is sent.

use super::Info;
use crate::client::Request;
use crate::cmd::flags::DryRun;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::{Object, Value};
use shared_types::{patch, schema};

/// The patch that makes `after` of the object as it is, and its content type; `None` where there is no difference.
///
/// # Errors
/// No patch can be made.
pub fn changes(info: &Info, after: &Value) -> Result<Option<(Value, &'static str)>, CommandError> {
    if *after == info.object {
        return Ok(None);
    }
    let (patch, content_type) = match schema::of_kind(&info.resource.api_version(), &info.resource.kind) {
        Some(ty) => {
            let patch = patch::strategic::two_way_diff(ty, &info.object, after)
                .map_err(|error| CommandError::message(error.to_string()))?;
            (patch, "application/strategic-merge-patch+json")
        }
        None => (patch::merge::diff(&info.object, after), "application/merge-patch+json"),
    };
    Ok(if patch.as_object().is_some_and(Object::is_empty) { None } else { Some((patch, content_type)) })
}

/// Makes the object be `after`, and gives what it became; `None` where nothing is to be done.
pub async fn send_changes(
    cx: &Context<'_>,
    info: &Info,
    after: &Value,
    manager: &str,
    dry_run: DryRun,
) -> Result<Option<Value>, CommandError> {
    let Some((patch, content_type)) = changes(info, after)? else { return Ok(None) };
    if dry_run.is_client() {
        return Ok(Some(after.clone()));
    }
    info.check_name()?;
    let request =
        Request::patch(info.path(), content_type, patch.to_string().into_bytes()).query("fieldManager", manager);
    cx.client()?.json(dry_run.mark(request)).await.map(Some)
}
