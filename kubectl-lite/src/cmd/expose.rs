//! `kubectl expose`.

use super::Command;
use super::flags::{DryRun, DryRunFlag};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info, last_applied};
use shared_types::fields::Fields;
use shared_types::json::{Value, json, parse};
use shared_types::patch;

#[derive(clap::Args)]
pub struct Expose {
    /// TYPE NAME, TYPE/NAME
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// None for a headless Service, or an address
    #[arg(long, default_value = "")]
    cluster_ip: String,
    /// Another address that is to lead to the Service
    #[arg(long, default_value = "")]
    external_ip: String,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-expose")]
    field_manager: String,
    /// KEY=VALUE,...; those of the object where empty
    #[arg(long, short = 'l', default_value = "")]
    labels: String,
    /// Address to ask the load balancer for
    #[arg(long, default_value = "")]
    load_balancer_ip: String,
    /// Name of the Service; that of the object where empty
    #[arg(long, default_value = "")]
    name: String,
    /// How --overrides is merged: merge, strategic or json
    #[arg(long, default_value = "merge")]
    override_type: String,
    /// JSON to merge into the Service
    #[arg(long, default_value = "")]
    overrides: String,
    /// Port of the Service; those of the object where empty
    #[arg(long, default_value = "")]
    port: String,
    /// TCP, UDP or SCTP
    #[arg(long, default_value = "")]
    protocol: String,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
    /// KEY=VALUE,...; that of the object where empty
    #[arg(long, default_value = "")]
    selector: String,
    /// None or ClientIP
    #[arg(long, default_value = "")]
    session_affinity: String,
    /// Name or number of the container's port
    #[arg(long, default_value = "")]
    target_port: String,
    /// ClusterIP, NodePort, LoadBalancer or ExternalName
    #[arg(long = "type", default_value = "")]
    kind: String,
}

impl Command for Expose {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        self.print.check()?;
        let infos = Builder::new(cx)?.files(&self.files).arguments(&self.args).typed().infos(true).await?;
        let mut errors = Vec::new();
        for info in infos {
            let result = match info {
                Ok(info) => self.one(cx, &info, dry_run).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                errors.push(error);
            }
        }
        CommandError::all(errors)
    }
}

impl Expose {
    async fn one(&self, cx: &Context<'_>, info: &Info, dry_run: DryRun) -> Result<(), CommandError> {
        let mut service = self.service(info)?;
        if !self.overrides.is_empty() {
            let change = parse(self.overrides.as_bytes()).map_err(|_| CommandError::message("Invalid JSON Patch"))?;
            patch::merge::apply(&mut service, &change);
        }
        if self.save_config {
            let configuration = last_applied::declared_configuration(&service);
            service.map_mut("metadata.annotations").insert(last_applied::LAST_APPLIED, configuration.into());
        }
        let mut order = Order::Declared;
        if !dry_run.is_client() {
            let resource = cx.resource("services").await?;
            let request = Request::post(resource.collection(&info.namespace), &service)
                .query("fieldManager", &self.field_manager);
            service = cx.client()?.json(dry_run.mark(request)).await?;
            order = Order::Sorted;
        }
        let mut printer = self.print.reporter(&dry_run.done("exposed"), order)?;
        printer.print(&self.print.shown(service), &mut *cx.streams.out().writer())
    }

