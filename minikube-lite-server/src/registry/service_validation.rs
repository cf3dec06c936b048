//! What can be wrong with a Service, in the order in which Kubernetes reports it.

use super::endpoints::{PROTOCOLS, not_special_ip};
use super::service::{is_externally_accessible, is_headless, needs_cluster_ip, needs_health_check_port};
use super::{check, metadata};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, ErrorType, FieldError, Path};
use std::net::IpAddr;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITIES: &[&str] = &["ClientIP", "None"];
const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];
const TRAFFIC_POLICIES: &[&str] = &["Cluster", "Local"];
const TRAFFIC_DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameNode", "PreferSameZone"];
const IP_MODES: &[&str] = &["Proxy", "VIP"];

/// The longest that a client may stick to an endpoint, in seconds.
const MAX_AFFINITY_TIMEOUT: i64 = 86_400;
/// The kubelet's own port on every node.
const KUBELET_PORT: i64 = 10_250;

const LOAD_BALANCER_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";

/// All that is wrong with a Service.
pub fn validate(service: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let errors_ref = &mut errors;
    let spec = Path::new("spec");
    let ty = service.text("spec.type");
    if service.list("spec.ports").is_empty() && !is_headless(service) && ty != "ExternalName" {
        errors_ref.push(FieldError::required(&spec.child("ports"), ""));
    }
    by_type(service, &spec, errors_ref);
    ports(service, errors_ref);
    errors_ref.extend(metadata::validate_labels(service.map("spec.selector"), &spec.child("selector")));
    session_affinity(service, &spec, errors_ref);
    errors_ref.extend(cluster_ips(service));
    let external = spec.child("externalIPs");
    for (index, ip) in service.list("spec.externalIPs").iter().enumerate() {
        not_special_ip(ip.as_str().unwrap_or(""), &external.index(index), errors_ref);
    }
    check::required_one_of(service.at("spec"), "type", TYPES, &spec, errors_ref);
    port_numbers(service, errors_ref);
    load_balancer(service, &spec, errors_ref);
    traffic(service, &spec, errors_ref);
    errors
}

/// All that is wrong with a changed Service.
pub fn validate_update(service: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if needs_cluster_ip(service) && needs_cluster_ip(old) {
        unchanged(service, old, "clusterIPs", &mut errors);
        unchanged(service, old, "ipFamilies", &mut errors);
        if needs_health_check_port(service) && needs_health_check_port(old) {
            let field = "spec.healthCheckNodePort";
            check::immutable(service.at(field), old.at(field), &Path::new(field), &mut errors);
        }
    }
    let class = "spec.loadBalancerClass";
    let both = |ty: &str| service.text("spec.type") == ty && old.text("spec.type") == ty;
    if both("LoadBalancer") && service.at(class) != old.at(class) {
        let value = service.at(class).clone();
        errors.push(FieldError::invalid(&Path::new(class), value, "may not change once set"));
    }
    errors.extend(validate(service));
    errors
}

/// A second address or family may come and go; what stays in its place may not change.
fn unchanged(service: &Value, old: &Value, field: &str, errors: &mut ErrorList) {
    let spec = Path::new("spec");
    let path = spec.child(field);
    let (new, old) = (service.at("spec").list(field), old.at("spec").list(field));
    for (index, (new_value, old_value)) in new.iter().zip(old).enumerate() {
        if new_value != old_value {
            errors.push(FieldError::invalid(&path.index(index), new.to_vec(), "may not change once set"));
        }
    }
}

