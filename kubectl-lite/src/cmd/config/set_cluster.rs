//! `kubectl config set-cluster`.

use super::{open, single};
use crate::client::kubeconfig::{edit, os_error, relative_to, stanza_mut};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// Most values come as flags that all commands take, such as `--server`.
#[derive(clap::Args)]
pub struct SetCluster {
    /// CLUSTER
    args: Vec<String>,
    /// Keep the authority's certificate itself, instead of the name of its file
    #[arg(long)]
    embed_certs: bool,
    /// Address of a proxy to go through
    #[arg(long)]
    proxy_url: Option<String>,
}

impl Command for SetCluster {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = single(&self.args)?;
        let globals = &cx.globals;
        if name.is_empty() {
            return Err(CommandError::message("you must specify a non-empty cluster name"));
        }
        let authority = globals.certificate_authority.as_deref();
        if globals.insecure_skip_tls_verify == Some(true) && authority.is_some_and(|path| !path.is_empty()) {
            return Err(CommandError::message(
                "you cannot specify a certificate authority and insecure mode at the same time",
            ));
        }
        let mut embedded = None;
        if self.embed_certs {
            let path = authority.unwrap_or("");
            if path.is_empty() {
                return Err(CommandError::message("you must specify a --certificate-authority to embed"));
            }
            embedded = Some(read_to_embed("certificate-authority", path)?);
        }
        let config = open(cx)?;
        let file = config.file_of("clusters", name);
        edit(&file, |document| {
            let cluster = stanza_mut(document, "clusters", name);
            set_or_clear(cluster, "server", globals.server.as_deref());
            set_or_clear(cluster, "tls-server-name", globals.tls_server_name.as_deref());
            set_or_clear(cluster, "proxy-url", self.proxy_url.as_deref());
            if let Some(insecure) = globals.insecure_skip_tls_verify {
                cluster.remove("insecure-skip-tls-verify");
                if insecure {
                    // An authority and no check at all exclude each other.
                    cluster.set("insecure-skip-tls-verify", true);
                    cluster.remove("certificate-authority");
                    cluster.remove("certificate-authority-data");
                }
            }
            if let Some(path) = authority {
                cluster.remove("certificate-authority");
                cluster.remove("certificate-authority-data");
                match embedded {
                    Some(data) => cluster.set("certificate-authority-data", data),
                    None if path.is_empty() => {}
                    None => cluster.set("certificate-authority", relative_to(&file, path)),
                }
                cluster.remove("insecure-skip-tls-verify");
            }
        })?;
        Ok(writeln!(cx.streams.out(), "Cluster {name:?} set.")?)
    }
}

/// Writes a value where one was given; an empty one is taken out.
pub(super) fn set_or_clear(stanza: &mut Value, field: &str, value: Option<&str>) {
    match value {
        Some("") => drop(stanza.remove(field)),
        Some(value) => stanza.set(field, value),
        None => {}
    }
}

/// A file in base64.
pub(super) fn read_to_embed(flag: &str, path: &str) -> Result<String, CommandError> {
    let bytes = std::fs::read(path).map_err(|error| {
        CommandError::message(format!("could not stat {flag} file {path}: stat {path}: {}", os_error(&error)))
    })?;
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
}
