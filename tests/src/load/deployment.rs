//! A Deployment and its Service, from applying them to the last ready address in an EndpointSlice.

use super::api::Api;
use super::measure::Measured;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(300);

/// Measures one rollout of `replicas` Pods. The cluster must have room for them.
pub async fn until_ready(api: &Api, namespace: &str, replicas: usize) -> Result<Measured, String> {
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let mut watch = api.open("GET", &format!("{slices}?watch=true&resourceVersion=0"), None).await?;
    let begin = Instant::now();
    apply(api, namespace, replicas).await?;
    let (mut ready, mut bytes, mut rest) = (HashMap::new(), 0, Vec::new());
    while ready.values().sum::<usize>() < replicas {
        let left = PATIENCE.saturating_sub(begin.elapsed());
        let data = match tokio::time::timeout(left, watch.next()).await {
            Ok(Some(data)) => data.map_err(|error| format!("watch: {error}"))?,
            Ok(None) => return Err("the watch of EndpointSlices ended early".to_string()),
            Err(_) => return Err(format!("{} of {replicas} addresses are ready", ready.values().sum::<usize>())),
        };
        bytes += data.len() as u64;
        rest.extend_from_slice(&data);
        while let Some(end) = memchr::memchr(b'\n', &rest) {
            let event: Value = serde_json::from_slice(&rest[..end]).map_err(|error| error.to_string())?;
            rest.drain(..=end);
            let name = event["object"]["metadata"]["name"].as_str().unwrap_or("").to_string();
            match event["type"].as_str() {
                Some("DELETED") => drop(ready.remove(&name)),
                Some("ADDED" | "MODIFIED") => drop(ready.insert(name, addresses(&event["object"]))),
                _ => return Err(format!("unexpected event: {event}")),
            }
        }
    }
    let elapsed = begin.elapsed();
    Ok(Measured { latencies: vec![elapsed], elapsed, bytes, ..Measured::default() })
}

async fn apply(api: &Api, namespace: &str, replicas: usize) -> Result<(), String> {
    let labels = json!({"app": "load"});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "load"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
            },
        },
    });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "load"},
        "spec": {"selector": labels, "ports": [{"port": 80}]},
    });
    for (path, object) in [
        (format!("/apis/apps/v1/namespaces/{namespace}/deployments/load"), deployment),
        (format!("/api/v1/namespaces/{namespace}/services/load"), service),
    ] {
        let body = Some(("application/apply-patch+yaml", Bytes::from(object.to_string())));
        api.drain("PATCH", &format!("{path}?fieldManager=load"), body).await?;
    }
    Ok(())
}

/// How many ready addresses an EndpointSlice has.
fn addresses(slice: &Value) -> usize {
    let endpoints = slice["endpoints"].as_array().map_or(&[][..], Vec::as_slice);
    endpoints.iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
}
