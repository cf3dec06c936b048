//! Controllers, one file each, over one shared [`runtime`]. They see the API only through [`crate::client`].
//!
//! Every controller has a `start`, which registers its handlers on the shared informers and adds its workers to the
//! tasks. Workers begin when all informers have their first list.

mod deployment;
mod endpoints;
mod endpointslice;
mod garbagecollector;
mod horizontalpodautoscaler;
mod namespace;
mod node;
mod ownership;
mod replicaset;
mod resourcequota;
pub mod runtime;
mod scheduler;
mod serviceaccount;
#[cfg(test)]
mod tests;

use crate::client::Client;
use runtime::{EventSink, Informers};
use shared_types::status::Status;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What every controller is given to start with.
struct Context {
    client: Client,
    scheduler_client: Client,
    informers: Arc<Informers>,
    events: Arc<EventSink>,
    scheduler_events: Arc<EventSink>,
    /// The certificate authority of the cluster in PEM, published to every namespace.
    authority: Arc<str>,
    stop: CancellationToken,
}

type Tasks = Vec<JoinHandle<()>>;

impl Context {
    /// Adds a task that begins when the informers are ready and ends when the controllers are stopped.
    fn spawn(&self, tasks: &mut Tasks, task: impl Future<Output = ()> + Send + 'static) {
        let (informers, stop) = (self.informers.clone(), self.stop.clone());
        tasks.push(tokio::spawn(async move {
            let run = async {
                informers.synced().await;
                task.await;
            };
            stop.run_until_cancelled(run).await;
        }));
    }
}

/// Starts all controllers and the scheduler and returns at once. `client` makes the client of a component; `authority` is
/// the cluster's certificate authority in PEM form. The tasks end when `stop` is cancelled.
pub fn start(client: &impl Fn(&'static str) -> Client, authority: &str, stop: &CancellationToken) -> Tasks {
    let (manager, scheduler) = (client("kube-controller-manager"), client("kube-scheduler"));
    let (events, write_events) = EventSink::new(manager.clone());
    let (scheduler_events, write_scheduler_events) = EventSink::new(scheduler.clone());
    let context = Context {
        client: manager,
        scheduler_client: scheduler,
        informers: Arc::new(Informers::default()),
        events,
        scheduler_events,
        authority: authority.into(),
        stop: stop.clone(),
    };
    let mut tasks = Vec::new();
    context.spawn(&mut tasks, write_events);
    context.spawn(&mut tasks, write_scheduler_events);
    deployment::start(&context, &mut tasks);
    replicaset::start(&context, &mut tasks);
    endpointslice::start(&context, &mut tasks);
    endpoints::start(&context, &mut tasks);
    scheduler::start(&context, &mut tasks);
    namespace::start(&context, &mut tasks);
    serviceaccount::start(&context, &mut tasks);
    garbagecollector::start(&context, &mut tasks);
    node::start(&context, &mut tasks);
    resourcequota::start(&context, &mut tasks);
    horizontalpodautoscaler::start(&context, &mut tasks);
    // Last, when every handler is registered.
    for run in context.informers.runs(&context.client) {
        let stop = context.stop.clone();
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(run).await;
        }));
    }
    tasks
}

/// Whether a write was refused because its namespace is being deleted.
fn is_namespace_terminating(status: &Status) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating")
}
