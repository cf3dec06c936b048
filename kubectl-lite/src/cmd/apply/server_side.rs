//! Applying by server-side apply (KEP-555).

use super::{DryRun, Run};
use crate::client::Request;
use crate::errors::CommandError;
use crate::resource::Info;
use crate::resource::last_applied::LAST_APPLIED;
use serde_json::{Value, json};
use shared_types::fields::Fields;

const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// Who manages fields that are applied by the server, where nobody says otherwise.
const MANAGER: &str = "kubectl";
/// Who manages the annotation of client-side apply after a migration.
const ANNOTATION_MANAGER: &str = "kubectl-last-applied";
/// Who managed them when `kubectl apply` still merged by itself.
const CLIENT_SIDE_MANAGER: &str = "kubectl-client-side-apply";

/// How often an object that changes meanwhile is tried again.
const MAX_TRIES: usize = 5;

impl Run<'_, '_> {
    pub(super) async fn server_side(&self, info: &mut Info) -> Result<(), CommandError> {
        let manager = match self.apply.field_manager.as_str() {
            CLIENT_SIDE_MANAGER => MANAGER,
            other => other,
        };
        let mut path = info.path();
        if info.name.is_empty() {
            return Err(
                info.sourced("applying", CommandError::message("metadata.name: Required value: name is required"))
            );
        }
        if !self.apply.subresource.is_empty() {
            path = format!("{path}/{}", self.apply.subresource);
        }
        let force = if self.apply.force_conflicts { "true" } else { "false" };
        let request = Request::patch(path, APPLY_PATCH, info.object.to_string().into_bytes())
            .query("fieldManager", manager)
            .query("fieldValidation", self.validation)
            .query("force", force);
        let request = self.dry_run.mark(request);
        let object = self
            .cx
            .client()?
            .json(request.clone())
            .await
            .map_err(|error| if error.is_conflict() { conflict(&error) } else { error })?;
        info.refresh(object);
        if self.dry_run == DryRun::None && self.migrate(info, manager).await? {
            let object = self.cx.client()?.json(request).await?;
            info.refresh(object);
        }
        self.report(&info.object, "serverside-applied")
    }

    /// Fields that client-side apply managed go over to `manager`, and the annotation it kept gets a manager of its own,
    /// so that one can still go back. Gives whether anything was done.
    async fn migrate(&self, info: &Info, manager: &str) -> Result<bool, CommandError> {
        let Some(annotation) = info.object.annotation(LAST_APPLIED) else { return Ok(false) };
        let entries = info.object.list("metadata.managedFields");
        if !entries.iter().any(is_client_side) {
            return Ok(false);
        }
        let client = self.cx.client()?;
        if manager == MANAGER {
            let kept = json!({
                "apiVersion": info.object.at("apiVersion"), "kind": info.object.at("kind"),
                "metadata": {"name": info.name, "namespace": info.namespace, "annotations": {LAST_APPLIED: annotation}},
            });
            let request = Request::patch(info.path(), APPLY_PATCH, kept.to_string().into_bytes())
                .query("fieldManager", ANNOTATION_MANAGER)
                .query("force", "false");
            client.send(request).await?;
        }
        // A controller may be quicker.
        let mut tries = 1;
        loop {
            match self.hand_over(info, manager).await {
                Err(error) if error.is_conflict() && tries < MAX_TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Hands the fields of client-side apply over to `manager`, as the object is now.
    async fn hand_over(&self, info: &Info, manager: &str) -> Result<bool, CommandError> {
        let client = self.cx.client()?;
        let current = client.json(Request::get(info.path())).await?;
        let mut entries = current.list("metadata.managedFields").to_vec();
        let (moved, mut kept): (Vec<Value>, Vec<Value>) = entries.drain(..).partition(is_client_side);
        let Some(target) = kept.iter_mut().find(|entry| {
            entry.text("manager") == manager
                && entry.text("operation") == "Apply"
                && entry.text("subresource").is_empty()
        }) else {
            return Ok(false);
        };
        for entry in &moved {
            unite(target.at_mut("fieldsV1"), entry.at("fieldsV1"));
        }
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": kept},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": current.at("metadata.resourceVersion")},
        ]);
        client.send(Request::patch(info.path(), "application/json-patch+json", patch.to_string().into_bytes())).await?;
        Ok(true)
    }
}

/// Whether an entry of `managedFields` is client-side apply's.
fn is_client_side(entry: &Value) -> bool {
    entry.text("operation") == "Update"
        && entry.text("subresource").is_empty()
        && entry.at("fieldsV1.f:metadata.f:annotations").get(format!("f:{LAST_APPLIED}")).is_some()
}

/// Adds the fields of `other` to those of `fields`.
fn unite(fields: &mut Value, other: &Value) {
    let Some(other) = other.as_object() else { return };
    for (name, inner) in other {
        unite(fields.map_mut("").entry(name.as_str()).or_insert_with(|| json!({})), inner);
    }
}

/// What to do about fields that others manage.
fn conflict(error: &CommandError) -> CommandError {
    CommandError::Message(format!(
        "{}
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts",
        error.text()
    ))
}
