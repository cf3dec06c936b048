//! Endpoints, which EndpointSlices have replaced.

use super::check;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::net::IpAddr;

/// The transport protocols of ports.
pub const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, endpoints: &mut Value) {
        for port in endpoints.list_mut("subsets").iter_mut().flat_map(|subset| subset.list_mut("ports")) {
            if port.text("protocol").is_empty() {
                port.set("protocol", "TCP");
            }
        }
    }

    fn validate(&self, endpoints: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let subsets = Path::new("subsets");
        for (index, subset) in endpoints.list("subsets").iter().enumerate() {
            validate_subset(subset, &subsets.index(index), &mut errors);
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

fn validate_subset(subset: &Value, path: &Path, errors: &mut ErrorList) {
    if subset.list("addresses").is_empty() && subset.list("notReadyAddresses").is_empty() {
        errors.push(FieldError::required(path, "must specify `addresses` or `notReadyAddresses`"));
    }
    for field in ["addresses", "notReadyAddresses"] {
        let addresses = path.child(field);
        for (index, address) in subset.list(field).iter().enumerate() {
            let path = addresses.index(index);
            let (ip, hostname, node) = (address.text("ip"), address.text("hostname"), address.text("nodeName"));
            let problems = names::is_valid_ip(ip);
            let valid = problems.is_empty();
            check::report(problems, ip, &path.child("ip"), errors);
            if !hostname.is_empty() {
                check::report(names::is_dns1123_label(hostname), hostname, &path.child("hostname"), errors);
            }
            if !node.is_empty() {
                check::report(names::is_dns1123_subdomain(node), node, &path.child("nodeName"), errors);
            }
            if valid {
                not_special_ip(ip, &path.child("ip"), errors);
            }
        }
    }
    let ports = path.child("ports");
    let several = subset.list("ports").len() > 1;
    for (index, port) in subset.list("ports").iter().enumerate() {
        let (path, name) = (ports.index(index), port.text("name"));
        if !name.is_empty() {
            check::report(names::is_dns1123_label(name), name, &path.child("name"), errors);
        } else if several {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        let number = port.int("port").unwrap_or(0);
        for problem in names::is_valid_port_num(number) {
            errors.push(FieldError::invalid(&path.child("port"), number, problem));
        }
        check::required_one_of(port, "protocol", PROTOCOLS, &path, errors);
        let app_protocol = port.text("appProtocol");
        if port.has("appProtocol") {
            check::report(names::is_qualified_name(app_protocol), app_protocol, &path.child("appProtocol"), errors);
        }
    }
}

/// An address that stands for a machine elsewhere: not the unspecified one, a loopback or a link-local address.
pub fn not_special_ip(text: &str, path: &Path, errors: &mut ErrorList) {
    let Ok(ip) = text.parse::<IpAddr>() else {
        return check::report(names::is_valid_ip(text), text, path, errors);
    };
    let mut refuse = |why: String| errors.push(FieldError::invalid(path, text, why));
    if ip.is_unspecified() {
        refuse(format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        refuse("may not be in the loopback range (127.0.0.0/8, ::1/128)".into());
    }
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if link_local {
        refuse("may not be in the link-local range (169.254.0.0/16, fe80::/10)".into());
    }
    if link_local_multicast {
        refuse("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn subsets_need_addresses_of_machines() {
        let mut endpoints = json!({"subsets": [{}, {"addresses": [{"ip": "127.0.0.1"}, {"ip": "x"}, {"ip": "10.0.0.1"}],
            "ports": [{"port": 80}, {"name": "b", "port": 0}]}]});
        Endpoints.default(&mut endpoints);
        let fields: Vec<String> = Endpoints.validate(&endpoints).into_iter().map(|e| e.field).collect();
        let expected = [
            "subsets[0]",
            "subsets[1].addresses[0].ip",
            "subsets[1].addresses[1].ip",
            "subsets[1].ports[0].name",
            "subsets[1].ports[1].port",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn special_addresses_are_named() {
        let problem = |ip: &str| {
            let mut errors = ErrorList::new();
            not_special_ip(ip, &Path::new("ip"), &mut errors);
            errors.first().map_or(String::new(), |e| e.detail.clone())
        };
        assert_eq!(problem("0.0.0.0"), "may not be unspecified (0.0.0.0)");
        assert!(problem("169.254.1.1").starts_with("may not be in the link-local range"));
        assert!(problem("ff02::1").starts_with("may not be in the link-local multicast range"));
        assert_eq!(problem("fd00::1"), "");
    }
}
