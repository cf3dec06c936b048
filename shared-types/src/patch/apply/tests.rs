use super::*;
use crate::json::json;
use crate::schema::{self, decode_value};

const NOW: &str = "2026-11-23T07:16:12Z";
const LATER: &str = "2026-11-23T07:17:00Z";

fn write<'a>(manager: &'a str, api_version: &'a str, reset: &'a FieldSet) -> Write<'a> {
    Write { manager, api_version, subresource: "", reset, time: NOW }
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa", "namespace": "ns"}, "data": data})
}

fn config_maps() -> &'static Struct {
    schema::of_kind("v1", "ConfigMap").unwrap()
}

/// Applies as `manager`.
fn applied(live: Option<&Value>, config: &Value, manager: &str, force: bool) -> Result<Value, Box<Status>> {
    let ty = schema::of_kind(config.text("apiVersion"), config.text("kind")).unwrap();
    let reset = FieldSet::default();
    apply(ty, live, config, &write(manager, config.text("apiVersion"), &reset), force)
        .map_err(|error| Box::new(error.into()))
}

/// `manager operation subresource fields` of each entry.
fn managers(object: &Value) -> Vec<String> {
    let entries = object.list("metadata.managedFields").iter();
    let describe = |e: &Value| {
        format!("{} {} {} {}", e.text("manager"), e.text("operation"), e.text("subresource"), e.at("fieldsV1"))
    };
    entries.map(describe).collect()
}

#[test]
fn a_create_is_the_managers_own() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u", "labels": {"app": "one"}},
    "spec": {
        "containers": [{"name": "c", "image": "nginx", "imagePullPolicy": "Always", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
        "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30,
        "hostNetwork": false, "tolerations": [{"key": "a"}], "imagePullSecrets": [{"name": "s"}],
    }});
    let mut pod = decode_value(schema::of_kind("v1", "Pod").unwrap(), pod).unwrap().object;
    let reset = FieldSet::of(&["status"]);
    update_managed_fields(schema::of_kind("v1", "Pod").unwrap(), None, &mut pod, &write("curl", "v1", &reset));
    assert_eq!(
        pod.at("metadata.managedFields"),
        &json!([{"manager": "curl", "operation": "Update", "apiVersion": "v1", "time": NOW, "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                        {".": {}, "f:containerPort": {}, "f:protocol": {}}},
                    "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}},
                "f:dnsPolicy": {}, "f:enableServiceLinks": {},
                "f:imagePullSecrets": {".": {}, "k:{\"name\":\"s\"}": {}},
                "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                "f:terminationGracePeriodSeconds": {}, "f:tolerations": {},
            },
        }}])
    );
}

#[test]
fn structs_that_are_always_written_are_nobodys() {
    let ty = schema::of_kind("apps/v1", "Deployment").unwrap();
    let mut web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}}});
    let reset = FieldSet::of(&["status"]);
    update_managed_fields(ty, None, &mut web, &write("kubectl-create", "apps/v1", &reset));
    assert_eq!(
        managers(&web),
        [
            r#"kubectl-create Update  {"f:spec":{"f:replicas":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:resources":{}}}}}}}"#
        ]
    );
}

