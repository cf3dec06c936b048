//! Applying by server-side apply (KEP-555).

use super::Run;
use crate::client::Request;
use crate::errors::CommandError;
use crate::resource::Info;
use crate::resource::last_applied::LAST_APPLIED;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

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
        info.check_name()?;
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
        self.migrate(info, manager, request).await?;
        self.report(&info.object, "serverside-applied")
    }

    /// Fields that client-side apply managed go over to `manager`, and the annotation it kept gets a manager of its own,
    /// so that one can still go back; then `applying` is sent once more, to take out what nobody else manages. The object
    /// has been applied already: what goes wrong is a warning.
    async fn migrate(&self, info: &mut Info, manager: &str, applying: Request) -> Result<(), CommandError> {
        let Some(annotation) = info.object.annotation(LAST_APPLIED) else { return Ok(()) };
        if !info.object.list("metadata.managedFields").iter().any(is_client_side) {
            return Ok(());
        }
        let client = self.cx.client()?;
        let mut current = info.object.clone();
        if manager == MANAGER {
            let kept = json!({
                "apiVersion": info.object.at("apiVersion"), "kind": info.object.at("kind"),
                "metadata": {"name": info.name, "namespace": info.namespace, "annotations": {LAST_APPLIED: annotation}},
            });
            let request = Request::patch(info.path(), APPLY_PATCH, kept.to_string().into_bytes())
                .query("fieldManager", ANNOTATION_MANAGER)
                .query("force", "false");
            match client.json(self.dry_run.mark(request)).await {
                Ok(object) => current = object,
                Err(error) => {
                    return self.warn(&format!("failed to migrate {LAST_APPLIED} for Server-Side Apply"), &error);
                }
            }
        }
        // A controller may be quicker.
        let mut tries = 1;
        let migrated = loop {
            match self.hand_over(info, &current, manager).await {
                Err(error) if error.is_conflict() && tries < MAX_TRIES => {
                    tries += 1;
                    current = client.json(Request::get(info.path())).await?;
                }
                done => break done,
            }
        };
        match migrated {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return self.warn("server rejected managed fields migration to Server-Side Apply", &error),
        }
        match client.json(applying).await {
            Ok(object) => info.refresh(object),
            Err(error) => {
                let what = "failed to re-apply configuration after performing Server-Side Apply migration";
                return self.warn(what, &error);
            }
        }
        Ok(())
    }

    fn warn(&self, what: &str, error: &CommandError) -> Result<(), CommandError> {
        Ok(writeln!(
            self.cx.streams.err(),
            "Warning: {what}. This is non-fatal and will be retried next time you apply. Error: {}",
            error.text()
        )?)
    }

    /// Hands the fields of client-side apply over to `manager`, in the object as it is now. Gives whether there were any.
    async fn hand_over(&self, info: &Info, current: &Value, manager: &str) -> Result<bool, CommandError> {
        let entries = current.list("metadata.managedFields").iter().cloned();
        let (moved, mut kept): (Vec<Value>, Vec<Value>) = entries.partition(is_client_side);
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
        let patch = patch.to_string().into_bytes();
        let request = Request::patch(info.path(), "application/json-patch+json", patch);
        self.cx.client()?.send(self.dry_run.mark(request)).await?;
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
