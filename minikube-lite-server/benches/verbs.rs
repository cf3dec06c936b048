//! What the verbs cost without a network and a disk: requests answered by the API's handlers over a store in memory, one
//! after the other in one thread. `cargo bench -p minikube-lite-server`; a number after `--` is how many of each.

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use minikube_lite_server::environment::Environment;
use minikube_lite_server::http::auth::Authenticator;
use minikube_lite_server::http::token::Tokens;
use minikube_lite_server::http::{App, router};
use minikube_lite_server::node::api::Nodes;
use minikube_lite_server::node::network::Network;
use minikube_lite_server::registry::{Registry, Settings, Store, WriteOptions, attributes_of_bytes};
use minikube_lite_server::store::MemoryEngine;
use shared_types::json::{Value, json};
use shared_types::kinds;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// As the server itself has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A Pod like those of the load program.
fn pod(number: usize) -> Value {
    let container = json!({
        "name": "web",
        "image": "registry.k8s.io/nginx:1.29",
        "ports": [{"name": "http", "containerPort": 80}],
        "env": [{"name": "NUMBER", "value": number.to_string()}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5},
    });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("pod-{number:06}"),
            "labels": {"app": "load", "tenth": (number % 10).to_string(), "number": number.to_string()},
        },
        "spec": {"schedulerName": "none", "containers": [container]},
    })
}

async fn api() -> Router {
    let store = Store::open(MemoryEngine::default(), attributes_of_bytes).expect("an engine in memory can be read");
    let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
    let registry = Registry::new(store, Environment::new(Some(1)), settings).expect("the settings are good");
    let registry = Arc::new(registry);
    for (kind, namespace, name) in [("Namespace", "", "default"), ("ServiceAccount", "default", "default")] {
        let object = json!({"metadata": {"name": name}});
        let made = registry.create(kinds::named(kind), namespace, object, WriteOptions::default()).await;
        made.expect("it is new");
    }
    let key = Tokens::generate_key().expect("the system has randomness");
    let authenticator = Authenticator::new("secret".into(), Arc::new(Tokens::new(&key).expect("the key is good")));
    let (address, nodes) = ("localhost".into(), Nodes::new(Network::new(registry.environment().clone())));
    router(Arc::new(App { registry, nodes, authenticator, address, stop: CancellationToken::new() }))
}

async fn call(api: &Router, method: &str, path: &str, media: &str, body: String) -> usize {
    let request = Request::builder().method(method).uri(path).header("authorization", "Bearer secret");
    let request = request.header("accept", "application/json").header("content-type", media);
    let request = request.header("user-agent", "bench/1").body(Body::from(body)).expect("a request");
    let response = api.clone().oneshot(request).await.expect("it is answered");
    let success = response.status().is_success();
    let body = response.into_body().collect().await.expect("the answer is whole").to_bytes();
    assert!(success, "{}", String::from_utf8_lossy(&body));
    body.len()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5_000);
    let api = api().await;
    let json = "application/json";
    let merge = "application/merge-patch+json";
    let time = async |name: &str, media: &str, each: &dyn Fn(usize) -> (&'static str, String, String)| {
        let requests: Vec<_> = (0..count).map(each).collect();
        let (begun, mut bytes) = (Instant::now(), 0);
        for (method, path, body) in requests {
            bytes += call(&api, method, &path, media, body).await;
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
        println!("{name:<8} {micros:>8.1} us {:>8} bytes", bytes / count);
    };
    let name = |number: usize| format!("{PODS}/pod-{number:06}");
    time("create", json, &|number| ("POST", PODS.into(), pod(number).to_string())).await;
    time("get", json, &|number| ("GET", name(number), String::new())).await;
    let patch = |number| json!({"metadata": {"annotations": {"count": format!("{number}")}}}).to_string();
    time("patch", merge, &|number| ("PATCH", name(number % 2000), patch(number))).await;
}
