//! Strategic merge patches: `patch --local` puts one patch onto many objects.

use crate::{chance, pick};
use fastrand::Rng;
use serde_json::{Map, Value, json};
use tests::differential::{Case, compare_batches};

/// How many objects one patch is put on.
const OBJECTS: usize = 30;

/// An object that has each member with the chance that stands beside it.
fn object(rng: &mut Rng, members: Vec<(u32, &str, Value)>) -> Value {
    let kept = members.into_iter().filter(|(percent, ..)| chance(rng, *percent));
    Value::Object(kept.map(|(_, key, value)| (key.to_string(), value)).collect())
}

/// A few elements, each with another key.
fn keyed(rng: &mut Rng, most: usize, keys: &[&str], make: fn(&mut Rng, &str) -> Value) -> Value {
    let mut keys = keys.to_vec();
    rng.shuffle(&mut keys);
    keys.truncate(rng.usize(..=most));
    keys.into_iter().map(|key| make(rng, key)).collect()
}

fn words(rng: &mut Rng, most: usize) -> Value {
    let mut words = ["a", "b", "c", "d"];
    rng.shuffle(&mut words);
    json!(words[..rng.usize(..=most)])
}

fn labels(rng: &mut Rng) -> Value {
    let value = pick(rng, &["1", "2", "three"]);
    object(rng, vec![(60, "app", value.into()), (40, "tier", "x".into()), (30, "a.b/c", "y".into())])
}

fn port(rng: &mut Rng, number: &str) -> Value {
    let number: i64 = number.parse().expect("keys of ports are numbers");
    let protocol = pick(rng, &["TCP", "UDP"]);
    let mut port = object(rng, vec![(50, "name", format!("p{number}").into()), (50, "protocol", protocol.into())]);
    port["containerPort"] = number.into();
    port
}

fn variable(rng: &mut Rng, name: &str) -> Value {
    let source = json!({"fieldRef": {"fieldPath": pick(rng, &["metadata.name", "status.podIP"])}});
    let value = pick(rng, &["1", "2", ""]);
    let mut variable = object(rng, vec![(70, "value", value.into()), (20, "valueFrom", source)]);
    variable["name"] = name.into();
    variable
}

fn mount(rng: &mut Rng, path: &str) -> Value {
    let mut mount = object(rng, vec![(50, "readOnly", true.into()), (30, "subPath", "s".into())]);
    mount["mountPath"] = path.into();
    mount["name"] = pick(rng, &["v", "w"]).into();
    mount
}

fn container(rng: &mut Rng, name: &str) -> Value {
    let members = vec![
        (80, "image", pick(rng, &["nginx", "nginx:1.28", "busybox"]).into()),
        (40, "command", words(rng, 3)),
        (30, "args", words(rng, 2)),
        (50, "env", keyed(rng, 3, &["A", "B", "C", "D"], variable)),
        (50, "ports", keyed(rng, 2, &["80", "443", "8080"], port)),
        (30, "volumeMounts", keyed(rng, 2, &["/a", "/b", "/c"], mount)),
        (30, "resources", json!({"limits": {"cpu": pick(rng, &["1", "500m"]), "memory": "1Gi"}})),
        (20, "livenessProbe", json!({"httpGet": {"path": "/", "port": pick(rng, &[80, 81])}, "periodSeconds": 3})),
        (20, "securityContext", json!({"capabilities": {"add": words(rng, 2)}})),
    ];
    let mut container = object(rng, members);
    container["name"] = name.into();
    container
}

fn volume(rng: &mut Rng, name: &str) -> Value {
    let sources = [
        ("emptyDir", json!({})),
        ("emptyDir", json!({"medium": "Memory"})),
        ("configMap", json!({"name": "c", "items": [{"key": "k", "path": "p"}]})),
        ("secret", json!({"secretName": "s"})),
        ("hostPath", json!({"path": "/h"})),
    ];
    let (source, value) = sources[rng.usize(..sources.len())].clone();
    json!({"name": name, source: value})
}

fn toleration(_: &mut Rng, key: &str) -> Value {
    json!({"key": key, "operator": "Exists"})
}

fn spread(rng: &mut Rng, key: &str) -> Value {
    json!({"topologyKey": key, "maxSkew": rng.i64(1..4), "whenUnsatisfiable": "DoNotSchedule"})
}

fn alias(rng: &mut Rng, ip: &str) -> Value {
    json!({"ip": ip, "hostnames": words(rng, 2)})
}

fn secret(_: &mut Rng, name: &str) -> Value {
    json!({"name": name})
}

fn pod_spec(rng: &mut Rng) -> Value {
    let members = vec![
        (95, "containers", keyed(rng, 3, &["a", "b", "c"], container)),
        (30, "initContainers", keyed(rng, 2, &["i", "j"], container)),
        (50, "volumes", keyed(rng, 2, &["v", "w", "x"], volume)),
        (30, "tolerations", keyed(rng, 2, &["t", "u"], toleration)),
        (30, "topologySpreadConstraints", keyed(rng, 2, &["zone", "host"], spread)),
        (30, "hostAliases", keyed(rng, 2, &["10.0.0.1", "10.0.0.2"], alias)),
        (30, "imagePullSecrets", keyed(rng, 2, &["r", "s"], secret)),
        (30, "nodeSelector", labels(rng)),
        (20, "restartPolicy", pick(rng, &["Always", "OnFailure"]).into()),
        (30, "serviceAccountName", "me".into()),
    ];
    object(rng, members)
}

