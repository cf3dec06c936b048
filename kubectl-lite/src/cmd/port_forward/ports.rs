//! Which ports are forwarded: `80`, `8080:80`, `:80`, `http`, those of a Service.

use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A local port and that of the Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// 0 takes a free one.
    pub local: u16,
    pub remote: u16,
}

impl Pair {
    /// # Errors
    /// Not two numbers of ports.
    pub fn parse(spec: &str) -> Result<Pair, CommandError> {
        let (local, remote) = split(spec);
        let local = if local.is_empty() { "0" } else { local };
        let number = |side: &str, text: &str| {
            text.parse::<u16>().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let why = if digits { "value out of range" } else { "invalid syntax" };
                CommandError::message(format!(
                    "error parsing {side} port '{text}': strconv.ParseUint: parsing {text:?}: {why}"
                ))
            })
        };
        let pair = Pair { local: number("local", local)?, remote: number("remote", remote)? };
        if pair.remote == 0 {
            return Err(CommandError::message("remote port must be > 0"));
        }
        Ok(pair)
    }
}

/// `LOCAL:REMOTE`; one of them stands for both.
fn split(spec: &str) -> (&str, &str) {
    match spec.split(':').collect::<Vec<_>>().as_slice() {
        [local, remote] => (local, remote),
        many => (many[0], many[0]),
    }
}

/// The pair with the Pod's own number: a name is looked up in the Pod, the port of a Service leads to its target.
///
/// # Errors
/// There is no such port, or it does not speak TCP.
pub fn resolve(spec: &str, service: Option<&Value>, pod: &Value) -> Result<String, CommandError> {
    let (local, remote) = split(spec);
    let Some(service) = service else {
        let number = match go_number(remote) {
            Some(number) => number,
            None => port_of_pod(pod, remote)?,
        };
        let ports = pod.list("spec.containers").iter().flat_map(|container| container.list("ports"));
        require_tcp(ports, "containerPort", number, remote)?;
        // A number stays as it has been written, so that what is wrong with it can be told.
        let target = if go_number(remote).is_some() { remote.to_string() } else { number.to_string() };
        return Ok(if local == remote { target } else { format!("{local}:{target}") });
    };
    let named = go_number(remote).is_none();
    let number = match go_number(remote) {
        Some(number) => number,
        None => service
            .list("spec.ports")
            .iter()
            .find(|port| port.text("name") == remote)
            .and_then(|port| port.int("port"))
            .ok_or_else(|| {
                CommandError::message(format!("Service '{}' does not have a named port '{remote}'", service.name()))
            })?,
    };
    require_tcp(service.list("spec.ports").iter(), "port", number, remote)?;
    let local = if named && local == remote { number.to_string() } else { local.to_string() };
    let target = target_of_service(service, number, pod)?.to_string();
    Ok(if local == target { target } else { format!("{local}:{target}") })
}

/// A number as Go's `Atoi` reads it.
fn go_number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn require_tcp<'p>(
    ports: impl Iterator<Item = &'p Value>,
    field: &str,
    number: i64,
    typed: &str,
) -> Result<(), CommandError> {
    let mut protocols =
        ports.filter(|port| port.int(field) == Some(number)).map(|port| port.text("protocol")).peekable();
    if protocols.peek().is_some_and(|first| *first == "UDP") && protocols.all(|protocol| protocol == "UDP") {
        return Err(CommandError::message(format!("UDP protocol is not supported for {typed}")));
    }
    Ok(())
}

fn port_of_pod(pod: &Value, name: &str) -> Result<i64, CommandError> {
    let mut ports = pod.list("spec.containers").iter().flat_map(|container| container.list("ports"));
    ports
        .find(|port| !name.is_empty() && port.text("name") == name)
        .and_then(|port| port.int("containerPort"))
        .ok_or_else(|| CommandError::message(format!("Pod '{}' does not have a named port '{name}'", pod.name())))
}