    /// The Service that leads to the object.
    fn service(&self, info: &Info) -> Result<Value, CommandError> {
        let object = &info.object;
        let name = if self.name.is_empty() { &info.name } else { &self.name };
        let selector = if self.selector.is_empty() { selector_of(info)? } else { parse_pairs(&self.selector)? };
        let labels =
            if self.labels.is_empty() { object.at("metadata.labels").clone() } else { parse_pairs(&self.labels)? };
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": self.ports(info)?, "selector": selector}, "status": {"loadBalancer": {}},
        });
        if labels.as_object().is_some_and(|l| !l.is_empty()) {
            service.set("metadata.labels", labels);
        }
        for (field, value) in [
            ("spec.type", &self.kind),
            ("spec.loadBalancerIP", &self.load_balancer_ip),
            ("spec.clusterIP", &self.cluster_ip),
        ] {
            if !value.is_empty() {
                service.set(field, value.clone());
            }
        }
        if !self.external_ip.is_empty() {
            service.set("spec.externalIPs", json!([self.external_ip]));
        }
        match self.session_affinity.as_str() {
            "" => {}
            affinity @ ("None" | "ClientIP") => service.set("spec.sessionAffinity", affinity),
            other => return Err(CommandError::message(format!("unknown session affinity: {other}"))),
        }
        Ok(service)
    }

    fn ports(&self, info: &Info) -> Result<Vec<Value>, CommandError> {
        let known = ports_of(info);
        let ports: Vec<String> = if self.port.is_empty() {
            let mut ports: Vec<String> = Vec::new();
            for (port, _) in &known {
                let port = port.to_string();
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            ports
        } else {
            self.port.split(',').map(str::to_string).collect()
        };
        if ports.is_empty() && self.cluster_ip != "None" {
            return Err(CommandError::message("couldn't find port via --port flag or introspection"));
        }
        let several = ports.len() > 1;
        let mut made = Vec::new();
        for (index, text) in ports.iter().enumerate() {
            let port: i64 = text
                .parse()
                .map_err(|_| CommandError::message(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
            let mut protocols: Vec<&str> =
                known.iter().filter(|(p, _)| *p == port).map(|(_, protocol)| protocol.as_str()).collect();
            protocols.dedup();
            if !self.protocol.is_empty() || protocols.is_empty() {
                protocols = vec![if self.protocol.is_empty() { "TCP" } else { &self.protocol }];
            }
            for protocol in protocols {
                let target: Value = match self.target_port.as_str() {
                    "" => port.into(),
                    text => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
                };
                let mut entry = json!({"port": port, "protocol": protocol, "targetPort": target});
                if several {
                    entry.set("name", format!("port-{}", index + 1));
                }
                made.push(entry);
            }
        }
        Ok(made)
    }
}

/// The labels by which the object's Pods are found.
fn selector_of(info: &Info) -> Result<Value, CommandError> {
    let object = &info.object;
    let fail = |why: String| {
        let text = format!("couldn't retrieve selectors via --selector flag or introspection: {why}");
        Err(CommandError::message(text))
    };
    match info.resource.kind.as_str() {
        "Pod" if object.map("metadata.labels").is_empty() => fail("the pod has no labels and cannot be exposed".into()),
        "Pod" => Ok(object.at("metadata.labels").clone()),
        "Service" if object.map("spec.selector").is_empty() => fail("the service has no pod selector set".into()),
        "Service" | "ReplicationController" => Ok(object.at("spec.selector").clone()),
        "Deployment" | "ReplicaSet" => {
            if !object.list("spec.selector.matchExpressions").is_empty() {
                return fail(format!(
                    "couldn't convert expressions - \"{}\" to map-based selector format",
                    object.at("spec.selector.matchExpressions")
                ));
            }
            Ok(object.at("spec.selector.matchLabels").clone())
        }
        _ => Err(CommandError::message(format!(
            "cannot expose a {}",
            shared_types::status::qualified(&info.resource.kind, &info.resource.group)
        ))),
    }
}

/// The ports that the object has, with their protocols.
fn ports_of(info: &Info) -> Vec<(i64, String)> {
    let protocol = |port: &Value| match port.text("protocol") {
        "" => "TCP".to_string(),
        other => other.to_string(),
    };
    let object = &info.object;
    if info.resource.kind == "Service" {
        return object.list("spec.ports").iter().filter_map(|p| Some((p.int("port")?, protocol(p)))).collect();
    }
    let containers = if info.resource.kind == "Pod" { "spec.containers" } else { "spec.template.spec.containers" };
    let ports = object.list(containers).iter().flat_map(|container| container.list("ports"));
    ports.filter_map(|p| Some((p.int("containerPort")?, protocol(p)))).collect()
}

/// `a=b,c=d`.
fn parse_pairs(text: &str) -> Result<Value, CommandError> {
    let mut map = json!({});
    for spec in text.split(',') {
        match spec.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.contains('=') => {
                map.map_mut("").insert(key, value.into());
            }
            _ => return Err(CommandError::message(format!("unexpected label spec: {spec}"))),
        }
    }
    Ok(map)
}
