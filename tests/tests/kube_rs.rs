//! kube-rs works, and its reflectors outlive the server.

use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::reflector::Store;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::Server;

async fn client(server: &Server) -> Client {
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).expect("the server wrote a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("the kubeconfig is good")).expect("a client can be made")
}

fn config_map(name: &str, data: Value) -> ConfigMap {
    let labels = json!({"watched": "yes"});
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data});
    serde_json::from_value(object).expect("it is a ConfigMap")
}

fn data(object: &ConfigMap) -> Value {
    json!(object.data.clone().unwrap_or_default())
}

/// The reason for which a request is refused.
fn reason<T: std::fmt::Debug>(result: kube::Result<T>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs() {
    let server = Server::start(&[]);
    let client = client(&server).await;
    let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let (post, patching) = (PostParams::default(), PatchParams::default());

    let created = api.create(&post, &config_map("one", json!({"a": "1"}))).await.unwrap();
    assert!(created.uid().is_some() && created.creation_timestamp().is_some());
    assert_eq!(reason(api.create(&post, &created_again(&created)).await), "AlreadyExists");
    let patched = api.patch("one", &patching, &Patch::Merge(json!({"data": {"b": "2"}}))).await.unwrap();
    assert_eq!(data(&patched), json!({"a": "1", "b": "2"}));
    assert_eq!(reason(api.replace("one", &post, &created).await), "Conflict");
    let replacement = ConfigMap { data: Some(BTreeMap::from([("c".into(), "3".into())])), ..patched };
    assert_eq!(data(&api.replace("one", &post, &replacement).await.unwrap()), json!({"c": "3"}));

    for number in 0..5 {
        api.create(&post, &config_map(&format!("page-{number}"), json!({}))).await.unwrap();
    }
    let mut params = ListParams::default().labels("watched=yes").limit(4);
    let first = api.list(&params).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (4, None), "selected lists are not counted");
    params = params.continue_token(&first.metadata.continue_.unwrap());
    let second = api.list(&params).await.unwrap();
    let names: Vec<_> = first.items.iter().chain(&second.items).map(ResourceExt::name_any).collect();
    assert_eq!(names, ["one", "page-0", "page-1", "page-2", "page-3", "page-4"]);

    // Server-side apply.
    let apply = |manager: &'static str| PatchParams::apply(manager);
    let of = |data: Value| Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data}));
    api.patch("applied", &apply("first"), &of(json!({"a": "1", "b": "1"}))).await.unwrap();
    assert_eq!(reason(api.patch("applied", &apply("second"), &of(json!({"a": "2"}))).await), "Conflict");
    let applied = api.patch("applied", &apply("second").force(), &of(json!({"a": "2"}))).await.unwrap();
    assert_eq!(data(&applied), json!({"a": "2", "b": "1"}));
    let managers: Vec<_> = applied.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert_eq!(managers, ["first", "second"]);
    let applied = api.patch("applied", &apply("first"), &of(json!({}))).await.unwrap();
    assert_eq!(data(&applied), json!({"a": "2"}), "what is applied no longer goes away");

    // Strategic merge and the scale subresource, of something that controllers act on.
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let labels = json!({"app": "web"});
    let container = |name: &str, image: &str| json!({"containers": [{"name": name, "image": image}]});
    let spec = json!({
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": container("web", "nginx:1.27")},
    });
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec});
    deployments.create(&post, &serde_json::from_value(deployment).unwrap()).await.unwrap();
    let side = json!({"spec": {"template": {"spec": container("side", "busybox:1.36")}}});
    let patched = deployments.patch("web", &patching, &Patch::Strategic(side)).await.unwrap();
    assert_eq!(patched.spec.unwrap().template.spec.unwrap().containers.len(), 2, "merged by name");
    let ready = kube::runtime::wait::await_condition(deployments.clone(), "web", |found: Option<&Deployment>| {
        found.and_then(|found| found.status.as_ref()).is_some_and(|status| status.ready_replicas == Some(2))
    });
    tokio::time::timeout(Duration::from_secs(60), ready).await.expect("it gets ready").unwrap();
    let scale = json!({"spec": {"replicas": 1}});
    deployments.patch_scale("web", &patching, &Patch::Merge(scale)).await.unwrap();
    assert_eq!(deployments.get_scale("web").await.unwrap().spec.unwrap().replicas, Some(1));

    api.delete("applied", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("applied").await.unwrap().is_none());
    assert_eq!(reason(api.delete("applied", &DeleteParams::default()).await), "NotFound");
}

/// The same as a client would create it once more.
fn created_again(object: &ConfigMap) -> ConfigMap {
    config_map(&object.name_any(), json!({}))
}

type Revisions = BTreeMap<String, Option<String>>;

fn revisions<'a>(objects: impl IntoIterator<Item = &'a ConfigMap>) -> Revisions {
    objects.into_iter().map(|object| (object.name_any(), object.resource_version())).collect()
}

/// Waits until a reflector knows what a list gives.
async fn agree(api: &Api<ConfigMap>, store: &Store<ConfigMap>) -> Revisions {
    let listed = api.list(&ListParams::default().labels("watched=yes")).await.expect("the server lists");
    let listed = revisions(&listed);
    let known = || revisions(store.state().iter().map(AsRef::as_ref));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while known() != listed {
        assert!(tokio::time::Instant::now() < deadline, "{:?} is not {listed:?}", known());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    listed
}

/// Starts a reflector of what is watched.
async fn reflect(api: Api<ConfigMap>, config: watcher::Config) -> Store<ConfigMap> {
    let (store, writer) = reflector::store();
    let events = watcher(api, config.labels("watched=yes")).default_backoff().reflect(writer);
    tokio::spawn(events.for_each(|_| async {}));
    store.wait_until_ready().await.expect("the reflector goes on");
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn reflectors_outlive_the_server() {
    let mut server = Server::start(&[]);
    let api: Api<ConfigMap> = Api::default_namespaced(client(&server).await);
    let stores = [
        reflect(api.clone(), watcher::Config::default()).await,
        reflect(api.clone(), watcher::Config::default().streaming_lists()).await,
    ];

    // A client that goes on writing, through the crash, until each of its writes is acknowledged.
    let writing = tokio::spawn({
        let api = api.clone();
        async move {
            for number in 0..200 {
                let object = config_map(&format!("c{}", number % 40), json!({"number": number.to_string()}));
                let params = PatchParams::apply("writer").force();
                while api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                if number % 7 == 0 {
                    // Whether an attempt or the one before it took it away.
                    while matches!(api.delete(&object.name_any(), &DeleteParams::default()).await,
                        Err(problem) if !matches!(&problem, kube::Error::Api(status) if status.code == 404))
                    {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        }
    });
    let begun = tokio::time::Instant::now();
    while api.get_opt("c20").await.unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the client writes");
    }
    tokio::task::block_in_place(|| server.crash_and_restart(&[]));
    writing.await.unwrap();
    for store in &stores {
        let known = agree(&api, store).await;
        assert!(known.len() > 30, "{known:?}");
    }

    // They still watch: what no longer matches, and what goes, is gone for them.
    let hide = json!({"metadata": {"labels": {"watched": "no"}}});
    api.patch("c3", &PatchParams::default(), &Patch::Merge(hide)).await.unwrap();
    api.delete("c4", &DeleteParams::default()).await.unwrap();
    for store in &stores {
        let known = agree(&api, store).await;
        assert!(!known.contains_key("c3") && !known.contains_key("c4"));
    }
}
