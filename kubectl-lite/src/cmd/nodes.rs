//! `kubectl cordon`, `uncordon` and `drain`.

use super::Command;
use super::flags::{DryRun, DryRunFlag};
use super::wait;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Info};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::selector::LabelSelector;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Cordon {
    /// NODE...
    args: Vec<String>,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

#[derive(clap::Args)]
pub struct Uncordon {
    #[command(flatten)]
    flags: Cordon,
}

impl Command for Cordon {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        cordon_all(cx, &self, "cordon", true).await
    }
}

impl Command for Uncordon {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        cordon_all(cx, &self.flags, "uncordon", false).await
    }
}

/// The nodes that are named or selected.
async fn nodes(
    cx: &Context<'_>,
    command: &str,
    args: &[String],
    selector: &str,
) -> Result<Vec<Result<Info, CommandError>>, CommandError> {
    if args.is_empty() && selector.is_empty() {
        return Err(CommandError::usage(command, format!("USAGE: {command} NODE [flags]")));
    }
    if !args.is_empty() && !selector.is_empty() {
        return Err(CommandError::usage(command, "cannot specify both a node name and a --selector option"));
    }
    let arguments: Vec<String> = match args {
        [] => vec!["nodes".into()],
        names => names.iter().map(|arg| if arg.contains('/') { arg.clone() } else { format!("node/{arg}") }).collect(),
    };
    Builder::new(cx)?.arguments(&arguments).label_selector(selector).infos(true).await
}

async fn cordon_all(cx: &Context<'_>, flags: &Cordon, command: &str, on: bool) -> Result<(), CommandError> {
    let dry_run = flags.dry_run.read(cx)?;
    let mut errors = Vec::new();
    for info in nodes(cx, command, &flags.args, &flags.selector).await? {
        let result = match info {
            Ok(info) => cordon(cx, &info, command, on, dry_run).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            errors.push(error);
        }
    }
    CommandError::all(errors)
}

async fn cordon(cx: &Context<'_>, info: &Info, command: &str, on: bool, dry_run: DryRun) -> Result<(), CommandError> {
    if info.resource.kind != "Node" {
        return Err(CommandError::message(format!("unable to {command} {}: expected Node", info.reference())));
    }
    let done = format!("{command}ed");
    if info.object.flag("spec.unschedulable") == on {
        return Ok(writeln!(cx.streams.out(), "{} already {}", info.reference(), dry_run.done(&done))?);
    }
    if !dry_run.is_client() {
        let patch = json!({"spec": {"unschedulable": if on { json!(true) } else { Value::Null }}});
        let request =
            Request::patch(info.path(), "application/strategic-merge-patch+json", patch.to_string().into_bytes());
        cx.client()?.send(dry_run.mark(request)).await?;
    }
    Ok(writeln!(cx.streams.out(), "{} {}", info.reference(), dry_run.done(&done))?)
}

#[derive(clap::Args)]
pub struct Drain {
    /// NODE...
    args: Vec<String>,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[arg(long, default_value_t = 500, value_parser = go_flags::int::<i64>, hide = true)]
    chunk_size: i64,
    /// Go on even if Pods have emptyDir volumes, whose data is lost
    #[arg(long)]
    delete_emptydir_data: bool,
    /// Delete instead of evicting
    #[arg(long)]
    disable_eviction: bool,
    /// Go on even if Pods have no controller
    #[arg(long)]
    force: bool,
    /// Seconds that Pods get to end; negative for their own
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    grace_period: i64,
    /// Leave Pods of DaemonSets where they are
    #[arg(long)]
    ignore_daemonsets: bool,
    /// Label selector of Pods
    #[arg(long, default_value = "")]
    pod_selector: String,
    /// Label selector of nodes
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Do not wait for Pods that have been ending for longer than this many seconds
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i64>)]
    skip_wait_for_delete_timeout: i64,
    /// How long to try; 0 tries without end
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
}

impl Command for Drain {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        if LabelSelector::parse(&self.pod_selector).is_err() {
            return Err(CommandError::message("--pod-selector=<pod_selector> must be a valid label selector"));
        }
        let nodes: Vec<Info> =
            nodes(cx, "drain", &self.args, &self.selector).await?.into_iter().collect::<Result<_, _>>()?;
        for node in &nodes {
            cordon(cx, node, "cordon", true, dry_run).await?;
        }
        for node in &nodes {
            self.drain(cx, node, dry_run).await?;
            writeln!(cx.streams.out(), "{} {}", node.reference(), dry_run.done("drained"))?;
        }
        Ok(())
    }
}

