//! A Pod template as Go prints it with all its types, which is what Kubernetes' hash of a template is made of (apimachinery's
//! `dump.ForHash`, go-spew's `%#v`): `(v1.PodTemplateSpec){ObjectMeta:(v1.ObjectMeta){Name:(string) ...`.

use shared_types::json::{Object, Value};
use shared_types::quantity::int64_amount;
use shared_types::schema::{Field, Struct, Type};
use std::fmt::Write;

/// A value of a struct type with the name of the type before it.
pub(super) fn dump(ty: &Struct, value: &Value) -> String {
    let mut out = String::with_capacity(4096);
    out.push_str("(v1.");
    out.push_str(ty.short_name());
    out.push(')');
    structure(&mut out, ty, value.as_object());
    out
}

/// `{Name:(string)web Image:(string)nginx ...}`. Without an object all fields have their zero values.
fn structure(out: &mut String, ty: &Struct, object: Option<&Object>) {
    out.push('{');
    let mut embedded = 0;
    for (index, field) in ty.fields.iter().enumerate() {
        // The fields of a struct that Go embeds are in braces of its own.
        let inside = if field.number[1] == 0 { 0 } else { field.number[0] };
        if embedded != 0 && inside != embedded {
            out.push('}');
        }
        if index > 0 {
            out.push(' ');
        }
        if inside != 0 && inside != embedded {
            let name = embedded_struct(ty);
            // Writing to a String cannot fail, here and below.
            let _ = write!(out, "{name}:(v1.{name}){{");
        }
        embedded = inside;
        out.push_str(&go_name(ty, &field.name));
        out.push(':');
        typed(out, field, object.and_then(|object| object.get(&field.name)));
    }
    out.push_str(if embedded == 0 { "}" } else { "}}" });
}

/// The value of a field after its type: `(*int64)30`, `([]string)<nil>`.
fn typed(out: &mut String, field: &Field, value: Option<&Value>) {
    let value = value.filter(|value| !value.is_null());
    let pointer = if field.pointer { "*" } else { "" };
    let _ = write!(out, "({pointer}{})", field.go_type);
    match value {
        None if field.pointer => out.push_str(NIL),
        value => untyped(out, &field.ty, value),
    }
}

const NIL: &str = "<nil>";

/// A value without its type, as the elements of lists and maps are.
fn untyped(out: &mut String, ty: &Type, value: Option<&Value>) {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    match ty {
        Type::String => out.push_str(text),
        Type::Bool => out.push_str(if value.and_then(Value::as_bool) == Some(true) { "true" } else { "false" }),
        Type::Int32 | Type::Int64 => {
            let _ = write!(out, "{}", value.and_then(Value::as_i64).unwrap_or_default());
        }
        Type::Quantity => quantity(out, text),
        Type::IntOrString => {
            let (kind, number) = (i32::from(value.is_some_and(Value::is_string)), value.and_then(Value::as_i64));
            let number = number.unwrap_or_default();
            let _ = write!(out, "{{Type:(intstr.Type){kind} IntVal:(int32){number} StrVal:(string){text}}}");
        }
        Type::Struct(ty) => structure(out, ty, value.and_then(Value::as_object)),
        // Read from protobuf, what is empty is nil.
        Type::List(element) => match value.and_then(Value::as_array).filter(|items| !items.is_empty()) {
            None => out.push_str(NIL),
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ' ' });
                    untyped(out, element, Some(item));
                }
                out.push(']');
            }
        },
        Type::Map(element) => match value.and_then(Value::as_object).filter(|entries| !entries.is_empty()) {
            None => out.push_str(NIL),
            Some(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "map[" } else { " " });
                    out.push_str(key);
                    out.push(':');
                    untyped(out, element, Some(value));
                }
                out.push(']');
            }
        },
        // A template has no times of its own, and none of the other types.
        Type::Time | Type::MicroTime => {
            out.push_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}");
        }
        Type::Float64 | Type::Bytes | Type::Any => out.push_str(NIL),
    }
}

/// The fields of apimachinery's `resource.Quantity` after it has read this canonical text. Of numbers that do not fit into
/// 64 bits, which it keeps in another form, none is shown.
fn quantity(out: &mut String, text: &str) {
    let (value, scale, format) = int64_amount(text).unwrap_or_default();
    // Only zero keeps its text.
    let (kept, format) = if text == "0" { (text, "") } else { ("", format) };
    let _ = write!(
        out,
        "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
         d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){format}}}"
    );
}

/// The struct that Go embeds in this one.
fn embedded_struct(ty: &Struct) -> &'static str {
    match ty.short_name() {
        "Volume" => "VolumeSource",
        "Probe" => "ProbeHandler",
        "EphemeralContainer" => "EphemeralContainerCommon",
        _ => "LocalObjectReference",
    }
}

