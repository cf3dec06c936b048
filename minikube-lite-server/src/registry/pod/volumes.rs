//! Validation of volumes, and of how containers mount them.

use super::{env, resources};
use crate::registry::check;
use crate::registry::metadata::dns_subdomain_name;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};
use std::collections::{HashMap, HashSet};

/// A Pod's volumes that passed validation, by name.
pub type Volumes<'a> = HashMap<&'a str, &'a Value>;

const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const ONE_TYPE: &str = "may not specify more than 1 volume type";

/// The volume sources in the order in which they are looked at, with the fields that they must have. Those that need
/// more than that have a function of their own below.
const SOURCES: [(&str, &[&str]); 30] = [
    ("emptyDir", &[]),
    ("hostPath", &[]),
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("secret", &["secretName"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("flocker", &[]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["monitors", "image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &["monitors"]),
    ("quobyte", &["registry", "volume"]),
    ("downwardAPI", &[]),
    ("fc", &[]),
    ("flexVolume", &["driver"]),
    ("configMap", &["name"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("storageos", &[]),
    ("projected", &[]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("csi", &["driver"]),
    ("ephemeral", &[]),
    ("image", &[]),
];

/// Whether a volume names any source.
pub fn has_source(volume: &Value) -> bool {
    SOURCES.iter().any(|(source, _)| volume.has(source))
}

/// The volumes of a Pod spec. `pod_name` is the name of the Pod, `""` in a template.
pub fn validate_volumes<'a>(
    volumes: &'a [Value],
    pod_name: &str,
    is_pod: bool,
    path: &Path,
    errors: &mut ErrorList,
) -> Volumes<'a> {
    let created: HashSet<String> = volumes
        .iter()
        .filter(|volume| !pod_name.is_empty() && volume.has("ephemeral"))
        .map(|volume| format!("{pod_name}-{}", volume.text("name")))
        .collect();
    let mut valid = Volumes::new();
    for (i, volume) in volumes.iter().enumerate() {
        let path = path.index(i);
        let (name, name_path, before) = (volume.text("name"), path.child("name"), errors.len());
        validate_source(volume, pod_name, is_pod, &path, errors);
        match name {
            "" => errors.push(FieldError::required(&name_path, "")),
            _ => check::report(names::is_dns1123_label(name), name, &name_path, errors),
        }
        if valid.contains_key(name) {
            errors.push(FieldError::duplicate(&name_path, name));
        }
        if errors.len() == before {
            valid.insert(name, volume);
        }
        let claim = volume.text("persistentVolumeClaim.claimName");
        if created.contains(claim) {
            let path = path.child("persistentVolumeClaim.claimName");
            let why = "must not reference a PVC that gets created for an ephemeral volume";
            errors.push(FieldError::invalid(&path, claim, why));
        }
    }
    valid
}

fn validate_source(volume: &Value, pod_name: &str, is_pod: bool, path: &Path, errors: &mut ErrorList) {
    let mut found = false;
    for (kind, required) in SOURCES {
        let source = volume.at(kind);
        if source.is_null() {
            continue;
        }
        if found {
            // These two are misspelt in Kubernetes, and clients see it.
            let shown = match kind {
                "cephfs" => "cephFS",
                "downwardAPI" => "downwarAPI",
                kind => kind,
            };
            errors.push(FieldError::forbidden(&path.child(shown), ONE_TYPE));
            continue;
        }
        found = true;
        let path = path.child(if kind == "gcePersistentDisk" { "persistentDisk" } else { kind });
        for field in required {
            if source.text(field).is_empty() && source.list(field).is_empty() {
                errors.push(FieldError::required(&path.child(field), ""));
            }
        }
        match kind {
            "emptyDir" if resources::amount(source.at("sizeLimit")).is_negative() => {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.push(FieldError::forbidden(&path.child("sizeLimit"), why));
            }
            "hostPath" => validate_host_path(source, &path, errors),
            "gitRepo" => descending_path(source.text("directory"), &path.child("directory"), errors),
            "gcePersistentDisk" | "awsElasticBlockStore" => {
                if let Some(partition) = source.int("partition").filter(|n| !(0..=255).contains(n)) {
                    let why = names::range_error(1, 255);
                    errors.push(FieldError::invalid(&path.child("partition"), partition, why));
                }
            }
            "secret" | "configMap" => {
                file_mode(source, "defaultMode", &path, errors);
                let items = path.child("items");
                for (i, item) in source.list("items").iter().enumerate() {
                    validate_key_to_path(item, &items.index(i), errors);
                }
            }
            "nfs" if !source.text("path").starts_with('/') => {
                let why = "must be an absolute path";
                errors.push(FieldError::invalid(&path.child("path"), source.text("path"), why));
            }
            "downwardAPI" => {
                file_mode(source, "defaultMode", &path, errors);
                source.list("items").iter().for_each(|file| validate_downward_file(file, &path, errors));
            }
            "projected" => validate_projected(source, &path, errors),
            "fc" => validate_fc(source, &path, errors),
            "csi" => validate_csi(source, &path, errors),
            "ephemeral" => validate_ephemeral(source, volume.text("name"), pod_name, &path, errors),
            "image" => {
                if is_pod {
                    check::required(source, "reference", &path, errors);
                }
                let policies = ["Always", "IfNotPresent", "Never"];
                check::required_one_of(source, "pullPolicy", &policies, &path, errors);
            }
            _ => {}
        }
    }
    if !found {
        errors.push(FieldError::required(path, "must specify a volume type"));
    }
}

fn validate_host_path(source: &Value, path: &Path, errors: &mut ErrorList) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if source.text("path").is_empty() {
        errors.push(FieldError::required(&path.child("path"), ""));
        return;
    }
    no_backsteps(source.text("path"), &path.child("path"), errors);
    check::one_of(source, "type", &TYPES, path, errors);
}

fn validate_fc(source: &Value, path: &Path, errors: &mut ErrorList) {
    let (names, ids) = (source.list("targetWWNs"), source.list("wwids"));
    let names_path = path.child("targetWWNs");
    if names.is_empty() && ids.is_empty() {
        let why = "must specify either targetWWNs or wwids, but not both";
        errors.push(FieldError::required(&names_path, why));
    }
    if !names.is_empty() && !ids.is_empty() {
        let why = "targetWWNs and wwids can not be specified simultaneously";
        errors.push(FieldError::invalid(&names_path, names.to_vec(), why));
    }
    if !names.is_empty() && !source.has("lun") {
        errors.push(FieldError::required(&path.child("lun"), "lun is required if targetWWNs is specified"));
    }
}

fn validate_csi(source: &Value, path: &Path, errors: &mut ErrorList) {
    let driver = source.text("driver");
    if driver.len() > names::LABEL_MAX {
        errors.push(FieldError::too_long(&path.child("driver"), names::LABEL_MAX));
    }
    if !driver.is_empty() {
        check::report(names::is_dns1123_subdomain(&driver.to_lowercase()), driver, &path.child("driver"), errors);
    }
    if source.has("nodePublishSecretRef") {
        let path = path.child("nodePublishSecretRef.name");
        match source.text("nodePublishSecretRef.name") {
            "" => errors.push(FieldError::required(&path, "")),
            name => check::report(names::is_dns1123_subdomain(name), name, &path, errors),
        }
    }
}

fn validate_ephemeral(source: &Value, volume: &str, pod_name: &str, path: &Path, errors: &mut ErrorList) {
    let template = path.child("volumeClaimTemplate");
    if !source.has("volumeClaimTemplate") {
        errors.push(FieldError::required(&template, ""));
        return;
    }
    let spec = source.at("volumeClaimTemplate.spec");
    let path = template.child("spec");
    if spec.list("accessModes").is_empty() {
        errors.push(FieldError::required(&path.child("accessModes"), "at least 1 access mode is required"));
    }
    if !spec.map("resources.requests").contains_key("storage") {
        errors.push(FieldError::required(&path.child("resources").key("storage"), ""));
    }
    if !pod_name.is_empty() && !volume.is_empty() {
        let claim = format!("{pod_name}-{volume}");
        for problem in dns_subdomain_name(&claim, false) {
            let why = format!("PVC name {claim:?}: {problem}");
            errors.push(FieldError::invalid(&path.child("name"), volume, why));
        }
    }
}

fn validate_projected(source: &Value, path: &Path, errors: &mut ErrorList) {
    const CONFLICT: &str = "conflicting duplicate paths";
    file_mode(source, "defaultMode", path, errors);
    let mut paths = HashSet::new();
    let list = path.child("sources");
    for (i, projection) in source.list("sources").iter().enumerate() {
        let source_path = list.index(i);
        let mut count = 0;
        for kind in ["secret", "configMap"] {
            let part = projection.at(kind);
            if part.is_null() {
                continue;
            }
            count += 1;
            let part_path = source_path.child(kind);
            check::required(part, "name", &part_path, errors);
            let items = part_path.child("items");
            for (i, item) in part.list("items").iter().enumerate() {
                validate_key_to_path(item, &items.index(i), errors);
                let file = item.text("path");
                if !file.is_empty() && !paths.insert(file) {
                    errors.push(FieldError::invalid(path, part.text("name"), CONFLICT));
                }
            }
        }
        if projection.has("downwardAPI") {
            count += 1;
            for file in projection.list("downwardAPI.items") {
                validate_downward_file(file, &source_path.child("downwardAPI"), errors);
                let file = file.text("path");
                if !file.is_empty() && !paths.insert(file) {
                    errors.push(FieldError::invalid(path, file, CONFLICT));
                }
            }
        }
        if projection.has("serviceAccountToken") {
            count += 1;
            let token = projection.at("serviceAccountToken");
            let token_path = source_path.child("serviceAccountToken");
            let (seconds, seconds_path) =
                (token.int("expirationSeconds").unwrap_or(0), token_path.child("expirationSeconds"));
            if seconds < 600 {
                let why = "may not specify a duration less than 10 minutes";
                errors.push(FieldError::invalid(&seconds_path, seconds, why));
            }
            if seconds > 1 << 32 {
                let why = "may not specify a duration larger than 2^32 seconds";
                errors.push(FieldError::invalid(&seconds_path, seconds, why));
            }
            match token.text("path") {
                "" => errors.push(FieldError::required(&path.child("path"), "")),
                file => local_path(file, &path.child("path"), errors),
            }
        }
        if projection.has("clusterTrustBundle") {
            count += 1;
            let bundle = projection.at("clusterTrustBundle");
            let bundle_path = source_path.child("clusterTrustBundle");
            match (bundle.has("name"), bundle.has("signerName")) {
                (true, true) => {
                    let why = "only one of name and signerName may be used";
                    errors.push(FieldError::invalid(&bundle_path, bundle.clone(), why));
                }
                (false, false) => {
                    errors.push(FieldError::required(&bundle_path, "either name or signerName must be specified"));
                }
                _ => {}
            }
            let file = bundle.text("path");
            check::required(bundle, "path", &bundle_path, errors);
            local_path(file, &bundle_path.child("path"), errors);
            if !paths.insert(file) {
                errors.push(FieldError::invalid(path, file, CONFLICT));
            }
        }
        if count > 1 {
            errors.push(FieldError::forbidden(&source_path, "may not specify more than 1 volume type per source"));
        }
    }
}

fn validate_key_to_path(item: &Value, path: &Path, errors: &mut ErrorList) {
    check::required(item, "key", path, errors);
    check::required(item, "path", path, errors);
    local_path(item.text("path"), &path.child("path"), errors);
    file_mode(item, "mode", path, errors);
}

fn validate_downward_file(file: &Value, path: &Path, errors: &mut ErrorList) {
    check::required(file, "path", path, errors);
    local_path(file.text("path"), &path.child("path"), errors);
    let (field, resource) = (file.at("fieldRef"), file.at("resourceFieldRef"));
    if !field.is_null() {
        env::validate_field_ref(field, &env::VOLUME_FIELDS, &path.child("fieldRef"), errors);
        if !resource.is_null() {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.push(FieldError::invalid(path, "resource", why));
        }
    } else if !resource.is_null() {
        env::validate_resource_ref(resource, true, &path.child("resourceFieldRef"), errors);
    } else {
        errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    file_mode(file, "mode", path, errors);
}

fn file_mode(object: &Value, field: &str, path: &Path, errors: &mut ErrorList) {
    if let Some(mode) = object.int(field).filter(|mode| !(0..=0o777).contains(mode)) {
        errors.push(FieldError::invalid(&path.child(field), mode, FILE_MODE));
    }
}

/// A path that never leads upwards.
pub fn no_backsteps(target: &str, path: &Path, errors: &mut ErrorList) {
    if target.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, target, "must not contain '..'"));
    }
}

/// A relative path that stays below where it starts.
pub fn descending_path(target: &str, path: &Path, errors: &mut ErrorList) {
    if target.starts_with('/') {
        errors.push(FieldError::invalid(path, target, "must be a relative path"));
    }
    no_backsteps(target, path, errors);
}

/// A descending path that does not begin as the files do in which a kubelet keeps its own state.
fn local_path(target: &str, path: &Path, errors: &mut ErrorList) {
    descending_path(target, path, errors);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.push(FieldError::invalid(path, target, "must not start with '..'"));
    }
}

/// A container's `volumeMounts`.
pub fn validate_mounts(container: &Value, volumes: &Volumes, path: &Path, errors: &mut ErrorList) {
    let devices = container.list("volumeDevices");
    let mut seen = HashSet::new();
    for (i, mount) in container.list("volumeMounts").iter().enumerate() {
        let (list_path, path) = (path, path.index(i));
        let (name, target) = (mount.text("name"), mount.text("mountPath"));
        let (name_path, target_path) = (path.child("name"), path.child("mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        }
        if !volumes.contains_key(name) {
            errors.push(FieldError::not_found(&name_path, name));
        }
        if target.is_empty() {
            errors.push(FieldError::required(&target_path, ""));
        }
        if !seen.insert(target) {
            errors.push(FieldError::invalid(&target_path, target, "must be unique"));
        }
        if devices.iter().any(|device| device.text("name") == name) {
            errors.push(FieldError::invalid(&name_path, name, "must not already exist in volumeDevices"));
        }
        if devices.iter().any(|device| device.text("devicePath") == target) {
            let why = "must not already exist as a path in volumeDevices";
            errors.push(FieldError::invalid(&target_path, target, why));
        }
        let (sub_path, expression) = (mount.text("subPath"), mount.text("subPathExpr"));
        if !sub_path.is_empty() {
            descending_path(sub_path, &list_path.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub_path.is_empty() {
                let why = "subPathExpr and subPath are mutually exclusive";
                errors.push(FieldError::invalid(&path.child("subPathExpr"), expression, why));
            }
            descending_path(expression, &list_path.child("subPathExpr"), errors);
        }
        validate_propagation(mount, container, list_path, errors);
        validate_recursive_read_only(mount, list_path, errors);
    }
}

fn validate_propagation(mount: &Value, container: &Value, path: &Path, errors: &mut ErrorList) {
    check::one_of(mount, "mountPropagation", &["Bidirectional", "HostToContainer", "None"], path, errors);
    if mount.text("mountPropagation") == "Bidirectional" && !container.flag("securityContext.privileged") {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(FieldError::forbidden(&path.child("mountPropagation"), why));
    }
}

fn validate_recursive_read_only(mount: &Value, path: &Path, errors: &mut ErrorList) {
    const FIELD: &str = "recursiveReadOnly";
    check::one_of(mount, FIELD, &["Disabled", "Enabled", "IfPossible"], path, errors);
    if !matches!(mount.text(FIELD), "Enabled" | "IfPossible") {
        return;
    }
    let path = path.child(FIELD);
    if !mount.flag("readOnly") {
        errors.push(FieldError::forbidden(&path, "may only be specified when readOnly is true"));
    }
    if !matches!(mount.text("mountPropagation"), "" | "None") {
        let why = "may only be specified when mountPropagation is None or not specified";
        errors.push(FieldError::forbidden(&path, why));
    }
}

/// A container's `volumeDevices`.
pub fn validate_devices(container: &Value, volumes: &Volumes, path: &Path, errors: &mut ErrorList) {
    let mounts = container.list("volumeMounts");
    let (mut names, mut targets) = (HashSet::new(), HashSet::new());
    for (i, device) in container.list("volumeDevices").iter().enumerate() {
        let path = path.index(i);
        let (name, target) = (device.text("name"), device.text("devicePath"));
        let (name_path, target_path) = (path.child("name"), path.child("devicePath"));
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else if !names.insert(name) {
            errors.push(FieldError::invalid(&name_path, name, "must be unique"));
        }
        match volumes.get(name) {
            None => errors.push(FieldError::not_found(&name_path, name)),
            Some(volume) if !volume.has("persistentVolumeClaim") && !volume.has("ephemeral") => {
                let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(FieldError::invalid(&name_path, name, why));
            }
            Some(_) => {}
        }
        if target.is_empty() {
            errors.push(FieldError::required(&target_path, ""));
        }
        if targets.contains(target) {
            errors.push(FieldError::invalid(&target_path, target, "must be unique"));
        }
        if target.split('/').any(|part| part == "..") {
            errors.push(FieldError::invalid(&target_path, target, "can not contain backsteps ('..')"));
        } else {
            targets.insert(target);
        }
        if mounts.iter().any(|mount| mount.text("name") == name) {
            errors.push(FieldError::invalid(&name_path, name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|mount| mount.text("mountPath") == target) {
            let why = "must not already exist as a path in volumeMounts";
            errors.push(FieldError::invalid(&target_path, target, why));
        }
    }
}
