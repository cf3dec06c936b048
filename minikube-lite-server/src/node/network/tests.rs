//! The network as Pods see it.

use super::services::{ServiceView, SliceView};
use super::*;
use crate::controllers::runtime::{Cached, Change, Interner, Meta};
use shared_types::json::{Value, json};
use shared_types::kinds;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 49, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 50);

/// A network, and the Service `backend` in it.
pub struct Cluster {
    pub network: Network,
    service: Mutex<Option<Arc<ServiceView>>>,
    slice: Mutex<Option<Arc<SliceView>>>,
}

impl Cluster {
    /// Two nodes, and a namespace.
    pub fn with_nodes() -> Cluster {
        let network = Network::new(Environment::new(Some(1)));
        network.add_node("node-1", NODE);
        network.add_node("node-2", Ipv4Addr::new(192, 168, 49, 3));
        let namespace =
            Meta::read(kinds::named("Namespace"), &json!({"metadata": {"name": "ns"}}), &mut Interner::default());
        network.services().apply_namespace(&Change { old: None, new: Some(&Arc::new(namespace)) });
        Cluster { network, service: Mutex::default(), slice: Mutex::default() }
    }

    /// The Service has this spec now.
    pub fn service(&self, spec: Value) {
        let object = json!({"metadata": {"name": "backend", "namespace": "ns", "uid": "u"}, "spec": spec});
        let new = Arc::new(ServiceView::read(kinds::named("Service"), object, &mut Interner::default()));
        let old = self.service.lock().unwrap().replace(new.clone());
        self.network.services().apply_service(&Change { old: old.as_ref(), new: Some(&new) });
    }

    /// The Service's slice has this port and these endpoints now.
    pub fn slice(&self, port: u16, endpoints: &[Value]) {
        let object = json!({
            "metadata": {"name": "backend-1", "namespace": "ns", "labels": {"kubernetes.io/service-name": "backend"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let new = Arc::new(SliceView::read(kinds::named("EndpointSlice"), object, &mut Interner::default()));
        let old = self.slice.lock().unwrap().replace(new.clone());
        self.network.services().apply_slice(&Change { old: old.as_ref(), new: Some(&new) });
    }

    pub fn pod(&self, last: u8) -> PodNetwork {
        self.network.join(identity(last))
    }
}

pub fn identity(last: u8) -> Identity {
    let dns = DnsSettings {
        nameservers: vec![Ipv4Addr::new(10, 96, 0, 10)],
        searches: ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"].map(String::from).to_vec(),
        ndots: 5,
    };
    let name = format!("pod-{last}");
    let (hostname, subdomain) = (name.clone(), String::new());
    Identity { namespace: "ns".into(), name, ip: pod_ip(last), node_ip: NODE, hostname, subdomain, dns }
}

fn pod_ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, last)
}

fn cluster_ip() -> Value {
    json!({"type": "ClusterIP", "clusterIP": VIP.to_string(),
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}]})
}

fn endpoint(last: u8, ready: bool) -> Value {
    json!({"addresses": [pod_ip(last).to_string()], "conditions": {"ready": ready, "serving": ready, "terminating": false},
        "nodeName": "node-1", "targetRef": {"kind": "Pod", "name": format!("pod-{last}")}})
}

/// Answers each connection with its own name and the client's address, and counts a request.
fn greeter(name: &str) -> Handler {
    let name = name.to_string();
    Arc::new(move |mut accepted| {
        let name = name.clone();
        tokio::spawn(async move {
            accepted.requests.count();
            let text = format!("{name} to {}", accepted.peer.ip());
            drop(accepted.stream.write_all(text.as_bytes()).await);
        });
    })
}

async fn read(mut connection: Connection) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    text
}

fn at(ip: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(ip, port)
}

