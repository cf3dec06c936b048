//! `hello-app` of Google's samples: greets, with its version and its Pod's name.

use super::http::{self, Ends, Reply, Site};
use super::program::stopped_go;
use super::serving::Server;
use super::{Image, Process, Tree, times, version};
use crate::node::runtime::Reference;
use crate::node::runtime::pipe::Output;
use crate::node::runtime::world::World;
use ::http::{Request, StatusCode};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

/// The variable that has the version, which the real image has compiled in.
const VERSION: &str = "HELLO_APP_VERSION";

pub fn image(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::linux().program("/hello-app", run)));
    let image = Image::new(&TREE).env(VERSION, version(&reference.tag, &["1.0.0", "2.0.0"])).env("PORT", "8080");
    image.entrypoint(&["/hello-app"]).exposes(&[8080])
}

struct Hello {
    text: String,
    world: World,
    log: Output,
}

impl Site for Hello {
    async fn answer(&self, request: Request<Incoming>, _: Ends) -> Reply {
        let time = times::format(self.world.now(), "%Y/%m/%d %H:%M:%S");
        // A server does not mind when nobody keeps its log.
        let _ = self.log.write(format!("{time} Serving request: {}\n", request.uri().path()).as_bytes()).await;
        http::text(StatusCode::OK, self.text.clone())
    }
}

fn run(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let version = process.env.get(VERSION).map_or("1.0.0", String::as_str);
        let text = format!("Hello, world!\nVersion: {version}\nHostname: {}\n", process.world.hostname());
        let port = process.env.get("PORT").and_then(|port| port.parse().ok()).unwrap_or(8080);
        let site = Hello { text, world: process.world.clone(), log: process.stderr.clone() };
        let line = |text: String| format!("{} {text}\n", times::format(process.world.now(), "%Y/%m/%d %H:%M:%S"));
        let mut server = Server::new();
        let network = process.world.network();
        if http::listen(&mut server, network, Ipv4Addr::UNSPECIFIED, port, Arc::new(site)).is_err() {
            let text = line(format!("listen tcp :{port}: bind: address already in use"));
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        }
        let _ = process.stderr.write(line(format!("Server listening on port {port}")).as_bytes()).await;
        stopped_go(&mut process.signals).await
    })
}
