//! `kubectl create deployment`.

use super::{Generate, metadata};
use crate::cli::go_flags;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::hash::{BuildHasher as _, RandomState};

#[derive(clap::Args)]
pub struct Deployment {
    #[command(flatten)]
    generate: Generate,
    /// After --: the command of the container
    #[arg(last = true)]
    command: Vec<String>,
    /// Image of a container; may be repeated
    #[arg(long, value_delimiter = ',')]
    image: Option<Vec<String>>,
    /// Port that the first container listens on
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i32>)]
    port: i32,
    /// How many Pods
    #[arg(long, short, default_value_t = 1, value_parser = go_flags::int::<i32>)]
    replicas: i32,
}

impl Command for Deployment {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let Some(images) = &self.image else {
            return Err(CommandError::message("required flag(s) \"image\" not set"));
        };
        let name = self.generate.name("create deployment")?;
        if images.len() > 1 && !self.command.is_empty() {
            return Err(CommandError::message("cannot specify multiple --image options and command"));
        }
        let images = images.iter().filter(|image| !image.is_empty());
        let mut containers: Vec<Value> =
            images.map(|image| json!({"name": container_name(image), "image": image})).collect();
        if let Some(first) = containers.first_mut() {
            if self.port >= 0 {
                first.set("ports", json!([{"containerPort": self.port}]));
            }
            if !self.command.is_empty() {
                first.set("command", self.command.clone());
            }
        }
        let labels = json!({ "app": name });
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
        });
        deployment.set("metadata.labels", labels);
        let failure = Some("failed to create deployment");
        self.generate.create(cx, "deployments.apps", failure, deployment).await
    }
}

/// A container's name from its image: the last part, without tag and digest. One that had to be changed to be a name
/// gets a random end, so that it does not take the place of another.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let name = last.split(['@', ':']).next().unwrap_or(last);
    if !name.contains(['_', '.']) {
        return name.into();
    }
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = RandomState::new().hash_one(image);
    let mut end = String::new();
    for _ in 0..5 {
        end.push(char::from(LETTERS[(random % LETTERS.len() as u64) as usize]));
        random /= LETTERS.len() as u64;
    }
    format!("{}-{end}", name.replace(['_', '.'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_called_after_their_image() {
        assert_eq!(container_name("nginx"), "nginx");
        assert_eq!(container_name("r.io:5000/a/web:1.2@sha256:00"), "web");
        let changed = container_name("a/my_web:1");
        assert!(changed.starts_with("my-web-") && changed.len() == 12, "{changed}");
    }
}
