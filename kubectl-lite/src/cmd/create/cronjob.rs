//! `kubectl create cronjob`.

use super::job::pod_template;
use super::{Generate, metadata, required};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct CronJob {
    #[command(flatten)]
    generate: Generate,
    /// After --: the command of the container
    #[arg(last = true)]
    command: Vec<String>,
    /// Image of the container
    #[arg(long)]
    image: Option<String>,
    /// OnFailure or Never
    #[arg(long, default_value = "")]
    restart: String,
    /// When to run, as cron has it
    #[arg(long)]
    schedule: Option<String>,
}

impl Command for CronJob {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let missing: Vec<&str> = [("image", &self.image), ("schedule", &self.schedule)]
            .iter()
            .filter(|f| f.1.is_none())
            .map(|f| f.0)
            .collect();
        if missing.len() > 1 {
            return Err(CommandError::message("required flag(s) \"image\", \"schedule\" not set"));
        }
        let (image, schedule) = (required("image", &self.image)?, required("schedule", &self.schedule)?);
        let name = self.generate.name("create cronjob")?;
        let restart = if self.restart.is_empty() { "OnFailure" } else { &self.restart };
        let cron = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(name),
            "spec": {
                "schedule": schedule,
                "jobTemplate": {
                    "metadata": {"name": name},
                    "spec": {"template": pod_template(name, image, &self.command, restart)},
                },
            },
        });
        self.generate.create(cx, "cronjobs.batch", Some("failed to create cronjob"), cron).await
    }
}
