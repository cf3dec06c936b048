//! `kubectl explain`.

use super::Command;
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::explain::{plaintext, plaintext_v2};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use std::rc::Rc;

#[derive(clap::Args)]
pub struct Explain {
    /// TYPE[.FIELD...]
    args: Vec<String>,
    /// Explain the type of this group and version
    #[arg(long, default_value = "")]
    api_version: String,
    /// plaintext or plaintext-openapiv2
    #[arg(long, short, default_value = "plaintext")]
    output: String,
    /// Show the names of all fields below
    #[arg(long, short = 'R')]
    recursive: bool,
}

impl Command for Explain {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [typed] = self.args.as_slice() else {
            return Err(CommandError::message(if self.args.is_empty() {
                "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of \
                 supported resources.\n"
            } else {
                "We accept only this format: explain RESOURCE\n"
            }));
        };
        let (resource, path) = self.resource(cx, typed).await?;
        if self.output == "plaintext-openapiv2" {
            return self.older(cx, &resource, &path).await;
        }
        let index = match cx.client()?.json(Request::get("/openapi/v3")).await {
            Ok(index) => index,
            Err(error @ CommandError::Undiscovered { .. }) => return Err(error),
            // A server that has no v3.
            Err(_) if self.output == "plaintext" => return self.older(cx, &resource, &path).await,
            Err(error) => return Err(error.doing("failed to fetch list of groupVersions")),
        };
        let (group, version) = self.group_version(&resource)?;
        let place = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let Some(document) = index.map("paths").get(&place) else {
            let message = format!("couldn't find resource for \"{group}/{version}, Resource={}\"", resource.plural);
            return Err(CommandError::message(message));
        };
        let document = cx.client()?.json(Request::get(document.text("serverRelativeURL"))).await;
        let document = document.map_err(|error| error.doing(&format!("failed to fetch openapi schema for {place}")))?;
        if self.output != "plaintext" {
            return Err(CommandError::message(format!("unrecognized format: {}", self.output)));
        }
        let explanation = plaintext::Explanation {
            document: &document,
            group: &group,
            version: &version,
            resource: &resource.plural,
            path: &path,
            recursive: self.recursive,
        };
        let (text, result) = explanation.text();
        write!(cx.streams.out(), "{text}")?;
        result
    }
}

impl Explain {
    /// The resource that is meant, and the path behind it. The group may stand between them, after the plural.
    async fn resource(&self, cx: &Context<'_>, typed: &str) -> Result<(Rc<Resource>, Vec<String>), CommandError> {
        let typed = typed.strip_suffix('.').unwrap_or(typed);
        let (name, path) = typed.split_once('.').unwrap_or((typed, ""));
        if name.is_empty() {
            return Err(CommandError::message("a resource must be present, got: /, Resource="));
        }
        let resource = cx.discovered(name, 2).await.map_err(CommandError::without_prefix)?;
        let words = |path: &str| path.split('.').filter(|word| !word.is_empty()).map(str::to_string).collect();
        if self.api_version.is_empty()
            && resource.plural == name
            && !resource.group.is_empty()
            && let Some(behind) = path.strip_prefix(resource.group.as_str())
            && (behind.is_empty() || behind.starts_with('.'))
        {
            return Ok((resource, words(behind)));
        }
        Ok((resource, words(path)))
    }

    /// The group and version to look in.
    fn group_version(&self, resource: &Resource) -> Result<(String, String), CommandError> {
        if self.api_version.is_empty() {
            return Ok((resource.group.clone(), resource.version.clone()));
        }
        if self.api_version.matches('/').count() > 1 {
            return Err(CommandError::message(format!("unexpected GroupVersion string: {}", self.api_version)));
        }
        let (group, version) = kinds::split_api_version(&self.api_version);
        Ok((group.to_string(), version.to_string()))
    }

    /// Explains from the OpenAPI v2 document.
    async fn older(&self, cx: &Context<'_>, resource: &Resource, path: &[String]) -> Result<(), CommandError> {
        let (group, version) = self.group_version(resource)?;
        let document: Value = cx.client()?.json(Request::get("/openapi/v2")).await?;
        let explanation = plaintext_v2::Explanation {
            document: &document,
            group: &group,
            version: &version,
            kind: &resource.kind,
            path,
            recursive: self.recursive,
        };
        Ok(write!(cx.streams.out(), "{}", explanation.text()?)?)
    }
}
