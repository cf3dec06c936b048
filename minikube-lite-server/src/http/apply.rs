//! Server-side apply (KEP-555).

use super::resource::Call;
use crate::registry::Part;
use axum::body::Body;
use http::Response;
use shared_types::status::Status;

/// Answers an apply patch.
pub async fn answer(call: &mut Call<'_>, _part: Part, _request_body: Body) -> Result<Response<Body>, Status> {
    let what = format!("server-side apply of {} is not served by this server", call.kind.plural);
    Err(Status::failure(501, "NotImplemented", what))
}