#[test]
fn updates_take_what_they_change() {
    let reset = FieldSet::default();
    let ty = config_maps();
    let mut first = config_map(json!({"a": "1", "b": "2"}));
    update_managed_fields(ty, None, &mut first, &write("one", "v1", &reset));
    let mut second = first.clone();
    second.set("data", json!({"a": "1", "b": "3", "c": "4"}));
    let later = Write { time: LATER, ..write("two", "v1", &reset) };
    update_managed_fields(ty, Some(&first), &mut second, &later);
    assert_eq!(
        managers(&second),
        [r#"one Update  {"f:data":{".":{},"f:a":{}}}"#, r#"two Update  {"f:data":{"f:b":{},"f:c":{}}}"#]
    );
    // Nothing changed, nothing taken; and a client that does not send the list does not lose it.
    let mut third = second.clone();
    third.remove("metadata.managedFields");
    update_managed_fields(ty, Some(&second), &mut third, &write("three", "v1", &reset));
    assert_eq!(third, second);
    // What is gone is nobody's.
    let mut fourth = second.clone();
    fourth.set("data", json!({"a": "1"}));
    update_managed_fields(ty, Some(&second), &mut fourth, &write("four", "v1", &reset));
    assert_eq!(managers(&fourth), [r#"one Update  {"f:data":{".":{},"f:a":{}}}"#]);
    // One empty entry takes the list away, and then it stays away.
    fourth.set("metadata.managedFields", json!([{}]));
    update_managed_fields(ty, Some(&second), &mut fourth, &write("four", "v1", &reset));
    assert!(!fourth.has("metadata.managedFields"));
    let mut fifth = fourth.clone();
    fifth.set("data", json!({"z": "1"}));
    update_managed_fields(ty, Some(&fourth), &mut fifth, &write("five", "v1", &reset));
    assert!(!fifth.has("metadata.managedFields"));
}

#[test]
fn subresources_have_entries_of_their_own() {
    let ty = schema::of_kind("v1", "Service").unwrap();
    let [main, status] = [FieldSet::of(&["status"]), FieldSet::of(&["spec"])];
    let mut old = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "type": "LoadBalancer"}});
    update_managed_fields(ty, None, &mut old, &write("curl", "v1", &main));
    let mut new = old.clone();
    new.set("metadata.labels.extra", "yes");
    new.set("spec.type", "NodePort");
    new.set("status.loadBalancer.ingress", json!([{"ip": "203.0.113.7"}]));
    let by = Write { subresource: "status", ..write("cloud", "v1", &status) };
    update_managed_fields(ty, Some(&old), &mut new, &by);
    assert_eq!(
        managers(&new),
        [
            r#"cloud Update status {"f:metadata":{"f:labels":{".":{},"f:extra":{}}},"f:status":{"f:loadBalancer":{"f:ingress":{}}}}"#,
            r#"curl Update  {"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:type":{}}}"#,
        ]
    );
}

#[test]
fn appliers_conflict_share_and_let_go() {
    let labelled = |team: &str, data: Value| {
        let mut config = config_map(data);
        config.set("metadata.labels.team", team);
        config
    };
    let red = labelled("red", json!({"one": "1", "two": "2"}));
    let blue = labelled("blue", json!({"two": "22", "three": "3"}));
    let first = applied(None, &red, "red", false).unwrap();
    assert_eq!(
        managers(&first),
        [r#"red Apply  {"f:data":{"f:one":{},"f:two":{}},"f:metadata":{"f:labels":{"f:team":{}}}}"#]
    );
    let conflict = applied(Some(&first), &blue, "blue", false).unwrap_err();
    assert_eq!(
        conflict.message,
        "Apply failed with 2 conflicts: conflicts with \"red\":\n- .data.two\n- .metadata.labels.team"
    );
    let causes = conflict.details.unwrap().causes;
    assert_eq!(causes[0].field, ".data.two");
    assert_eq!(causes[0].message, "conflict with \"red\"");

    let second = applied(Some(&first), &blue, "blue", true).unwrap();
    assert_eq!(second.at("data"), &json!({"one": "1", "two": "22", "three": "3"}));
    assert_eq!(
        managers(&second),
        [
            r#"blue Apply  {"f:data":{"f:three":{},"f:two":{}},"f:metadata":{"f:labels":{"f:team":{}}}}"#,
            r#"red Apply  {"f:data":{"f:one":{}}}"#
        ]
    );
    let third = applied(Some(&second), &config_map(json!({"zero": "0"})), "red", false).unwrap();
    assert_eq!(third.at("data"), &json!({"three": "3", "two": "22", "zero": "0"}));
    assert_eq!(third.text("metadata.labels.team"), "blue");

    let reset = FieldSet::default();
    let mut fourth = third.clone();
    fourth.set("data.zero", "changed");
    update_managed_fields(config_maps(), Some(&third), &mut fourth, &write("plain", "v1", &reset));
    let conflict = applied(Some(&fourth), &config_map(json!({"zero": "0"})), "red", false).unwrap_err();
    assert_eq!(conflict.message, "Apply failed with 1 conflict: conflict with \"plain\" using v1: .data.zero");
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let config = config_map(json!({"a": "1"}));
    let first = applied(None, &config, "me", false).unwrap();
    let reset = FieldSet::default();
    let later = Write { time: LATER, ..write("me", "v1", &reset) };
    assert_eq!(apply(config_maps(), Some(&first), &config, &later, false).unwrap(), first);
}

#[test]
fn list_items_are_merged_and_abandoned_one_by_one() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}});
    let ours =
        applied(None, &service(json!([{"port": 80, "name": "a"}, {"port": 81, "name": "b"}])), "us", false).unwrap();
    let both =
        applied(Some(&ours), &service(json!([{"port": 82, "name": "c"}, {"port": 81, "name": "b"}])), "they", false);
    let both = both.unwrap();
    let names = |object: &Value| -> Vec<String> {
        object.list("spec.ports").iter().map(|port| port.text("name").to_string()).collect()
    };
    assert_eq!(names(&both), ["a", "c", "b"]);
    let left = applied(Some(&both), &service(json!([])), "us", false).unwrap();
    assert_eq!(names(&left), ["c", "b"]);
    assert_eq!(left.list("metadata.managedFields").len(), 1);
}

