//! `kubectl create secret`: the three types.

use super::sources::{Sources, Words};
use super::{Generate, hash, key_pair, metadata};
use crate::client::kubeconfig::os_error;
use crate::cmd::{Command, Entry, command};
use crate::context::Context;
use crate::errors::CommandError;
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::collections::BTreeMap;

pub static COMMANDS: &[Entry] = &[
    command::<DockerRegistry>("docker-registry", "Create a secret for a container registry"),
    command::<Generic>("generic", "Create a secret from files, folders or values"),
    command::<Tls>("tls", "Create a secret from a certificate and its key"),
];

const WORDS: Words = Words {
    wrong_key: |key, why| format!("{key:?} is not valid key name for a Secret {why}"),
    twice: |key, _| format!("cannot add key {key}, another key by that name already exists"),
};

#[derive(clap::Args)]
pub struct Generic {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    sources: Sources,
    /// Type of the secret
    #[arg(long, default_value = "")]
    r#type: String,
}

impl Command for Generic {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create secret generic")?;
        let data = self.sources.read(name, &WORDS)?;
        create(&self.generate, cx, secret(name, &self.r#type, data), self.sources.append_hash).await
    }
}

#[derive(clap::Args)]
pub struct DockerRegistry {
    #[command(flatten)]
    generate: Generate,
    /// Mail address of the registry's user
    #[arg(long, default_value = "")]
    docker_email: String,
    /// Password of the registry's user
    #[arg(long, default_value = "")]
    docker_password: String,
    /// Address of the registry
    #[arg(long, default_value = "https://index.docker.io/v1/")]
    docker_server: String,
    /// The registry's user
    #[arg(long, default_value = "")]
    docker_username: String,
    /// FILE, KEY=FILE or a folder; may be repeated
    #[arg(long)]
    from_file: Vec<String>,
    /// Add a hash of the contents to the name
    #[arg(long)]
    append_hash: bool,
}

const DOCKER_CONFIG: &str = ".dockerconfigjson";

impl Command for DockerRegistry {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create secret docker-registry")?;
        let parts = [&self.docker_username, &self.docker_password, &self.docker_server];
        if self.from_file.is_empty() && parts.iter().any(|part| part.is_empty()) {
            return Err(CommandError::message(
                "either --from-file or the combination of --docker-username, --docker-password and --docker-server is \
                 required",
            ));
        }
        let mut data = BTreeMap::new();
        if self.from_file.is_empty() {
            data.insert(DOCKER_CONFIG.to_string(), self.configuration().into_bytes());
        } else {
            // A file without a key is the configuration.
            let from_file = self.from_file.iter().map(|source| match source.contains('=') {
                true => source.clone(),
                false => format!("{DOCKER_CONFIG}={source}"),
            });
            data = Sources { from_file: from_file.collect(), ..Sources::default() }.read(name, &WORDS)?;
        }
        create(&self.generate, cx, secret(name, "kubernetes.io/dockerconfigjson", data), self.append_hash).await
    }
}

impl DockerRegistry {
    /// A registry's configuration file, its fields in the order of docker's own.
    fn configuration(&self) -> String {
        let pair = format!("{}:{}", self.docker_username, self.docker_password);
        let packed = base64::engine::general_purpose::STANDARD.encode(pair);
        let fields = [
            ("username", &self.docker_username),
            ("password", &self.docker_password),
            ("email", &self.docker_email),
            ("auth", &packed),
        ];
        let mut text = String::from("{\"auths\":{");
        shared_types::json::write_string(&mut text, &self.docker_server);
        let mut separator = ":{";
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(std::mem::replace(&mut separator, ","));
            shared_types::json::write_string(&mut text, name);
            text.push(':');
            shared_types::json::write_string(&mut text, value);
        }
        text + "}}}"
    }
}

#[derive(clap::Args)]
pub struct Tls {
    #[command(flatten)]
    generate: Generate,
    /// File of the certificate (PEM)
    #[arg(long, default_value = "")]
    cert: String,
    /// File of the key (PEM)
    #[arg(long, default_value = "")]
    key: String,
    /// Add a hash of the contents to the name
    #[arg(long)]
    append_hash: bool,
}

impl Command for Tls {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create secret tls")?;
        if self.cert.is_empty() || self.key.is_empty() {
            return Err(CommandError::message("key and cert must be specified"));
        }
        let read = |path: &str| {
            std::fs::read(path).map_err(|error| {
                CommandError::message(format!("Cannot read file {path}, open {path}: {}", os_error(&error)))
            })
        };
        let (certificate, key) = (read(&self.cert)?, read(&self.key)?);
        key_pair::check(&certificate, &key).map_err(CommandError::message)?;
        let data = BTreeMap::from([("tls.crt".to_string(), certificate), ("tls.key".to_string(), key)]);
        create(&self.generate, cx, secret(name, "kubernetes.io/tls", data), self.append_hash).await
    }
}

fn secret(name: &str, kind: &str, data: BTreeMap<String, Vec<u8>>) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name)});
    if !kind.is_empty() {
        secret.set("type", kind);
    }
    for (key, bytes) in data {
        let packed = base64::engine::general_purpose::STANDARD.encode(bytes);
        secret.map_mut("data").insert(key, packed.into());
    }
    secret
}

async fn create(
    generate: &Generate,
    cx: &Context<'_>,
    mut secret: Value,
    append_hash: bool,
) -> Result<(), CommandError> {
    if append_hash {
        let name = format!("{}-{}", secret.name(), hash::of(&secret, secret.name()));
        secret.set("metadata.name", name);
    }
    generate.create(cx, "secrets", Some("failed to create secret"), secret).await
}
