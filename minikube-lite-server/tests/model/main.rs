//! The registry and its watches, held against a simple model.
//!
//! Clients write at random to the same few objects while watchers with and without selectors list, watch, leave and come
//! back at random. Afterwards the acknowledged writes, in the order of their revisions, must be a history that the model
//! allows, and every watcher must have been sent exactly that.

mod client;
mod history;
mod watcher;

use axum::Router;
use client::{Client, NAMESPACES, Told};
use history::{Action, History, Key, Model, Record};
use minikube_lite_server::environment::Environment;
use minikube_lite_server::http::auth::Authenticator;
use minikube_lite_server::http::token::Tokens;
use minikube_lite_server::http::{App, router};
use minikube_lite_server::node::api::Nodes;
use minikube_lite_server::node::network::Network;
use minikube_lite_server::registry::{Entry, Registry, Settings, Store, WriteOptions, attributes_of_bytes};
use minikube_lite_server::store::MemoryEngine;
use shared_types::json::json;
use shared_types::kinds;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use watcher::{Scope, Watcher};

/// How many operations there are, unless the environment variable says otherwise.
const OPERATIONS: usize = 5_000;
const OPERATIONS_VARIABLE: &str = "MINIKUBE_LITE_MODEL_OPERATIONS";
const SEED_VARIABLE: &str = "MINIKUBE_LITE_MODEL_SEED";
const CLIENTS: usize = 8;
/// The object that is made last, which every watcher selects.
const LAST: &str = "last";

fn label<'a>(model: &'a Model, name: &str) -> Option<&'a str> {
    model.labels.get(name).map(String::as_str)
}

const SCOPES: [Scope; 8] = [
    Scope { namespace: "", labels: "", fields: "", selects: |_, _| true },
    Scope { namespace: "red", labels: "", fields: "", selects: |_, _| true },
    Scope { namespace: "", labels: "tier=gold", fields: "", selects: |_, model| label(model, "tier") == Some("gold") },
    Scope {
        namespace: "red",
        labels: "tier in (gold,silver),!hidden",
        fields: "",
        selects: |_, model| {
            matches!(label(model, "tier"), Some("gold" | "silver")) && !model.labels.contains_key("hidden")
        },
    },
    Scope {
        namespace: "",
        labels: "tier!=bronze",
        fields: "",
        selects: |_, model| label(model, "tier") != Some("bronze"),
    },
    Scope { namespace: "red", labels: "tier", fields: "", selects: |_, model| label(model, "tier").is_some() },
    Scope { namespace: "", labels: "", fields: "metadata.name!=c1", selects: |key, _| key.1 != "c1" },
    Scope {
        namespace: "",
        labels: "!hidden",
        fields: "metadata.namespace=red",
        selects: |key, model| key.0 == "red" && !model.labels.contains_key("hidden"),
    },
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn open(engine: MemoryEngine, seed: u64) -> Registry {
    let store = Store::open(engine, attributes_of_bytes).expect("an engine in memory can be read");
    let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
    Registry::new(store, Environment::new(Some(seed)), settings).expect("the settings are good")
}

fn api(registry: Arc<Registry>) -> Router {
    let key = Tokens::generate_key().expect("the system has randomness");
    let tokens = Arc::new(Tokens::new(&key).expect("the key is good"));
    let authenticator = Authenticator::new("secret".into(), tokens);
    let (address, nodes) = ("localhost".into(), Nodes::new(Network::new(registry.environment().clone())));
    router(Arc::new(App { registry, nodes, authenticator, address, stop: CancellationToken::new() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_watcher_sees_what_happened() {
    let operations = variable(OPERATIONS_VARIABLE).map_or(OPERATIONS, |count| count as usize);
    let seed = variable(SEED_VARIABLE).unwrap_or(1);
    let engine = MemoryEngine::default();
    let registry = Arc::new(open(engine.clone(), seed));
    for namespace in NAMESPACES {
        let object = json!({"metadata": {"name": namespace}});
        registry.create(kinds::named("Namespace"), "", object, WriteOptions::default()).await.expect("is new");
    }
    let start = registry.revision();
    let begun = Instant::now();

    let api = api(registry.clone());
    let watchers: Vec<_> = (0..)
        .zip(SCOPES)
        .map(|(i, scope)| {
            let mut watcher = Watcher::new(api.clone(), scope, seed * 1000 + i);
            tokio::spawn(async move { (watcher.run(LAST).await, watcher) })
        })
        .collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = Client::new(registry.clone(), number, seed * 2000 + number as u64);
            tokio::spawn(client.run(operations / CLIENTS))
        })
        .collect();
    let mut told = Told { records: Vec::new(), overtaken: Vec::new() };
    for client in clients {
        let one = client.await.expect("the client goes on");
        told.records.extend(one.records);
        told.overtaken.extend(one.overtaken);
    }
    told.records.push(create_last(&registry).await);
    let writing = begun.elapsed();
    let end = registry.revision();

    let history = History::replay(start, told.records);
    assert_eq!(history.start + history.steps.len() as u64, end, "every revision is a write that somebody was told of");
    for (key, revision) in &told.overtaken {
        let later = history.steps.range(revision + 1..).any(|(_, step)| step.key == *key);
        assert!(later, "{key:?} of {revision} was refused, though nobody was quicker");
    }
    let mut tallies = Vec::new();
    for watcher in watchers {
        let (state, watcher) = watcher.await.expect("the watcher goes on");
        watcher.check(&history);
        tallies.push((state.len(), watcher.tally));
    }
    let live = |registry: &Registry| -> BTreeMap<Key, u64> {
        let (entries, _) = registry.snapshot(kinds::named("ConfigMap"), "");
        let place = |entry: &Entry| (entry.namespace().to_string(), entry.name().to_string());
        entries.iter().map(|entry| (place(entry), entry.revision)).collect()
    };
    let expected = history.at(end, |_, _| true);
    assert_eq!(live(&registry), expected);
    registry.close();
    assert_eq!(live(&open(engine, seed)), expected, "the log holds what was acknowledged");

    println!(
        "{operations} operations, {} writes in {writing:.1?}, all in {:.1?}",
        history.steps.len(),
        begun.elapsed()
    );
    println!("{} refused as overtaken", told.overtaken.len());
    for (objects, tally) in tallies {
        println!("{objects} objects at the end; {tally:?}");
    }
}

/// Makes the object that ends the watchers.
async fn create_last(registry: &Registry) -> Record {
    let labels = BTreeMap::from([("tier".to_string(), "gold".to_string())]);
    let object = json!({"metadata": {"name": LAST, "labels": labels}});
    let written = registry.create(kinds::named("ConfigMap"), "red", object, WriteOptions::default()).await;
    let written = written.expect("is new");
    let model = Model { labels, ..Model::default() };
    Record {
        revision: written.entry.revision,
        key: ("red".into(), LAST.into()),
        action: Action::Create(model),
        answer: written.object().expect("is JSON"),
    }
}