/// All that is wrong with a Service's status.
pub fn validate_status(service: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let list = Path::new("status.loadBalancer.ingress");
    let ingress = service.list("status.loadBalancer.ingress");
    if !ingress.is_empty() && service.text("spec.type") != "LoadBalancer" {
        errors.push(FieldError::forbidden(&list, "may only be used when `spec.type` is 'LoadBalancer'"));
        return errors;
    }
    for (index, point) in ingress.iter().enumerate() {
        let (path, ip, hostname) = (list.index(index), point.text("ip"), point.text("hostname"));
        if !ip.is_empty() {
            check::report(names::is_valid_ip(ip), ip, &path.child("ip"), &mut errors);
        }
        let mode = path.child("ipMode");
        match (ip.is_empty(), point.has("ipMode")) {
            (false, false) => errors.push(FieldError::required(&mode, "must be specified when `ip` is set")),
            (true, true) => errors.push(FieldError::forbidden(&mode, "may not be specified when `ip` is not set")),
            _ => {}
        }
        check::one_of(point, "ipMode", IP_MODES, &path, &mut errors);
        if !hostname.is_empty() {
            let path = path.child("hostname");
            check::report(names::is_dns1123_subdomain(hostname), hostname, &path, &mut errors);
            if hostname.parse::<IpAddr>().is_ok() {
                errors.push(FieldError::invalid(&path, hostname, "must be a DNS name, not an IP address"));
            }
        }
    }
    errors
}

fn by_type(service: &Value, spec: &Path, errors: &mut ErrorList) {
    let ty = service.text("spec.type");
    let list = spec.child("ports");
    if ty == "LoadBalancer" {
        for (index, port) in service.list("spec.ports").iter().enumerate() {
            if port.int("port") == Some(KUBELET_PORT) {
                let why = format!("may not expose port {KUBELET_PORT} externally since it is used by kubelet");
                errors.push(FieldError::invalid(&list.index(index).child("port"), KUBELET_PORT, why));
            }
        }
    }
    match ty {
        "LoadBalancer" | "NodePort" if is_headless(service) => {
            let why = format!("may not be set to 'None' for {ty} services");
            errors.push(FieldError::invalid(&spec.child("clusterIPs").index(0), "None", why));
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies"] {
                if !service.at("spec").list(field).is_empty() {
                    errors.push(FieldError::forbidden(&spec.child(field), "may not be set for ExternalName services"));
                }
            }
            if service.has("spec.ipFamilyPolicy") {
                let why = "may not be set for ExternalName services";
                errors.push(FieldError::forbidden(&spec.child("ipFamilyPolicy"), why));
            }
            let (path, name) = (spec.child("externalName"), service.text("spec.externalName"));
            match name.strip_suffix('.').unwrap_or(name) {
                "" => errors.push(FieldError::required(&path, "")),
                name => check::report(names::is_dns1123_subdomain(name), name, &path, errors),
            }
        }
        _ => {}
    }
}

