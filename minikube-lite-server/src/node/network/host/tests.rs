//! Services reached from the host, by an API of their own.

use crate::client::{Client, Part};
use crate::environment::Environment;
use crate::node::network::tests::{NODE, identity};
use crate::node::network::{Accepted, Handler, Listening, Network, NetworkSettings, PodNetwork, start};
use crate::registry::{Registry, Settings, attributes_of_bytes};
use crate::store::{MemoryEngine, Store};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A registry with a namespace, and the network that follows it.
struct Cluster {
    client: Client,
    network: Network,
    _stop: DropGuard,
}

async fn cluster() -> Cluster {
    let store = Store::open(MemoryEngine::default(), attributes_of_bytes).unwrap();
    let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
    let registry = Arc::new(Registry::new(store, Environment::new(None), settings).unwrap());
    let client = Client::new(registry.clone(), "test");
    client.create(kinds::named("Namespace"), json!({"metadata": {"name": "ns"}})).await.unwrap();
    let network = Network::new(Environment::new(Some(1)));
    let settings = NetworkSettings {
        api_server: None,
        nodes: vec![("node-1".into(), NODE)],
        node_port_address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        load_balancers: true,
    };
    let stop = CancellationToken::new();
    start(move |component| Client::new(registry.clone(), component), network.clone(), settings, stop.clone());
    Cluster { client, network, _stop: stop.drop_guard() }
}

impl Cluster {
    /// Creates a Service that selects nothing, and gives it as it is then.
    async fn service(&self, spec: Value) -> Value {
        let service = json!({"metadata": {"name": "backend", "namespace": "ns"}, "spec": spec});
        self.client.create(kinds::named("Service"), service).await.unwrap().object().unwrap()
    }

    async fn endpoint(&self, port: u16, last: u8) {
        let slice = json!({
            "metadata": {"name": "backend-1", "namespace": "ns", "labels": {"kubernetes.io/service-name": "backend"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [format!("10.244.0.{last}")], "conditions": {"ready": true}}],
        });
        self.client.create(kinds::named("EndpointSlice"), slice).await.unwrap();
    }

    async fn set_ready(&self, ready: bool) {
        let change = |slice: &mut Value| slice["endpoints"][0].set("conditions.ready", ready);
        self.client.modify(kinds::named("EndpointSlice"), Part::Main, "ns", "backend-1", change).await.unwrap();
    }

    fn pod(&self, last: u8, port: u16) -> (PodNetwork, Listening) {
        let pod = self.network.join(identity(last));
        let listening = pod.listen(Ipv4Addr::UNSPECIFIED, port, echo()).unwrap();
        (pod, listening)
    }
}

/// Says who connected, then sends back what it gets.
fn echo() -> Handler {
    Arc::new(|accepted: Accepted| {
        tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(accepted.stream);
            let greeting = format!("{} to {}\n", accepted.peer.ip(), accepted.local);
            if writer.write_all(greeting.as_bytes()).await.is_ok() {
                drop(tokio::io::copy(&mut reader, &mut writer).await);
            }
        });
    })
}

/// Repeats a try until it works out. Waits for what other tasks do; the limit only ends a test that has failed.
async fn until<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let repeat = async {
        loop {
            match attempt().await {
                Some(result) => return result,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    timeout(Duration::from_secs(20), repeat).await.expect("it works out in the end")
}

async fn talk(address: SocketAddr, text: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test]
async fn the_host_reaches_a_node_port_while_there_are_endpoints() {
    let cluster = cluster().await;
    let service = cluster.service(json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080}]})).await;
    let node_port = u16::try_from(service.list("spec.ports")[0].int("nodePort").unwrap()).unwrap();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), node_port);
    assert!(TcpStream::connect(address).await.is_err(), "nothing is there without endpoints");
    let (pod, _listening) = cluster.pod(3, 8080);
    cluster.endpoint(8080, 3).await;
    let answer = until(async || talk(address, "hello").await).await;
    assert_eq!(answer, format!("{NODE} to 10.244.0.3:8080\nhello"));
    // An open connection ends with its Pod.
    let mut open = TcpStream::connect(address).await.unwrap();
    let mut greeting = [0; 8];
    open.read_exact(&mut greeting).await.unwrap();
    pod.leave();
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).await.unwrap();
    cluster.set_ready(false).await;
    until(async || TcpStream::connect(address).await.err()).await;
}

#[tokio::test]
async fn a_pod_that_is_not_ready_any_more_gets_nothing_soon_after() {
    let cluster = cluster().await;
    let service = cluster.service(json!({"ports": [{"port": 80, "targetPort": 8080}]})).await;
    let vip = SocketAddrV4::new(service.text("spec.clusterIP").parse().unwrap(), 80);
    let (_pod, _listening) = cluster.pod(3, 8080);
    cluster.endpoint(8080, 3).await;
    // An address that the proxy does not know of yet does not answer at all.
    let soon = Duration::from_millis(50);
    until(async || timeout(soon, cluster.network.connect(NODE, vip)).await.ok()?.ok()).await;
    // The best of a few: what else the machine does in the meantime is not what is measured.
    let mut best = Duration::MAX;
    for _ in 0..5 {
        cluster.set_ready(false).await;
        let start = Instant::now();
        while cluster.network.connect(NODE, vip).await.is_ok() {
            tokio::task::yield_now().await;
        }
        best = best.min(start.elapsed());
        cluster.set_ready(true).await;
        until(async || cluster.network.connect(NODE, vip).await.ok()).await;
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[tokio::test]
async fn a_load_balancer_has_an_address_of_its_own() {
    let cluster = cluster().await;
    // A free port: below 1024 listening is not permitted to everybody.
    let free = TcpListener::bind("127.96.0.1:0").await.unwrap().local_addr().unwrap().port();
    cluster.service(json!({"type": "LoadBalancer", "ports": [{"port": free, "targetPort": 8080}]})).await;
    let service = until(async || {
        let service = cluster.client.get(kinds::named("Service"), "ns", "backend").await.unwrap();
        service.has("status.loadBalancer.ingress").then_some(service)
    })
    .await;
    assert_eq!(service.at("status.loadBalancer"), &json!({"ingress": [{"ip": "127.96.0.1", "ipMode": "VIP"}]}));
    let (_pod, _listening) = cluster.pod(3, 8080);
    cluster.endpoint(8080, 3).await;
    let answer = until(async || talk(SocketAddr::new([127, 96, 0, 1].into(), free), "x").await).await;
    assert_eq!(answer, format!("{NODE} to 10.244.0.3:8080\nx"));
}

#[tokio::test]
async fn a_port_that_another_has_is_told_and_taken_later() {
    let cluster = cluster().await;
    let service = cluster.service(json!({"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080}]})).await;
    let node_port = u16::try_from(service.list("spec.ports")[0].int("nodePort").unwrap()).unwrap();
    let taken = TcpListener::bind(("127.0.0.1", node_port)).await.unwrap();
    let (_pod, _listening) = cluster.pod(3, 8080);
    cluster.endpoint(8080, 3).await;
    let message = until(async || {
        let events = cluster.client.list(kinds::named("Event"), "ns", &Default::default()).await.unwrap().items;
        let event = events.into_iter().find(|event| event.text("reason") == "FailedToListen");
        event.map(|event| event.text("message").to_string())
    })
    .await;
    assert_eq!(message, format!("cannot listen on 127.0.0.1:{node_port}: the port is in use on this host"));
    drop(taken);
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), node_port);
    until(async || talk(address, "x").await).await;
}
