//! `kubectl port-forward`.

mod forwarder;
mod ports;

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use forwarder::Forwarder;
use shared_types::fields::Fields;
use shared_types::spdy;

#[derive(clap::Args)]
pub struct PortForward {
    /// TYPE/NAME [LOCAL:]PORT...
    args: Vec<String>,
    /// Addresses to listen on: IP addresses, or localhost
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    address: Vec<String>,
    /// How long to wait for a Pod
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration)]
    pod_running_timeout: go_flags::Duration,
}

impl Command for PortForward {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let usage = |why: &str| CommandError::usage("port-forward", why);
        let [name, specs @ ..] = self.args.as_slice() else {
            return Err(usage("TYPE/NAME and list of ports are required for port-forward"));
        };
        if specs.is_empty() {
            return Err(usage("TYPE/NAME and list of ports are required for port-forward"));
        }
        let timeout = pods::timeout(self.pod_running_timeout).map_err(usage)?;
        let info = pods::named(cx, name).await?;
        let pod = pods::attachable(cx, &info, timeout).await?;
        let service = if info.resource.kind == "Service" { Some(&info.object) } else { None };
        let specs = specs.iter().map(|spec| ports::resolve(spec, service, &pod)).collect::<Result<Vec<_>, _>>()?;
        if pod.text("status.phase") != "Running" {
            return Err(CommandError::message(format!(
                "unable to forward port because pod is not running. Current status={}",
                pod.text("status.phase")
            )));
        }
        let addresses = ports::addresses(&self.address)?;
        let pairs = specs.iter().map(|spec| ports::Pair::parse(spec)).collect::<Result<Vec<_>, _>>()?;

        let path = cx.resource("pods").await?.object(pod.namespace(), pod.name());
        let request = Request::get(format!("{path}/portforward"));
        let upgraded = cx.client()?.websocket(request, &[spdy::TUNNEL_PROTOCOL]).await;
        let socket = upgraded.map_err(|error| error.doing("error upgrading connection"))?;
        let session = spdy::Session::client(spdy::Tunnel::new(socket.stream));
        Forwarder::new(cx, session).run(&addresses, &pairs).await
    }
}
