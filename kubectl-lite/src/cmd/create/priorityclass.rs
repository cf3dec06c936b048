//! `kubectl create priorityclass`.

use super::{Generate, metadata};
use crate::cli::go_flags;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::json;

#[derive(clap::Args)]
pub struct PriorityClass {
    #[command(flatten)]
    generate: Generate,
    /// What the class is for
    #[arg(long, default_value = "")]
    description: String,
    /// Take it for Pods that name no class
    #[arg(long)]
    global_default: bool,
    /// PreemptLowerPriority or Never
    #[arg(long, default_value = "PreemptLowerPriority")]
    preemption_policy: String,
    /// The priority
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i32>)]
    value: i32,
}

impl Command for PriorityClass {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create priorityclass")?;
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata(name),
            "value": self.value, "globalDefault": self.global_default, "description": self.description,
            "preemptionPolicy": self.preemption_policy,
        });
        let failure = Some("failed to create priorityclass");
        self.generate.create(cx, "priorityclasses.scheduling.k8s.io", failure, class).await
    }
}
