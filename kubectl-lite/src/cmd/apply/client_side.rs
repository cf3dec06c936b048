//! Applying by a three-way patch that is made here: from what was applied last, what is to be, and what is.

use super::{Run, about};
use crate::client::Request;
use crate::errors::CommandError;
use crate::resource::{Info, last_applied};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value, to_json};
use shared_types::{patch, schema};

/// How often a patch that met a newer object is made anew.
const TRIES: usize = 5;

/// A patch and how to send it.
struct Patch {
    content_type: &'static str,
    body: Value,
}

impl Run<'_, '_> {
    pub(super) async fn client_side(&self, info: &mut Info) -> Result<(), CommandError> {
        let configuration = last_applied::configuration(&info.object);
        let mut modified = info.object.clone();
        last_applied::annotate(&mut modified);
        let current = match info.fetch(self.cx).await {
            Ok(()) => info.object.clone(),
            Err(error) if error.is_not_found() => {
                let object = self.create(info, modified).await.map_err(|e| info.sourced("creating", e))?;
                info.refresh(object);
                return self.report(&info.object, "created");
            }
            Err(error) => {
                let what = format!("retrieving current configuration of:\n{}\nfrom server for:", about(info));
                return Err(info.sourced(&what, error));
            }
        };
        if current.annotation(last_applied::LAST_APPLIED).is_none() && self.apply.subresource.is_empty() {
            writeln!(
                self.cx.streams.err(),
                "Warning: resource {}/{} is missing the {} annotation which is required by kubectl apply. kubectl apply \
                 should only be used on resources created declaratively by either kubectl create --save-config or \
                 kubectl apply. The missing annotation will be patched automatically.",
                info.resource.plural,
                info.name,
                last_applied::LAST_APPLIED
            )?;
        }
        let patched = self.patch(info, &modified, current, &configuration).await?;
        let Some(object) = patched else {
            return self.report(&info.object, "unchanged");
        };
        info.refresh(object);
        self.report(&info.object, "configured")
    }

    async fn create(&self, info: &Info, object: Value) -> Result<Value, CommandError> {
        if self.dry_run.is_client() {
            return Ok(object);
        }
        let request = Request::post(info.resource.collection(&info.namespace), &object)
            .query("fieldManager", &self.apply.field_manager)
            .query("fieldValidation", self.validation);
        self.cx.client()?.json(self.dry_run.mark(request)).await
    }

    /// Makes and sends the patch; `None` where there is nothing to change.
    async fn patch(
        &self,
        info: &Info,
        modified: &Value,
        mut current: Value,
        configuration: &str,
    ) -> Result<Option<Value>, CommandError> {
        let mut tries = 1;
        loop {
            let patch = self.difference(info, modified, &current).map_err(|why| {
                let what = format!("applying patch:\n\nto:\n{}\nfor:", about(info));
                info.sourced(&what, CommandError::message(why))
            })?;
            if patch.body.as_object().is_some_and(Object::is_empty) {
                return Ok(None);
            }
            if self.dry_run.is_client() {
                return Ok(Some(modified.clone()));
            }
            let mut path = info.path();
            if !self.apply.subresource.is_empty() {
                path = format!("{path}/{}", self.apply.subresource);
            }
            let body = to_json(&patch.body);
            let request = Request::patch(path, patch.content_type, body.clone().into_bytes())
                .query("fieldManager", &self.apply.field_manager)
                .query("fieldValidation", self.validation);
            match self.cx.client()?.json(self.dry_run.mark(request)).await {
                Ok(object) => return Ok(Some(object)),
                Err(error) if error.is_conflict() && tries < TRIES => {
                    tries += 1;
                    current = self.cx.client()?.json(Request::get(info.path())).await?;
                }
                Err(error) if self.apply.force && is_stuck(&error) => {
                    return self.replace(info, modified).await.map(Some);
                }
                Err(error) => {
                    let what = format!("applying patch:\n{body}\nto:\n{}\nfor:", about(info));
                    let _ = configuration;
                    return Err(info.sourced(&what, error));
                }
            }
        }
    }

    /// The patch that takes `current` to `modified`: strategic for kinds whose types are known, else a merge patch.
    fn difference(&self, info: &Info, modified: &Value, current: &Value) -> Result<Patch, String> {
        let original = last_applied::of(current).unwrap_or(Value::Null);
        let body = match schema::of_kind(&info.resource.api_version(), &info.resource.kind) {
            Some(ty) => {
                let body =
                    patch::strategic::three_way_diff(ty, &original, modified, current).map_err(|e| e.to_string())?;
                return Ok(Patch { content_type: "application/strategic-merge-patch+json", body });
            }
            None => patch::merge::three_way_diff(&original, modified, current),
        };
        for field in ["apiVersion", "kind", "metadata.name"] {
            if body.has(field) {
                return Err(format!(
                    "precondition failed: at least one of apiVersion, kind and name was changed ({field})"
                ));
            }
        }
        Ok(Patch { content_type: "application/merge-patch+json", body })
    }

    /// `--force`: deletes the object and creates it anew.
    async fn replace(&self, info: &Info, modified: &Value) -> Result<Value, CommandError> {
        let client = self.cx.client()?;
        client.send(self.dry_run.mark(Request::delete(info.path()))).await?;
        super::super::wait::until_deleted(self.cx, info, self.apply.timeout.length).await?;
        self.create(info, modified.clone()).await
    }
}

/// Whether the object stands in its own way.
fn is_stuck(error: &CommandError) -> bool {
    error.is_conflict() || error.status().is_some_and(|s| s.reason == "Invalid")
}
