//! Holds the tables against the API's own description of its types, and decoding against encoding.

use super::*;
use crate::json::{Object, Value, json};
use k8s_openapi::api::{
    apps::v1 as apps, authentication::v1 as authentication, authorization::v1 as authorization,
    autoscaling::v1 as autoscaling, autoscaling::v2 as autoscaling_v2, batch::v1 as batch,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling,
    storage::v1 as storage,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use proptest::prelude::*;
use schemars::{JsonSchema, SchemaGenerator};
use std::collections::BTreeSet;

/// The description of every type that is reached from our kinds, by name: `io.k8s.api.core.v1.PodSpec`.
fn described() -> Object {
    fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    macro_rules! add_all {
        ($generator:ident, $($package:ident: $($kind:ident)*;)*) => { $($(add::<$package::$kind>(&mut $generator);)*)* };
    }
    let mut generator = SchemaGenerator::default();
    add_all!(generator,
        core: Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod
            PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount;
        apps: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
        authentication: SelfSubjectReview TokenRequest TokenReview;
        authorization: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview;
        autoscaling: HorizontalPodAutoscaler Scale;
        autoscaling_v2: HorizontalPodAutoscaler;
        batch: CronJob Job;
        coordination: Lease;
        discovery: EndpointSlice;
        events: Event;
        networking: Ingress IngressClass NetworkPolicy;
        policy: Eviction PodDisruptionBudget;
        rbac: ClusterRole ClusterRoleBinding Role RoleBinding;
        scheduling: PriorityClass;
        storage: StorageClass;
        meta: APIGroupList APIResourceList APIVersions DeleteOptions Status;
    );
    json::to_value(&generator.take_definitions(true)).unwrap().as_object().cloned().unwrap()
}

/// `io.k8s.api.core.v1.PodSpec` is our `core/v1.PodSpec`.
fn our_name(described: &str) -> Option<String> {
    let parts: Vec<&str> = described.split('.').collect();
    let [.., package, version, name] = parts[..] else { return None };
    Some(format!("{package}/{version}.{name}"))
}

/// A description in our words: `[]core/v1.Container`, `map[string]Quantity`.
fn described_type(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return match name.rsplit('.').next().unwrap() {
            short @ ("Quantity" | "IntOrString" | "Time" | "MicroTime") => short.to_owned(),
            "RawExtension" | "FieldsV1" => "any".to_owned(),
            _ => our_name(name).unwrap(),
        };
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => format!("[]{}", described_type(&schema["items"])),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            format!("map[string]{}", described_type(&schema["additionalProperties"]))
        }
        (Some("boolean"), _) => "bool".to_owned(),
        (Some("string"), Some("byte")) => "bytes".to_owned(),
        (Some("string"), _) => "string".to_owned(),
        (Some("integer"), Some(format)) => format.to_owned(),
        (Some("number"), _) => "float64".to_owned(),
        _ => format!("{schema}"),
    }
}

fn our_type(ty: &Type) -> String {
    match ty {
        Type::String => "string".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Float64 => "float64".to_owned(),
        Type::Quantity => "Quantity".to_owned(),
        Type::IntOrString => "IntOrString".to_owned(),
        Type::Time => "Time".to_owned(),
        Type::MicroTime => "MicroTime".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Any => "any".to_owned(),
        Type::Struct(ty) => ty.name.clone(),
        Type::List(element) => format!("[]{}", our_type(element)),
        Type::Map(element) => format!("map[string]{}", our_type(element)),
    }
}

