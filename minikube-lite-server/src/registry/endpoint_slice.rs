//! EndpointSlices.

use super::check;
use super::endpoints::{PROTOCOLS, not_special_ip};
use super::strategy::{Part, Strategy};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::BTreeSet;
use std::net::IpAddr;

const ADDRESS_TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];
const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_ZONE_HINTS: usize = 8;

pub struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, slice: &mut Value) {
        for port in slice.list_mut("ports") {
            port.set_default("name", "");
            port.set_default("protocol", "TCP");
        }
    }

    fn validate(&self, slice: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check::required_one_of(slice, "addressType", ADDRESS_TYPES, &Path::new(""), &mut errors);
        validate_ports(slice.list("ports"), &mut errors);
        validate_endpoints(slice, &mut errors);
        errors
    }

    fn validate_update(&self, slice: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = self.validate(slice);
        check::immutable(slice.at("addressType"), old.at("addressType"), &Path::new("addressType"), &mut errors);
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }
    /// There is no spec: all but metadata counts, and of that the labels.
    fn changes_generation(&self, slice: &Value, old: &Value) -> bool {
        ["addressType", "endpoints", "ports", "metadata.labels"].iter().any(|field| slice.at(field) != old.at(field))
    }
}

fn validate_ports(ports: &[Value], errors: &mut ErrorList) {
    let list = Path::new("ports");
    if ports.len() > MAX_PORTS {
        errors.push(FieldError::too_many(&list, ports.len(), MAX_PORTS));
        return;
    }
    let mut names_seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let (path, name) = (list.index(index), port.text("name"));
        if !name.is_empty() {
            check::report(names::is_dns1123_label(name), name, &path.child("name"), errors);
        }
        if !names_seen.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        check::required_one_of(port, "protocol", PROTOCOLS, &path, errors);
        if port.has("appProtocol") {
            let protocol = port.text("appProtocol");
            check::report(names::is_qualified_name(protocol), protocol, &path.child("appProtocol"), errors);
        }
    }
}

fn validate_endpoints(slice: &Value, errors: &mut ErrorList) {
    let list = Path::new("endpoints");
    let endpoints = slice.list("endpoints");
    if endpoints.len() > MAX_ENDPOINTS {
        errors.push(FieldError::too_many(&list, endpoints.len(), MAX_ENDPOINTS));
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = list.index(index);
        let (addresses, field) = (endpoint.list("addresses"), path.child("addresses"));
        if addresses.is_empty() {
            errors.push(FieldError::required(&field, "must contain at least 1 address"));
        } else if addresses.len() > MAX_ADDRESSES {
            errors.push(FieldError::too_many(&field, addresses.len(), MAX_ADDRESSES));
        }
        for (index, address) in addresses.iter().enumerate() {
            validate_address(slice.text("addressType"), address.as_str().unwrap_or(""), &field.index(index), errors);
        }
        if endpoint.has("nodeName") {
            let node = endpoint.text("nodeName");
            check::report(names::is_dns1123_subdomain(node), node, &path.child("nodeName"), errors);
        }
        if endpoint.has("hostname") {
            let hostname = endpoint.text("hostname");
            check::report(names::is_dns1123_label(hostname), hostname, &path.child("hostname"), errors);
        }
        validate_zone_hints(endpoint, &path, errors);
    }
}

fn validate_address(address_type: &str, address: &str, path: &Path, errors: &mut ErrorList) {
    let (is_wanted, why): (fn(&IpAddr) -> bool, _) = match address_type {
        "IPv4" => (IpAddr::is_ipv4, "must be an IPv4 address"),
        "IPv6" => (IpAddr::is_ipv6, "must be an IPv6 address"),
        "FQDN" => return check::report(names::is_fully_qualified_domain_name(address), address, path, errors),
        _ => return,
    };
    match address.parse::<IpAddr>() {
        Ok(ip) if is_wanted(&ip) => not_special_ip(address, path, errors),
        Ok(_) => errors.push(FieldError::invalid(path, address, why)),
        Err(_) => check::report(names::is_valid_ip(address), address, path, errors),
    }
}

fn validate_zone_hints(endpoint: &Value, path: &Path, errors: &mut ErrorList) {
    let zones = endpoint.list("hints.forZones");
    let hints = path.child("hints.forZones");
    if zones.len() > MAX_ZONE_HINTS {
        errors.push(FieldError::too_many(&hints, zones.len(), MAX_ZONE_HINTS));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, zone) in zones.iter().enumerate() {
        let (path, name) = (hints.index(index), zone.text("name"));
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        check::report(names::is_valid_label_value(name), name, &path.child("name"), errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn errors(slice: Value) -> Vec<String> {
        let mut slice = slice;
        EndpointSlice.default(&mut slice);
        EndpointSlice.validate(&slice).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_fit_the_address_type() {
        let slice = |ty: &str, address: &str| json!({"addressType": ty, "endpoints": [{"addresses": [address]}]});
        assert_eq!(errors(slice("IPv4", "10.0.0.1")).len(), 0);
        assert_eq!(
            errors(slice("IPv4", "fd00::1")),
            ["endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be an IPv4 address"]
        );
        assert_eq!(errors(slice("FQDN", "example.com")).len(), 0);
        assert_eq!(
            errors(slice("Carrier", "pigeon")),
            ["addressType: Unsupported value: \"Carrier\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""]
        );
    }

    #[test]
    fn ports_have_unique_names() {
        let slice = json!({"addressType": "IPv4", "ports": [{"port": 1}, {"port": 2}]});
        assert_eq!(errors(slice), ["ports[1].name: Duplicate value: \"\""]);
    }

    #[test]
    fn labels_count_for_the_generation() {
        let old = json!({"metadata": {"annotations": {"a": "1"}}, "ports": []});
        let mut new = old.clone();
        new.set("metadata.annotations.a", "2");
        assert!(!EndpointSlice.changes_generation(&new, &old));
        new.set("metadata.labels.a", "2");
        assert!(EndpointSlice.changes_generation(&new, &old));
    }
}
