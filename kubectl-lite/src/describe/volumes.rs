//! The volumes of a Pod or Pod template.

use super::report::{Report, or, scalar};
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value};
use shared_types::quantity::Quantity;

/// A kind of volume: the field that holds it, what it is, and the fields that are shown with their titles.
type Source = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Those that show nothing but plain fields.
const PLAIN: &[Source] = &[
    (
        "gitRepo",
        "GitRepo (a volume that is pulled from git when the pod is created)",
        &[("Repository", "repository"), ("Revision", "revision")],
    ),
    (
        "nfs",
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        &[("Server", "server"), ("Path", "path"), ("ReadOnly", "readOnly?")],
    ),
    ("secret", "Secret (a volume populated by a Secret)", &[("SecretName", "secretName"), ("Optional", "optional?")]),
    ("configMap", "ConfigMap (a volume populated by a ConfigMap)", &[("Name", "name"), ("Optional", "optional?")]),
    (
        "persistentVolumeClaim",
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        &[("ClaimName", "claimName"), ("ReadOnly", "readOnly?")],
    ),
    ("image", "Image (a container image or OCI artifact)", &[("Reference", "reference"), ("PullPolicy", "pullPolicy")]),
];

pub fn describe(report: &mut Report, indent: &str, volumes: &[Value]) {
    if volumes.is_empty() {
        return report.line(0, format_args!("{indent}Volumes:\t<none>"));
    }
    report.line(0, format_args!("{indent}Volumes:"));
    for volume in volumes {
        let indent = if indent.is_empty() { "" } else { " " };
        report.line(1, format_args!("{indent}{}:", volume.text("name")));
        source(report, volume);
    }
}

fn source(report: &mut Report, volume: &Value) {
    for (path, what, fields) in PLAIN {
        if volume.has(path) {
            report.field(2, "Type", what);
            return shown(report, volume.at(path), fields);
        }
    }
    if volume.has("emptyDir") {
        report.field(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
        report.field(2, "Medium", volume.text("emptyDir.medium"));
        let limit =
            Quantity::parse(volume.text("emptyDir.sizeLimit")).ok().filter(|l| !l.is_zero() && !l.is_negative());
        report.field(2, "SizeLimit", limit.map_or("<unset>".to_string(), |limit| limit.to_string()));
    } else if volume.has("hostPath") {
        report.field(2, "Type", "HostPath (bare host directory volume)");
        report.field(2, "Path", volume.text("hostPath.path"));
        let kind = if volume.has("hostPath.type") { volume.text("hostPath.type") } else { "<none>" };
        report.field(2, "HostPathType", kind);
    } else if volume.has("downwardAPI") {
        report.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
        report.heading(2, "Items");
        for item in volume.list("downwardAPI.items") {
            for from in ["fieldRef.fieldPath", "resourceFieldRef.resource"] {
                if item.has(from) {
                    report.line(3, format_args!("{} -> {}", item.text(from), item.text("path")));
                }
            }
        }
    } else if volume.has("projected") {
        report.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
        for source in volume.list("projected.sources") {
            projected(report, source);
        }
    } else if volume.has("csi") {
        let csi = volume.at("csi");
        report.field(2, "Type", "CSI (a Container Storage Interface (CSI) volume source)");
        shown(report, csi, &[("Driver", "driver"), ("FSType", "fsType"), ("ReadOnly", "readOnly?")]);
        // Kubernetes moves the attributes in once more than other values.
        let attribute = |(key, value): (&CompactString, &Value)| format!("    {key}={}", scalar(value));
        let attributes: Vec<String> = csi.map("volumeAttributes").iter().map(attribute).collect();
        report.lines(2, "VolumeAttributes", &attributes);
    } else {
        report.line(1, "<unknown>");
    }
}

/// Fields with their titles; a `?` marks those that are false where they are not set.
fn shown(report: &mut Report, source: &Value, fields: &[(&str, &str)]) {
    for (title, path) in fields {
        match path.strip_suffix('?') {
            Some(path) => report.field(2, title, source.flag(path)),
            None => report.field(2, title, scalar(source.at(path))),
        }
    }
}

fn projected(report: &mut Report, source: &Value) {
    if source.has("secret") {
        shown(report, source.at("secret"), &[("SecretName", "name"), ("Optional", "optional?")]);
    } else if source.has("downwardAPI") {
        report.field(2, "DownwardAPI", true);
    } else if source.has("configMap") {
        shown(report, source.at("configMap"), &[("ConfigMapName", "name"), ("Optional", "optional?")]);
    } else if source.has("serviceAccountToken") {
        let seconds = scalar(source.at("serviceAccountToken.expirationSeconds"));
        report.field(2, "TokenExpirationSeconds", or(&seconds, "0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn volumes_say_what_they_are() {
        let mut report = Report::default();
        let volumes = [
            json!({"name": "c", "configMap": {"name": "cm"}}),
            json!({"name": "e", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}),
            json!({"name": "d", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
            json!({"name": "u", "rbd": {}}),
        ];
        describe(&mut report, "  ", &volumes);
        let expected = "  \
  Volumes:
   c:
    Type:      ConfigMap (a volume populated by a ConfigMap)
    Name:      cm
    Optional:  false
   e:
    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:     Memory
    SizeLimit:  1Gi
   d:
    Type:  DownwardAPI (a volume populated by information about the pod)
    Items:
      metadata.labels -> l
   u:
  <unknown>
";
        assert_eq!(report.finish(), expected);
    }
}
