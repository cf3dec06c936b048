//! The load program drives the server: briefly, as what it measures is no matter for a test.

use clap::Parser;
use futures_util::future::try_join_all;
use tests::Server;
use tests::load::{Options, run};

#[tokio::test]
async fn every_scenario_runs() {
    let server = Server::start(&[]);
    let kubeconfig = server.kubeconfig();
    // Each waits for the end of its namespace, so they do that together.
    let scenarios = ["creates", "gets", "lists", "selected", "pages", "patches", "watch", "idle"];
    let options = scenarios.map(|scenario| {
        let fixed = ["--seconds=0.1", "--pods=40", "--watchers=5", "--idle=20"];
        let chosen = ["load", "--kubeconfig", kubeconfig.to_str().unwrap(), "--scenario", scenario];
        Options::parse_from(chosen.into_iter().chain(fixed))
    });
    try_join_all(options.iter().map(run)).await.unwrap();
}