impl Drain {
    async fn drain(&self, cx: &Context<'_>, node: &Info, dry_run: DryRun) -> Result<(), CommandError> {
        let request = Request::get("/api/v1/pods")
            .query("fieldSelector", format!("spec.nodeName={}", node.name))
            .query("labelSelector", self.pod_selector.clone());
        let list = cx.client()?.json(request).await?;
        let pods = self.chosen(cx, node, list.list("items"))?;
        let resource = cx.resource("pods").await?;
        let mut going = Vec::new();
        for pod in pods {
            let info = Info {
                resource: resource.clone(),
                namespace: pod.namespace().to_string(),
                name: pod.name().to_string(),
                source: String::new(),
                object: pod.clone(),
            };
            let verb = if self.disable_eviction { "deleting" } else { "evicting" };
            let what = format!("{verb} pod {}/{}", info.namespace, info.name);
            if dry_run == DryRun::None {
                writeln!(cx.streams.err(), "{what}")?;
            } else {
                writeln!(cx.streams.out(), "{}", dry_run.done(&what))?;
            }
            if dry_run.is_client() {
                continue;
            }
            self.evict(cx, &info, dry_run).await?;
            going.push(info);
        }
        if dry_run != DryRun::None {
            return Ok(());
        }
        for info in going {
            wait::until_gone(cx, &info, info.object.uid(), self.until()).await?;
            let done = if self.disable_eviction { "deleted" } else { "evicted" };
            writeln!(cx.streams.out(), "{} {done}", info.reference())?;
        }
        Ok(())
    }

    fn until(&self) -> Instant {
        let timeout = if self.timeout.is_zero() { Duration::from_secs(7 * 24 * 3600) } else { self.timeout.length };
        Instant::now() + timeout
    }

    async fn evict(&self, cx: &Context<'_>, info: &Info, dry_run: DryRun) -> Result<(), CommandError> {
        let mut options = json!({});
        if self.grace_period >= 0 {
            options.set("gracePeriodSeconds", self.grace_period);
        }
        if dry_run == DryRun::Server {
            options.set("dryRun", json!(["All"]));
        }
        let client = cx.client()?;
        if self.disable_eviction {
            return match client.send(Request::delete(info.path()).body(&options)).await {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            };
        }
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": info.name, "namespace": info.namespace}, "deleteOptions": options,
        });
        let until = self.until();
        loop {
            match client.send(Request::post(format!("{}/eviction", info.path()), &eviction)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                // A disruption budget stands in the way for now.
                Err(error) if error.status().is_some_and(|s| s.code == 429) && Instant::now() < until => {
                    writeln!(
                        cx.streams.err(),
                        "error when evicting pods/{:?} -n {:?} (will retry after 5s): {}",
                        info.name,
                        info.namespace,
                        error.text()
                    )?;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                Err(error) => {
                    return Err(
                        error.doing(&format!("error when evicting pods/{:?} -n {:?}", info.name, info.namespace))
                    );
                }
            }
        }
    }

    /// The Pods that have to go.
    ///
    /// # Errors
    /// Some may only go where a flag says so.
    fn chosen<'p>(&self, cx: &Context<'_>, node: &Info, pods: &'p [Value]) -> Result<Vec<&'p Value>, CommandError> {
        let mut chosen = Vec::new();
        let (mut daemons, mut alone, mut with_data) = (Vec::new(), Vec::new(), Vec::new());
        for pod in pods {
            // Static Pods cannot be deleted through the API.
            if pod.annotation("kubernetes.io/config.mirror").is_some() {
                continue;
            }
            let finished = matches!(pod.text("status.phase"), "Succeeded" | "Failed");
            let name = format!("{}/{}", pod.namespace(), pod.name());
            match pod.controller_ref() {
                Some(owner) if owner.text("kind") == "DaemonSet" && !finished => {
                    daemons.push(name);
                    continue;
                }
                None if !finished => alone.push(name.clone()),
                _ => {}
            }
            if !finished && pod.list("spec.volumes").iter().any(|volume| volume.has("emptyDir")) {
                with_data.push(name);
            }
            chosen.push(pod);
        }
        let mut refusals = Vec::new();
        if !daemons.is_empty() && !self.ignore_daemonsets {
            refusals.push(format!(
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {}",
                daemons.join(", ")
            ));
        }
        if !with_data.is_empty() && !self.delete_emptydir_data {
            refusals.push(format!(
                "cannot delete Pods with local storage (use --delete-emptydir-data to override): {}",
                with_data.join(", ")
            ));
        }
        if !alone.is_empty() && !self.force {
            refusals.push(format!(
                "cannot delete Pods that declare no controller (use --force to override): {}",
                alone.join(", ")
            ));
        }
        if refusals.is_empty() {
            let mut warnings = Vec::new();
            if !daemons.is_empty() {
                warnings.push(format!("ignoring DaemonSet-managed Pods: {}", daemons.join(", ")));
            }
            if !alone.is_empty() {
                warnings.push(format!("deleting Pods that declare no controller: {}", alone.join(", ")));
            }
            if !warnings.is_empty() {
                writeln!(cx.streams.err(), "Warning: {}", warnings.join("; "))?;
            }
            return Ok(chosen);
        }
        let why = match refusals.as_slice() {
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Err(CommandError::Message(format!(
            "unable to drain node {:?} due to error: {why}, continuing command...\nThere are pending nodes to be \
             drained:\n {}\n{}",
            node.name,
            node.name,
            refusals.join("\n")
        )))
    }
}
