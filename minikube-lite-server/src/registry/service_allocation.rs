//! What Services get from the cluster: IP families, ClusterIPs, NodePorts.

use super::Registry;
use super::service::{is_headless, needs_cluster_ip, needs_health_check_port, needs_node_ports, wants_node_ports};
use super::service_ip::ClusterIps;
use super::service_node_port::NodePorts;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::status::Status;
use shared_types::validation::{FieldError, Path};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What Services have taken.
pub struct Allocations(Mutex<Pools>);

struct Pools {
    ips: ClusterIps,
    ports: NodePorts,
}

/// What one Service has taken, or one write of it has.
#[derive(Debug, Default, PartialEq)]
struct Held {
    ips: Vec<Ipv4Addr>,
    ports: Vec<i64>,
}

impl Held {
    fn by(service: &Value) -> Held {
        let ips = service.list("spec.clusterIPs").iter().filter_map(Value::as_str).filter_map(|ip| ip.parse().ok());
        let mut ports: Vec<i64> = service.list("spec.ports").iter().filter_map(|port| port.int("nodePort")).collect();
        ports.extend(service.int("spec.healthCheckNodePort"));
        ports.retain(|port| *port != 0);
        ports.sort_unstable();
        ports.dedup();
        Held { ips: ips.collect(), ports }
    }

    fn without(mut self, other: &Held) -> Held {
        self.ips.retain(|ip| !other.ips.contains(ip));
        self.ports.retain(|port| !other.ports.contains(port));
        self
    }
}

impl Pools {
    fn give_back(&mut self, held: Held) {
        held.ips.into_iter().for_each(|ip| self.ips.give_back(ip));
        held.ports.into_iter().for_each(|port| self.ports.give_back(port));
    }
}

impl Allocations {
    /// Nothing taken yet, of a range of ClusterIPs such as `10.96.0.0/12`.
    ///
    /// # Errors
    /// One line for the user, when that is no such range.
    pub fn new(range: &str) -> Result<Allocations, String> {
        let ips = ClusterIps::new(range).ok_or_else(|| format!("{range:?} is not an IPv4 range for Services"))?;
        Ok(Allocations(Mutex::new(Pools { ips, ports: NodePorts::default() })))
    }

