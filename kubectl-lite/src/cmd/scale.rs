//! `kubectl scale` and `kubectl autoscale`.

use super::Command;
use super::flags::{DryRun, DryRunFlag};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, last_applied};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Scale {
    /// TYPE NAME, TYPE/NAME...
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// Only where there are as many now; negative for any number
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    current_replicas: i64,
    /// How many there are to be
    #[arg(long, value_parser = go_flags::int::<i64>)]
    replicas: Option<i64>,
    /// The version that the object must have
    #[arg(long, default_value = "")]
    resource_version: String,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// How long to wait until there are as many; 0 does not wait
    #[arg(long, default_value = "0s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
}

impl Command for Scale {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let Some(replicas) = self.replicas else {
            return Err(CommandError::message("required flag(s) \"replicas\" not set"));
        };
        if replicas < 0 {
            return Err(CommandError::message(
                "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
            ));
        }
        self.print.check()?;
        let builder = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .label_selector(&self.selector)
            .everything(self.all);
        let infos = builder.infos(false).await?;
        if infos.len() > 1 && !self.resource_version.is_empty() {
            return Err(CommandError::message("cannot use --resource-version with multiple resources"));
        }
        let mut errors = Vec::new();
        let mut found = false;
        for info in infos {
            let result = match info {
                Ok(info) => {
                    found = true;
                    self.one(cx, info, replicas, dry_run).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        if !found && errors.is_empty() {
            return Err(CommandError::message("no objects passed to scale"));
        }
        CommandError::all(errors)
    }
}

impl Scale {
    async fn one(&self, cx: &Context<'_>, mut info: Info, replicas: i64, dry_run: DryRun) -> Result<(), CommandError> {
        info.check_name()?;
        let client = cx.client()?;
        let path = format!("{}/scale", info.path());
        if !dry_run.is_client() {
            if self.current_replicas >= 0 || !self.resource_version.is_empty() {
                let mut scale = client.json(Request::get(path.clone())).await?;
                let now = scale.int("spec.replicas").unwrap_or(0);
                if self.current_replicas >= 0 && now != self.current_replicas {
                    return Err(CommandError::message(format!(
                        "Expected replicas to be {}, was {now}",
                        self.current_replicas
                    )));
                }
                let version = scale.text("metadata.resourceVersion").to_string();
                if !self.resource_version.is_empty() && version != self.resource_version {
                    return Err(CommandError::message(format!(
                        "Expected resource version to be {}, was {version}",
                        self.resource_version
                    )));
                }
                scale.set("spec.replicas", replicas);
                client.send(dry_run.mark(Request::put(path.clone(), &scale))).await?;
            } else {
                let patch = json!({"spec": {"replicas": replicas}}).to_string().into_bytes();
                client.send(dry_run.mark(Request::patch(path.clone(), "application/merge-patch+json", patch))).await?;
            }
        }
        client.look_up_assumed().await?;
        if !self.timeout.is_zero() && dry_run == DryRun::None {
            let until = Instant::now() + self.timeout.length;
            loop {
                let scale = client.json(Request::get(path.clone())).await?;
                if scale.int("status.replicas").unwrap_or(0) == replicas {
                    break;
                }
                if Instant::now() >= until {
                    return Err(CommandError::message("timed out waiting for the condition"));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        if info.object.is_null() || self.print.is_set() && !self.print.is_name() {
            info.object = json!({"apiVersion": info.resource.api_version(), "kind": info.resource.kind,
                "metadata": {"name": info.name}});
            if self.print.is_set() && !self.print.is_name() {
                info.fetch(cx).await?;
            }
        }
        let mut printer = self.print.reporter(&dry_run.done("scaled"), Order::Sorted)?;
        printer.print(&self.print.shown(info.object), &mut *cx.streams.out().writer())
    }
}

#[derive(clap::Args)]
pub struct Autoscale {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// CPU to aim at: 80% of what is requested, or an amount such as 500m
    #[arg(long, default_value = "")]
    cpu: String,
    /// CPU to aim at, in percent (use --cpu)
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    cpu_percent: i64,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-autoscale")]
    field_manager: String,
    /// Most replicas
    #[arg(long, value_parser = go_flags::int::<i64>)]
    max: Option<i64>,
    /// Memory to aim at: 80% of what is requested, or an amount such as 200Mi
    #[arg(long, default_value = "")]
    memory: String,
    /// Fewest replicas; negative for the server's default
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>)]
    min: i64,
    /// Name of the autoscaler; that of the object where empty
    #[arg(long, default_value = "")]
    name: String,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
}

impl Command for Autoscale {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let Some(max) = self.max else {
            return Err(CommandError::message("required flag(s) \"max\" not set"));
        };
        if max < 1 {
            return Err(CommandError::message(format!("--max=MAXPODS is required and must be at least 1, max: {max}")));
        }
        if max < self.min {
            return Err(CommandError::message(format!(
                "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {}, min: {}",
                max, self.min
            )));
        }
        let mut metrics = Vec::new();
        let cpu = if self.cpu_percent >= 0 { format!("{}%", self.cpu_percent) } else { self.cpu.clone() };
        for (name, text) in [("cpu", cpu.as_str()), ("memory", self.memory.as_str())] {
            if !text.is_empty() {
                metrics.push(metric(name, text)?);
            }
        }
        let infos = Builder::new(cx)?.files(&self.files).arguments(&self.args).infos(true).await?;
        let mut errors = Vec::new();
        for info in infos {
            let result = match info {
                Ok(info) => self.one(cx, &info, max, &metrics, dry_run).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }
}

/// What to aim at for one resource.
fn metric(name: &str, text: &str) -> Result<Value, CommandError> {
    let target = match text.strip_suffix('%') {
        Some(percent) => {
            let percent: i64 = percent.parse().map_err(|_| {
                CommandError::message(format!("failed to parse {text:?} as a percentage or a quantity"))
            })?;
            json!({"type": "Utilization", "averageUtilization": percent})
        }
        None => json!({"type": "AverageValue", "averageValue": text}),
    };
    Ok(json!({"type": "Resource", "resource": {"name": name, "target": target}}))
}

impl Autoscale {
    async fn one(
        &self,
        cx: &Context<'_>,
        info: &Info,
        max: i64,
        metrics: &[Value],
        dry_run: DryRun,
    ) -> Result<(), CommandError> {
        if !info.resource.subresources.iter().any(|s| s == "scale") {
            return Err(CommandError::message(format!(
                "cannot autoscale a {}: could not find scale subresource for {} in discovery information",
                info.resource.kind,
                info.resource.gvr_text()
            )));
        }
        let name = if self.name.is_empty() { &info.name } else { &self.name };
        let mut object = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
            "spec": {
                "maxReplicas": max,
                "scaleTargetRef": {"apiVersion": info.resource.api_version(), "kind": info.resource.kind, "name": info.name},
            },
            "status": {"currentMetrics": null, "desiredReplicas": 0},
        });
        if self.min > 0 {
            object.set("spec.minReplicas", self.min);
        }
        if !metrics.is_empty() {
            object.set("spec.metrics", metrics.to_vec());
        }
        if self.save_config {
            let configuration = last_applied::declared_configuration(&object);
            object.map_mut("metadata.annotations").insert(last_applied::LAST_APPLIED, configuration.into());
        }
        if self.create(cx, info, object.clone(), dry_run).await.is_ok() {
            return Ok(());
        }
        // Whatever the matter was, the older version of the API is tried, and its errors are told.
        let is_cpu = |metric: &Value| metric.text("resource.name") == "cpu";
        let percent = match metrics {
            [metric] if is_cpu(metric) => metric.int("resource.target.averageUtilization"),
            _ => None,
        };
        let Some(percent) = percent else {
            let why = if metrics.iter().any(is_cpu) { "%!w(<nil>)" } else { "empty input" };
            return Err(CommandError::message(format!(
                "failed to create autoscaling/v2 HPA and the configuration is incompatible with autoscaling/v1: {why}"
            )));
        };
        object.set("apiVersion", "autoscaling/v1");
        object.remove("spec.metrics");
        object.set("spec.targetCPUUtilizationPercentage", percent);
        object.set("status", json!({"currentReplicas": 0, "desiredReplicas": 0}));
        self.create(cx, info, object, dry_run).await
    }

    async fn create(
        &self,
        cx: &Context<'_>,
        info: &Info,
        mut object: Value,
        dry_run: DryRun,
    ) -> Result<(), CommandError> {
        if !dry_run.is_client() {
            object.remove("status");
            let namespace = &info.namespace;
            let path = format!("/apis/{}/namespaces/{namespace}/horizontalpodautoscalers", object.text("apiVersion"));
            let request = Request::post(path, &object).query("fieldManager", &self.field_manager);
            object = cx.client()?.json(dry_run.mark(request)).await?;
        }
        let mut printer = self.print.reporter(&dry_run.done("autoscaled"), Order::Declared)?;
        printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())
    }
}