#[test]
fn abandoned_structs_go_with_their_defaults() {
    let config =
        |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec});
    let mut live =
        applied(None, &config(json!({"strategy": {"rollingUpdate": {"maxSurge": 1}}, "replicas": 2})), "me", false)
            .unwrap();
    live.set("spec.strategy.type", "RollingUpdate");
    live.set("spec.strategy.rollingUpdate.maxUnavailable", "25%");
    let after = applied(Some(&live), &config(json!({"replicas": 2})), "me", false).unwrap();
    assert_eq!(after.at("spec"), &json!({"replicas": 2}));
}

#[test]
fn what_was_there_before_the_first_apply_has_a_manager() {
    let mut live = config_map(json!({"a": "1"}));
    live.set("metadata.uid", "u");
    let conflict = applied(Some(&live), &config_map(json!({"a": "2"})), "me", false).unwrap_err();
    assert_eq!(
        conflict.message,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a"
    );
}

#[test]
fn wrong_configurations_are_refused_in_kubernetes_words() {
    let error = |config: Value| applied(None, &config, "me", false).unwrap_err().message;
    let mut config = config_map(json!({}));
    config.set("metadata.managedFields", json!([]));
    assert_eq!(error(config), "metadata.managedFields must be nil");
    assert_eq!(
        error(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
            "spec": {"replica": 1}})),
        "failed to create typed patch object (n/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in \
         schema"
    );
    assert_eq!(
        error(config_map(json!({"n": 1, "s": "x", "t": true}))),
        "failed to create typed patch object (ns/ssa; /v1, Kind=ConfigMap): errors:\n  \
         .data.n: expected string, got &value.valueUnstructured{Value:1}\n  \
         .data.t: expected string, got &value.valueUnstructured{Value:true}"
    );
    let ports = |ports: Value| {
        error(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": ports}}))
    };
    assert!(
        ports(json!([{"port": 80}, {"port": 80, "protocol": "TCP"}]))
            .ends_with(".spec.ports: duplicate entries for key [port=80,protocol=\"TCP\"]")
    );
    assert!(ports(json!([{"name": "x"}])).ends_with(
        ".spec.ports: element 0: associative list with keys has an element that omits key field \"port\" (and doesn't \
         have default value)"
    ));
}

