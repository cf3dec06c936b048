//! References by name follow the names that were changed.

use super::resource::Resource;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// Lets every reference between `resources` name what it means by its present name.
pub(super) fn fix(resources: &mut [Resource]) {
    let names: Vec<Renamed> = resources.iter().filter(|resource| !resource.names.is_empty()).map(Renamed::of).collect();
    for resource in resources.iter_mut() {
        let namespace = resource.object.namespace().to_string();
        let fixer = Fixer { names: &names, namespace };
        if let Some(path) = resource.pod_spec() {
            fixer.pod(resource.object.at_mut(path));
        }
        fixer.others(resource);
    }
}

struct Renamed {
    kind: String,
    before: Vec<String>,
    now: String,
    namespace: String,
}

impl Renamed {
    fn of(resource: &Resource) -> Renamed {
        Renamed {
            kind: resource.kind().into(),
            before: resource.names.clone(),
            now: resource.object.name().into(),
            namespace: resource.object.namespace().into(),
        }
    }
}

struct Fixer<'a> {
    names: &'a [Renamed],
    /// That of the object that refers.
    namespace: String,
}

impl Fixer<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<&Renamed> {
        let fits = |renamed: &&Renamed| renamed.kind == kind && renamed.before.iter().any(|known| known == name);
        let mut here = self.names.iter().filter(fits);
        let near = self.names.iter().filter(fits).find(|renamed| renamed.namespace == self.namespace);
        near.or_else(|| here.next())
    }

    /// The reference in `field` of `value`.
    fn field(&self, value: &mut Value, field: &str, kind: &str) {
        let name = value.text(field).to_string();
        if name.is_empty() {
            return;
        }
        if let Some(renamed) = self.find(kind, &name) {
            value.set(field, renamed.now.clone());
        }
    }

    fn pod(&self, spec: &mut Value) {
        self.field(spec, "serviceAccountName", "ServiceAccount");
        self.field(spec, "serviceAccount", "ServiceAccount");
        self.field(spec, "priorityClassName", "PriorityClass");
        spec.list_mut("imagePullSecrets").iter_mut().for_each(|secret| self.field(secret, "name", "Secret"));
        for volume in spec.list_mut("volumes") {
            self.field(volume, "configMap.name", "ConfigMap");
            self.field(volume, "secret.secretName", "Secret");
            self.field(volume, "persistentVolumeClaim.claimName", "PersistentVolumeClaim");
            for source in volume.list_mut("projected.sources") {
                self.field(source, "configMap.name", "ConfigMap");
                self.field(source, "secret.name", "Secret");
            }
        }
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in spec.list_mut(list) {
                for source in container.list_mut("envFrom") {
                    self.field(source, "configMapRef.name", "ConfigMap");
                    self.field(source, "secretRef.name", "Secret");
                }
                for variable in container.list_mut("env") {
                    self.field(variable, "valueFrom.configMapKeyRef.name", "ConfigMap");
                    self.field(variable, "valueFrom.secretKeyRef.name", "Secret");
                }
            }
        }
    }

    fn others(&self, resource: &mut Resource) {
        let kind = resource.kind().to_string();
        let object = &mut resource.object;
        match kind.as_str() {
            "Ingress" => {
                self.field(object, "spec.defaultBackend.service.name", "Service");
                self.field(object, "spec.ingressClassName", "IngressClass");
                for rule in object.list_mut("spec.rules") {
                    let paths = rule.list_mut("http.paths").iter_mut();
                    paths.for_each(|path| self.field(path, "backend.service.name", "Service"));
                }
                object.list_mut("spec.tls").iter_mut().for_each(|tls| self.field(tls, "secretName", "Secret"));
            }
            "StatefulSet" => self.field(object, "spec.serviceName", "Service"),
            "ServiceAccount" => {
                for list in ["imagePullSecrets", "secrets"] {
                    object.list_mut(list).iter_mut().for_each(|secret| self.field(secret, "name", "Secret"));
                }
            }
            "PersistentVolumeClaim" => {
                self.field(object, "spec.volumeName", "PersistentVolume");
                self.field(object, "spec.storageClassName", "StorageClass");
            }
            "HorizontalPodAutoscaler" => {
                let target = object.text("spec.scaleTargetRef.kind").to_string();
                self.field(object, "spec.scaleTargetRef.name", &target);
            }
            "RoleBinding" | "ClusterRoleBinding" => {
                let role = object.text("roleRef.kind").to_string();
                self.field(object, "roleRef.name", &role);
                for subject in object.list_mut("subjects") {
                    if subject.text("kind") == "ServiceAccount"
                        && let Some(account) = self.find("ServiceAccount", subject.text("name"))
                    {
                        subject.set("name", account.now.clone());
                        if !account.namespace.is_empty() {
                            subject.set("namespace", account.namespace.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
