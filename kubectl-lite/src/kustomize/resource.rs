//! One object on its way through a kustomization.

use crate::cmd::create::hash;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::split_api_version;

/// An object, and the names it has had.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub object: Value,
    /// From the first to the one before the present.
    pub names: Vec<String>,
    /// A hash of the contents is added to the name at the end.
    pub hashed: bool,
}

/// Kinds that others depend on come first.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

impl Resource {
    pub fn new(object: Value) -> Resource {
        Resource { object, names: Vec::new(), hashed: false }
    }
    pub fn kind(&self) -> &str {
        self.object.text("kind")
    }
    pub fn group(&self) -> &str {
        split_api_version(self.object.text("apiVersion")).0
    }
    /// Whether the object is or was called `name`.
    pub fn is_called(&self, name: &str) -> bool {
        self.object.name() == name || self.names.iter().any(|known| known == name)
    }
    pub fn rename(&mut self, name: String) {
        let old = self.object.name().to_string();
        self.names.push(old);
        self.object.set("metadata.name", name);
    }
    /// As messages name it: `Deployment.v1.apps/web.[noNs]`.
    pub fn id(&self) -> String {
        let (group, version) = split_api_version(self.object.text("apiVersion"));
        let group = if group.is_empty() { "[noGrp]" } else { group };
        let namespace = match self.object.namespace() {
            "" => "[noNs]",
            namespace => namespace,
        };
        format!("{}.{version}.{group}/{}.{namespace}", self.kind(), self.object.name())
    }
    pub fn add_hash(&mut self) {
        if self.hashed {
            let name = format!("{}-{}", self.object.name(), hash::of(&self.object, ""));
            self.rename(name);
        }
    }
    /// The place of the object among others.
    pub fn order(&self) -> (i32, String, String, String) {
        let kind = self.kind();
        let place = match FIRST.iter().position(|known| *known == kind) {
            Some(at) => at as i32 - FIRST.len() as i32,
            None if LAST.contains(&kind) => 1,
            None => 0,
        };
        let (namespace, name) = (self.object.namespace().to_string(), self.object.name().to_string());
        (place, format!("{}_{kind}", self.group()), namespace, name)
    }

    /// The path of the Pod's spec that the object holds.
    pub fn pod_spec(&self) -> Option<&'static str> {
        Some(match self.kind() {
            "Pod" => "spec",
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
                "spec.template.spec"
            }
            "PodTemplate" => "template.spec",
            "CronJob" => "spec.jobTemplate.spec.template.spec",
            _ => return None,
        })
    }
    /// The metadata of the templates that the object holds.
    pub fn templates(&self) -> &'static [&'static str] {
        match self.kind() {
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
                &["spec.template.metadata"]
            }
            "CronJob" => &["spec.jobTemplate.metadata", "spec.jobTemplate.spec.template.metadata"],
            _ => &[],
        }
    }
    /// The selectors that labels may be added to, and whether they are made where they are absent.
    pub fn selectors(&self) -> &'static [(&'static str, bool)] {
        match self.kind() {
            "Service" => &[("spec.selector", true)],
            "ReplicationController" => &[("spec.selector", true)],
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => &[("spec.selector.matchLabels", true)],
            "Job" => &[("spec.selector.matchLabels", false)],
            "CronJob" => &[("spec.jobTemplate.spec.selector.matchLabels", false)],
            "PodDisruptionBudget" => &[("spec.selector.matchLabels", false)],
            "NetworkPolicy" => &[("spec.podSelector.matchLabels", false)],
            _ => &[],
        }
    }
}
