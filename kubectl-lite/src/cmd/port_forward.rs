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
        let session = cx.client()?.port_forward(Request::get(format!("{path}/portforward"))).await?;
        Forwarder::new(cx, session).run(&addresses, &pairs).await
    }
}

#[cfg(test)]
mod tests {
    use crate::client::stream::fake::{Ran, Reply, kubectl_into, pod, serve, talking};
    use shared_types::spdy;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// A server whose Pod listens on port 80 and sends back what it is sent, and on nothing else.
    async fn server() -> String {
        serve(|asked| match asked.line.as_str() {
            "GET /api/v1/namespaces/default/pods/web" => Reply::Object(pod("web")),
            "GET /api/v1/namespaces/default/pods/web/portforward" => talking(spdy::TUNNEL_PROTOCOL, async |socket| {
                let (session, mut streams) = spdy::Session::server(spdy::Tunnel::new(socket));
                while let (Some(mut errors), Some(mut data)) = (streams.next().await, streams.next().await) {
                    assert_eq!(
                        (errors.headers().get("streamtype"), data.headers().get("streamtype")),
                        ("error", "data")
                    );
                    assert_eq!(errors.headers().get("requestid"), data.headers().get("requestid"));
                    tokio::spawn(async move {
                        if data.headers().get("port") != "80" {
                            errors.write_all(b"connection refused").await.unwrap();
                            errors.shutdown().await.unwrap();
                            return;
                        }
                        errors.shutdown().await.unwrap();
                        let mut all = Vec::new();
                        data.read_to_end(&mut all).await.unwrap();
                        data.write_all(&all).await.unwrap();
                        data.shutdown().await.unwrap();
                    });
                }
                drop(session);
            }),
            other => panic!("{other}"),
        })
        .await
    }

    /// The port that is forwarded, once it is.
    async fn port(ran: &Ran) -> u16 {
        loop {
            assert_eq!(ran.err.text(), "");
            let text = ran.out.text();
            if let Some(line) = text.lines().next()
                && text.contains('\n')
            {
                let port = line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split(' ').next());
                return port.unwrap().parse().unwrap();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn connections_are_carried() {
        let server = server().await;
        let mut ran = Ran::default();
        let seen = ran.clone();
        let asking = async {
            let port = port(&seen).await;
            for size in [5, 1_000_000] {
                let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let sent = vec![b'x'; size];
                let mut received = Vec::new();
                connection.write_all(&sent).await.unwrap();
                connection.shutdown().await.unwrap();
                connection.read_to_end(&mut received).await.unwrap();
                assert!(received == sent);
            }
            format!("Handling connection for {port}\n").repeat(2)
        };
        let words = ["port-forward", "web", ":80", "--address", "127.0.0.1"];
        tokio::select! {
            () = kubectl_into(&mut ran, &server, &words, b"") => unreachable!("ends when it is told to"),
            handled = asking => assert!(seen.out.text().ends_with(&handled), "{}", seen.out.text()),
        }
    }

    #[tokio::test]
    async fn a_closed_port_ends_it() {
        let server = server().await;
        let mut ran = Ran::default();
        let seen = ran.clone();
        let asking = async {
            let mut connection = TcpStream::connect(("127.0.0.1", port(&seen).await)).await.unwrap();
            let mut received = Vec::new();
            // Whether it is closed or reset does not matter.
            let _ = connection.read_to_end(&mut received).await;
            assert!(received.is_empty());
        };
        let words = ["port-forward", "web", ":81", "--address", "127.0.0.1"];
        tokio::join!(kubectl_into(&mut ran, &server, &words, b""), asking);
        let err = ran.err.text();
        assert!(
            err.contains(" -> 81: connection refused\"") && err.ends_with("error: lost connection to pod\n"),
            "{err}"
        );
    }
}
