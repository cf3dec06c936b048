//! `/metrics` in Prometheus' text format (version 0.0.4): what the endpoints of Services have served, and the process.

use super::respond;
use crate::controllers::runtime::Key;
use crate::node::network::proxy::{Endpoint, ServicePort};
use crate::node::network::services::{Services, Tables};
use axum::body::Body;
use http::Response;
use std::fmt::Write;
use tokio::runtime::Handle;

/// The answer to `/metrics`.
pub fn answer(services: &Services) -> Response<Body> {
    let mut text = String::new();
    process(&mut text);
    endpoints(&mut text, &services.read());
    respond::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// A metric of one kind; samples come after.
fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn process(text: &mut String) {
    family(text, "kubernetes_build_info", "gauge", "The Kubernetes version whose interface this is.");
    let version = super::health::version();
    let label = |field: &str| version[field].as_str().unwrap_or("").to_string();
    let _ = writeln!(
        text,
        "kubernetes_build_info{{git_version=\"{}\",major=\"{}\",minor=\"{}\"}} 1",
        label("gitVersion"),
        label("major"),
        label("minor")
    );
    family(text, "minikube_lite_tasks", "gauge", "Number of tasks that the server runs or has waiting.");
    let _ = writeln!(text, "minikube_lite_tasks {}", Handle::current().metrics().num_alive_tasks());
    // Where the system does not tell, the metric is missing.
    if let Some(usage) = Usage::read() {
        family(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        let _ = writeln!(text, "process_resident_memory_bytes {}", usage.resident_bytes);
        family(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        let _ = writeln!(text, "process_cpu_seconds_total {:.2}", usage.cpu_seconds);
        family(text, "process_open_fds", "gauge", "Number of open file descriptors.");
        let _ = writeln!(text, "process_open_fds {}", usage.open_files);
    }
}

/// What the process has used, as Linux tells (proc(5)).
struct Usage {
    resident_bytes: u64,
    cpu_seconds: f64,
    open_files: usize,
}

impl Usage {
    fn read() -> Option<Usage> {
        /// Clock ticks in a second (`USER_HZ`), the same on all of Linux' usual platforms.
        const TICKS: f64 = 100.0;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The command's name, in parentheses, may contain anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        Some(Usage {
            resident_bytes: 1024 * resident.trim().trim_end_matches(" kB").parse::<u64>().ok()?,
            cpu_seconds: (ticks()? + ticks()?) / TICKS,
            open_files: std::fs::read_dir("/proc/self/fd").ok()?.count(),
        })
    }
}

type Sample = fn(&Endpoint) -> u64;

fn endpoints(text: &mut String, tables: &Tables) {
    let families: [(&str, &str, &str, Sample); 3] = [
        (
            "minikube_lite_service_endpoint_connections_total",
            "counter",
            "Connections that an endpoint of a Service's port was given since it was there.",
            |endpoint| endpoint.counters.connections(),
        ),
        (
            "minikube_lite_service_endpoint_requests_total",
            "counter",
            "HTTP requests that an endpoint of a Service's port has served since it was there.",
            |endpoint| endpoint.counters.requests(),
        ),
        (
            "minikube_lite_service_endpoint_ready",
            "gauge",
            "Whether an endpoint of a Service's port is ready.",
            |endpoint| u64::from(endpoint.ready),
        ),
    ];
    let mut services: Vec<(&Key, &[std::sync::Arc<ServicePort>])> =
        tables.all().map(|(key, _, entry)| (key, &*entry.ports)).collect();
    services.sort_by_key(|(key, _)| *key);
    for (name, kind, help, sample) in families {
        family(text, name, kind, help);
        for port in services.iter().flat_map(|(_, ports)| *ports) {
            for endpoint in &port.endpoints {
                // Names of objects and ports need no quoting.
                let Key { namespace, name: service } = &port.service;
                let (address, pod) = (endpoint.address, &endpoint.pod);
                let _ = write!(text, "{name}{{namespace=\"{namespace}\",service=\"{service}\",");
                let _ = write!(text, "port=\"{}\",port_name=\"{}\",", port.port, port.name);
                let _ = writeln!(text, "endpoint=\"{address}\",pod=\"{pod}\"}} {}", sample(endpoint));
            }
        }
    }
}