/// The Pod's port that a Service's port leads to.
fn target_of_service(service: &Value, number: i64, pod: &Value) -> Result<i64, CommandError> {
    let Some(port) = service.list("spec.ports").iter().find(|port| port.int("port") == Some(number)) else {
        return Err(CommandError::message(format!("Service {} does not have a service port {number}", service.name())));
    };
    if service.text("spec.clusterIP") == "None" {
        return Ok(number);
    }
    match port.at("targetPort") {
        Value::String(name) => port_of_pod(pod, name),
        target => Ok(target.as_i64().filter(|target| *target != 0).unwrap_or(number)),
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub ip: IpAddr,
    /// It is enough to listen on one of those that `localhost` stands for.
    pub is_localhost: bool,
}

/// # Errors
/// Something is no IP address.
pub fn addresses(given: &[String]) -> Result<Vec<Address>, CommandError> {
    let mut addresses: Vec<Address> = Vec::new();
    let mut add = |ip: IpAddr, is_localhost: bool| match addresses.iter_mut().find(|address| address.ip == ip) {
        Some(known) => known.is_localhost &= is_localhost,
        None => addresses.push(Address { ip, is_localhost }),
    };
    for text in given {
        if text == "localhost" {
            add(Ipv4Addr::LOCALHOST.into(), true);
            add(Ipv6Addr::LOCALHOST.into(), true);
        } else {
            let ip = text.parse().map_err(|_| CommandError::message(format!("{text} is not a valid IP")))?;
            add(ip, false);
        }
    }
    addresses.sort();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn pod() -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"ports": [
            {"name": "http", "containerPort": 80, "protocol": "TCP"},
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        ]}]}})
    }

    #[test]
    fn pairs_are_read() {
        let pair = |text: &str| Pair::parse(text).map(|pair| (pair.local, pair.remote)).map_err(|error| error.text());
        assert_eq!((pair("80"), pair("8080:80"), pair(":80")), (Ok((80, 80)), Ok((8080, 80)), Ok((0, 80))));
        for (text, error) in [
            ("0", "remote port must be > 0"),
            ("x:80", "error parsing local port 'x': strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("70000", "error parsing local port '70000': strconv.ParseUint: parsing \"70000\": value out of range"),
        ] {
            assert_eq!(pair(text), Err(error.into()), "{text}");
        }
    }

    #[test]
    fn ports_of_pods_may_be_named() {
        let resolved = |spec: &str| resolve(spec, None, &pod()).map_err(|error| error.text());
        for (spec, pair) in [("http", "80"), ("8080:http", "8080:80"), ("99", "99"), (":80", ":80")] {
            assert_eq!(resolved(spec).as_deref(), Ok(pair), "{spec}");
        }
        assert_eq!(resolved("53"), Err("UDP protocol is not supported for 53".into()));
        assert_eq!(resolved("dns"), Err("UDP protocol is not supported for dns".into()));
        assert_eq!(resolved("1:"), Err("Pod 'p' does not have a named port ''".into()));
    }

    #[test]
    fn ports_of_services_lead_to_their_targets() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [
            {"name": "web", "port": 8080, "targetPort": "http", "protocol": "TCP"},
            {"name": "plain", "port": 9000, "targetPort": 3000, "protocol": "TCP"},
            {"name": "same", "port": 80, "targetPort": 80, "protocol": "TCP"},
        ]}});
        let resolved = |spec: &str| resolve(spec, Some(&service), &pod()).map_err(|error| error.text());
        for (spec, pair) in [
            ("8080", "8080:80"),
            ("web", "8080:80"),
            ("99:web", "99:80"),
            ("plain", "9000:3000"),
            ("80", "80"),
            (":web", ":80"),
        ] {
            assert_eq!(resolved(spec).as_deref(), Ok(pair), "{spec}");
        }
        assert_eq!(resolved("70"), Err("Service s does not have a service port 70".into()));
        assert_eq!(resolved("no"), Err("Service 's' does not have a named port 'no'".into()));
    }

    #[test]
    fn localhost_is_two_addresses() {
        let found = addresses(&["localhost".into(), "127.0.0.1".into(), "10.0.0.1".into()]).unwrap();
        let text: Vec<_> = found.iter().map(|address| (address.ip.to_string(), address.is_localhost)).collect();
        assert_eq!(text, [("10.0.0.1".into(), false), ("127.0.0.1".into(), false), ("::1".to_string(), true)]);
        assert_eq!(addresses(&["foo".into()]).unwrap_err().text(), "foo is not a valid IP");
    }
}
