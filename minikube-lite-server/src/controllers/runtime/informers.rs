//! One informer per kind, shared by all controllers.

use super::informer::{Change, Informer};
use super::meta::{Cached, Full, Meta};
use super::pod::PodView;
use crate::client::Client;
use crate::controllers::endpointslice::SliceView;
use futures_util::future::BoxFuture;
use shared_types::kinds::{self, Kind};
use std::sync::Arc;

/// The informers of every kind that is stored. Events are left out: nobody reacts to them.
pub struct Informers {
    pub pods: Arc<Informer<PodView>>,
    pub nodes: Arc<Informer<Full>>,
    pub namespaces: Arc<Informer<Full>>,
    pub services: Arc<Informer<Full>>,
    pub deployments: Arc<Informer<Full>>,
    pub replica_sets: Arc<Informer<Full>>,
    pub endpoint_slices: Arc<Informer<SliceView>>,
    pub endpoints: Arc<Informer<Meta>>,
    pub service_accounts: Arc<Informer<Meta>>,
    pub config_maps: Arc<Informer<Meta>>,
    pub resource_quotas: Arc<Informer<Full>>,
    pub horizontal_pod_autoscalers: Arc<Informer<Full>>,
    all: Vec<Arc<dyn AnyInformer>>,
}

/// What can be done with an informer without knowing what it keeps.
trait AnyInformer: Send + Sync {
    fn on_meta(&self, handler: Arc<MetaHandler>);
    fn run(self: Arc<Self>, client: Client) -> BoxFuture<'static, ()>;
    fn synced(&self) -> BoxFuture<'_, ()>;
}

type MetaHandler = dyn Fn(Option<&Meta>, Option<&Meta>) + Send + Sync;

impl<T: Cached> AnyInformer for Informer<T> {
    fn on_meta(&self, handler: Arc<MetaHandler>) {
        self.on_change(move |change: &Change<'_, T>| {
            let (old, new) = change.meta();
            handler(old, new);
        });
    }
    fn run(self: Arc<Self>, client: Client) -> BoxFuture<'static, ()> {
        Box::pin(async move { Informer::run(&self, client).await })
    }
    fn synced(&self) -> BoxFuture<'_, ()> {
        Box::pin(Informer::synced(self))
    }
}

/// The kinds whose objects are owned, namespaced content, or owners: all that are kept, except Events.
pub fn stored_kinds() -> impl Iterator<Item = &'static Kind> {
    kinds::KINDS.iter().filter(|kind| kind.is_stored() && kind.kind != "Event")
}

impl Default for Informers {
    fn default() -> Informers {
        let mut all: Vec<Arc<dyn AnyInformer>> = Vec::new();
        fn add<T: Cached>(all: &mut Vec<Arc<dyn AnyInformer>>, kind: &'static Kind) -> Arc<Informer<T>> {
            let informer = Arc::new(Informer::new(kind));
            all.push(informer.clone());
            informer
        }
        let own = [
            "Pod",
            "Node",
            "Namespace",
            "Service",
            "Deployment",
            "ReplicaSet",
            "EndpointSlice",
            "Endpoints",
            "ServiceAccount",
            "ConfigMap",
            "ResourceQuota",
            "HorizontalPodAutoscaler",
        ];
        let informers = Informers {
            pods: add(&mut all, kinds::named("Pod")),
            nodes: add(&mut all, kinds::named("Node")),
            namespaces: add(&mut all, kinds::named("Namespace")),
            services: add(&mut all, kinds::named("Service")),
            deployments: add(&mut all, kinds::named("Deployment")),
            replica_sets: add(&mut all, kinds::named("ReplicaSet")),
            endpoint_slices: add(&mut all, kinds::named("EndpointSlice")),
            endpoints: add(&mut all, kinds::named("Endpoints")),
            service_accounts: add(&mut all, kinds::named("ServiceAccount")),
            config_maps: add(&mut all, kinds::named("ConfigMap")),
            resource_quotas: add(&mut all, kinds::named("ResourceQuota")),
            horizontal_pod_autoscalers: add(&mut all, kinds::named("HorizontalPodAutoscaler")),
            all: Vec::new(),
        };
        for kind in stored_kinds().filter(|kind| !own.contains(&kind.kind)) {
            add::<Meta>(&mut all, kind);
        }
        Informers { all, ..informers }
    }
}

impl Informers {
    /// Has `handler` called with the metadata before and after each change of an object of any kind.
    pub fn on_any_change(&self, handler: impl Fn(Option<&Meta>, Option<&Meta>) + Send + Sync + 'static) {
        let handler: Arc<MetaHandler> = Arc::new(handler);
        for informer in &self.all {
            informer.on_meta(handler.clone());
        }
    }
    /// What to run to keep all informers up to date.
    pub fn runs(&self, client: &Client) -> Vec<BoxFuture<'static, ()>> {
        self.all.iter().map(|informer| informer.clone().run(client.clone())).collect()
    }
    /// Waits until every informer has its first list.
    pub async fn synced(&self) {
        for informer in &self.all {
            informer.synced().await;
        }
    }
}
