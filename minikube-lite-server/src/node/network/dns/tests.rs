//! Names, as Pods resolve them.

use super::*;
use crate::node::network::tests::{Cluster, identity};
use shared_types::json::{Value, json};

fn ports() -> Value {
    json!([{"name": "http", "protocol": "TCP", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}])
}

fn show(answer: &Answer) -> String {
    let data = |record: &Record| match &record.data {
        RecordData::A(ip) => format!("A {ip}"),
        RecordData::Cname(name) => format!("CNAME {name}"),
        RecordData::Srv { priority, weight, port, target } => format!("SRV {priority} {weight} {port} {target}"),
        RecordData::Ptr(name) => format!("PTR {name}"),
    };
    match (answer.code, answer.records.is_empty()) {
        (ResponseCode::NxDomain, _) => "NXDOMAIN".into(),
        (_, true) => "NODATA".into(),
        _ => answer.records.iter().map(data).collect::<Vec<_>>().join(", "),
    }
}

fn ask(cluster: &Cluster, record: RecordType, name: &str) -> String {
    show(&cluster.network.query(name, record))
}

/// Records come in turn, whichever is first.
fn in_order(records: &str) -> String {
    let mut records: Vec<&str> = records.split(", ").collect();
    records.sort_unstable();
    records.join(", ")
}

#[test]
fn a_service_has_its_cluster_ip_and_ports() {
    let cluster = Cluster::with_nodes();
    cluster.service(json!({"type": "ClusterIP", "clusterIP": "10.96.0.50", "ports": ports()}));
    let domain = "backend.ns.svc.cluster.local";
    assert_eq!(ask(&cluster, RecordType::A, domain), "A 10.96.0.50");
    assert_eq!(ask(&cluster, RecordType::A, "Backend.NS.svc.cluster.local."), "A 10.96.0.50");
    assert_eq!(ask(&cluster, RecordType::Aaaa, domain), "NODATA");
    assert_eq!(
        in_order(&ask(&cluster, RecordType::Srv, domain)),
        format!("SRV 0 50 53 {domain}, SRV 0 50 80 {domain}")
    );
    assert_eq!(ask(&cluster, RecordType::Srv, &format!("_http._tcp.{domain}")), format!("SRV 0 100 80 {domain}"));
    assert_eq!(ask(&cluster, RecordType::Srv, &format!("_http._udp.{domain}")), "NXDOMAIN");
    assert_eq!(ask(&cluster, RecordType::Ptr, "50.0.96.10.in-addr.arpa"), format!("PTR {domain}"));
    for (name, expected) in [
        ("10-244-0-7.ns.pod.cluster.local", "A 10.244.0.7"),
        ("10-244-0.ns.pod.cluster.local", "NXDOMAIN"),
        ("10-244-0-7.nosuch.pod.cluster.local", "NXDOMAIN"),
        ("other.ns.svc.cluster.local", "NXDOMAIN"),
        ("backend.other.svc.cluster.local", "NXDOMAIN"),
        ("ns.svc.cluster.local", "NODATA"),
        ("cluster.local", "NODATA"),
        ("nscluster.local", "NXDOMAIN"),
        ("example.com", "NXDOMAIN"),
        ("", "NXDOMAIN"),
        ("..", "NXDOMAIN"),
    ] {
        assert_eq!(ask(&cluster, RecordType::A, name), expected, "{name}");
    }
}

#[test]
fn a_headless_service_has_its_ready_pods() {
    let cluster = Cluster::with_nodes();
    cluster.service(json!({"type": "ClusterIP", "clusterIP": "None", "ports": ports()}));
    let domain = "backend.ns.svc.cluster.local";
    assert_eq!(ask(&cluster, RecordType::A, domain), "NXDOMAIN");
    let endpoint = |ip: &str, ready: bool| json!({"addresses": [ip], "conditions": {"ready": ready}});
    let mut named = endpoint("10.244.0.3", true);
    named["hostname"] = json!("web-0");
    cluster.slice(8080, &[named, endpoint("10.244.0.4", true), endpoint("10.244.0.5", false)]);
    assert_eq!(in_order(&ask(&cluster, RecordType::A, domain)), "A 10.244.0.3, A 10.244.0.4");
    assert_eq!(ask(&cluster, RecordType::A, &format!("web-0.{domain}")), "A 10.244.0.3");
    assert_eq!(ask(&cluster, RecordType::A, &format!("10-244-0-4.{domain}")), "A 10.244.0.4");
    assert_eq!(ask(&cluster, RecordType::A, &format!("10-244-0-5.{domain}")), "NXDOMAIN");
    let srv = ask(&cluster, RecordType::Srv, &format!("_http._tcp.web-0.{domain}"));
    assert_eq!(srv, "NXDOMAIN", "an endpoint's ports are not asked for by name");
    assert_eq!(ask(&cluster, RecordType::Srv, &format!("web-0.{domain}")), format!("SRV 0 100 8080 web-0.{domain}"));
    assert_eq!(ask(&cluster, RecordType::Ptr, "3.0.244.10.in-addr.arpa"), format!("PTR web-0.{domain}"));
}

#[test]
fn an_external_name_is_an_alias() {
    let cluster = Cluster::with_nodes();
    let name = "backend.ns.svc.cluster.local";
    cluster.service(json!({"type": "ExternalName", "externalName": "Example.com"}));
    assert_eq!(ask(&cluster, RecordType::A, name), "CNAME example.com");
    // One that leads to itself comes to an end.
    cluster.service(json!({"type": "ExternalName", "externalName": name}));
    assert!(ask(&cluster, RecordType::A, name).starts_with(&format!("CNAME {name}, ")));
}

#[tokio::test]
async fn short_names_are_completed_by_the_search_domains() {
    let cluster = Cluster::with_nodes();
    cluster.service(json!({"type": "ClusterIP", "clusterIP": "10.96.0.50", "ports": ports()}));
    let vip = Ok(vec![Ipv4Addr::new(10, 96, 0, 50)]);
    let mut own = identity(7);
    (own.hostname, own.subdomain) = ("web".into(), "sub".into());
    let own_ip = Ok(vec![own.ip]);
    let pod = cluster.network.join(own);
    for name in
        ["backend", "backend.ns", "backend.ns.svc", "backend.ns.svc.cluster.local", "backend.ns.svc.cluster.local."]
    {
        assert_eq!(pod.lookup(name).await, vip, "{name}");
    }
    for name in ["backend.", "nosuch", "backend.other", "example.com", "", "."] {
        assert_eq!(pod.lookup(name).await, Err(LookupError::NoName), "{name}");
    }
    assert_eq!(pod.lookup("ns.svc").await, Err(LookupError::NoData));
    assert_eq!(pod.lookup("web").await, own_ip);
    assert_eq!(pod.lookup("web.sub.ns.svc.cluster.local").await, own_ip);
    assert_eq!(pod.lookup("localhost").await, Ok(vec![Ipv4Addr::LOCALHOST]));
    assert_eq!(pod.lookup("10.1.2.3").await, Ok(vec![Ipv4Addr::new(10, 1, 2, 3)]));
}

#[test]
fn names_with_enough_dots_are_tried_as_they_are_first() {
    let mut identity = identity(1);
    identity.dns = DnsSettings { searches: vec!["a".into(), "b".into()], ndots: 1, nameservers: Vec::new() };
    assert_eq!(resolver::candidates(&identity, "x"), ["x.a", "x.b", "x"]);
    assert_eq!(resolver::candidates(&identity, "x.y"), ["x.y", "x.y.a", "x.y.b"]);
    assert_eq!(resolver::candidates(&identity, "x."), ["x"]);
}