#[test]
fn the_tables_agree_with_the_apis_description() {
    let mut differences = Vec::new();
    let mut compared = BTreeSet::new();
    for (name, schema) in described() {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let ours = our_name(&name).unwrap();
        let Some(ty) = named(&ours) else {
            differences.push(format!("{ours} is missing"));
            continue;
        };
        compared.insert(ours.clone());
        for (field, schema) in properties {
            let theirs = described_type(schema);
            match ty.field(field) {
                None => differences.push(format!("{ours}.{field} is missing")),
                Some(field) if our_type(&field.ty) != theirs => {
                    differences.push(format!("{ours}.{} is {}, not {theirs}", field.name, our_type(&field.ty)));
                }
                Some(_) => {}
            }
        }
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // A reference's name is described as required, having an empty default, but is left out when empty.
        let references = ["LocalObjectReference", "EnvSource", "KeySelector", "MapVolumeSource", "Projection"];
        let may_lack_name = references.iter().any(|suffix| ty.name.ends_with(suffix));
        for field in &ty.fields {
            if !properties.contains_key(&field.name) {
                differences.push(format!("{ours} has no {}", field.name));
            }
            let lacks = field.name == "name" && may_lack_name;
            if field.omitempty && !lacks && required.contains(field.name.as_str()) {
                differences.push(format!("{ours}.{} is always there", field.name));
            }
        }
    }
    assert!(compared.len() > 300, "only {} types compared", compared.len());
    for ty in parse::types().all() {
        // Aggregated discovery is in no OpenAPI document.
        if !compared.contains(&ty.name) && !ty.name.starts_with("apidiscovery/") {
            differences.push(format!("{} is not in the API's description", ty.name));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn list_map_keys_are_fields_of_the_elements() {
    for ty in parse::types().all() {
        for field in &ty.fields {
            let Merge { list_type, list_map_keys, key_defaults, patch_merge_key, .. } = &field.merge;
            assert_eq!(*list_type == Some(ListType::Map), !list_map_keys.is_empty(), "{}.{}", ty.name, field.name);
            let defaults = key_defaults.iter().map(|(key, _)| key);
            for key in list_map_keys.iter().chain(defaults).chain(patch_merge_key) {
                let Type::List(element) = &field.ty else { panic!("{}.{} is no list", ty.name, field.name) };
                let Type::Struct(element) = &**element else { panic!("{}.{} has no structs", ty.name, field.name) };
                assert!(element.field(key).is_some(), "{}.{}: no key {key}", ty.name, field.name);
            }
        }
    }
}

#[test]
fn every_kind_of_the_table_of_kinds_has_a_type() {
    for kind in crate::kinds::KINDS.iter().filter(|kind| kind.is_described()) {
        let ty = of_kind(&kind.api_version(), kind.kind);
        assert!(ty.is_some_and(|ty| ty.fields[0].name == "kind"), "{} {}", kind.api_version(), kind.kind);
    }
    for (api_version, kind) in
        [("policy/v1", "Eviction"), ("autoscaling/v1", "Scale"), ("authentication.k8s.io/v1", "TokenRequest")]
    {
        assert!(of_kind(api_version, kind).is_some(), "{api_version} {kind}");
    }
}

/// Random objects of a type, from a stream of numbers.
struct Objects(u64);

impl Objects {
    fn next(&mut self, below: u64) -> u64 {
        // An xorshift generator; the top bits are its better ones.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % below
    }

    fn text(&mut self) -> String {
        ["", "a", "TCP", "nginx:1.28", "<&>", "\u{e9}\u{2028}\"\\\n\u{1}", "0"][self.next(7) as usize].to_owned()
    }

    fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::String => json!(self.text()),
            Type::Bool => json!(self.next(2) == 0),
            Type::Int32 | Type::Int64 => json!(self.next(5) as i64 - 2),
            Type::Float64 => json!(self.next(5) as f64 / 2.0),
            Type::Quantity => json!(["0", "100m", "1Gi", "1500m"][self.next(4) as usize]),
            Type::IntOrString if self.next(2) == 0 => json!(self.next(3)),
            Type::IntOrString => json!(self.text()),
            Type::Time => json!("2026-11-23T07:15:10Z"),
            Type::MicroTime => json!("2026-11-23T07:15:10.000001Z"),
            Type::Bytes => json!(["", "AA==", "YWJj"][self.next(3) as usize]),
            Type::Any => json!({"f:spec": {"k:{\"name\":\"c\"}": {".": {}}}, "z": [1, -2.5, null, true]}),
            Type::Struct(ty) => self.object(ty),
            Type::List(element) => (0..self.next(3)).map(|_| self.value(element)).collect(),
            Type::Map(element) => {
                (0..self.next(3)).map(|_| (self.text(), self.value(element))).collect::<Object>().into()
            }
        }
    }

    fn object(&mut self, ty: &Struct) -> Value {
        let mut object = Object::new();
        for field in &ty.fields {
            if self.next(4) == 0 {
                object.insert(field.name.clone(), self.value(&field.ty));
            }
        }
        Value::Object(object)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seed in 1_u64.., at in any::<prop::sample::Index>()) {
        let mut types: Vec<_> = parse::types().all().collect();
        types.sort_by(|a, b| a.name.cmp(&b.name));
        let ty = *at.get(&types);
        let object = decode_value(ty, Objects(seed).object(ty)).unwrap().object;
        let written = encode(ty, &object);
        let read = decode(ty, &written).unwrap();
        prop_assert_eq!(&read.object, &object, "{}", String::from_utf8_lossy(&written));
        prop_assert!(read.strict_errors.is_empty());
        prop_assert_eq!(encode(ty, &read.object), written);
    }

    #[test]
    fn no_text_makes_it_fail_but_with_an_error(text in r#"[\[\]{}:, "a\\u019.e+ntrls-]{0,24}"#) {
        let pod = format!(r#"{{"metadata":{text},"spec":{{"containers":[{text}]}},"status":{{"phase":{text}"#);
        for text in [pod.clone(), format!("{pod}}}}}"), text] {
            let read = decode(of_kind("v1", "Pod").unwrap(), text.as_bytes());
            prop_assert!(read.is_ok() || !read.unwrap_err().is_empty());
        }
    }
}

#[test]
fn always_written_fields_have_their_zero_values() {
    let written = |api_version, kind| {
        String::from_utf8(encode(of_kind(api_version, kind).unwrap(), &json!({"metadata": {"name": "x"}}))).unwrap()
    };
    assert_eq!(written("v1", "Pod"), r#"{"metadata":{"name":"x"},"spec":{"containers":null},"status":{}}"#);
    assert_eq!(
        written("apps/v1", "Deployment"),
        concat!(
            r#"{"metadata":{"name":"x"},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"#,
            r#""strategy":{}},"status":{}}"#
        )
    );
    assert_eq!(written("rbac.authorization.k8s.io/v1", "Role"), r#"{"metadata":{"name":"x"},"rules":null}"#);
    assert_eq!(written("v1", "ConfigMap"), r#"{"metadata":{"name":"x"}}"#);
    assert_eq!(
        written("v1", "Event"),
        concat!(
            r#"{"metadata":{"name":"x"},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"#,
            r#""eventTime":null,"reportingComponent":"","reportingInstance":""}"#
        )
    );
}

#[test]
fn fields_are_found_by_path() {
    let deployment = of_kind("apps/v1", "Deployment").unwrap();
    assert_eq!(deployment.at("spec.template.spec.containers.ports").unwrap().go_type, "[]v1.ContainerPort");
    assert_eq!(deployment.at("spec.template.spec.restartPolicy").unwrap().go_type, "v1.RestartPolicy");
    assert!(deployment.at("spec.nothing").is_none() && deployment.at("spec.replicas.x").is_none());
}
