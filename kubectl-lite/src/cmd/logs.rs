//! `kubectl logs`.

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::Builder;
use serde_json::Value;
use shared_types::fields::Fields;
use shared_types::selector::LabelSelector;

#[derive(clap::Args)]
pub struct Logs {
    /// POD or TYPE/NAME [CONTAINER]
    args: Vec<String>,
    /// All containers of the Pod
    #[arg(long)]
    all_containers: bool,
    /// All Pods of the object
    #[arg(long)]
    all_pods: bool,
    /// Container
    #[arg(long, short, default_value = "")]
    container: String,
    /// Go on as more is printed
    #[arg(long, short)]
    follow: bool,
    #[arg(long, hide = true)]
    ignore_errors: bool,
    #[arg(long, hide = true)]
    insecure_skip_tls_verify_backend: bool,
    /// At most so many bytes
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    limit_bytes: i64,
    #[arg(long, default_value_t = 5, value_parser = go_flags::int::<i64>, hide = true)]
    max_log_requests: i64,
    #[arg(long, default_value = "20s", value_parser = go_flags::duration, hide = true)]
    pod_running_timeout: go_flags::Duration,
    /// Show Pod and container before each line
    #[arg(long)]
    prefix: bool,
    /// Of the container that ran before
    #[arg(long, short)]
    previous: bool,
    /// Label selector of Pods
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Not older than, such as 5s, 2m or 3h
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    since: go_flags::Duration,
    /// Not older than this time (RFC 3339)
    #[arg(long, default_value = "")]
    since_time: String,
    /// The last so many lines; negative for all
    #[arg(long, value_parser = go_flags::int::<i64>)]
    tail: Option<i64>,
    /// Show when each line was printed
    #[arg(long)]
    timestamps: bool,
}

impl Command for Logs {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let usage = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";
        match (self.args.len(), self.selector.is_empty()) {
            (0, true) | (3.., _) => return Err(CommandError::usage("logs", usage)),
            (2, _) if !self.container.is_empty() => {
                return Err(CommandError::usage("logs", "only one of -c or an inline [CONTAINER] arg is allowed"));
            }
            (1.., false) => {
                return Err(CommandError::usage("logs", "only a selector (-l) or a POD name is allowed"));
            }
            _ => {}
        }
        if !self.since_time.is_empty() && !self.since.is_zero() {
            return Err(CommandError::message("at most one of `sinceTime` or `sinceSeconds` may be specified"));
        }
        let pods = self.pods(cx).await?;
        let single = pods.len() == 1;
        for pod in pods {
            for container in self.containers(cx, &pod, single)? {
                self.print(cx, &pod, &container).await?;
            }
        }
        Ok(())
    }
}

impl Logs {
    /// The Pods that are meant.
    async fn pods(&self, cx: &Context<'_>) -> Result<Vec<Value>, CommandError> {
        let Some(name) = self.args.first() else {
            let (namespace, _) = cx.namespace()?;
            return list(cx, &namespace, &self.selector).await;
        };
        let named = if name.contains('/') { name.clone() } else { format!("pods/{name}") };
        let infos = Builder::new(cx)?.arguments(&[named]).all(true).await.map_err(|error| match error {
            CommandError::Api { status, .. }
                if status.reason == "NotFound" && !status.message.starts_with("namespaces") =>
            {
                let namespace = cx.namespace().map(|(namespace, _)| namespace).unwrap_or_default();
                CommandError::message(format!(
                    "error from server (NotFound): {} in namespace {namespace:?}",
                    status.message
                ))
            }
            other => other,
        })?;
        let Some(info) = infos.into_iter().next() else { return Ok(Vec::new()) };
        if info.resource.kind == "Pod" {
            return Ok(vec![info.object]);
        }
        let selector = match info.object.at("spec.selector") {
            selector @ Value::Object(_) if info.resource.kind == "Service" => {
                LabelSelector::from_labels(selector.map(""))
            }
            selector => LabelSelector::from_object(selector).map_err(CommandError::message)?.unwrap_or_default(),
        };
        if selector.is_everything() {
            return Err(CommandError::message(format!("cannot get the logs from {}", info.resource.gvk_text())));
        }
        let mut pods = list(cx, &info.namespace, &selector.to_string()).await?;
        if pods.is_empty() {
            return Err(CommandError::message("timed out waiting for the condition"));
        }
        if !self.all_pods && pods.len() > 1 {
            pods.sort_by_key(|pod| {
                (pod.text("status.phase") != "Running", pod.text("metadata.creationTimestamp").to_string())
            });
            writeln!(cx.streams.err(), "Found {} pods, using pod/{}", pods.len(), pods[0].name())?;
            pods.truncate(1);
        }
        Ok(pods)
    }

