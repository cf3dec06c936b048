//! `kubectl create service`: the four types.

use super::{Generate, metadata, required};
use crate::cli::go_flags;
use crate::cmd::{Command, Entry, command};
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::names::{is_dns1123_subdomain, is_valid_port_name, is_valid_port_num};

pub static COMMANDS: &[Entry] = &[
    command::<ClusterIp>("clusterip", "Create a service with an address inside the cluster"),
    command::<ExternalName>("externalname", "Create a service that is another name for a host"),
    command::<LoadBalancer>("loadbalancer", "Create a service behind a load balancer"),
    command::<NodePort>("nodeport", "Create a service with a port on every node"),
];

#[derive(clap::Args)]
struct Ports {
    /// PORT or PORT:TARGET; may be repeated
    #[arg(long, value_delimiter = ',')]
    tcp: Vec<String>,
}

#[derive(clap::Args)]
pub struct ClusterIp {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    ports: Ports,
    /// Address to take; None for a headless service
    #[arg(long, default_value = "")]
    clusterip: String,
}

impl Command for ClusterIp {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create service clusterip")?;
        let headless = self.clusterip == "None";
        let mut service = self.ports.service(name, "ClusterIP", !headless)?;
        if !self.clusterip.is_empty() {
            service.set("spec.clusterIP", self.clusterip.clone());
        }
        create(&self.generate, cx, service).await
    }
}

#[derive(clap::Args)]
pub struct NodePort {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    ports: Ports,
    /// Port on the nodes
    #[arg(long, default_value_t = 0, value_parser = go_flags::int::<i32>)]
    node_port: i32,
}

impl Command for NodePort {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create service nodeport")?;
        let mut service = self.ports.service(name, "NodePort", true)?;
        if self.node_port != 0 {
            service.list_mut("spec.ports").iter_mut().for_each(|port| port.set("nodePort", self.node_port));
        }
        create(&self.generate, cx, service).await
    }
}

#[derive(clap::Args)]
pub struct LoadBalancer {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    ports: Ports,
}

impl Command for LoadBalancer {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create service loadbalancer")?;
        let service = self.ports.service(name, "LoadBalancer", true)?;
        create(&self.generate, cx, service).await
    }
}

#[derive(clap::Args)]
pub struct ExternalName {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    ports: Ports,
    /// The host
    #[arg(long)]
    external_name: Option<String>,
}

impl Command for ExternalName {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let host = required("external-name", &self.external_name)?;
        let name = self.generate.name("create service externalname")?;
        if !is_dns1123_subdomain(host).is_empty() {
            return Err(CommandError::message(format!("invalid service external name {host}")));
        }
        let mut service = self.ports.service(name, "ExternalName", false)?;
        service.set("spec.externalName", host);
        create(&self.generate, cx, service).await
    }
}

async fn create(generate: &Generate, cx: &Context<'_>, service: Value) -> Result<(), CommandError> {
    let failure = format!("failed to create {} service", service.text("spec.type"));
    generate.create(cx, "services", Some(&failure), service).await
}

impl Ports {
    fn service(&self, name: &str, kind: &str, needs_port: bool) -> Result<Value, CommandError> {
        if self.tcp.is_empty() && needs_port {
            return Err(CommandError::message("at least one tcp port specifier must be provided"));
        }
        let ports = self.tcp.iter().map(|spec| {
            let (port, target) = port(spec)?;
            let name = spec.replace(':', "-");
            Ok(json!({"name": name, "port": port, "protocol": "TCP", "targetPort": target}))
        });
        let ports: Vec<Value> = ports.collect::<Result<_, CommandError>>()?;
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
            "spec": {"ports": ports, "selector": {"app": name}, "type": kind},
        });
        service.set("metadata.labels", json!({ "app": name }));
        Ok(service)
    }
}

/// `80`, `80:8080` or `80:http`.
fn port(spec: &str) -> Result<(i64, Value), CommandError> {
    let mut parts = spec.split(':');
    let number = |text: &str| {
        let failed = |why: &str| CommandError::message(format!("strconv.ParseUint: parsing {text:?}: {why}"));
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value: u64 = match text.parse() {
            _ if !is_number => return Err(failed("invalid syntax")),
            Ok(value) => value,
            Err(_) => u64::MAX,
        };
        if value > u64::from(u16::MAX) { Err(failed("value out of range")) } else { Ok(value as i64) }
    };
    let port = number(parts.next().unwrap_or(""))?;
    let Some(target) = parts.next() else { return Ok((port, port.into())) };
    let (value, problems): (Value, Vec<String>) = match target.parse::<i64>() {
        Ok(number) => (number.into(), is_valid_port_num(number)),
        Err(_) => (target.into(), is_valid_port_name(target)),
    };
    match problems.as_slice() {
        [] => Ok((port, value)),
        problems => Err(CommandError::message(problems.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let read = |spec| port(spec).map_err(|error| error.text());
        assert_eq!(read("80"), Ok((80, json!(80))));
        assert_eq!(read("80:8080"), Ok((80, json!(8080))));
        assert_eq!(read("80:http"), Ok((80, json!("http"))));
        assert_eq!(read("http"), Err("strconv.ParseUint: parsing \"http\": invalid syntax".into()));
        assert_eq!(read("70000"), Err("strconv.ParseUint: parsing \"70000\": value out of range".into()));
        assert_eq!(read("80:0"), Err("must be between 1 and 65535, inclusive".into()));
    }
}