fn metadata(rng: &mut Rng) -> Value {
    let members = vec![
        (50, "labels", labels(rng)),
        (50, "annotations", labels(rng)),
        (30, "finalizers", words(rng, 2)),
        (
            20,
            "ownerReferences",
            json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": pick(rng, &["1", "2"])}]),
        ),
    ];
    object(rng, members)
}

fn service_port(rng: &mut Rng, number: &str) -> Value {
    let number: i64 = number.parse().expect("keys of ports are numbers");
    let target = pick(rng, &[80, 81]);
    let mut port = object(rng, vec![(50, "name", format!("p{number}").into()), (50, "targetPort", target.into())]);
    port["port"] = number.into();
    port
}

/// A Pod, Deployment or Service without its kind: what an object has, and what a patch may have.
fn body(rng: &mut Rng, kind: &str) -> Value {
    let spec = match kind {
        "Pod" => pod_spec(rng),
        "Deployment" => {
            let strategies = [
                json!({"type": "Recreate"}),
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
                json!({"rollingUpdate": {"maxUnavailable": "25%"}}),
            ];
            let members = vec![
                (50, "replicas", rng.i64(0..4).into()),
                (40, "strategy", strategies[rng.usize(..strategies.len())].clone()),
                (50, "selector", json!({"matchLabels": labels(rng)})),
                (90, "template", json!({"metadata": metadata(rng), "spec": pod_spec(rng)})),
            ];
            object(rng, members)
        }
        _ => {
            let members = vec![
                (80, "ports", keyed(rng, 3, &["80", "443", "8080"], service_port)),
                (60, "selector", labels(rng)),
                (30, "externalIPs", words(rng, 2)),
                (30, "type", pick(rng, &["ClusterIP", "NodePort"]).into()),
            ];
            object(rng, members)
        }
    };
    json!({"metadata": metadata(rng), "spec": spec})
}

/// Turns some parts of an object into directives: what is to be deleted, replaced or put in order.
fn direct(rng: &mut Rng, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let member = &mut map[&key];
                if chance(rng, 6) && key != "name" && key != "spec" && key != "metadata" {
                    *member = Value::Null;
                    continue;
                }
                direct(rng, member);
                let Value::Array(list) = member else { continue };
                if let Some(order) = order_of(&key, list).filter(|_| chance(rng, 10)) {
                    map.insert(format!("$setElementOrder/{key}"), order);
                } else if list.iter().all(Value::is_string) && key == "finalizers" && chance(rng, 30) {
                    let deleted = map.remove(&key).unwrap_or_default();
                    map.insert(format!("$deleteFromPrimitiveList/{key}"), deleted);
                }
            }
            if chance(rng, 3) && !map.contains_key("containers") {
                map.insert("$patch".into(), "replace".into());
            }
            if map.contains_key("emptyDir") && chance(rng, 30) {
                map.insert("$retainKeys".into(), json!(["name", "emptyDir"]));
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(|element| direct(rng, element));
            let mergeable = list.iter().all(|element| element.is_object());
            if mergeable && !list.is_empty() && chance(rng, 8) {
                let at = rng.usize(..list.len());
                list[at]["$patch"] = "delete".into();
            } else if mergeable && chance(rng, 3) {
                list.push(json!({"$patch": "replace"}));
            }
        }
        _ => {}
    }
}

/// The keys of a list's elements, in another order.
fn order_of(name: &str, list: &[Value]) -> Option<Value> {
    let key = match name {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => "name",
        "finalizers" => return Some(list.iter().rev().cloned().collect()),
        _ => return None,
    };
    let order = list.iter().rev().filter(|element| element["$patch"].is_null());
    Some(order.map(|element| json!({key: element[key]})).collect())
}

fn named(kind: &str, name: usize, body: Value) -> Value {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut object: Map<String, Value> = Map::new();
    object.extend([("apiVersion".into(), api_version.into()), ("kind".into(), kind.into())]);
    object.extend(body.as_object().cloned().unwrap_or_default());
    let mut object = Value::Object(object);
    object["metadata"]["name"] = format!("x{name}").into();
    object
}

/// One call that patches all `objects`.
fn patched(patch: &str, objects: &[Value]) -> Case {
    let args = ["patch", "--local", "--type=strategic", "-o", "json", "-f", "-", "-p", patch];
    let input = objects.iter().map(|object| format!("{object}\n---\n")).collect();
    Case { args: args.map(String::from).to_vec(), input }
}

#[test]
fn strategic_merge() {
    let mut rng = Rng::with_seed(3);
    let mut batches = Vec::new();
    for index in 0..24 {
        let kind = ["Pod", "Deployment", "Service"][index % 3];
        let mut patch = body(&mut rng, kind);
        direct(&mut rng, &mut patch);
        let patch = patch.to_string();
        let objects = (0..OBJECTS).map(|name| named(kind, name, body(&mut rng, kind)));
        batches.push(objects.map(|object| patched(&patch, &[object])).collect::<Vec<_>>());
    }
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    compare_batches(&batches, folder.path(), |batch| Case {
        input: batch.iter().map(|case| case.input.as_str()).collect(),
        ..batch[0].clone()
    });
}
