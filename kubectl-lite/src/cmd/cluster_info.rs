//! `kubectl cluster-info`.

pub mod dump;

use super::Command;
use crate::client::Request;
use crate::client::assumed::Assumed;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct ClusterInfo {
    #[arg(hide = true)]
    args: Vec<String>,
}

impl Command for ClusterInfo {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let client = cx.client()?;
        cx.assume(Assumed::Resources { tries: 5 })?;
        let services = client
            .json(
                Request::get("/api/v1/namespaces/kube-system/services")
                    .query("labelSelector", "kubernetes.io/cluster-service=true"),
            )
            .await;
        let show = |name: &str, address: &str| {
            if cx.streams.out_is_terminal && std::env::var_os("NO_COLOR").is_none() {
                writeln!(cx.streams.out(), "\u{1b}[0;32m{name}\u{1b}[0m is running at \u{1b}[0;33m{address}\u{1b}[0m")
            } else {
                writeln!(cx.streams.out(), "{name} is running at {address}")
            }
        };
        if let Ok(services) = &services {
            show("Kubernetes control plane", &client.access().server)?;
            for service in services.list("items") {
                let name = service.label("kubernetes.io/name").unwrap_or(service.name());
                let port = service.list("spec.ports").first().map(|port| port.text("name")).unwrap_or_default();
                let target =
                    if port.is_empty() { service.name().to_string() } else { format!("{}:{port}", service.name()) };
                let address =
                    format!("{}/api/v1/namespaces/kube-system/services/{target}/proxy", client.access().server);
                show(name, &address)?;
            }
        }
        writeln!(
            cx.streams.out(),
            "\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'."
        )?;
        services.map(|_| ())
    }
}
