//! `kubectl top`: what the metrics API tells, where a server has one.

use super::{Command, Entry, command};
use crate::client::Request;
use crate::client::assumed::Assumed;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::table::Layout;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::quantity::Quantity;

pub static COMMANDS: &[Entry] = &[
    command::<Nodes>("node", "Show what nodes use").aliases(&["nodes", "no"]),
    command::<Pods>("pod", "Show what Pods use").aliases(&["pods", "po"]),
];

#[derive(clap::Args)]
pub struct Pods {
    /// NAME
    args: Vec<String>,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Show containers
    #[arg(long)]
    containers: bool,
    /// Field selector
    #[arg(long, default_value = "")]
    field_selector: String,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    #[arg(long, hide = true)]
    show_swap: bool,
    /// cpu or memory
    #[arg(long, default_value = "")]
    sort_by: String,
    /// Show the sum of all
    #[arg(long)]
    sum: bool,
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    use_protocol_buffers: bool,
}

#[derive(clap::Args)]
pub struct Nodes {
    /// NAME
    args: Vec<String>,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    #[arg(long, hide = true)]
    show_capacity: bool,
    #[arg(long, hide = true)]
    show_swap: bool,
    /// cpu or memory
    #[arg(long, default_value = "")]
    sort_by: String,
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    use_protocol_buffers: bool,
}

/// A server without metrics says so, in one line.
async fn require_metrics(cx: &Context<'_>) -> Result<(), CommandError> {
    cx.assume(Assumed::Resources { tries: 0 })?;
    let served = cx.mapper()?.discovery(cx.client()?, false).await?;
    if served.resources.iter().any(|resource| resource.group == "metrics.k8s.io") {
        return Ok(());
    }
    Err(CommandError::message("Metrics API not available"))
}

fn check(sort_by: &str) -> Result<(), CommandError> {
    match sort_by {
        "" | "cpu" | "memory" => Ok(()),
        _ => Err(CommandError::message("--sort-by accepts only cpu or memory")),
    }
}

/// Only one object may be named, and none if there is a selector, which is called `selector`.
fn one_of(kind: &str, args: &[String], selects: bool, selector: &str) -> Result<(), CommandError> {
    match args.len() {
        1 if selects => Err(CommandError::message(format!("only one of NAME or {selector} can be provided"))),
        0 | 1 => Ok(()),
        _ => Err(CommandError::usage(&format!("top {kind}"), format!("{kind} [NAME | -l label]"))),
    }
}

/// Millicores and bytes.
fn usage(of: &Value) -> (i64, i64) {
    let amount = |name: &str| Quantity::parse(of.at("usage").text(name)).ok();
    let cpu = amount("cpu").map_or(0, |quantity| quantity.milli_value());
    let memory = amount("memory").map_or(0, |quantity| quantity.value());
    (cpu, memory)
}

fn shown((cpu, memory): (i64, i64)) -> [String; 2] {
    [format!("{cpu}m"), format!("{}Mi", memory / (1024 * 1024))]
}

fn sort<T>(rows: &mut [(T, (i64, i64))], by: &str) {
    match by {
        "cpu" => rows.sort_by_key(|(_, (cpu, _))| -cpu),
        "memory" => rows.sort_by_key(|(_, (_, memory))| -memory),
        _ => {}
    }
}

impl Command for Pods {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        check(&self.sort_by)?;
        let selects = !self.selector.is_empty() || !self.field_selector.is_empty();
        one_of("pod", &self.args, selects, "selector")?;
        require_metrics(cx).await?;
        let namespace = if self.all_namespaces { String::new() } else { cx.namespace()?.0 };
        let mut path = String::from("/apis/metrics.k8s.io/v1beta1");
        if !namespace.is_empty() {
            path.push_str(&format!("/namespaces/{namespace}"));
        }
        path.push_str("/pods");
        if let [name] = self.args.as_slice() {
            path.push_str(&format!("/{name}"));
        }
        let request = Request::get(path)
            .query("labelSelector", self.selector.clone())
            .query("fieldSelector", self.field_selector.clone());
        let answer = cx.client()?.json(request).await?;
        let pods = if answer.at("items").is_array() { answer.list("items").to_vec() } else { vec![answer] };
        let mut rows = Vec::new();
        for pod in &pods {
            let place = self.all_namespaces.then(|| pod.namespace().to_string());
            let mut total = (0, 0);
            for container in pod.list("containers") {
                let used = usage(container);
                total = (total.0 + used.0, total.1 + used.1);
                if self.containers {
                    let names = [pod.name().to_string(), container.text("name").to_string()];
                    rows.push((place.clone().into_iter().chain(names).collect::<Vec<_>>(), used));
                }
            }
            if !self.containers {
                rows.push((place.into_iter().chain([pod.name().to_string()]).collect(), total));
            }
        }
        sort(&mut rows, &self.sort_by);
        let mut layout = Layout::new();
        if !self.no_headers {
            let mut header: Vec<&str> = if self.all_namespaces { vec!["NAMESPACE"] } else { Vec::new() };
            header.extend(if self.containers { &["POD", "NAME"][..] } else { &["NAME"][..] });
            header.extend(["CPU(cores)", "MEMORY(bytes)"]);
            layout.row(header);
        }
        let sum = rows.iter().fold((0, 0), |sum, (_, used)| (sum.0 + used.0, sum.1 + used.1));
        for (names, used) in rows {
            layout.row(names.into_iter().chain(shown(used)));
        }
        if self.sum {
            layout.row(["".to_string()].into_iter().chain(shown(sum)));
        }
        layout.write(&mut *cx.streams.out().writer())
    }
}

impl Command for Nodes {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        check(&self.sort_by)?;
        one_of("node", &self.args, !self.selector.is_empty(), "--selector")?;
        require_metrics(cx).await?;
        let mut path = String::from("/apis/metrics.k8s.io/v1beta1/nodes");
        if let [name] = self.args.as_slice() {
            path.push_str(&format!("/{name}"));
        }
        let client = cx.client()?;
        let answer = client.json(Request::get(path).query("labelSelector", self.selector.clone())).await?;
        let metrics = if answer.at("items").is_array() { answer.list("items").to_vec() } else { vec![answer] };
        let nodes = client.json(Request::get("/api/v1/nodes")).await?;
        let mut rows: Vec<(String, (i64, i64))> =
            metrics.iter().map(|node| (node.name().to_string(), usage(node))).collect();
        sort(&mut rows, &self.sort_by);
        let mut layout = Layout::new();
        if !self.no_headers {
            layout.row(["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]);
        }
        for (name, used) in rows {
            let node = nodes.list("items").iter().find(|node| node.name() == name);
            let percent = |part: i64, field: &str, milli: bool| {
                let whole = node.and_then(|n| Quantity::parse(n.text(&format!("status.allocatable.{field}"))).ok());
                let whole = whole.map_or(0, |q| if milli { q.milli_value() } else { q.value() });
                if whole == 0 { "<unknown>".to_string() } else { format!("{}%", part * 100 / whole) }
            };
            let [cpu, memory] = shown(used);
            layout.row(vec![name.clone(), cpu, percent(used.0, "cpu", true), memory, percent(used.1, "memory", false)]);
        }
        layout.write(&mut *cx.streams.out().writer())
    }
}