#[tokio::test(start_paused = true)]
async fn pods_reach_each_other_and_themselves() {
    let cluster = Cluster::with_nodes();
    let (client, server) = (cluster.pod(2), cluster.pod(3));
    let listening = server.listen(Ipv4Addr::UNSPECIFIED, 80, greeter("web")).unwrap();
    let local = server.listen(Ipv4Addr::LOCALHOST, 81, greeter("local")).unwrap();
    assert_eq!(read(client.connect(at(pod_ip(3), 80)).await.unwrap()).await, "web to 10.244.0.2");
    assert_eq!(read(server.connect(at(Ipv4Addr::LOCALHOST, 81)).await.unwrap()).await, "local to 127.0.0.1");
    assert_eq!(read(cluster.network.connect(NODE, at(pod_ip(3), 80)).await.unwrap()).await, "web to 192.168.49.2");
    let in_use = server.listen(pod_ip(3), 80, greeter("other")).err().map(|problem| problem.kind());
    assert_eq!(in_use, Some(io::ErrorKind::AddrInUse));
    let refused = |result: io::Result<Connection>| result.err().map(|problem| problem.kind());
    assert_eq!(refused(client.connect(at(pod_ip(3), 81)).await), Some(io::ErrorKind::ConnectionRefused));
    drop((listening, local));
    assert_eq!(refused(client.connect(at(pod_ip(3), 80)).await), Some(io::ErrorKind::ConnectionRefused));
    assert!(server.listen(pod_ip(3), 80, greeter("other")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_there_does_not_answer() {
    let cluster = Cluster::with_nodes();
    cluster.service(cluster_ip());
    let client = cluster.pod(2);
    let expected = [
        (at(pod_ip(9), 80), io::ErrorKind::HostUnreachable, 3),
        (at(VIP, 81), io::ErrorKind::TimedOut, 127),
        (at(NODE, 80), io::ErrorKind::ConnectionRefused, 0),
        (at(Ipv4Addr::new(1, 1, 1, 1), 80), io::ErrorKind::NetworkUnreachable, 0),
    ];
    for (address, kind, seconds) in expected {
        let start = Instant::now();
        assert_eq!(client.connect(address).await.err().map(|problem| problem.kind()), Some(kind), "{address}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_leaves_takes_its_listeners_and_connections_along() {
    let cluster = Cluster::with_nodes();
    let (client, server) = (cluster.pod(2), cluster.pod(3));
    // A server that holds its connections, and part of the network itself.
    let (held, own) = (Arc::new(Mutex::new(Vec::new())), server.clone());
    let kept = held.clone();
    let handler: Handler = Arc::new(move |accepted| {
        let _ = &own;
        kept.lock().unwrap().push(accepted.stream);
    });
    let listening = server.listen(Ipv4Addr::UNSPECIFIED, 80, handler).unwrap();
    let connection = client.connect(at(pod_ip(3), 80)).await.unwrap();
    let reading = tokio::spawn(read(connection));
    tokio::task::yield_now().await;
    server.leave();
    assert_eq!(reading.await.unwrap(), "");
    assert_eq!(Arc::strong_count(&held), 1, "the handler is gone");
    let problem = client.connect(at(pod_ip(3), 80)).await.err().map(|problem| problem.kind());
    assert_eq!(problem, Some(io::ErrorKind::HostUnreachable));
    assert!(server.listen(Ipv4Addr::UNSPECIFIED, 80, greeter("again")).is_err());
    assert!(server.connect(at(pod_ip(2), 80)).await.is_err());
    drop(listening);
}

#[tokio::test(start_paused = true)]
async fn pods_of_the_nodes_network_share_its_ports() {
    let cluster = Cluster::with_nodes();
    let on_node = |name: &str| cluster.network.join(Identity { ip: NODE, name: name.into(), ..identity(9) });
    let (one, other) = (on_node("one"), on_node("other"));
    let _listening = one.listen(Ipv4Addr::UNSPECIFIED, 80, greeter("one")).unwrap();
    assert!(other.listen(Ipv4Addr::UNSPECIFIED, 80, greeter("other")).is_err());
    one.leave();
    let _listening = other.listen(Ipv4Addr::UNSPECIFIED, 80, greeter("other")).unwrap();
    assert_eq!(read(cluster.pod(2).connect(at(NODE, 80)).await.unwrap()).await, "other to 10.244.0.2");
}

#[tokio::test(start_paused = true)]
async fn endpoints_have_equal_chances() {
    let cluster = Cluster::with_nodes();
    cluster.service(cluster_ip());
    cluster.slice(8080, &[endpoint(3, true), endpoint(4, true), endpoint(5, true), endpoint(6, false)]);
    let pods: Vec<PodNetwork> = (3..7).map(|last| cluster.pod(last)).collect();
    let listen = |pod: &PodNetwork| pod.listen(Ipv4Addr::UNSPECIFIED, 8080, greeter(&pod.identity().name)).unwrap();
    let _listening: Vec<Listening> = pods.iter().map(listen).collect();
    let client = cluster.pod(2);
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for address in [at(VIP, 80), at(NODE, 30080)] {
        for _ in 0..1500 {
            *served.entry(read(client.connect(address).await.unwrap()).await).or_default() += 1;
        }
    }
    assert_eq!(served.len(), 3);
    assert!(served.values().all(|count| (900..=1100).contains(count)), "{served:?}");
    let tables = cluster.network.services().read();
    let counters = &tables.port_at(at(VIP, 80)).unwrap().endpoints;
    let counted: Vec<(u64, u64)> = counters.iter().map(|e| (e.counters.connections(), e.counters.requests())).collect();
    assert_eq!(counted.iter().map(|(connections, _)| connections).sum::<u64>(), 3000);
    assert!(counted.iter().all(|(connections, requests)| connections == requests));
}

#[tokio::test(start_paused = true)]
async fn only_endpoints_that_may_be_chosen_are() {
    let cluster = Cluster::with_nodes();
    cluster.service(cluster_ip());
    let pods: Vec<PodNetwork> = (3..5).map(|last| cluster.pod(last)).collect();
    let listen = |pod: &PodNetwork| pod.listen(Ipv4Addr::UNSPECIFIED, 80, greeter(&pod.identity().name)).unwrap();
    let _listening: Vec<Listening> = pods.iter().map(listen).collect();
    let client = cluster.pod(2);
    let connect = async || match client.connect(at(VIP, 80)).await {
        Ok(connection) => read(connection).await,
        Err(problem) => format!("{:?}", problem.kind()),
    };
    assert_eq!(connect().await, "ConnectionRefused");
    cluster.slice(80, &[endpoint(3, true), endpoint(4, false)]);
    assert_eq!(connect().await, "pod-3 to 10.244.0.2");
    cluster.slice(80, &[endpoint(3, false), endpoint(4, false)]);
    assert_eq!(connect().await, "ConnectionRefused");
    // One that terminates and still serves is better than none (KEP-1669).
    let mut terminating = endpoint(4, false);
    terminating["conditions"] = json!({"ready": false, "serving": true, "terminating": true});
    cluster.slice(80, &[endpoint(3, false), terminating.clone()]);
    assert_eq!(connect().await, "pod-4 to 10.244.0.2");
    cluster.slice(80, &[endpoint(3, true), terminating]);
    assert_eq!(connect().await, "pod-3 to 10.244.0.2");
    // Nobody listens on what the slice says.
    cluster.slice(3000, &[endpoint(3, true)]);
    assert_eq!(connect().await, "ConnectionRefused");
}

#[tokio::test(start_paused = true)]
async fn traffic_within_a_node_stays_there_or_is_dropped() {
    let cluster = Cluster::with_nodes();
    let mut spec = cluster_ip();
    spec["internalTrafficPolicy"] = json!("Local");
    cluster.service(spec);
    let mut elsewhere = endpoint(4, true);
    elsewhere["nodeName"] = json!("node-2");
    cluster.slice(80, &[endpoint(3, true), elsewhere.clone()]);
    let pods: Vec<PodNetwork> = (3..5).map(|last| cluster.pod(last)).collect();
    let listen = |pod: &PodNetwork| pod.listen(Ipv4Addr::UNSPECIFIED, 80, greeter(&pod.identity().name)).unwrap();
    let _listening: Vec<Listening> = pods.iter().map(listen).collect();
    let client = cluster.pod(2);
    for _ in 0..20 {
        assert_eq!(read(client.connect(at(VIP, 80)).await.unwrap()).await, "pod-3 to 10.244.0.2");
    }
    cluster.slice(80, &[elsewhere]);
    assert_eq!(client.connect(at(VIP, 80)).await.err().map(|p| p.kind()), Some(io::ErrorKind::TimedOut));
    assert_eq!(read(client.connect(at(NODE, 30080)).await.unwrap()).await, "pod-4 to 10.244.0.2");
    cluster.slice(80, &[]);
    assert_eq!(client.connect(at(VIP, 80)).await.err().map(|p| p.kind()), Some(io::ErrorKind::ConnectionRefused));
}

#[tokio::test(start_paused = true)]
async fn a_client_stays_with_its_endpoint_until_its_time_is_over() {
    let cluster = Cluster::with_nodes();
    let mut spec = cluster_ip();
    spec["sessionAffinity"] = json!("ClientIP");
    spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10}});
    cluster.service(spec.clone());
    let all: Vec<Value> = (3..23).map(|last| endpoint(last, true)).collect();
    cluster.slice(80, &all);
    let pods: Vec<PodNetwork> = (3..23).map(|last| cluster.pod(last)).collect();
    let listen = |pod: &PodNetwork| pod.listen(Ipv4Addr::UNSPECIFIED, 80, greeter(&pod.identity().name)).unwrap();
    let _listening: Vec<Listening> = pods.iter().map(listen).collect();
    let client = cluster.pod(2);
    let connect = async || read(client.connect(at(VIP, 80)).await.unwrap()).await;
    let first = connect().await;
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(connect().await, first);
    }
    // Changes of the Service change nothing about it.
    cluster.service(spec);
    assert_eq!(connect().await, first);
    let mut others = 0;
    for _ in 0..10 {
        let before = connect().await;
        tokio::time::advance(Duration::from_secs(11)).await;
        others += usize::from(connect().await != before);
    }
    assert!(others > 5, "{others} of 10");
}

#[tokio::test(start_paused = true)]
async fn idle_and_ended_connections_leave_nothing() {
    let cluster = Cluster::with_nodes();
    let (client, server) = (cluster.pod(2), cluster.pod(3));
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let handler: Handler = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let _listening = server.listen(Ipv4Addr::UNSPECIFIED, 80, handler).unwrap();
    for _ in 0..1000 {
        drop(client.connect(at(pod_ip(3), 80)).await.unwrap());
    }
    assert_eq!((served.load(Ordering::SeqCst), server.open_connections(), client.open_connections()), (1000, 0, 0));
}
