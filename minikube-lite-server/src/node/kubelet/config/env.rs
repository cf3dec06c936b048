//! The environment variables of a container.

use super::downward::Downward;
use super::expansion::expand;
use super::sources::{self, SourceKind, Sources};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::collections::BTreeMap;

pub type Variables = BTreeMap<String, String>;

/// The variables of a container's spec: those of its Services, of `envFrom`, then of `env`, where each value can refer
/// to what comes before it.
///
/// # Errors
/// The kubelet's message when something that is referred to is not there.
pub fn variables(
    container: &Value,
    services: Variables,
    sources: &Sources,
    downward: &Downward<'_>,
) -> Result<Variables, String> {
    let mut own = Variables::new();
    for from in container.list("envFrom") {
        let prefix = from.text("prefix");
        for (kind, field) in [(SourceKind::ConfigMap, "configMapRef"), (SourceKind::Secret, "secretRef")] {
            let reference = from.at(field);
            if !reference.is_object() {
                continue;
            }
            let found = sources.find(kind, reference.text("name"), reference.flag("optional"))?;
            for (key, value) in found.map(|object| sources::entries(kind, object)).unwrap_or_default() {
                let name = format!("{prefix}{key}");
                if !name.contains('=') {
                    own.insert(name, String::from_utf8_lossy(&value).into_owned());
                }
            }
        }
    }
    for variable in container.list("env") {
        let value = match variable.at("valueFrom") {
            Value::Null => {
                let known = |name: &str| own.get(name).or_else(|| services.get(name)).map(String::as_str);
                Some(expand(variable.text("value"), known))
            }
            from => value_from(from, container, sources, downward)?,
        };
        if let Some(value) = value {
            own.insert(variable.text("name").to_string(), value);
        }
    }
    let mut all = services;
    all.append(&mut own);
    Ok(all)
}

/// The value that is referred to; `None` when it is not there and need not be.
fn value_from(
    from: &Value,
    container: &Value,
    sources: &Sources,
    downward: &Downward<'_>,
) -> Result<Option<String>, String> {
    for (kind, field) in [(SourceKind::ConfigMap, "configMapKeyRef"), (SourceKind::Secret, "secretKeyRef")] {
        let reference = from.at(field);
        if !reference.is_object() {
            continue;
        }
        let (key, optional) = (reference.text("key"), reference.flag("optional"));
        let Some(object) = sources.find(kind, reference.text("name"), optional)? else { return Ok(None) };
        return match sources::entry(kind, object, key) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None if optional => Ok(None),
            None => {
                let (namespace, name) = (downward.pod.namespace(), reference.text("name"));
                Err(format!("couldn't find key {key} in {} {namespace}/{name}", kind.name()))
            }
        };
    }
    if from.has("fileKeyRef") {
        return Err("fileKeyRef is not supported by this node".into());
    }
    downward.value(from, Some(container)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;
    use std::net::Ipv4Addr;

    fn of(container: Value, sources: &Sources) -> Result<Vec<String>, String> {
        let pod = json!({"metadata": {"name": "web", "namespace": "shop"}});
        let node_ip = Ipv4Addr::new(192, 168, 49, 2);
        let downward = Downward { pod: &pod, pod_ip: None, node_name: "node-1", node_ip };
        let services = Variables::from([("DB_SERVICE_HOST".to_string(), "10.96.0.7".to_string())]);
        let variables = variables(&container, services, sources, &downward)?;
        Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn values_come_from_everywhere() {
        let sources = Sources::of(&[
            json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"color": "blue", "n": "1"}}),
            json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"pw": "c2VjcmV0"}}),
        ]);
        let container = json!({
            "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "CFG_"}, {"secretRef": {"name": "no", "optional": true}}],
            "env": [
                {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
                {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": true}}},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "URL", "value": "$(NAME):$(PW)@$(DB_SERVICE_HOST)/$(LATER)/$(CFG_color)"},
                {"name": "LATER", "value": "x"},
                {"name": "CFG_n", "value": "2"},
            ],
        });
        assert_eq!(
            of(container, &sources).unwrap(),
            [
                "CFG_color=blue",
                "CFG_n=2",
                "DB_SERVICE_HOST=10.96.0.7",
                "LATER=x",
                "NAME=web",
                "PW=secret",
                "URL=web:secret@10.96.0.7/$(LATER)/blue",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let sources = Sources::of(&[json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {}})]);
        let error = |container: Value| of(container, &sources).unwrap_err();
        assert_eq!(error(json!({"envFrom": [{"configMapRef": {"name": "c"}}]})), "configmap \"c\" not found");
        let key =
            |field: &str, name: &str| json!({"env": [{"name": "A", "valueFrom": {field: {"name": name, "key": "k"}}}]});
        assert_eq!(error(key("secretKeyRef", "no")), "secret \"no\" not found");
        assert_eq!(error(key("secretKeyRef", "s")), "couldn't find key k in Secret shop/s");
    }
}