    fn containers(&self, cx: &Context<'_>, pod: &Value, single: bool) -> Result<Vec<String>, CommandError> {
        let names = |field: &str| -> Vec<String> {
            pod.list(field).iter().map(|container| container.text("name").to_string()).collect()
        };
        if self.all_containers {
            return Ok([names("spec.initContainers"), names("spec.containers")].concat());
        }
        let wanted = self.args.get(1).cloned().unwrap_or_else(|| self.container.clone());
        let containers = names("spec.containers");
        if !wanted.is_empty() {
            let known = [names("spec.initContainers"), containers, names("spec.ephemeralContainers")].concat();
            if !known.contains(&wanted) {
                return Err(CommandError::message(format!("container {wanted} is not valid for pod {}", pod.name())));
            }
            return Ok(vec![wanted]);
        }
        if let Some(default) = pod.annotation("kubectl.kubernetes.io/default-container") {
            return Ok(vec![default.to_string()]);
        }
        if containers.len() > 1 && single {
            writeln!(
                cx.streams.err(),
                "Defaulted container {:?} out of: {}",
                containers[0],
                [containers.clone(), names("spec.initContainers").iter().map(|n| format!("{n} (init)")).collect()]
                    .concat()
                    .join(", ")
            )?;
        }
        Ok(containers.into_iter().take(1).collect())
    }

    async fn print(&self, cx: &Context<'_>, pod: &Value, container: &str) -> Result<(), CommandError> {
        let flag = |on: bool| if on { "true" } else { "" };
        let number = |n: i64| if n > 0 { n.to_string() } else { String::new() };
        let tail = match self.tail {
            Some(lines) if lines >= 0 => lines.to_string(),
            None if !self.selector.is_empty() => "10".to_string(),
            _ => String::new(),
        };
        let resource = cx.resource("pods").await?;
        let request = Request::get(format!("{}/log", resource.object(pod.namespace(), pod.name())))
            .query("container", container)
            .query("follow", flag(self.follow))
            .query("previous", flag(self.previous))
            .query("timestamps", flag(self.timestamps))
            .query("sinceTime", self.since_time.clone())
            .query("sinceSeconds", number(i64::try_from(self.since.length.as_secs()).unwrap_or(i64::MAX)))
            .query("limitBytes", number(self.limit_bytes))
            .query("tailLines", tail);
        let mut lines = cx.client()?.watch(request.accept("*/*")).await?;
        let prefix = if self.prefix { format!("[pod/{}/{container}] ", pod.name()) } else { String::new() };
        while let Some(line) = lines.line().await? {
            write!(cx.streams.out(), "{prefix}")?;
            cx.streams.out().write_all(&line)?;
            if self.follow {
                cx.streams.out().flush()?;
            }
        }
        Ok(())
    }
}

async fn list(cx: &Context<'_>, namespace: &str, selector: &str) -> Result<Vec<Value>, CommandError> {
    let resource = cx.resource("pods").await?;
    let request = Request::get(resource.collection(namespace)).query("labelSelector", selector);
    Ok(cx.client()?.json(request).await?.list("items").to_vec())
}
