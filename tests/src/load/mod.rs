//! Load on an API server: scenarios, and what they measure.

pub(crate) mod api;
mod deployment;
mod http2;
mod idle;
pub(crate) mod kubeconfig;
mod measure;
mod pods;
mod traffic;
mod watch;

use api::Api;
use clap::{Parser, ValueEnum};
use measure::Report;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Puts load on a Kubernetes API server and prints rates and latencies.
#[derive(Parser, Debug)]
#[command(name = "load")]
pub struct Options {
    /// The server to drive: the kubeconfig's current context.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: PathBuf,
    /// Scenarios to run, in this order [default: all but idle, node-port and axum].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scenario: Vec<Scenario>,
    /// How long each scenario that can go on for ever runs.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub seconds: f64,
    /// Concurrent clients, instead of each scenario's own number.
    #[arg(long, value_name = "N")]
    pub clients: Option<usize>,
    /// HTTP/2 connections that the clients share [default: one for two clients, four at most].
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Pods to list.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    pub pods: usize,
    /// Watchers of the fan-out.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub watchers: usize,
    /// Connections that are open without a request.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub idle: usize,
    /// The server's process, to report its resident memory.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Pods made at 32 clients.
    Creates,
    /// Single Pods read at 32 clients.
    Gets,
    /// All Pods listed at 4 clients.
    Lists,
    /// One Pod in ten listed, by label, at 4 clients.
    Selected,
    /// Pages of 500 Pods at 4 clients.
    Pages,
    /// Merge patches of Pods at 32 clients.
    Patches,
    /// Changes of small ConfigMaps, told to 50 watchers; latency is from sending the write to reading the event.
    Watch,
    /// A Deployment of 100 and its Service, until all addresses are ready in EndpointSlices.
    Deployment100,
    /// The same of 500.
    Deployment500,
    /// Requests while 10,000 other connections are open and idle.
    Idle,
    /// Requests over HTTP/1.1 to a NodePort of this host that three Pods of nginx serve, over 32 connections.
    NodePort,
    /// The same to a plain axum server, to compare with.
    Axum,
}

impl Scenario {
    /// The clients that this scenario has unless told otherwise.
    fn clients(self) -> usize {
        match self {
            Scenario::Creates | Scenario::Gets | Scenario::Patches | Scenario::NodePort | Scenario::Axum => 32,
            Scenario::Watch => 16,
            Scenario::Idle => 8,
            Scenario::Lists | Scenario::Selected | Scenario::Pages => 4,
            Scenario::Deployment100 | Scenario::Deployment500 => 1,
        }
    }

    /// Whether it runs unless told otherwise: any API server can take it, whatever else there is.
    fn is_usual(self) -> bool {
        !matches!(self, Scenario::Idle | Scenario::NodePort | Scenario::Axum)
    }

    fn needs_pods(self) -> bool {
        matches!(self, Scenario::Gets | Scenario::Lists | Scenario::Selected | Scenario::Pages | Scenario::Patches)
    }
}

/// Runs the chosen scenarios and prints a line for each.
///
/// # Errors
/// One line: the server cannot be reached, or it refused a request.
pub async fn run(options: &Options) -> Result<(), String> {
    let access = kubeconfig::read(&options.kubeconfig)?;
    let usual: Vec<_> = Scenario::value_variants().iter().copied().filter(|scenario| scenario.is_usual()).collect();
    let chosen = if options.scenario.is_empty() { &usual } else { &options.scenario };
    println!("{}", Report::HEADER);
    for scenario in chosen {
        let clients = options.clients.unwrap_or(scenario.clients()).max(1);
        let connections = options.connections.unwrap_or(clients.div_ceil(2).min(4)).max(1);
        let api = Api::connect(&access, connections).await?;
        let namespace = Namespace::make(&api).await?;
        let measured = measure(options, *scenario, &access, &api, &namespace.name, clients).await;
        let memory = options.pid.and_then(measure::resident);
        let deleted = namespace.delete(&api).await;
        let report = Report { scenario: &format!("{scenario:?}").to_lowercase(), clients, memory, measured: measured? };
        println!("{report}");
        deleted?;
    }
    Ok(())
}

async fn measure(
    options: &Options,
    scenario: Scenario,
    access: &kubeconfig::Access,
    api: &Api,
    namespace: &str,
    clients: usize,
) -> Result<measure::Measured, String> {
    if scenario.needs_pods() {
        pods::make(api, namespace, options.pods).await?;
    }
    let length = Duration::from_secs_f64(options.seconds.clamp(0.1, 86_400.0));
    let load = pods::Load { api, namespace, clients, length, pods: options.pods };
    let before = options.pid.and_then(measure::processor_time);
    let speed = measure::core_speed();
    let begin = measure::Machine::now();
    let mut measured = match scenario {
        Scenario::Creates => load.creates().await,
        Scenario::Gets => load.gets().await,
        Scenario::Lists => load.lists("").await,
        Scenario::Selected => load.lists("?labelSelector=tenth%3D3").await,
        Scenario::Pages => load.pages(500).await,
        Scenario::Patches => load.patches().await,
        Scenario::Watch => watch::fan_out(api, namespace, options.watchers, clients, length).await,
        Scenario::Deployment100 => deployment::until_ready(api, namespace, 100).await,
        Scenario::Deployment500 => deployment::until_ready(api, namespace, 500).await,
        Scenario::Idle => idle::connections(access, api, options.idle, clients, length, options.pid).await,
        Scenario::NodePort => traffic::node_port(api, namespace, clients, length).await,
        Scenario::Axum => traffic::axum(clients, length).await,
    }?;
    let after = options.pid.and_then(measure::processor_time);
    measured.core_speed = (speed + measure::core_speed()) / 2.0;
    measured.stolen = begin.zip(measure::Machine::now()).map(|(begin, end)| end.stolen_since(&begin));
    measured.server_time = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    Ok(measured)
}

/// A namespace for one scenario.
struct Namespace {
    name: String,
}

impl Namespace {
    async fn make(api: &Api) -> Result<Namespace, String> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "load-"}});
        let made = api.json("POST", "/api/v1/namespaces", &object).await?;
        let name = made["metadata"]["name"].as_str().ok_or("the server made a namespace without a name")?.to_string();
        // Pods are admitted once their ServiceAccount is there.
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        while !api.exists(&account).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Namespace { name })
    }

    async fn delete(self, api: &Api) -> Result<(), String> {
        let now = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        let path = format!("/api/v1/namespaces/{}", self.name);
        api.json("DELETE", &format!("/apis/apps/v1/namespaces/{}/deployments", self.name), &now).await?;
        api.json("DELETE", &format!("{path}/pods"), &now).await?;
        api.json("DELETE", &path, &now).await?;
        while api.exists(&path).await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
