//! Turning arguments, files and selectors into objects: one builder for all commands.

mod arguments;
mod builder;
mod change;
mod defects;
mod each;
mod files;
pub mod last_applied;
pub mod pods;

pub use arguments::{Arguments, MISSING};
pub use builder::{Builder, Target, set_list_item_kind};
pub use change::{changes, send_changes};
pub use defects::what_is_missing;
pub use each::each;
pub use files::{Filenames, go_words};

use crate::client::{Answer, Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::rc::Rc;

/// An object that a command works on: where it lives, and where it came from.
#[derive(Clone, Debug)]
pub struct Info {
    pub resource: Rc<Resource>,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    /// The file it was read from (`STDIN`, a path, a URL); empty where it was named by arguments.
    pub source: String,
    /// `null` until it is read.
    pub object: Value,
}

impl Info {
    /// The path of the object.
    pub fn path(&self) -> String {
        self.resource.object(&self.namespace, &self.name)
    }
    /// Reads the object from the server.
    pub async fn fetch(&mut self, cx: &Context<'_>) -> Result<(), CommandError> {
        let object = self.read(cx, Request::get(self.path())).await?.json()?;
        self.refresh(object);
        Ok(())
    }
    /// Sends a request that reads the object. Where there is none because its namespace does not exist, that is what the
    /// error says.
    pub async fn read(&self, cx: &Context<'_>, request: Request) -> Result<Answer, CommandError> {
        self.check_name()?;
        let client = cx.client()?;
        match client.send(request).await {
            Err(error) if error.is_not_found() && !matches!(self.namespace.as_str(), "" | "default") => {
                match client.send(Request::get(format!("/api/v1/namespaces/{}", self.namespace))).await {
                    Err(missing) if missing.is_not_found() => Err(missing),
                    _ => Err(error),
                }
            }
            answer => answer,
        }
    }
    /// Without a name the path of the object would be that of all objects.
    ///
    /// # Errors
    /// There is no name.
    pub fn check_name(&self) -> Result<(), CommandError> {
        if self.name.is_empty() { Err(CommandError::message("resource name may not be empty")) } else { Ok(()) }
    }
    /// Whether it is an object from a file that has no name, of which the server knows nothing.
    pub fn stands_for_itself(&self) -> bool {
        self.name.is_empty() && !self.object.is_null()
    }
    /// Takes over what the server answered.
    pub fn refresh(&mut self, object: Value) {
        if !object.name().is_empty() {
            self.name = object.name().to_string();
        }
        if self.resource.namespaced && !object.namespace().is_empty() {
            self.namespace = object.namespace().to_string();
        }
        self.object = object;
    }
    /// `deployment.apps/web`.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource.group_kind_lower(), self.name)
    }
    /// Adds to `error` what was being done with which file: `error when creating "pod.yaml"`.
    pub fn sourced(&self, verb: &str, error: CommandError) -> CommandError {
        if self.source.is_empty() { error } else { error.doing(&format!("error when {verb} {:?}", self.source)) }
    }
}
