//! What the names of the cluster's domain stand for (Kubernetes' "DNS-Based Service Discovery", as CoreDNS serves it).

use super::{Answer, DOMAIN, Record, RecordData, RecordType, ResponseCode};
use crate::controllers::runtime::Key;
use crate::node::network::services::{EndpointView, Entry, ServiceType, Tables};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Seconds that answers may be kept.
const TTL: u32 = 30;
/// How many names in a row may stand for another one.
const MAX_ALIASES: usize = 8;

/// Answers a question for an absolute name, with or without the dot at the end. All names outside the cluster's domain are
/// unknown.
pub fn answer(tables: &Tables, name: &str, record: RecordType) -> Answer {
    let mut name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    let mut records = Vec::new();
    for _ in 0..MAX_ALIASES {
        match find(tables, &name) {
            None if records.is_empty() => return Answer { code: ResponseCode::NxDomain, records },
            // What an alias leads to is for others to say.
            None => break,
            Some(Found::Alias(target)) => {
                records.push(Record { name, ttl: TTL, data: RecordData::Cname(target.clone()) });
                if record == RecordType::Cname {
                    break;
                }
                name = target;
            }
            Some(found) => {
                let data = found.records(&name, record).into_iter();
                records.extend(data.map(|data| Record { name: name.clone(), ttl: TTL, data }));
                break;
            }
        }
    }
    Answer { code: ResponseCode::NoError, records }
}

/// What a name stands for.
enum Found {
    /// There are names below it.
    Empty,
    Addresses {
        ips: Vec<Ipv4Addr>,
        services: Vec<Srv>,
    },
    Alias(String),
    Names(Vec<String>),
}

/// Where a port is served.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Srv {
    port: u16,
    /// Empty for the name that was asked for.
    target: String,
}

impl Found {
    fn records(self, name: &str, record: RecordType) -> Vec<RecordData> {
        match (self, record) {
            (Found::Addresses { ips, .. }, RecordType::A) => ips.into_iter().map(RecordData::A).collect(),
            (Found::Addresses { services, .. }, RecordType::Srv) => {
                let weight = (100 / u16::try_from(services.len()).unwrap_or(u16::MAX).max(1)).max(1);
                let record = |srv: Srv| {
                    let target = if srv.target.is_empty() { name.to_string() } else { srv.target };
                    RecordData::Srv { priority: 0, weight, port: srv.port, target }
                };
                services.into_iter().map(record).collect()
            }
            (Found::Names(names), RecordType::Ptr) => names.into_iter().map(RecordData::Ptr).collect(),
            _ => Vec::new(),
        }
    }
}

fn find(tables: &Tables, name: &str) -> Option<Found> {
    if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
        return names_of(tables, reversed);
    }
    let below = name.strip_suffix(DOMAIN)?;
    if below.is_empty() {
        return Some(Found::Empty);
    }
    let labels: Vec<&str> = below.strip_suffix('.')?.split('.').collect();
    match labels[..] {
        ["svc" | "pod"] => Some(Found::Empty),
        [namespace, "svc" | "pod"] => tables.has_namespace(namespace).then_some(Found::Empty),
        [ip, namespace, "pod"] => pod(tables, ip, namespace),
        [service, namespace, "svc"] => find_service(tables, service, namespace, None),
        [endpoint, service, namespace, "svc"] => find_endpoint(tables, endpoint, service, namespace),
        [port, protocol, service, namespace, "svc"] => {
            let asked = (port.strip_prefix('_')?, protocol.strip_prefix('_')?);
            find_service(tables, service, namespace, Some(asked))
        }
        _ => None,
    }
}

/// A Pod's record says its address in its name; there need not be such a Pod.
fn pod(tables: &Tables, ip: &str, namespace: &str) -> Option<Found> {
    let ip = ip.replace('-', ".").parse().ok()?;
    let found = Found::Addresses { ips: vec![ip], services: Vec::new() };
    tables.has_namespace(namespace).then_some(found)
}

