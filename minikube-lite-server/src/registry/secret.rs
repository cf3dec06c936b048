//! Secrets.

use super::check;
use super::config_map::{MAX_DATA, binary_size, frozen};
use super::strategy::{Part, Strategy};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// The annotation of a token Secret that names its ServiceAccount.
const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

pub struct Secret;

impl Strategy for Secret {
    fn default(&self, secret: &mut Value) {
        if secret.text("type").is_empty() {
            secret.set("type", "Opaque");
        }
        // stringData is another way to write data, and is never read back.
        if let Some(Value::Object(plain)) = secret.remove("stringData") {
            for (key, value) in plain {
                let encoded = STANDARD.encode(value.as_str().unwrap_or(""));
                secret.map_mut("data").insert(key, encoded.into());
            }
        }
    }

    fn validate(&self, secret: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (path, data) = (Path::new("data"), secret.map("data"));
        for key in data.keys() {
            check::report(names::is_config_map_key(key), key, &path.key(key), &mut errors);
        }
        if binary_size(data) > MAX_DATA {
            errors.push(FieldError::too_long(&path, MAX_DATA));
        }
        let is_empty = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or("").is_empty();
        let missing = |keys: &[&'static str]| -> Vec<&'static str> {
            keys.iter().copied().filter(|key| !data.contains_key(key)).collect()
        };
        let required = match secret.text("type") {
            "kubernetes.io/service-account-token" => {
                if secret.annotation(SERVICE_ACCOUNT_NAME).unwrap_or("").is_empty() {
                    let annotations = Path::new("metadata.annotations");
                    errors.push(FieldError::required(&annotations.key(SERVICE_ACCOUNT_NAME), ""));
                }
                Vec::new()
            }
            ty @ ("kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson") => {
                let key = if ty == "kubernetes.io/dockercfg" { ".dockercfg" } else { ".dockerconfigjson" };
                errors.extend(docker_config(secret, key));
                Vec::new()
            }
            // Either will do.
            "kubernetes.io/basic-auth" => match missing(&["username", "password"]) {
                both if both.len() == 2 => both,
                _ => Vec::new(),
            },
            "kubernetes.io/ssh-auth" if is_empty("ssh-privatekey") => vec!["ssh-privatekey"],
            "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
            _ => Vec::new(),
        };
        errors.extend(required.into_iter().map(|key| FieldError::required(&path.key(key), "")));
        errors
    }

    fn prepare_for_update(&self, secret: &mut Value, old: &Value, _part: Part) {
        if secret.text("type").is_empty() {
            secret.set("type", old.text("type"));
        }
    }

    fn validate_update(&self, secret: &Value, old: &Value, _part: Part) -> ErrorList {
        let mut errors = ErrorList::new();
        check::immutable(secret.at("type"), old.at("type"), &Path::new("type"), &mut errors);
        errors.extend(frozen(secret, old, &["data"]));
        errors.extend(self.validate(secret));
        errors
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["type"]
    }
}

/// A registry's credentials must be there, and be JSON.
fn docker_config(secret: &Value, key: &str) -> ErrorList {
    let data = Path::new("data");
    let path = data.key(key);
    let Some(text) = secret.map("data").get(key).and_then(Value::as_str) else {
        return vec![FieldError::required(&path, "")];
    };
    let bytes = STANDARD.decode(text).unwrap_or_default();
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(_) => ErrorList::new(),
        Err(problem) => {
            let why = match bytes.first() {
                Some(first) if problem.is_syntax() && problem.column() <= 1 => {
                    format!("invalid character '{}' looking for beginning of value", char::from(*first))
                }
                _ if problem.is_eof() => "unexpected end of JSON input".to_string(),
                _ => problem.to_string(),
            };
            vec![FieldError::invalid(&path, "<secret contents redacted>", why)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn string_data_becomes_data() {
        let mut secret = json!({"data": {"a": "QQ==", "b": "QQ=="}, "stringData": {"b": "x", "c": "y"}});
        Secret.default(&mut secret);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "QQ==", "b": "eA==", "c": "eQ=="}}));
    }

    #[test]
    fn types_demand_their_keys() {
        let fields = |secret: Value| Secret.validate(&secret).iter().map(|e| e.field.clone()).collect::<Vec<_>>();
        assert_eq!(fields(json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "AA=="}})), ["data[tls.key]"]);
        assert_eq!(fields(json!({"type": "kubernetes.io/basic-auth"})), ["data[username]", "data[password]"]);
        let token = json!({"type": "kubernetes.io/service-account-token"});
        assert_eq!(fields(token), ["metadata.annotations[kubernetes.io/service-account.name]"]);
        let broken = json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "aGVsbG8="}});
        assert_eq!(
            Secret.validate(&broken)[0].to_string(),
            "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'h' looking for \
             beginning of value"
        );
        assert!(fields(json!({"type": "example.com/own"})).is_empty());
    }
}