/// Each port by itself.
fn ports(service: &Value, errors: &mut ErrorList) {
    let list = Path::new("spec.ports");
    let ports = service.list("spec.ports");
    for (index, port) in ports.iter().enumerate() {
        let (path, name) = (list.index(index), port.text("name"));
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else if !name.is_empty() {
            check::report(names::is_dns1123_label(name), name, &path.child("name"), errors);
            if ports[..index].iter().any(|other| other.text("name") == name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        let number = port.int("port").unwrap_or(0);
        for problem in names::is_valid_port_num(number) {
            errors.push(FieldError::invalid(&path.child("port"), number, problem));
        }
        check::required_one_of(port, "protocol", PROTOCOLS, &path, errors);
        check::port_number_or_name(port.at("targetPort"), &path.child("targetPort"), errors);
        if port.has("appProtocol") {
            let protocol = port.text("appProtocol");
            check::report(names::is_qualified_name(protocol), protocol, &path.child("appProtocol"), errors);
        }
    }
}

/// The ports beside each other.
fn port_numbers(service: &Value, errors: &mut ErrorList) {
    let list = Path::new("spec.ports");
    let ports = service.list("spec.ports");
    let node_port = |port: &Value| port.int("nodePort").filter(|number| *number != 0);
    if service.text("spec.type") == "ClusterIP" {
        for index in (0..ports.len()).filter(|index| node_port(&ports[*index]).is_some()) {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(&list.index(index).child("nodePort"), why));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let same = |other: &Value| node_port(other) == node_port(port) && other.at("protocol") == port.at("protocol");
        if let Some(number) = node_port(port)
            && ports[..index].iter().any(same)
        {
            errors.push(FieldError::duplicate(&list.index(index).child("nodePort"), number));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let same = |other: &Value| other.at("port") == port.at("port") && other.at("protocol") == port.at("protocol");
        if ports[..index].iter().any(same) {
            // Shown in the order of the fields of Kubernetes' own type.
            let detail = format!(
                "{{\"Name\":\"\",\"Protocol\":{:?},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                port.text("protocol"),
                port.int("port").unwrap_or(0)
            );
            let field = list.index(index).to_string();
            errors.push(FieldError { kind: ErrorType::Duplicate, field, value: None, detail });
        }
    }
}

fn session_affinity(service: &Value, spec: &Path, errors: &mut ErrorList) {
    check::required_one_of(service.at("spec"), "sessionAffinity", AFFINITIES, spec, errors);
    let config = spec.child("sessionAffinityConfig");
    match service.text("spec.sessionAffinity") {
        "None" if service.has("spec.sessionAffinityConfig") => {
            errors.push(FieldError::forbidden(&config, "must not be set when session affinity is None"));
        }
        "ClientIP" => {
            let path = config.child("clientIP.timeoutSeconds");
            match service.int("spec.sessionAffinityConfig.clientIP.timeoutSeconds") {
                None => errors.push(FieldError::required(&path, "when session affinity type is ClientIP")),
                Some(seconds) if !(1..=MAX_AFFINITY_TIMEOUT).contains(&seconds) => {
                    let why = format!("must be greater than 0 and less than {MAX_AFFINITY_TIMEOUT}");
                    errors.push(FieldError::invalid(&path, seconds, why));
                }
                Some(_) => {}
            }
        }
        _ => {}
    }
}

/// ClusterIPs, IP families and the policy that goes with them (KEP-563).
fn cluster_ips(service: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if service.text("spec.type") == "ExternalName" {
        return errors;
    }
    let spec = Path::new("spec");
    let (path, ip) = (spec.child("clusterIPs"), service.text("spec.clusterIP"));
    let ips: Vec<&str> = service.list("spec.clusterIPs").iter().filter_map(Value::as_str).collect();
    let shown = || service.at("spec.clusterIPs").clone();
    match (ip.is_empty(), ips.first()) {
        (false, None) => errors.push(FieldError::required(&path, "")),
        (false, Some(first)) if *first != ip => {
            errors.push(FieldError::invalid(&path, shown(), "first value must match `clusterIP`"));
        }
        (true, Some(_)) => {
            errors.push(FieldError::invalid(&path, shown(), "must be empty when `clusterIP` is not specified"));
        }
        _ => {}
    }
    let families = service.list("spec.ipFamilies");
    let family_list = spec.child("ipFamilies");
    for (index, family) in families.iter().enumerate() {
        let (path, name) = (family_list.index(index), family.as_str().unwrap_or(""));
        if !FAMILIES.contains(&name) {
            errors.push(FieldError::not_supported(&path, name, FAMILIES));
        }
        if families[..index].contains(family) {
            errors.push(FieldError::duplicate(&path, name));
        }
    }
    check::one_of(service.at("spec"), "ipFamilyPolicy", POLICIES, &spec, &mut errors);

    let before = errors.len();
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && *ip == "None" {
            if ips.len() > 1 {
                errors.push(FieldError::invalid(&path, shown(), "'None' must be the first and only value"));
            }
            continue;
        }
        check::report(names::is_valid_ip(ip), ip, &path.index(index), &mut errors);
    }
    if ips.len() > 2 {
        errors.push(FieldError::invalid(&path, shown(), "may only hold up to 2 values"));
    }
    if errors.len() > before {
        return errors;
    }
    let family_of = |ip: &str| if ip.contains(':') { "IPv6" } else { "IPv4" };
    if let [first, second] = ips[..]
        && family_of(first) == family_of(second)
    {
        errors.push(FieldError::invalid(&path, shown(), "may specify no more than one IP for each IP family"));
    }
    if !is_headless(service) {
        for (index, (ip, family)) in ips.iter().zip(families).enumerate() {
            let family = family.as_str().unwrap_or("");
            if FAMILIES.contains(&family) && family_of(ip) != family {
                let why = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
                errors.push(FieldError::invalid(&path.index(index), *ip, why));
            }
        }
    }
    errors
}

fn load_balancer(service: &Value, spec: &Path, errors: &mut ErrorList) {
    let balanced = service.text("spec.type") == "LoadBalancer";
    let ranges = service.list("spec.loadBalancerSourceRanges");
    if !ranges.is_empty() {
        let list = spec.child("loadBalancerSourceRanges");
        if !balanced {
            errors.push(FieldError::forbidden(&list, LOAD_BALANCER_ONLY));
        }
        for (index, range) in ranges.iter().enumerate() {
            let range = range.as_str().unwrap_or("");
            check::report(names::is_valid_cidr(range.trim()), range, &list.index(index), errors);
        }
    }
    let allocates = spec.child("allocateLoadBalancerNodePorts");
    match (balanced, service.has("spec.allocateLoadBalancerNodePorts")) {
        (false, true) => errors.push(FieldError::forbidden(&allocates, LOAD_BALANCER_ONLY)),
        (true, false) => errors.push(FieldError::required(&allocates, "")),
        _ => {}
    }
    if service.has("spec.loadBalancerClass") {
        let (path, class) = (spec.child("loadBalancerClass"), service.text("spec.loadBalancerClass"));
        if balanced {
            check::report(names::is_qualified_name(class), class, &path, errors);
        } else {
            errors.push(FieldError::forbidden(&path, LOAD_BALANCER_ONLY));
        }
    }
}

fn traffic(service: &Value, spec: &Path, errors: &mut ErrorList) {
    let external = service.text("spec.externalTrafficPolicy");
    let (policy, health) = (spec.child("externalTrafficPolicy"), spec.child("healthCheckNodePort"));
    let port = service.int("spec.healthCheckNodePort").unwrap_or(0);
    if !external.is_empty() {
        check::one_of(service.at("spec"), "externalTrafficPolicy", TRAFFIC_POLICIES, spec, errors);
    }
    check::non_negative(service.at("spec"), "healthCheckNodePort", spec, errors);
    match (is_externally_accessible(service), external.is_empty()) {
        (false, false) => {
            let why = "may only be set for externally-accessible services";
            errors.push(FieldError::invalid(&policy, external, why));
        }
        (true, true) => errors.push(FieldError::required(&policy, "")),
        _ => {}
    }
    if port != 0 && !needs_health_check_port(service) {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.push(FieldError::invalid(&health, port, why));
    }
    if needs_cluster_ip(service) {
        check::required_one_of(service.at("spec"), "internalTrafficPolicy", TRAFFIC_POLICIES, spec, errors);
    }
    check::one_of(service.at("spec"), "trafficDistribution", TRAFFIC_DISTRIBUTIONS, spec, errors);
}

#[cfg(test)]
mod tests {
    use super::super::service::Service;
    use super::super::strategy::{Part, Strategy};
    use super::*;
    use shared_types::json::json;

    fn defaulted(spec: Value) -> Value {
        let mut service = json!({"spec": spec});
        Service.default(&mut service);
        Service.prepare_for_create(&mut service);
        service
    }

    fn problems(spec: Value) -> Vec<String> {
        validate(&defaulted(spec)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ports_are_reported_in_order() {
        assert_eq!(problems(json!({"ports": []})), ["spec.ports: Required value"]);
        assert_eq!(
            problems(json!({"ports": [{"port": 0}, {"port": 80}, {"port": 80}]})),
            [
                "spec.ports[0].name: Required value",
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[1].name: Required value",
                "spec.ports[2].name: Required value",
                "spec.ports[2]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\
                 \"TargetPort\":0,\"NodePort\":0}",
            ]
        );
        assert_eq!(
            problems(json!({"type": "Fancy", "sessionAffinity": "Maybe", "ports": [{"port": 1}]})),
            [
                "spec.sessionAffinity: Unsupported value: \"Maybe\": supported values: \"ClientIP\", \"None\"",
                "spec.type: Unsupported value: \"Fancy\": supported values: \"ClusterIP\", \"ExternalName\", \
                 \"LoadBalancer\", \"NodePort\"",
            ]
        );
    }

    #[test]
    fn types_allow_what_they_need() {
        let external = json!({"type": "ExternalName", "externalName": "a.b", "clusterIP": "10.96.1.1"});
        assert_eq!(problems(external), ["spec.clusterIPs: Forbidden: may not be set for ExternalName services"]);
        assert_eq!(problems(json!({"type": "ExternalName"})), ["spec.externalName: Required value"]);
        let headless = json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 1}]});
        assert_eq!(
            problems(headless),
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]
        );
        let node_port = json!({"ports": [{"port": 1, "nodePort": 30000}]});
        assert_eq!(
            problems(node_port),
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]
        );
        assert!(problems(json!({"type": "LoadBalancer", "ports": [{"port": 1}]})).is_empty());
        assert!(problems(json!({"clusterIP": "None"})).is_empty());
    }

    #[test]
    fn cluster_ips_stay() {
        let old = defaulted(json!({"clusterIP": "10.96.77.77", "ports": [{"port": 1}]}));
        let mut new = old.clone();
        new.set("spec.clusterIP", "10.96.77.78");
        Service.prepare_for_update(&mut new, &old, Part::Main);
        let errors = validate_update(&new, &old);
        assert_eq!(
            errors[0].to_string(),
            "spec.clusterIPs[0]: Invalid value: [\"10.96.77.78\"]: may not change once set"
        );
        let mut cleared = old.clone();
        cleared.at_mut("spec").remove("clusterIP");
        Service.prepare_for_update(&mut cleared, &old, Part::Main);
        assert_eq!(cleared, old);
    }

    #[test]
    fn a_new_type_drops_what_the_old_one_had() {
        let old = defaulted(json!({"type": "NodePort", "clusterIP": "10.96.0.9",
            "ports": [{"port": 1, "nodePort": 30001}]}));
        let mut new = old.clone();
        new.set("spec.type", "ClusterIP");
        Service.prepare_for_update(&mut new, &old, Part::Main);
        assert!(!new.has("spec.externalTrafficPolicy") && !new.list("spec.ports")[0].has("nodePort"));
        assert!(validate_update(&new, &old).is_empty());
        new = old.clone();
        new.set("spec.type", "ExternalName");
        new.set("spec.externalName", "db.example.com");
        Service.prepare_for_update(&mut new, &old, Part::Main);
        let spec: Vec<_> = new.map("spec").keys().collect();
        assert_eq!(spec, ["externalName", "ports", "sessionAffinity", "type"]);
        assert!(validate_update(&new, &old).is_empty());
    }

    #[test]
    fn load_balancers_report_addresses() {
        let mut service = defaulted(json!({"type": "LoadBalancer", "ports": [{"port": 1}]}));
        service.set("status", json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}));
        assert_eq!(
            validate_status(&service)[0].to_string(),
            "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set"
        );
        Service.default(&mut service);
        assert!(validate_status(&service).is_empty());
    }
}
