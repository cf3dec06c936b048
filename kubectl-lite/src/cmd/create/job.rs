//! `kubectl create job`.

use super::{Generate, metadata};
use crate::client::Request;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::split_api_version;

#[derive(clap::Args)]
pub struct Job {
    #[command(flatten)]
    generate: Generate,
    /// After --: the command of the container
    #[arg(last = true)]
    command: Vec<String>,
    /// cronjob/NAME whose template to take
    #[arg(long, default_value = "")]
    from: String,
    /// Image of the container
    #[arg(long, default_value = "")]
    image: String,
}

impl Command for Job {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create job")?;
        if self.from.is_empty() == self.image.is_empty() {
            return Err(CommandError::message("either --image or --from must be specified"));
        }
        if !self.from.is_empty() && !self.command.is_empty() {
            return Err(CommandError::message("cannot specify --from and command"));
        }
        let job = if self.from.is_empty() {
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(name),
                "spec": {"template": pod_template(name, &self.image, &self.command, "Never")},
            })
        } else {
            self.instantiate(cx, name).await?
        };
        self.generate.create(cx, "jobs.batch", Some("failed to create job"), job).await
    }
}

impl Job {
    /// The Job that a CronJob would make.
    async fn instantiate(&self, cx: &Context<'_>, name: &str) -> Result<Value, CommandError> {
        let Some((kind, from)) = self.from.split_once('/') else {
            return Err(CommandError::message(format!(
                "there is no need to specify a resource type as a separate argument when passing arguments in \
                 resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource \
                 resource/<resource_name>': {}",
                self.from
            )));
        };
        let resource = cx.discovered(kind, 4).await?;
        let (namespace, _) = cx.namespace()?;
        let cron: Value = cx.client()?.json(Request::get(resource.object(&namespace, from))).await?;
        if resource.kind != "CronJob" {
            let (_, version) = split_api_version(cron.text("apiVersion"));
            return Err(CommandError::message(format!("unknown object type *{version}.{}", resource.kind)));
        }
        let template = cron.at("spec.jobTemplate");
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": name,
                "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
                "ownerReferences": [{
                    "apiVersion": "batch/v1", "kind": "CronJob", "name": cron.name(), "uid": cron.uid(), "controller": true,
                }],
            },
            "spec": template.at("spec").clone(),
        });
        for (key, value) in template.map("metadata.annotations") {
            job.map_mut("metadata.annotations").insert(key.clone(), value.clone());
        }
        if template.has("metadata.labels") {
            job.set("metadata.labels", template.at("metadata.labels").clone());
        }
        Ok(job)
    }
}

/// The Pods of a Job with one container.
pub(super) fn pod_template(name: &str, image: &str, command: &[String], restart: &str) -> Value {
    let mut container = json!({"name": name, "image": image});
    if !command.is_empty() {
        container.set("command", command.to_vec());
    }
    json!({"spec": {"containers": [container], "restartPolicy": restart}})
}
