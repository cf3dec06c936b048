//! Containers of images for tests: alone in a network, with what they print.

use super::{Image, find};
use crate::environment::Environment;
use crate::node::network::{DnsSettings, Identity, Network, PodNetwork};
use crate::node::runtime::Reference;
use crate::node::runtime::budget::Budget;
use crate::node::runtime::files::Files;
use crate::node::runtime::images_file::ImagesFile;
use crate::node::runtime::pipe::{Input, Output};
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::{Child, Exit, Start, World, WorldSettings};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Who asks from outside.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 49, 2);

/// A Pod's network.
pub fn pod(network: &Network, name: &str, last: u8) -> PodNetwork {
    network.join(Identity {
        namespace: "default".into(),
        name: name.into(),
        ip: Ipv4Addr::new(10, 244, 0, last),
        node_ip: CLIENT,
        hostname: name.into(),
        subdomain: String::new(),
        dns: DnsSettings::default(),
    })
}

/// A container that runs, or has run.
pub struct Container {
    pub world: World,
    pub network: Network,
    child: Child,
    printed: Arc<Mutex<Vec<u8>>>,
}

/// An answer to an HTTP request.
#[derive(Debug)]
pub struct Answer {
    /// With the status line.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// How a container is started, beside its image.
#[derive(Default)]
pub struct With<'a> {
    /// In place of the image's own.
    pub args: &'a [&'a str],
    pub env: &'a [(&'a str, &'a str)],
    pub files: &'a [(&'a str, &'a str)],
    pub ports: &'a [u16],
    pub file: Option<&'a ImagesFile>,
}

/// Starts a container of an image in a network of its own, as the Pod `web-1`.
pub fn start(image: &str, with: With<'_>) -> Container {
    let environment = Environment::new(Some(1));
    let network = Network::new(environment.clone());
    start_in(&network, environment, "web-1", 5, image, with)
}

/// Starts a container of an image as a Pod of a network.
pub fn start_in(
    network: &Network,
    environment: Environment,
    name: &str,
    last: u8,
    image: &str,
    with: With<'_>,
) -> Container {
    let image: Arc<Image> = find(&Reference::parse(image).unwrap(), with.file);
    let files = Files::new(&image.tree, Vec::new(), environment.clone());
    for (path, content) in with.files {
        files.make_directories(crate::node::runtime::files::parent(path)).unwrap();
        files.write(path, content.as_bytes()).unwrap();
    }
    let world = World::new(WorldSettings {
        hostname: name.into(),
        files,
        network: pod(network, name, last),
        environment,
        budget: Budget::new(),
        fallback: image.fallback,
        declared_ports: with.ports.to_vec(),
        user: 0,
        group: 0,
    });
    let printed = Arc::new(Mutex::new(Vec::new()));
    let output = {
        let printed = printed.clone();
        Output::from_fn(move |bytes| printed.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes))
    };
    let args: Vec<String> = with.args.iter().map(ToString::to_string).collect();
    let mut env: std::collections::BTreeMap<String, String> = image.env.iter().cloned().collect();
    env.extend(with.env.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    let child = world
        .spawn(Start {
            argv: [image.entrypoint.clone(), if args.is_empty() { image.cmd.clone() } else { args }].concat(),
            env,
            cwd: image.working_dir.clone(),
            stdout: output.clone(),
            stderr: output,
            ..Start::default()
        })
        .unwrap();
    Container { world, network: network.clone(), child, printed }
}

impl Container {
    /// All that it has printed.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().unwrap()).into_owned()
    }

    /// Waits until it has printed a text.
    pub async fn prints(&self, text: &str) {
        let waiting = async {
            while !self.printed().contains(text) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("{text:?} is not in {:?}", self.printed()));
    }

    /// Waits until it listens on a port.
    pub async fn listens(&self, port: u16) {
        let waiting = async {
            while !self.world.network().listens(port) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("nobody listens on {port}: {:?}", self.printed()));
    }

    pub async fn ends(&mut self) -> Exit {
        tokio::time::timeout(Duration::from_secs(300), self.child.wait()).await.expect("the container does not end")
    }

    pub async fn stops_by(&mut self, signal: Signal) -> i32 {
        assert!(self.world.signal(1, signal));
        self.ends().await.code
    }

    /// Sends bytes to a port once it is listened on, and reads all that comes back.
    pub async fn talk(&self, port: u16, bytes: &[u8]) -> Vec<u8> {
        self.listens(port).await;
        let address = SocketAddrV4::new(self.world.network().identity().ip, port);
        let mut stream = self.network.connect(CLIENT, address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("no end").unwrap();
        answer
    }

    /// Asks by HTTP: `request` is a method, a target, and more header lines.
    pub async fn ask(&self, port: u16, request: &str) -> Answer {
        let (line, headers) = request.split_once('\n').map_or((request, String::new()), |(line, headers)| {
            (line, headers.lines().map(|header| format!("{header}\r\n")).collect())
        });
        let text = format!("{line} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n{headers}\r\n");
        let answer = String::from_utf8(self.talk(port, text.as_bytes()).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Answer { head: head.replace('\r', ""), body: body.to_string() }
    }

    pub async fn get(&self, port: u16, target: &str) -> Answer {
        self.ask(port, &format!("GET {target}")).await
    }

    /// Runs a command in the container: its exit code and what it prints.
    pub async fn exec(&self, argv: &[&str], input: &str) -> (i32, String) {
        let (output, printed) = crate::node::runtime::pipe::pipe();
        let env = [("PATH".to_string(), crate::node::runtime::world::PATH.to_string())];
        let start = Start {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: env.into(),
            stdin: Input::from_bytes(input.to_string()),
            stdout: output.clone(),
            stderr: output,
            ..Start::default()
        };
        let mut child = self.world.spawn(start).unwrap();
        let printed = printed.read_to_end(1 << 20).await.unwrap();
        (child.wait().await.code, String::from_utf8_lossy(&printed).into_owned())
    }
}
