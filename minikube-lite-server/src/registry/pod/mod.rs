//! Pods.

pub mod admission;
mod containers;
pub mod defaults;
mod env;
mod probes;
pub mod resources;
pub mod scheduling;
mod security;
mod update;
pub mod validation;
mod volumes;
pub mod warnings;

use super::{Part, Registry, Strategy};
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::mask::Mask;
use shared_types::status::Status;
use shared_types::validation::{ErrorList, Path};
use std::borrow::Cow;
use std::sync::LazyLock;

/// The rules of Pods.
pub struct Pod;

impl Strategy for Pod {
    fn default(&self, pod: &mut Value) {
        defaults::default_pod(pod);
    }

    fn admit(&self, registry: &Registry, pod: &mut Value) -> Result<(), Status> {
        // The name is yet to be made where there is only a generateName.
        let forbidden = |pod: &Value, why: &str| {
            let name = [pod.name(), pod.text("metadata.generateName")].into_iter().find(|name| !name.is_empty());
            Status::forbidden("pods", "", name.unwrap_or("Unknown"), why)
        };
        static OF_ACCOUNT: LazyLock<Mask> =
            LazyLock::new(|| Mask::new(&["automountServiceAccountToken", "imagePullSecrets"]));
        registry.default_limits(pod)?;
        admission::default_service_account(pod);
        let (namespace, name) = (pod.namespace().to_string(), pod.text("spec.serviceAccountName").to_string());
        if !name.is_empty() {
            let account = match registry.get(kinds::named("ServiceAccount"), &namespace, &name) {
                Ok(entry) => entry.part(&OF_ACCOUNT)?,
                // Every namespace has it, a new one in a moment.
                Err(_) if name == "default" => json!({}),
                Err(_) => {
                    let missing = format!("serviceaccount {name:?} not found");
                    let why = format!("error looking up service account {namespace}/{name}: {missing}");
                    return Err(forbidden(pod, &why));
                }
            };
            let purpose = format!("kube-api-access/{namespace}/{}{}", pod.name(), pod.text("metadata.generateName"));
            admission::apply_service_account(pod, &account, &registry.environment().name_suffix(&purpose, 5));
        }
        admission::default_tolerations(pod);
        let class = pod.text("spec.priorityClassName");
        let priority = admission::built_in_priority(class)
            .ok_or_else(|| forbidden(pod, &format!("no PriorityClass with name {class} was found")))?;
        admission::set_priority(pod, priority, "PreemptLowerPriority").map_err(|why| forbidden(pod, &why))
    }

    fn prepare_for_create(&self, pod: &mut Value) {
        scheduling::merge_match_label_keys(pod);
        let class = resources::qos_class(pod.at("spec"));
        pod.set("status", json!({"phase": "Pending", "qosClass": class}));
        if !pod.list("spec.schedulingGates").is_empty() {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": null, "lastTransitionTime": null,
            });
            pod.set("status.conditions", json!([condition]));
        }
    }

    fn validate(&self, pod: &Value) -> ErrorList {
        validation::validate_create(pod)
    }

    fn prepare_for_update(&self, pod: &mut Value, old: &Value, part: Part) {
        match part {
            // The one subresource that may touch these containers.
            Part::Other("ephemeralcontainers") => {
                let containers = pod.at("spec.ephemeralContainers").clone();
                pod.set("spec", old.at("spec").clone());
                if !containers.is_null() {
                    pod.set("spec.ephemeralContainers", containers);
                }
            }
            Part::Status => {
                // A status write neither owns nor disowns the Pod.
                match old.at("metadata.ownerReferences") {
                    Value::Null => drop(pod.remove("metadata.ownerReferences")),
                    owners => pod.set("metadata.ownerReferences", owners.clone()),
                }
                if !pod.has("status.qosClass") {
                    pod.set("status.qosClass", old.at("status.qosClass").clone());
                }
            }
            Part::Main => {
                for field in ["spec.priority", "spec.preemptionPolicy"] {
                    if !pod.has(field) && old.has(field) {
                        pod.set(field, old.at(field).clone());
                    }
                }
                admission::default_tolerations(pod);
            }
            Part::Other(_) => {}
        }
    }

    fn validate_update(&self, pod: &Value, old: &Value, part: Part) -> ErrorList {
        match part {
            Part::Main => update::validate_update(pod, old),
            Part::Status => update::validate_status_update(pod, old),
            Part::Other("ephemeralcontainers") => update::validate_ephemeral_containers_update(pod, old),
            Part::Other("resize") => update::validate_resize(pod, old),
            Part::Other(_) => validation::validate_pod(pod),
        }
    }

    /// None on update: what changes Pods then is programs, and often.
    fn warnings(&self, pod: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some() {
            return Vec::new();
        }
        let what = "the Pod's hostname";
        let mut found: Vec<String> = warnings::for_name(pod.name(), what).into_iter().collect();
        found.extend(warnings::for_pod(pod, &Path::new("")));
        found
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ]
    }

    fn field_value<'a>(&self, pod: &'a Value, field: &str) -> Cow<'a, str> {
        let text = match field {
            "spec.hostNetwork" if pod.flag(field) => "true",
            "spec.hostNetwork" => "false",
            "status.podIP" if pod.text(field).is_empty() => {
                pod.list("status.podIPs").first().map_or("", |first| first.text("ip"))
            }
            _ => pod.text(field),
        };
        Cow::Borrowed(text)
    }

    fn unknown_field_message(&self, _kind: &Kind, field: &str) -> String {
        format!("field label not supported: {field}")
    }

    fn metadata_stands_alone(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Being bound to a node is not a change of what is wanted.
    fn changes_generation(&self, pod: &Value, old: &Value) -> bool {
        let differs =
            |(field, value): (&CompactString, &Value)| field != "nodeName" && old.at("spec").at(field) != value;
        pod.map("spec").iter().any(differs) || old.map("spec").keys().any(|field| !pod.at("spec").has(field))
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    /// The kubelet has to confirm that a Pod is gone, unless none has ever run it or it has ended by itself.
    fn grace_period(&self, pod: &Value, requested: Option<i64>) -> Option<i64> {
        let ended = matches!(pod.text("status.phase"), "Succeeded" | "Failed");
        if pod.text("spec.nodeName").is_empty() || ended {
            return Some(0);
        }
        let period = requested.or_else(|| pod.int("spec.terminationGracePeriodSeconds")).unwrap_or(0);
        Some(if period < 0 { 1 } else { period })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_leaves_the_generation_alone() {
        let pod = json!({"spec": {"a": 1}});
        let changed = |spec: Value| Pod.changes_generation(&json!({"spec": spec}), &pod);
        assert!(!changed(json!({"a": 1, "nodeName": "n"})));
        assert!(changed(json!({"a": 2})));
        assert!(changed(json!({})));
        assert!(changed(json!({"a": 1, "b": 2})));
    }

    #[test]
    fn deletion_waits_for_the_kubelet_only_where_there_is_one() {
        let grace = |pod: Value, requested| Pod.grace_period(&pod, requested);
        let spec = json!({"nodeName": "n", "terminationGracePeriodSeconds": 30});
        assert_eq!(grace(json!({"spec": spec}), None), Some(30));
        assert_eq!(grace(json!({"spec": spec}), Some(5)), Some(5));
        assert_eq!(grace(json!({"spec": spec}), Some(-1)), Some(1));
        assert_eq!(grace(json!({"spec": spec, "status": {"phase": "Failed"}}), None), Some(0));
        assert_eq!(grace(json!({"spec": {"terminationGracePeriodSeconds": 30}}), None), Some(0));
    }
}
