//! What a new cluster has from the start: the system namespaces and the `kubernetes` Service.

use crate::client::Client;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use std::net::{Ipv4Addr, SocketAddrV4};

const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// The address of the control plane as the cluster sees it.
pub const CONTROL_PLANE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 49, 1), 6443);

/// Makes whatever of it is not there yet. `service_ip` is the first address of the Services' range.
///
/// # Errors
/// The first failure.
pub async fn run(client: &Client, service_ip: &str) -> Result<(), Status> {
    let namespaces =
        NAMESPACES.iter().map(|name| ensure(client, kinds::named("Namespace"), json!({"metadata": {"name": name}})));
    futures_util::future::try_join_all(namespaces).await?;
    crate::authorization::bootstrap(client).await?;
    let (ip, port) = (CONTROL_PLANE.ip().to_string(), CONTROL_PLANE.port());
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": service_ip,
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
    });
    let endpoints = json!({
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{
            "addresses": [{"ip": ip}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }],
    });
    let slice = json!({
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    });
    futures_util::future::try_join3(
        ensure(client, kinds::named("Service"), service),
        ensure(client, kinds::named("Endpoints"), endpoints),
        ensure(client, kinds::named("EndpointSlice"), slice),
    )
    .await?;
    Ok(())
}

/// Makes an object unless it is there.
///
/// # Errors
/// Whatever creating it answers.
pub async fn ensure(client: &Client, kind: &'static Kind, object: Value) -> Result<(), Status> {
    if client.get(kind, object.namespace(), object.name()).await.is_ok() {
        return Ok(());
    }
    match client.create(kind, object).await {
        Err(status) if !status.is_already_exists() => Err(status),
        _ => Ok(()),
    }
}
