//! Services: defaults, what their type implies, and what an update may leave out.

use super::strategy::{Part, Strategy};
use super::{Registry, metadata, service_allocation, service_validation};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::status::Status;
use shared_types::validation::ErrorList;

/// How long a client sticks to an endpoint when a Service says no more than `sessionAffinity: ClientIP`, in seconds.
const AFFINITY_TIMEOUT: i64 = 10_800;

pub struct Service;

/// Whether the Service has no virtual IP.
pub fn is_headless(service: &Value) -> bool {
    match service.list("spec.clusterIPs") {
        [only] => only == "None",
        [] => service.text("spec.clusterIP") == "None",
        _ => false,
    }
}
/// Whether the Service's type goes with a ClusterIP, be it `None`.
pub fn needs_cluster_ip(service: &Value) -> bool {
    matches!(service.text("spec.type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}
/// Whether the Service's type goes with NodePorts.
pub fn needs_node_ports(service: &Value) -> bool {
    matches!(service.text("spec.type"), "NodePort" | "LoadBalancer")
}
/// Whether the Service wants the NodePorts that it does not name.
pub fn wants_node_ports(service: &Value) -> bool {
    service.text("spec.type") == "NodePort"
        || service.at("spec.allocateLoadBalancerNodePorts").as_bool().unwrap_or(true)
}
/// Whether nodes tell a load balancer if they have endpoints of their own.
pub fn needs_health_check_port(service: &Value) -> bool {
    service.text("spec.type") == "LoadBalancer" && service.text("spec.externalTrafficPolicy") == "Local"
}
/// Whether the Service is reached from outside the cluster.
pub fn is_externally_accessible(service: &Value) -> bool {
    needs_node_ports(service)
        || (service.text("spec.type") == "ClusterIP" && !service.list("spec.externalIPs").is_empty())
}

impl Strategy for Service {
    fn default(&self, service: &mut Value) {
        let set_text = |service: &mut Value, field: &str, value: &str| {
            if service.text(field).is_empty() {
                service.set(field, value);
            }
        };
        set_text(service, "spec.sessionAffinity", "None");
        match service.text("spec.sessionAffinity") {
            "None" => drop(service.remove("spec.sessionAffinityConfig")),
            "ClientIP" => service.set_default("spec.sessionAffinityConfig.clientIP.timeoutSeconds", AFFINITY_TIMEOUT),
            _ => {}
        }
        set_text(service, "spec.type", "ClusterIP");
        for port in service.list_mut("spec.ports") {
            if port.text("protocol").is_empty() {
                port.set("protocol", "TCP");
            }
            let target = port.at("targetPort");
            if target.is_null() || *target == 0 || *target == "" {
                let number = port.int("port").unwrap_or(0);
                port.set("targetPort", number);
            }
        }
        if is_externally_accessible(service) {
            set_text(service, "spec.externalTrafficPolicy", "Cluster");
        }
        if needs_cluster_ip(service) {
            service.set_default("spec.internalTrafficPolicy", "Cluster");
        }
        if service.text("spec.type") == "LoadBalancer" {
            service.set_default("spec.allocateLoadBalancerNodePorts", true);
            for ingress in service.list_mut("status.loadBalancer.ingress") {
                if !ingress.text("ip").is_empty() {
                    ingress.set_default("ipMode", "VIP");
                }
            }
        }
    }

    fn prepare_for_create(&self, service: &mut Value) {
        service.set("status", json!({"loadBalancer": {}}));
        sync_cluster_ips(service, None);
    }

    fn validate(&self, service: &Value) -> ErrorList {
        service_validation::validate(service)
    }

    fn prepare_for_update(&self, service: &mut Value, old: &Value, part: Part) {
        if part == Part::Main {
            keep_allocated(service, old);
            sync_cluster_ips(service, Some(old));
            drop_what_the_type_lost(service, old);
        }
    }

    fn validate_update(&self, service: &Value, old: &Value, part: Part) -> ErrorList {
        if part == Part::Status {
            return service_validation::validate_status(service);
        }
        service_validation::validate_update(service, old)
    }

    fn warnings(&self, service: &Value, _old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        if service.annotation("service.kubernetes.io/topology-aware-hints").is_some() {
            let name = "service.kubernetes.io/topology-aware-hints";
            let instead = "service.kubernetes.io/topology-mode";
            warnings.push(format!("annotation {name} is deprecated, please use {instead} instead"));
        }
        if is_headless(service) {
            if !service.text("spec.loadBalancerIP").is_empty() {
                warnings.push("spec.loadBalancerIP is ignored when spec.clusterIP is \"None\"".into());
            }
            if !service.list("spec.externalIPs").is_empty() {
                warnings.push("spec.externalIPs is ignored when spec.clusterIP is \"None\"".into());
            }
            if service.text("spec.sessionAffinity") != "None" {
                warnings.push("spec.SessionAffinity is ignored for headless services".into());
            }
        }
        warnings
    }

    fn validate_name(&self, name: &str, prefix: bool) -> Vec<String> {
        metadata::dns_label_name(name, prefix)
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["spec.clusterIP", "spec.type"]
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn allocate(&self, registry: &Registry, service: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        service_allocation::allocate(registry, service, old)
    }

    fn release(&self, registry: &Registry, service: &Value, kept: Option<&Value>) {
        service_allocation::release(registry, service, kept);
    }
}

/// An update that does not mention what the cluster has given the Service keeps it.
fn keep_allocated(service: &mut Value, old: &Value) {
    let keep = |service: &mut Value, field: &str| {
        if old.has(field) {
            service.set(field, old.at(field).clone());
        }
    };
    if needs_cluster_ip(service) && needs_cluster_ip(old) {
        if service.text("spec.clusterIP").is_empty() {
            keep(service, "spec.clusterIP");
        }
        if service.list("spec.clusterIPs").is_empty() && service.at("spec.clusterIP") == old.at("spec.clusterIP") {
            keep(service, "spec.clusterIPs");
        }
        if service.list("spec.ipFamilies").is_empty() {
            keep(service, "spec.ipFamilies");
        }
        if service.text("spec.ipFamilyPolicy").is_empty() {
            keep(service, "spec.ipFamilyPolicy");
        }
    }
    if needs_node_ports(service) && needs_node_ports(old) {
        let node_port = |port: &Value| port.int("nodePort").filter(|n| *n != 0);
        let used: Vec<i64> = service.list("spec.ports").iter().filter_map(node_port).collect();
        for port in service.list_mut("spec.ports").iter_mut().filter(|port| node_port(port).is_none()) {
            let before = old.list("spec.ports").iter().find(|other| other.text("name") == port.text("name"));
            if let Some(number) = before.and_then(node_port).filter(|number| !used.contains(number)) {
                port.set("nodePort", number);
            }
        }
    }
    if needs_health_check_port(service)
        && needs_health_check_port(old)
        && service.int("spec.healthCheckNodePort").unwrap_or(0) == 0
    {
        keep(service, "spec.healthCheckNodePort");
    }
}

/// The single `clusterIP` and the first of `clusterIPs` are the same; whoever sets one means both.
fn sync_cluster_ips(service: &mut Value, old: Option<&Value>) {
    let ip = service.text("spec.clusterIP").to_string();
    let list_unchanged = match old {
        Some(old) => service.at("spec.clusterIPs") == old.at("spec.clusterIPs"),
        None => service.list("spec.clusterIPs").is_empty(),
    };
    let ip_changed = old.is_none_or(|old| old.text("spec.clusterIP") != ip);
    match (ip_changed, list_unchanged) {
        (true, true) if ip.is_empty() => drop(service.remove("spec.clusterIPs")),
        (true, true) => service.set("spec.clusterIPs", json!([ip])),
        _ if service.list("spec.clusterIPs").is_empty() && !ip.is_empty() => {
            service.set("spec.clusterIPs", json!([ip]));
        }
        (false, false) if old.is_some() && service.list("spec.clusterIPs").is_empty() => {
            service.remove("spec.clusterIP");
        }
        _ => {}
    }
}

/// When a Service's type changes, fields of the old type that the update left as they were go.
fn drop_what_the_type_lost(service: &mut Value, old: &Value) {
    let drop_same = |service: &mut Value, fields: &[&str]| {
        if fields.iter().all(|field| service.at(field) == old.at(field)) {
            for field in fields {
                service.remove(field);
            }
        }
    };
    let loses = |has: fn(&Value) -> bool, service: &Value| has(old) && !has(service);
    if loses(needs_cluster_ip, service) {
        drop_same(service, &["spec.clusterIP", "spec.clusterIPs"]);
        drop_same(service, &["spec.ipFamilies"]);
        drop_same(service, &["spec.ipFamilyPolicy"]);
        drop_same(service, &["spec.internalTrafficPolicy"]);
    }
    if loses(needs_node_ports, service) {
        let node_ports = |service: &Value| -> Vec<Value> {
            service.list("spec.ports").iter().map(|port| port.at("nodePort").clone()).collect()
        };
        if node_ports(service) == node_ports(old) {
            for port in service.list_mut("spec.ports") {
                port.remove("nodePort");
            }
        }
    }
    if loses(needs_health_check_port, service) {
        drop_same(service, &["spec.healthCheckNodePort"]);
    }
    if loses(|service| service.text("spec.type") == "LoadBalancer", service) {
        drop_same(service, &["spec.allocateLoadBalancerNodePorts"]);
        drop_same(service, &["spec.loadBalancerClass"]);
        service.set("status", json!({"loadBalancer": {}}));
    }
    if loses(is_externally_accessible, service) {
        drop_same(service, &["spec.externalTrafficPolicy"]);
    }
}
