//! The changes that concern all resources: namespace, names, labels, annotations, replicas and images.

use super::resource::Resource;
use super::{Kustomization, Result, image};
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};

pub(super) fn run(kustomization: &Kustomization, resources: &mut [Resource]) -> Result<()> {
    let document = &kustomization.document;
    let (prefix, suffix, namespace) =
        (document.text("namePrefix"), document.text("nameSuffix"), document.text("namespace"));
    for resource in resources.iter_mut() {
        if !namespace.is_empty() {
            set_namespace(resource, namespace);
        }
        let keeps_name = matches!(resource.kind(), "Namespace" | "CustomResourceDefinition" | "APIService");
        let adds = !prefix.is_empty() || !suffix.is_empty();
        if adds && !keeps_name {
            let name = format!("{prefix}{}{suffix}", resource.object.name());
            resource.rename(name);
        }
        add_labels(resource, document.map("commonLabels"), true, true);
        for entry in document.list("labels") {
            let selectors = entry.flag("includeSelectors");
            add_labels(resource, entry.map("pairs"), selectors, selectors || entry.flag("includeTemplates"));
        }
        add_annotations(resource, document.map("commonAnnotations"));
    }
    for entry in document.list("replicas") {
        set_replicas(resources, entry)?;
    }
    for entry in document.list("images") {
        resources.iter_mut().for_each(|resource| set_images(resource, entry));
    }
    Ok(())
}

fn set_namespace(resource: &mut Resource, namespace: &str) {
    match resource.kind() {
        "Namespace" => resource.rename(namespace.to_string()),
        "RoleBinding" | "ClusterRoleBinding" => {
            for subject in resource.object.list_mut("subjects") {
                if subject.text("kind") == "ServiceAccount" && subject.text("name") == "default" {
                    subject.set("namespace", namespace);
                }
            }
        }
        _ => {}
    }
    if is_namespaced(resource) {
        resource.object.set("metadata.namespace", namespace);
    }
}

fn is_namespaced(resource: &Resource) -> bool {
    let kind = resource.kind();
    match shared_types::kinds::KINDS.iter().find(|known| known.kind == kind && known.group == resource.group()) {
        Some(known) => known.namespaced,
        None => !matches!(
            kind,
            "CustomResourceDefinition"
                | "APIService"
                | "MutatingWebhookConfiguration"
                | "ValidatingWebhookConfiguration"
                | "PersistentVolume"
                | "StorageClass"
                | "CSIDriver"
                | "CSINode"
                | "VolumeAttachment"
                | "IngressClass"
                | "RuntimeClass"
                | "FlowSchema"
                | "PriorityLevelConfiguration"
                | "CertificateSigningRequest"
        ),
    }
}

fn add_all(resource: &mut Resource, path: &str, pairs: &Object) {
    for (key, value) in pairs {
        let text = match value {
            Value::String(_) => value.clone(),
            other => other.to_string().into(),
        };
        resource.object.map_mut(path).insert(key.clone(), text);
    }
}

fn add_labels(resource: &mut Resource, pairs: &Object, selectors: bool, templates: bool) {
    if pairs.is_empty() {
        return;
    }
    add_all(resource, "metadata.labels", pairs);
    if templates {
        for metadata in resource.templates() {
            add_all(resource, &format!("{metadata}.labels"), pairs);
        }
    }
    if selectors {
        for (path, made) in resource.selectors() {
            if *made || resource.object.has(path) {
                add_all(resource, path, pairs);
            }
        }
    }
}

fn add_annotations(resource: &mut Resource, pairs: &Object) {
    if pairs.is_empty() {
        return;
    }
    add_all(resource, "metadata.annotations", pairs);
    for metadata in resource.templates() {
        add_all(resource, &format!("{metadata}.annotations"), pairs);
    }
}

fn set_replicas(resources: &mut [Resource], entry: &Value) -> Result<()> {
    let name = entry.text("name");
    let scaled = ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"];
    let mut found = false;
    for resource in resources.iter_mut() {
        if scaled.contains(&resource.kind()) && resource.is_called(name) {
            resource.object.set("spec.replicas", entry.at("count").clone());
            found = true;
        }
    }
    match found {
        true => Ok(()),
        false => Err(format!(
            "resource with name {name} does not match a config with the following GVK \
             [Deployment.[noVer].[noGrp] StatefulSet.[noVer].[noGrp] ReplicaSet.[noVer].[noGrp] \
             ReplicationController.[noVer].[noGrp]]"
        )),
    }
}

fn set_images(resource: &mut Resource, entry: &Value) {
    let Some(spec) = resource.pod_spec() else { return };
    for list in ["containers", "initContainers"] {
        for container in resource.object.list_mut(&format!("{spec}.{list}")) {
            if let Some(changed) = image::changed(container.text("image"), entry) {
                container.set("image", changed);
            }
        }
    }
}
