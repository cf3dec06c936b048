//! The variables by which a container finds the Services that were there when it started: `BACKEND_SERVICE_HOST`,
//! `BACKEND_PORT_80_TCP`, ...

use crate::controllers::runtime::{Cached, Interner, Meta};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use std::collections::BTreeMap;

/// A Service as containers see it.
pub struct ServiceLink {
    meta: Meta,
    /// Empty for one without: a headless Service.
    ip: Box<str>,
    ports: Vec<Port>,
}

struct Port {
    name: Box<str>,
    protocol: Box<str>,
    number: i64,
}

impl Cached for ServiceLink {
    fn read(kind: &'static Kind, object: Value, shared: &mut Interner) -> ServiceLink {
        let ports = object.list("spec.ports").iter().map(|port| Port {
            name: port.text("name").into(),
            protocol: port.text("protocol").into(),
            number: port.int("port").unwrap_or(0),
        });
        let ip = object.text("spec.clusterIP");
        ServiceLink {
            ip: if ip == "None" { "" } else { ip }.into(),
            ports: ports.collect(),
            meta: Meta::read(kind, &object, shared),
        }
    }
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl ServiceLink {
    /// Adds the variables for this Service. It has none without an address.
    pub fn add_to(&self, variables: &mut BTreeMap<String, String>) {
        let Some(first) = self.ports.first().filter(|_| !self.ip.is_empty()) else { return };
        let constant = |name: &str| name.to_uppercase().replace('-', "_");
        let name = constant(&self.meta.name);
        let ip = &*self.ip;
        variables.insert(format!("{name}_SERVICE_HOST"), ip.to_string());
        variables.insert(format!("{name}_SERVICE_PORT"), first.number.to_string());
        for (index, port) in self.ports.iter().enumerate() {
            let (number, protocol) = (port.number, port.protocol.to_lowercase());
            if !port.name.is_empty() {
                variables.insert(format!("{name}_SERVICE_PORT_{}", constant(&port.name)), number.to_string());
            }
            let url = format!("{protocol}://{ip}:{number}");
            if index == 0 {
                variables.insert(format!("{name}_PORT"), url.clone());
            }
            let prefix = format!("{name}_PORT_{number}_{}", port.protocol.to_uppercase());
            variables.insert(format!("{prefix}_PROTO"), protocol);
            variables.insert(format!("{prefix}_PORT"), number.to_string());
            variables.insert(format!("{prefix}_ADDR"), ip.to_string());
            variables.insert(prefix, url);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::kinds;

    fn variables(service: Value) -> Vec<String> {
        let mut variables = BTreeMap::new();
        ServiceLink::read(kinds::named("Service"), service, &mut Interner::default()).add_to(&mut variables);
        variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_service_has_its_variables() {
        let service = json!({"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.0.7", "ports": [
            {"port": 5432, "protocol": "TCP", "name": "sql"}, {"port": 53, "protocol": "UDP"},
        ]}});
        assert_eq!(
            variables(service),
            [
                "MY_DB_PORT=tcp://10.96.0.7:5432",
                "MY_DB_PORT_53_UDP=udp://10.96.0.7:53",
                "MY_DB_PORT_53_UDP_ADDR=10.96.0.7",
                "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_PROTO=udp",
                "MY_DB_PORT_5432_TCP=tcp://10.96.0.7:5432",
                "MY_DB_PORT_5432_TCP_ADDR=10.96.0.7",
                "MY_DB_PORT_5432_TCP_PORT=5432",
                "MY_DB_PORT_5432_TCP_PROTO=tcp",
                "MY_DB_SERVICE_HOST=10.96.0.7",
                "MY_DB_SERVICE_PORT=5432",
                "MY_DB_SERVICE_PORT_SQL=5432",
            ]
        );
        assert!(
            variables(json!({"metadata": {"name": "x"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}}))
                .is_empty()
        );
    }
}
