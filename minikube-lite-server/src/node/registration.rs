//! The Nodes of the simulated cluster and the Leases that show they are alive.

use super::network::PodIps;
use super::runtime::image;
use crate::client::{Client, Part};
use jiff::Timestamp;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;
use shared_types::time::{format_micro_time, format_time};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How often Leases are renewed. Nobody watches over them here, so that a real kubelet's ten seconds would only cost writes.
pub const RENEWAL: Duration = Duration::from_secs(300);
/// The namespace of the Leases of nodes.
const LEASES: &str = "kube-node-lease";

/// What a node has for Pods.
const ALLOCATABLE: [(&str, &str); 4] =
    [("cpu", "4"), ("ephemeral-storage", "100Gi"), ("memory", "8Gi"), ("pods", "1100")];

/// How much a node has of a resource, as a quantity.
pub fn allocatable(resource: &str) -> &'static str {
    ALLOCATABLE.iter().find(|(name, _)| *name == resource).map_or("0", |(_, amount)| amount)
}

/// The name of the node with this index: `node-1` is the first.
pub fn name(index: u8) -> String {
    format!("node-{}", u32::from(index) + 1)
}

/// The address of the node with this index.
pub fn ip(index: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(192, 168, 49, 2)) + u32::from(index))
}

/// Creates the Node, or brings the status of one that is there up to date.
///
/// # Errors
/// What the API answers.
pub async fn register(client: &Client, index: u8) -> Result<(), Status> {
    let kind = kinds::named("Node");
    let now = client.environment().now();
    match client.create(kind, node(index, now)).await {
        Ok(_) => {}
        Err(status) if status.is_already_exists() => {}
        Err(status) => return Err(status),
    }
    let report = |current: &mut Value| {
        for (field, value) in status(index, now, current) {
            current.set(&format!("status.{field}"), value);
        }
    };
    client.modify(kind, Part::Status, "", &name(index), report).await.map(drop)
}

fn node(index: u8, now: Timestamp) -> Value {
    let name = name(index);
    let cidr = PodIps::new(index).cidr();
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
    });
    for (field, value) in status(index, now, &Value::Null) {
        node.set(&format!("status.{field}"), value);
    }
    node
}

/// The fields of the Node's status. Conditions that `current` has keep the time of their last transition.
fn status(index: u8, now: Timestamp, current: &Value) -> Vec<(&'static str, Value)> {
    let name = name(index);
    let resources: Value = ALLOCATABLE.iter().map(|(name, amount)| (name.to_string(), Value::from(*amount))).collect();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        let same = |c: &&Value| c.text("type") == kind && c.text("status") == status;
        let since =
            current.list("status.conditions").iter().find(same).map(|c| c.text("lastTransitionTime").to_string());
        json!({
            "type": kind,
            "status": status,
            "lastHeartbeatTime": format_time(now),
            "lastTransitionTime": since.unwrap_or_else(|| format_time(now)),
            "reason": reason,
            "message": message,
        })
    };
    // IDs that a machine keeps: made from the node's name.
    let id = |what: &str| image::hex(&[&name, what]);
    let (machine, boot) = (id("machine"), id("boot"));
    let uuid = |hex: &str| format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]);
    vec![
        (
            "addresses",
            json!([{"type": "InternalIP", "address": ip(index).to_string()}, {"type": "Hostname", "address": name}]),
        ),
        ("allocatable", resources.clone()),
        ("capacity", resources),
        (
            "conditions",
            json!([
                condition(
                    "MemoryPressure",
                    "False",
                    "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available"
                ),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ]),
        ),
        ("daemonEndpoints", json!({"kubeletEndpoint": {"Port": 10250}})),
        (
            "nodeInfo",
            json!({
                "architecture": "amd64",
                "bootID": uuid(&boot),
                "containerRuntimeVersion": "sim://1.0",
                "kernelVersion": "6.1.0",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.36.2",
                "machineID": &machine[..32],
                "operatingSystem": "linux",
                "osImage": "minikube-lite",
                "systemUUID": uuid(&machine),
            }),
        ),
    ]
}

/// Creates or renews the Lease of a node.
///
/// # Errors
/// What the API answers; a namespace that is not there yet is one of these errors.
pub async fn renew(client: &Client, index: u8) -> Result<(), Status> {
    let kind = kinds::named("Lease");
    let name = name(index);
    let now = format_micro_time(client.environment().now());
    match client.get(kind, LEASES, &name).await {
        Ok(_) => {
            let renew = |lease: &mut Value| lease.set("spec.renewTime", now.clone());
            client.modify(kind, Part::Main, LEASES, &name, renew).await.map(drop)
        }
        Err(status) if status.is_not_found() => {
            let node = client.get(kinds::named("Node"), "", &name).await?;
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": name,
                    "namespace": LEASES,
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid()}],
                },
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 4 * RENEWAL.as_secs(), "renewTime": now},
            });
            client.create(kind, lease).await.map(drop)
        }
        Err(status) => Err(status),
    }
}
