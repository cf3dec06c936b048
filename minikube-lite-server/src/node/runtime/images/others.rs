//! Servers that are known by their ports and by how they end, and answer with the name of their Pod like [any](super::any)
//! image.

use super::{Image, Process, Tree, any, bases};
use crate::node::runtime::Reference;
use futures_util::future::BoxFuture;
use std::sync::{Arc, LazyLock};

struct Server {
    /// Of the image and of its program.
    name: &'static str,
    ports: &'static [u16],
    /// The exit code when it is asked to stop.
    stopped: i32,
}

static SERVERS: &[Server] = &[
    Server { name: "caddy", ports: &[80, 443], stopped: 0 },
    Server { name: "registry", ports: &[5000], stopped: 2 },
    Server { name: "tomcat", ports: &[8080], stopped: 143 },
    Server { name: "traefik", ports: &[80], stopped: 0 },
];

pub fn image(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        let add = |tree: Tree, server: &Server| tree.program(&format!("/usr/local/bin/{}", server.name), run);
        Arc::new(SERVERS.iter().fold(bases::debian_with_curl(), add))
    });
    let ports = find(reference.short_name()).map_or([].as_slice(), |server| server.ports);
    Image::new(&TREE).cmd(&[reference.short_name()]).exposes(ports)
}

fn find(name: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|server| server.name == name)
}

fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let Some(server) = find(process.name()) else { return any::serve(process).await };
        let mut ports = process.world.declared_ports().to_vec();
        ports.extend(server.ports);
        ports.sort_unstable();
        ports.dedup();
        any::run(process, &ports, Some(server.stopped)).await
    })
}