/// The domain name of a Service.
fn domain(service: &Key) -> String {
    format!("{}.{}.svc.{DOMAIN}", service.name, service.namespace)
}

/// A Service, or one of its ports by name and protocol.
fn find_service(tables: &Tables, name: &str, namespace: &str, asked: Option<(&str, &str)>) -> Option<Found> {
    let key = Key::new(namespace, name);
    let (service, entry) = tables.get(&key)?;
    if let ServiceType::ExternalName(target) = &service.kind {
        return asked.is_none().then(|| Found::Alias(target.clone()));
    }
    let Some(ip) = service.cluster_ip else { return endpoints(&key, entry, asked, |_| true) };
    let is_asked = |port: &str, protocol: &str| is_asked(asked, port, protocol);
    let ports = service.ports.iter().filter(|port| is_asked(&port.name, &port.protocol));
    // A port's own name leads to the Service's name.
    let target = if asked.is_some() { domain(&key) } else { String::new() };
    let services: Vec<Srv> = ports.map(|port| Srv { port: port.port, target: target.clone() }).collect();
    (asked.is_none() || !services.is_empty()).then_some(Found::Addresses { ips: vec![ip], services })
}

fn is_asked(asked: Option<(&str, &str)>, port: &str, protocol: &str) -> bool {
    asked.is_none_or(|(name, of)| port == name && protocol.eq_ignore_ascii_case(of))
}

/// A Pod of a Service by its hostname, or by its address written with dashes.
fn find_endpoint(tables: &Tables, endpoint: &str, service: &str, namespace: &str) -> Option<Found> {
    let key = Key::new(namespace, service);
    let (view, entry) = tables.get(&key)?;
    match view.is_headless() {
        true => endpoints(&key, entry, None, |candidate| candidate.dns_label() == endpoint),
        false => None,
    }
}

/// The ready endpoints of a headless Service that are `wanted`. Without any there is no such name.
fn endpoints(
    service: &Key,
    entry: &Entry,
    asked: Option<(&str, &str)>,
    wanted: impl Fn(&EndpointView) -> bool,
) -> Option<Found> {
    let (mut ips, mut services) = (BTreeSet::new(), BTreeSet::new());
    for slice in entry.slices.values() {
        let ports: Vec<u16> =
            slice.ports.iter().filter(|port| is_asked(asked, &port.name, &port.protocol)).map(|p| p.port).collect();
        if asked.is_some() && ports.is_empty() {
            continue;
        }
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready && wanted(endpoint)) {
            ips.insert(endpoint.ip);
            let target = format!("{}.{}", endpoint.dns_label(), domain(service));
            services.extend(ports.iter().map(|port| Srv { port: *port, target: target.clone() }));
        }
    }
    let found = Found::Addresses { ips: ips.into_iter().collect(), services: services.into_iter().collect() };
    matches!(&found, Found::Addresses { ips, .. } if !ips.is_empty()).then_some(found)
}

/// The names of an address, which is written backwards: those of Services with this ClusterIP, and of Pods behind headless
/// Services.
fn names_of(tables: &Tables, reversed: &str) -> Option<Found> {
    let octets: Vec<&str> = reversed.rsplit('.').collect();
    let ip: Ipv4Addr = octets.join(".").parse().ok()?;
    let mut names = Vec::new();
    for (key, service, entry) in tables.all() {
        if service.cluster_ip == Some(ip) {
            names.push(domain(key));
        }
        let endpoints = entry.slices.values().flat_map(|slice| &slice.endpoints);
        for endpoint in endpoints.filter(|endpoint| endpoint.ip == ip && endpoint.ready) {
            names.push(format!("{}.{}", endpoint.dns_label(), domain(key)));
        }
    }
    names.sort();
    names.dedup();
    (!names.is_empty()).then_some(Found::Names(names))
}
