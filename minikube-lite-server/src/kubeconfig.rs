//! The kubeconfig that the server writes for its administrator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The name of the cluster, the user and the context in it.
const NAME: &str = "minikube-lite";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
    contexts: Vec<Named<Context>>,
    current_context: &'static str,
    preferences: shared_types::json::Object,
}

#[derive(Serialize)]
struct Named<T> {
    name: &'static str,
    #[serde(flatten)]
    value: T,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Cluster {
    Cluster {
        #[serde(rename = "certificate-authority-data")]
        authority: String,
        server: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum User {
    User { token: String },
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Context {
    Context { cluster: &'static str, user: &'static str },
}

/// The text of a kubeconfig for the server at `url`.
///
/// # Errors
/// When it cannot be written as YAML, which no input does.
pub fn render(url: &str, authority_pem: &str, token: &str) -> Result<String, String> {
    let config = Kubeconfig {
        api_version: "v1",
        kind: "Config",
        clusters: vec![Named {
            name: NAME,
            value: Cluster::Cluster { authority: STANDARD.encode(authority_pem), server: url.to_string() },
        }],
        users: vec![Named { name: NAME, value: User::User { token: token.to_string() } }],
        contexts: vec![Named { name: NAME, value: Context::Context { cluster: NAME, user: NAME } }],
        current_context: NAME,
        preferences: shared_types::json::Object::new(),
    };
    serde_yaml::to_string(&config).map_err(|problem| format!("cannot write a kubeconfig: {problem}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn renders_what_clients_read() {
        let text = super::render("https://127.0.0.1:6443", "PEM", "secret").unwrap();
        let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["clusters"][0]["cluster"]["server"], "https://127.0.0.1:6443");
        assert_eq!(value["users"][0]["user"]["token"], "secret");
        assert_eq!(value["contexts"][0]["context"]["cluster"], "minikube-lite");
        assert_eq!(value["current-context"], "minikube-lite");
    }
}