/// What Go calls a field of a type.
fn go_name(ty: &Struct, name: &str) -> String {
    let irregular = match (ty.short_name(), name) {
        (_, "metadata") => "ObjectMeta",
        ("PodSpec", "serviceAccount") => "DeprecatedServiceAccount",
        ("GlusterfsVolumeSource", "endpoints") => "EndpointsName",
        ("ISCSIVolumeSource", "chapAuthDiscovery") => "DiscoveryCHAPAuth",
        ("ISCSIVolumeSource", "chapAuthSession") => "SessionCHAPAuth",
        ("RBDVolumeSource", "monitors") => "CephMonitors",
        ("RBDVolumeSource", "image") => "RBDImage",
        ("RBDVolumeSource", "pool") => "RBDPool",
        ("RBDVolumeSource", "user") => "RadosUser",
        ("AzureDiskVolumeSource", "diskURI") => "DataDiskURI",
        (_, "wwids") => "WWIDs",
        (_, "cephfs") => "CephFS",
        (_, "storageos") => "StorageOS",
        (_, "pdID") => "PdID",
        _ => "",
    };
    if !irregular.is_empty() {
        return irregular.to_owned();
    }
    // Abbreviations at the beginning are all in capitals.
    const ABBREVIATIONS: &[&str] = &[
        "api", "aws", "csi", "dns", "fc", "fs", "gce", "gmsa", "grpc", "http", "ip", "iqn", "iscsi", "nfs", "os", "pd",
        "rbd", "se", "ssl", "tcp", "tty", "uid",
    ];
    let head = name.find(|c: char| c.is_ascii_uppercase()).unwrap_or(name.len());
    let (head, rest) = name.split_at(head);
    if ABBREVIATIONS.contains(&head) {
        return head.to_ascii_uppercase() + rest;
    }
    let mut capitalized = name.to_owned();
    if let Some(first) = capitalized.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    capitalized
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use shared_types::schema;

    fn dumped(name: &str, value: Value) -> String {
        dump(schema::named(name).unwrap(), &value)
    }

    #[test]
    fn all_fields_are_told_with_their_types() {
        assert_eq!(
            dumped("core/v1.VolumeMount", json!({"name": "data", "mountPath": "/data", "readOnly": true})),
            "(v1.VolumeMount){Name:(string)data ReadOnly:(bool)true \
             RecursiveReadOnly:(*v1.RecursiveReadOnlyMode)<nil> MountPath:(string)/data SubPath:(string) \
             MountPropagation:(*v1.MountPropagationMode)<nil> SubPathExpr:(string)}"
        );
        let probe = json!({"tcpSocket": {"port": "web"}, "periodSeconds": 5, "terminationGracePeriodSeconds": 0});
        assert_eq!(
            dumped("core/v1.Probe", probe),
            "(v1.Probe){ProbeHandler:(v1.ProbeHandler){Exec:(*v1.ExecAction)<nil> HTTPGet:(*v1.HTTPGetAction)<nil> \
             TCPSocket:(*v1.TCPSocketAction){Port:(intstr.IntOrString){Type:(intstr.Type)1 IntVal:(int32)0 \
             StrVal:(string)web} Host:(string)} GRPC:(*v1.GRPCAction)<nil>} InitialDelaySeconds:(int32)0 \
             TimeoutSeconds:(int32)0 PeriodSeconds:(int32)5 SuccessThreshold:(int32)0 FailureThreshold:(int32)0 \
             TerminationGracePeriodSeconds:(*int64)0}"
        );
        let source = json!({"name": "config", "items": [{"key": "a", "path": "b"}], "optional": false});
        assert_eq!(
            dumped("core/v1.ConfigMapProjection", source),
            "(v1.ConfigMapProjection){LocalObjectReference:(v1.LocalObjectReference){Name:(string)config} \
             Items:([]v1.KeyToPath)[{Key:(string)a Path:(string)b Mode:(*int32)<nil>}] Optional:(*bool)false}"
        );
        let resources = json!({"requests": {"memory": "64Mi", "cpu": "1500m"}, "limits": {"cpu": "0"}});
        let amount = |value: i64, scale: i32, kept: &str, format: &str| {
            format!(
                "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
                 d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){format}}}"
            )
        };
        let (zero, cpu) = (amount(0, 0, "0", ""), amount(1500, -3, "", "DecimalSI"));
        let memory = amount(64 << 20, 0, "", "BinarySI");
        assert_eq!(
            dumped("core/v1.ResourceRequirements", resources),
            format!(
                "(v1.ResourceRequirements){{Limits:(v1.ResourceList)map[cpu:{zero}] \
                 Requests:(v1.ResourceList)map[cpu:{cpu} memory:{memory}] Claims:([]v1.ResourceClaim)<nil>}}"
            )
        );
    }

    #[test]
    fn fields_have_gos_names() {
        let named = |ty: &str, field: &str| go_name(schema::named(ty).unwrap(), field);
        for (ty, field, expected) in [
            ("core/v1.PodSpec", "dnsPolicy", "DNSPolicy"),
            ("core/v1.PodSpec", "hostIPC", "HostIPC"),
            ("core/v1.PodSpec", "setHostnameAsFQDN", "SetHostnameAsFQDN"),
            ("core/v1.PodSpec", "serviceAccount", "DeprecatedServiceAccount"),
            ("core/v1.PodSpec", "os", "OS"),
            ("core/v1.PodSecurityContext", "seLinuxOptions", "SELinuxOptions"),
            ("core/v1.PodSecurityContext", "fsGroup", "FSGroup"),
            ("core/v1.Volume", "gcePersistentDisk", "GCEPersistentDisk"),
            ("core/v1.RBDVolumeSource", "image", "RBDImage"),
            ("core/v1.ObjectFieldSelector", "apiVersion", "APIVersion"),
        ] {
            assert_eq!(named(ty, field), expected);
        }
    }
}
