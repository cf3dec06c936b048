use super::*;
use crate::node::network::{DnsSettings, Identity, Network};
use crate::node::runtime::files::Tree;
use std::net::Ipv4Addr;

/// A network with one Pod in it.
pub fn network(environment: &Environment) -> PodNetwork {
    Network::new(environment.clone()).join(Identity {
        namespace: "default".into(),
        name: "pod".into(),
        ip: Ipv4Addr::new(10, 244, 0, 2),
        node_ip: Ipv4Addr::new(192, 168, 49, 2),
        hostname: "pod".into(),
        subdomain: String::new(),
        dns: DnsSettings::default(),
    })
}

/// A container whose image has these programs and the usual files.
pub fn world(tree: Tree) -> World {
    let environment = Environment::new(Some(1));
    let network = network(&environment);
    world_in(network, tree, environment)
}

/// The same in a network.
pub fn world_in(network: PodNetwork, tree: Tree, environment: Environment) -> World {
    World::new(WorldSettings {
        hostname: "pod".into(),
        files: Files::new(&Arc::new(tree), Vec::new(), environment.clone()),
        network,
        environment,
        budget: Budget::new(),
        fallback: None,
        declared_ports: Vec::new(),
        user: 0,
        group: 0,
    })
}
fn start(argv: &[&str]) -> Start {
    Start { argv: argv.iter().map(|word| word.to_string()).collect(), ..Start::default() }
}

fn seven(_: Process) -> BoxFuture<'static, i32> {
    Box::pin(std::future::ready(7))
}
fn forever(_: Process) -> BoxFuture<'static, i32> {
    Box::pin(std::future::pending())
}
/// Tells when it is ready, and the signal that it got.
fn handler(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        process.signals.handle(&[Signal::Term]);
        let _ = process.print("ready").await;
        process.signals.next().await.number()
    })
}
fn images() -> Tree {
    Tree::linux()
        .program("/bin/seven", seven)
        .program("/bin/forever", forever)
        .program("/bin/handler", handler)
        .file("/etc/text", "text")
        .file_with_mode("/bin/script", "#!/bin/seven -x\n", 0o755)
}
fn error(world: &World, name: &str) -> (i32, String) {
    let error = world.spawn(start(&[name])).err().unwrap();
    (error.code, error.message)
}

#[tokio::test]
async fn programs_are_found_and_run() {
    let world = world(images());
    assert_eq!(world.spawn(start(&["seven"])).unwrap().wait().await, Exit { code: 7, signal: None });
}

#[tokio::test]
async fn what_cannot_run_is_told_as_a_runtime_tells_it() {
    let world = world(images());
    assert_eq!(error(&world, "nope"), (127, r#"exec: "nope": executable file not found in $PATH"#.into()));
    assert_eq!(error(&world, "/nope"), (127, r#"exec: "/nope": stat /nope: no such file or directory"#.into()));
    assert_eq!(error(&world, "/etc/text"), (126, r#"exec: "/etc/text": permission denied"#.into()));
    assert_eq!(error(&world, ""), (127, r#"exec: "": executable file not found in $PATH"#.into()));
    let script = world.find("script", "/", None).unwrap();
    assert_eq!(script.arguments(vec!["script".into(), "a".into()]), ["/bin/seven", "-x", "/bin/script", "a"]);
}

#[tokio::test]
async fn signals_end_those_who_do_not_handle_them_but_not_the_first() {
    let world = world(images());
    let mut first = world.spawn(start(&["forever"])).unwrap();
    let mut second = world.spawn(start(&["forever"])).unwrap();
    let (stdout, ready) = crate::node::runtime::pipe::pipe();
    let mut third = world.spawn(Start { stdout, ..start(&["handler"]) }).unwrap();
    assert_eq!(ready.chunk().await.unwrap(), "ready");
    for pid in 1..=3 {
        assert!(world.signal(pid, Signal::Term));
    }
    assert_eq!(second.wait().await, Exit { code: 143, signal: Some(Signal::Term) });
    assert_eq!(third.wait().await, Exit { code: 15, signal: None });
    assert_eq!(world.processes().len(), 1);
    assert!(world.signal(1, Signal::Kill) && !world.signal(2, Signal::Kill));
    assert_eq!(first.wait().await.code, 137);
}

#[tokio::test]
async fn everything_ends_with_the_first_process() {
    let world = world(images());
    let mut first = world.spawn(start(&["forever"])).unwrap();
    let mut second = world.spawn(start(&["forever"])).unwrap();
    world.signal(1, Signal::Kill);
    assert_eq!(first.wait().await.code, 137);
    assert!(world.processes().is_empty());
    assert_eq!(second.wait().await.code, 137);
    assert_eq!(error(&world, "seven").0, 128);
}

#[tokio::test]
async fn processes_are_limited() {
    let world = world(images());
    let mut count = 0;
    let error = loop {
        match world.spawn(start(&["forever"])) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((count, error.reason.as_str()), (500, "Resource temporarily unavailable"));
    world.kill_all();
}