#[test]
fn client_side_apply_hands_over() {
    let applied_config = r#"{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"ssa"}}"#;
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let reset = FieldSet::default();
    let mut live = config_map(json!({"a": "1", "b": "2"}));
    live.map_mut("metadata.annotations").insert(annotation, applied_config.into());
    update_managed_fields(config_maps(), None, &mut live, &write("kubectl-client-side-apply", "v1", &reset));
    let changed = config_map(json!({"a": "9"}));
    assert!(applied(Some(&live), &changed, "other", false).is_err());
    let mut taken = applied(Some(&live), &changed, "kubectl", false).unwrap();
    assert_eq!(taken.at("data"), &json!({"a": "9", "b": "2"}));
    assert!(taken.annotation(annotation).unwrap().contains(r#""data":{"a":"9"}"#));
    assert!(applied(Some(&live), &config_map(json!({"b": "9"})), "kubectl", false).is_err());

    let path = ["f:metadata", "f:annotations", &format!("f:{annotation}")];
    assert_eq!(managers_of(&taken, &path), ["kubectl-client-side-apply"]);
    assert!(upgrade_managed_fields(&mut taken, &["kubectl-client-side-apply"], "kubectl"));
    assert_eq!(taken.list("metadata.managedFields").len(), 1);
    assert!(managers(&taken)[0].starts_with(r#"kubectl Apply  {"f:data":{".":{},"f:a":{},"f:b":{}}"#));
    assert!(!upgrade_managed_fields(&mut taken, &["kubectl-client-side-apply"], "kubectl"));
}

#[test]
fn the_oldest_of_many_managers_become_one() {
    let reset = FieldSet::default();
    let mut object = config_map(json!({}));
    update_managed_fields(config_maps(), None, &mut object, &write("m00", "v1", &reset));
    for n in 0..13 {
        let old = object.clone();
        object.map_mut("data").insert(format!("k{n:02}"), "v".into());
        let (manager, time) = (format!("m{n:02}"), format!("2026-01-01T00:00:{n:02}Z"));
        let before = if n == 0 { None } else { Some(&old) };
        update_managed_fields(
            config_maps(),
            before,
            &mut object,
            &Write { time: &time, ..write(&manager, "v1", &reset) },
        );
    }
    let entries = managers(&object);
    assert_eq!(entries.len(), 10);
    assert!(
        entries[0]
            .starts_with(r#"ancient-changes Update  {"f:data":{".":{},"f:k00":{},"f:k01":{},"f:k02":{},"f:k03":{}}"#)
    );
    assert!(entries[9].starts_with("m12 "));
}

#[test]
fn times_alone_are_no_change() {
    let config = config_map(json!({"a": "1"}));
    let old = applied(None, &config, "me", false).unwrap();
    let mut new = old.clone();
    new.list_mut("metadata.managedFields")[0].set("time", LATER);
    let mut changed = new.clone();
    keep_times_if_unchanged(&old, &mut new);
    assert_eq!(new, old);
    changed.set("data.b", "2");
    let expected = changed.clone();
    keep_times_if_unchanged(&old, &mut changed);
    assert_eq!(changed, expected);
}

#[test]
fn items_stand_in_the_order_of_their_keys() {
    let ty = schema::of_kind("v1", "Service").unwrap();
    let mut service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 443}, {"port": 80}]}});
    let reset = FieldSet::default();
    update_managed_fields(ty, None, &mut service, &write("me", "v1", &reset));
    let text = String::from_utf8(schema::encode(ty, &service)).unwrap();
    let place = |port: &str| text.find(&format!(r#""k:{{\"port\":{port},\"protocol\":\"TCP\"}}""#)).unwrap();
    assert!(text.find(r#""f:ports":{".":"#).is_some() && place("80") < place("443"));
}

#[test]
fn a_field_can_be_set_apart() {
    let reset = FieldSet::default();
    let mut object = config_map(json!({"a": "1", "b": "2"}));
    update_managed_fields(config_maps(), None, &mut object, &write("me", "v1", &reset));
    set_field_apart(&mut object, &["f:data", "f:a"]);
    let apart = [r#"me Update  {"f:data":{".":{},"f:b":{}}}"#, r#"me Update  {"f:data":{"f:a":{}}}"#];
    assert_eq!(managers(&object), apart);
    set_field_apart(&mut object, &["f:data", "f:a"]);
    assert_eq!(managers(&object), apart);
}
