//! `kubectl run -i`: the new Pod's container on the program's own streams.

use super::Run;
use crate::client::Request;
use crate::cmd::attach::Attachment;
use crate::cmd::logs;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use crate::terminal;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

impl Run {
    /// Attaches to the Pod that has been made, and removes it afterwards where that is wanted.
    ///
    /// # Errors
    /// It cannot be attached to or read from, or its command failed.
    pub(super) async fn attend(&self, cx: &Context<'_>, namespace: &str, name: &str) -> Result<(), CommandError> {
        let outcome = tokio::select! {
            outcome = self.follow(cx, namespace, name) => outcome,
            // What has been promised to go must go.
            told = terminal::told_to_end(), if self.rm => told.map_err(Into::into).and(Err(CommandError::Exit(1))),
        };
        if self.rm {
            self.remove(cx, "pods", namespace, name).await?;
            if self.expose {
                self.remove(cx, "services", namespace, name).await?;
            }
        }
        outcome
    }

    async fn follow(&self, cx: &Context<'_>, namespace: &str, name: &str) -> Result<(), CommandError> {
        let timeout = Some(self.pod_running_timeout.length).filter(|length| !length.is_zero());
        let pod = pods::until(cx, namespace, name, timeout, |pod| {
            let there = match pod.text("status.phase") {
                "Running" => pods::is_ready(pod),
                phase => is_over(phase),
            };
            Ok(there.then(|| pod.clone()))
        })
        .await?;
        self.attach_or_read(cx, &pod).await?;
        if self.leave_stdin_open || !matches!(self.restart.as_str(), "Never" | "OnFailure") {
            return Ok(());
        }
        // A command that is started again until it succeeds has not ended with its first failure.
        let never = self.restart == "Never";
        let pod = pods::until(cx, namespace, name, timeout, |pod| {
            let phase = pod.text("status.phase");
            Ok((phase == "Succeeded" || (never && phase == "Failed")).then(|| pod.clone()))
        })
        .await?;
        exit(&pod)
    }

    /// Attaches; what has ended by itself before is read from its log.
    async fn attach_or_read(&self, cx: &Context<'_>, pod: &Value) -> Result<(), CommandError> {
        let read = async || {
            let container = pods::container_or_default(cx, pod, "", self.quiet)?;
            logs::so_far(cx, pod, container.text("name")).await
        };
        if is_over(pod.text("status.phase")) {
            return read().await;
        }
        // What it printed before anybody was there.
        if let Err(error) = read().await {
            writeln!(cx.streams.err(), "warning: couldn't fetch pre-attach logs: {}", error.text())?;
        }
        let attachment = Attachment {
            pod,
            container: "",
            stdin: self.stdin,
            tty: self.tty,
            quiet: self.quiet,
            detach_keys: &self.detach_keys,
            command: "kubectl run attach",
        };
        attachment.run_or_read(cx).await
    }

    /// Deletes what has been made; that it is gone already is no error.
    async fn remove(&self, cx: &Context<'_>, plural: &str, namespace: &str, name: &str) -> Result<(), CommandError> {
        let resource = cx.resource(plural).await?;
        let request = Request::delete(resource.object(namespace, name));
        match cx.client()?.send(request.body(&json!({"propagationPolicy": "Background"}))).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok(_) if self.quiet => Ok(()),
            Ok(_) => Ok(writeln!(
                cx.streams.out(),
                "{} {name:?} deleted from {namespace} namespace",
                resource.group_kind_lower()
            )?),
        }
    }
}

fn is_over(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}

/// How the Pod's command ended, as this program's own exit.
fn exit(pod: &Value) -> Result<(), CommandError> {
    if pod.text("status.phase") == "Succeeded" {
        return Ok(());
    }
    let (namespace, name) = (pod.namespace(), pod.name());
    let terminated = pod.list("status.containerStatuses").first().map(|status| status.at("state.terminated"));
    let code = terminated.and_then(|t| t.int("exitCode")).and_then(|code| u8::try_from(code).ok()).unwrap_or(0);
    match terminated {
        Some(terminated) if code != 0 => Err(CommandError::Terminated {
            message: format!(
                "pod {namespace}/{name} terminated ({})\n{}",
                terminated.text("reason"),
                terminated.text("message")
            ),
            code,
        }),
        _ => Err(CommandError::message(format!("pod {namespace}/{name} failed with unknown exit code"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_pod_ends_with_its_containers_code() {
        let pod = |phase: &str, state: Value| json!({"metadata": {"name": "p", "namespace": "d"}, "status": {"phase": phase, "containerStatuses": [{"state": state}]}});
        assert!(exit(&pod("Succeeded", json!({}))).is_ok());
        let error = exit(&pod("Failed", json!({"terminated": {"exitCode": 3, "reason": "Error"}}))).unwrap_err();
        assert_eq!((error.exit_code(), error.render().as_str()), (3, "pod d/p terminated (Error)\n"));
        let error = exit(&pod("Failed", json!({}))).unwrap_err();
        assert_eq!(error.render(), "error: pod d/p failed with unknown exit code\n");
    }
}