    /// Marks as taken what stored Services hold. What lies outside the range, or is held twice, changes nothing.
    pub fn restore(&self, services: impl Iterator<Item = Value>) {
        let mut pools = self.pools();
        for held in services.map(|service| Held::by(&service)) {
            for ip in held.ips {
                let _ = pools.ips.take(ip);
            }
            for port in held.ports {
                let _ = pools.ports.take(port);
            }
        }
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a new or changed Service what it needs and does not have, and writes it into the Service.
///
/// # Errors
/// `Invalid` for what it asks for and cannot have, `InternalError` when there is nothing left.
pub fn allocate(registry: &Registry, service: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    if !needs_cluster_ip(service) {
        return Ok(());
    }
    ip_families(service)?;
    let mut pools = registry.service_allocations.pools();
    let had = old.map_or_else(Held::default, Held::by);
    let mut taken = Held::default();
    let purpose = format!("services/{}/{}", service.namespace(), service.name());
    let outcome = registry.environment().random(&purpose, |rng| {
        cluster_ip(service, &mut pools.ips, &had, &mut taken, rng)?;
        node_ports(service, &mut pools.ports, &had, &mut taken, rng)?;
        health_check_port(service, &mut pools.ports, &had, &mut taken, rng)
    });
    if outcome.is_err() {
        pools.give_back(taken);
    }
    outcome
}

/// Gives back what `service` holds and `kept` does not.
pub fn release(registry: &Registry, service: &Value, kept: Option<&Value>) {
    let freed = Held::by(service).without(&kept.map_or_else(Held::default, Held::by));
    if freed != Held::default() {
        registry.service_allocations.pools().give_back(freed);
    }
}

fn invalid(service: &Value, error: FieldError) -> Status {
    Status::invalid("Service", "", service.name(), &[error])
}

/// Settles IP families and policy for a cluster that has IPv4 only (KEP-563).
fn ip_families(service: &mut Value) -> Result<(), Status> {
    let spec = Path::new("spec");
    let policy_field = spec.child("ipFamilyPolicy");
    if is_headless(service) && service.map("spec.selector").is_empty() {
        // Nobody but the user knows which addresses such a Service will have.
        service.set_default("spec.ipFamilyPolicy", "RequireDualStack");
        let families = service.list("spec.ipFamilies").to_vec();
        if families.is_empty() {
            service.set("spec.ipFamilies", json!(["IPv4", "IPv6"]));
        } else if let ([only], true) = (&families[..], service.text("spec.ipFamilyPolicy") != "SingleStack") {
            let other = if *only == "IPv4" { "IPv6" } else { "IPv4" };
            service.set("spec.ipFamilies", json!([only, other]));
        }
        return Ok(());
    }
    let ips = service.list("spec.clusterIPs");
    for (index, ip) in ips.iter().enumerate() {
        if matches!(ip.as_str().unwrap_or("").parse(), Ok(IpAddr::V6(_))) {
            let list = spec.child("clusterIPs");
            let why = "IPv6 is not configured on this cluster";
            return Err(invalid(service, FieldError::invalid(&list.index(index), ips.to_vec(), why)));
        }
    }
    let families = service.list("spec.ipFamilies");
    let policy = service.text("spec.ipFamilyPolicy");
    if policy == "SingleStack" && (families.len() > 1 || ips.len() > 1) {
        let what = if ips.len() > 1 { "cluster IPs" } else { "IP families" };
        let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
        return Err(invalid(service, FieldError::invalid(&policy_field, policy, why)));
    }
    if policy == "RequireDualStack" || (policy.is_empty() && families.len() > 1) {
        let why = "this cluster is not configured for dual-stack services";
        return Err(invalid(service, FieldError::invalid(&policy_field, "RequireDualStack", why)));
    }
    if let Some(index) = families.iter().position(|family| family != "IPv4") {
        let list = spec.child("ipFamilies");
        let error = FieldError::invalid(&list.index(index), families[index].clone(), "not configured on this cluster");
        return Err(invalid(service, error));
    }
    service.set_default("spec.ipFamilyPolicy", "SingleStack");
    if service.list("spec.ipFamilies").is_empty() {
        service.set("spec.ipFamilies", json!(["IPv4"]));
    }
    Ok(())
}

fn cluster_ip(
    service: &mut Value,
    ips: &mut ClusterIps,
    had: &Held,
    taken: &mut Held,
    rng: &mut fastrand::Rng,
) -> Result<(), Status> {
    if is_headless(service) {
        return Ok(());
    }
    let wanted: Vec<String> =
        service.list("spec.clusterIPs").iter().filter_map(Value::as_str).map(str::to_string).collect();
    if wanted.is_empty() {
        let ip = ips.take_any(rng).ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?;
        taken.ips.push(ip);
        service.set("spec.clusterIP", ip.to_string());
        service.set("spec.clusterIPs", json!([ip.to_string()]));
        return Ok(());
    }
    for text in wanted {
        let Ok(ip) = text.parse::<Ipv4Addr>() else { continue };
        if had.ips.contains(&ip) {
            continue;
        }
        if let Err(why) = ips.take(ip) {
            let list = service.at("spec.clusterIPs").clone();
            let why = format!("failed to allocate IP {text}: {why}");
            return Err(invalid(service, FieldError::invalid(&Path::new("spec.clusterIPs"), list, why)));
        }
        taken.ips.push(ip);
    }
    Ok(())
}

fn node_ports(
    service: &mut Value,
    pool: &mut NodePorts,
    had: &Held,
    taken: &mut Held,
    rng: &mut fastrand::Rng,
) -> Result<(), Status> {
    if !needs_node_ports(service) {
        return Ok(());
    }
    let allocates = wants_node_ports(service);
    let mut ports = service.list("spec.ports").to_vec();
    // A port that is served over several protocols has one NodePort for all of them.
    let asked = |ports: &[Value], number: Option<i64>| {
        ports.iter().filter(|port| port.int("port") == number).find_map(|port| port.int("nodePort").filter(|n| *n != 0))
    };
    for index in 0..ports.len() {
        let number = ports[index].int("port");
        let own = ports[index].int("nodePort").filter(|n| *n != 0);
        if own.is_none() && !allocates {
            continue;
        }
        match own.or_else(|| asked(&ports, number)) {
            Some(wanted) => {
                ports[index].set("nodePort", wanted);
                let shared =
                    ports[..index].iter().any(|p| p.int("nodePort") == Some(wanted) && p.int("port") == number);
                if shared || had.ports.contains(&wanted) {
                    continue;
                }
                if let Err(why) = pool.take(wanted) {
                    let list = Path::new("spec.ports");
                    let error = FieldError::invalid(&list.index(index).child("nodePort"), wanted, why);
                    return Err(invalid(service, error));
                }
                taken.ports.push(wanted);
            }
            None => {
                let port = pool.take_any(rng);
                let port = port.ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
                taken.ports.push(port);
                ports[index].set("nodePort", port);
            }
        }
    }
    service.set("spec.ports", ports);
    Ok(())
}

/// The port on which a node tells a load balancer whether it has endpoints of its own.
fn health_check_port(
    service: &mut Value,
    pool: &mut NodePorts,
    had: &Held,
    taken: &mut Held,
    rng: &mut fastrand::Rng,
) -> Result<(), Status> {
    if !needs_health_check_port(service) {
        return Ok(());
    }
    match service.int("spec.healthCheckNodePort").filter(|port| *port != 0) {
        Some(wanted) if had.ports.contains(&wanted) => {}
        Some(wanted) => {
            pool.take(wanted).map_err(|why| {
                Status::internal(format!("failed to allocate requested HealthCheck NodePort {wanted}: {why}"))
            })?;
            taken.ports.push(wanted);
        }
        None => {
            let port = pool.take_any(rng);
            let port =
                port.ok_or_else(|| Status::internal("failed to allocate a HealthCheck NodePort <nil>: range is full"))?;
            taken.ports.push(port);
            service.set("spec.healthCheckNodePort", port);
        }
    }
    Ok(())
}
