//! `kubectl rollout status`.

use super::{Chosen, REVISION};
use crate::cli::go_flags;
use crate::client::Request;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::Info;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::time::Duration;

#[derive(clap::Args)]
pub struct RolloutStatus {
    #[command(flatten)]
    chosen: Chosen,
    /// The revision to follow; 0 for the latest
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    revision: i64,
    /// How long to follow; 0 follows without end
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
    /// Follow until the end
    #[arg(long, short, default_value_t = true, action = clap::ArgAction::Set)]
    watch: bool,
}

/// How far a rollout has got.
struct Progress {
    message: String,
    done: bool,
}

impl Command for RolloutStatus {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.revision < 0 {
            return Err(CommandError::message(format!("revision must be a positive integer: {}", self.revision)));
        }
        let infos: Vec<Info> = self.chosen.infos(cx).await?.into_iter().collect::<Result<_, _>>()?;
        if infos.is_empty() {
            writeln!(cx.streams.err(), "No resources found in {} namespace.", cx.namespace()?.0)?;
            return Ok(());
        }
        let all = async {
            for info in &infos {
                self.follow(cx, info).await?;
            }
            Ok(())
        };
        if self.timeout.is_zero() {
            return all.await;
        }
        match tokio::time::timeout(self.timeout.length, all).await {
            Ok(result) => result,
            Err(_) => Err(CommandError::message("timed out waiting for the condition")),
        }
    }
}

impl RolloutStatus {
    async fn follow(&self, cx: &Context<'_>, info: &Info) -> Result<(), CommandError> {
        let client = cx.client()?;
        let chosen = Request::get(info.resource.collection(&info.namespace))
            .query("fieldSelector", format!("metadata.name={}", info.name));
        loop {
            let list = client.json(chosen.clone()).await?;
            let Some(object) = list.list("items").first() else {
                return Err(CommandError::message("object has been deleted"));
            };
            if self.show(cx, info, object)? || !self.watch {
                return Ok(());
            }
            let version = list.text("metadata.resourceVersion").to_string();
            let request = chosen.clone().query("watch", "true").query("resourceVersion", version);
            let mut events = client.watch(request).await?;
            while let Some(event) = events.next().await? {
                match event.text("type") {
                    "DELETED" => return Err(CommandError::message("object has been deleted")),
                    "ERROR" => break,
                    _ if self.show(cx, info, event.at("object"))? => return Ok(()),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Tells how far the rollout has got, and gives whether it is done.
    fn show(&self, cx: &Context<'_>, info: &Info, object: &Value) -> Result<bool, CommandError> {
        let progress = match info.resource.kind.as_str() {
            "Deployment" => deployment(object, self.revision)?,
            _ => {
                let kind = info.resource.group_kind();
                return Err(CommandError::message(format!("no status viewer has been implemented for {kind}")));
            }
        };
        write!(cx.streams.out(), "{}", progress.message)?;
        cx.streams.out().flush()?;
        Ok(progress.done)
    }
}

/// How far a Deployment has got.
fn deployment(object: &Value, revision: i64) -> Result<Progress, CommandError> {
    let name = object.name();
    if revision > 0 {
        let now = object.annotation(REVISION).and_then(|r| r.parse::<i64>().ok()).unwrap_or(0);
        if now != revision {
            return Err(CommandError::message(format!(
                "desired revision ({revision}) is different from the running revision ({now})"
            )));
        }
    }
    let going = |message: String| Ok(Progress { message, done: false });
    if object.int("metadata.generation").unwrap_or(0) > object.int("status.observedGeneration").unwrap_or(0) {
        return going("Waiting for deployment spec update to be observed...\n".into());
    }
    let progressing = object.list("status.conditions").iter().find(|c| c.text("type") == "Progressing");
    if progressing.is_some_and(|c| c.text("reason") == "ProgressDeadlineExceeded") {
        return Err(CommandError::message(format!("deployment {name:?} exceeded its progress deadline")));
    }
    let count = |field: &str| object.int(field).unwrap_or(0);
    let (wanted, all, updated, available) = (
        object.int("spec.replicas").unwrap_or(1),
        count("status.replicas"),
        count("status.updatedReplicas"),
        count("status.availableReplicas"),
    );
    let waiting = format!("Waiting for deployment {name:?} rollout to finish:");
    if updated < wanted {
        return going(format!("{waiting} {updated} out of {wanted} new replicas have been updated...\n"));
    }
    if all > updated {
        return going(format!("{waiting} {} old replicas are pending termination...\n", all - updated));
    }
    if available < updated {
        return going(format!("{waiting} {available} of {updated} updated replicas are available...\n"));
    }
    Ok(Progress { message: format!("deployment {name:?} successfully rolled out\n"), done: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn a_rollout_ends_when_all_new_replicas_are_available() {
        let mut object = json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 2},
            "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 1}});
        let message = |object: &Value| deployment(object, 0).unwrap().message;
        assert!(message(&object).contains("spec update"));
        object.set("status.observedGeneration", 2);
        assert!(message(&object).contains("1 out of 2 new replicas have been updated"));
        object.set("status.updatedReplicas", 2);
        assert!(message(&object).contains("1 old replicas are pending termination"));
        object.set("status.replicas", 2);
        assert!(message(&object).contains("0 of 2 updated replicas are available"));
        object.set("status.availableReplicas", 2);
        assert!(deployment(&object, 0).unwrap().done);
        assert!(deployment(&object, 7).is_err());
    }
}
