//! `kubectl cluster-info dump`.

use crate::cli::go_flags;
use crate::client::Request;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags, Printer};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is dumped of each namespace: the file's name, and where the API has the list.
const LISTS: [(&str, &str, &str); 7] = [
    ("events", "/api/v1", "events"),
    ("replication-controllers", "/api/v1", "replicationcontrollers"),
    ("services", "/api/v1", "services"),
    ("daemonsets", "/apis/apps/v1", "daemonsets"),
    ("deployments", "/apis/apps/v1", "deployments"),
    ("replicasets", "/apis/apps/v1", "replicasets"),
    ("pods", "/api/v1", "pods"),
];

const NODES: &str = "/api/v1/nodes";

#[derive(clap::Args)]
pub struct Dump {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    /// Dump all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// The namespaces to dump, instead of the current one and kube-system
    #[arg(long, value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Folder to write files into; - is standard output
    #[arg(long, default_value = "")]
    output_directory: String,
    /// How long to wait for a Pod to run, such as 5s, 2m or 3h
    #[arg(long, default_value = "20s", value_parser = go_flags::duration)]
    pod_running_timeout: go_flags::Duration,
}

impl Command for Dump {
    async fn run(mut self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.pod_running_timeout.is_zero() || self.pod_running_timeout.negative {
            return Err(CommandError::message("--pod-running-timeout must be higher than zero"));
        }
        if !self.print.is_set() {
            self.print.output = Some("json".into());
        }
        let mut printer = self.print.for_format(Order::Declared)?;
        self.list(cx, &mut *printer, NODES, Path::new("nodes")).await?;
        for namespace in self.namespaces(cx).await? {
            for (name, group, plural) in LISTS {
                let path = format!("{group}/namespaces/{namespace}/{plural}");
                let list = self.list(cx, &mut *printer, &path, &Path::new(&namespace).join(name)).await?;
                if plural == "pods" {
                    for pod in list.list("items") {
                        self.logs(cx, &namespace, pod).await?;
                    }
                }
            }
        }
        if let Some(folder) = self.folder() {
            writeln!(cx.streams.out(), "Cluster info dumped to {}", folder.display())?;
        }
        Ok(())
    }
}

impl Dump {
    /// The folder to write into; `None` for standard output.
    fn folder(&self) -> Option<&Path> {
        let given = !matches!(self.output_directory.as_str(), "" | "-");
        given.then(|| Path::new(&self.output_directory))
    }

    async fn namespaces(&self, cx: &Context<'_>) -> Result<Vec<String>, CommandError> {
        if self.all_namespaces {
            let list = cx.client()?.json(Request::get("/api/v1/namespaces")).await?;
            return Ok(list.list("items").iter().map(|namespace| namespace.name().to_string()).collect());
        }
        if self.namespaces.is_empty() {
            return Ok(vec!["kube-system".into(), cx.namespace()?.0]);
        }
        Ok(self.namespaces.clone())
    }

    /// Dumps a list. One of a kind that the server does not have is left out.
    async fn list(
        &self,
        cx: &Context<'_>,
        printer: &mut dyn Printer,
        path: &str,
        name: &Path,
    ) -> Result<Value, CommandError> {
        let mut list = match cx.client()?.json(Request::get(path)).await {
            Err(error) if error.is_not_found() && path != NODES => return Ok(Value::Null),
            list => list?,
        };
        for item in list.list_mut("items") {
            *item = self.print.shown(std::mem::take(item));
        }
        let extension = match self.print.format() {
            Some("json") => "json",
            Some("yaml") => "yaml",
            _ => "txt",
        };
        self.write(cx, &name.with_extension(extension), |out| printer.print(&list, out))?;
        Ok(list)
    }

    /// Dumps what the containers of a Pod have printed.
    async fn logs(&self, cx: &Context<'_>, namespace: &str, pod: &Value) -> Result<(), CommandError> {
        let name = pod.name();
        let mut text = Vec::new();
        for container in pod.list("spec.initContainers").iter().chain(pod.list("spec.containers")) {
            let container = container.text("name");
            writeln!(text, "==== START logs for container {container} of pod {namespace}/{name} ====")?;
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/log");
            match cx.client()?.send(Request::get(path).query("container", container)).await {
                Ok(answer) => text.extend_from_slice(&answer.body),
                Err(error) => writeln!(text, "Request log error: {}", error.text())?,
            }
            writeln!(text, "==== END logs for container {container} of pod {namespace}/{name} ====")?;
        }
        self.write(cx, &Path::new(namespace).join(name).join("logs.txt"), |out| Ok(out.write_all(&text)?))
    }

    /// Lets `print` write to standard output, or to the file `name` below the folder.
    fn write(
        &self,
        cx: &Context<'_>,
        name: &Path,
        print: impl FnOnce(&mut dyn Write) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(folder) = self.folder() else { return print(&mut *cx.streams.out().writer()) };
        let path: PathBuf = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        print(&mut file)?;
        Ok(file.flush()?)
    }
}
