//! From what a command names to the Pod and the container that it works with.

use super::{Builder, Info, MISSING};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::selector::LabelSelector;
use shared_types::status::Status;
use std::cmp::{Ordering, Reverse};
use std::time::Duration;

/// The annotation with the name of the container that is meant where none is named (KEP-2227).
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Which of several Pods stands for them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The one that is up the longest and has restarted least: for attaching and forwarding.
    Steady,
    /// The one with the most to tell: as before, but with the most restarts.
    Telling,
}

/// The object that `argument` (`POD` or `TYPE/NAME`) names.
///
/// # Errors
/// There is none.
pub async fn named(cx: &Context<'_>, argument: &str) -> Result<Info, CommandError> {
    let (pods, argument) = ("pods".to_string(), argument.to_string());
    let named = match argument.as_str() {
        "" => vec![pods, argument],
        text if text.contains('/') => vec![argument],
        text => vec![format!("{pods}/{text}")],
    };
    let mut infos = Builder::new(cx)?.arguments(&named).all(true).await?;
    infos.pop().ok_or_else(|| CommandError::message(MISSING))
}

/// `--pod-running-timeout`, which must not be zero.
///
/// # Errors
/// It is, or less.
pub fn timeout(flag: go_flags::Duration) -> Result<Duration, &'static str> {
    if flag.negative || flag.is_zero() {
        return Err("--pod-running-timeout must be higher than zero");
    }
    Ok(flag.length)
}

/// The Pod itself, or one of the Pods of a workload or Service; waits for one as long as `timeout`.
///
/// # Errors
/// The object has no Pods, or none came in time.
pub async fn attachable(cx: &Context<'_>, info: &Info, timeout: Duration) -> Result<Value, CommandError> {
    if info.resource.kind == "Pod" {
        return Ok(info.object.clone());
    }
    let selector =
        selector(info).map_err(|why| CommandError::message(format!("cannot attach to {}: {why}", go_type(info))))?;
    let mut pods = of_selector(cx, &info.namespace, &selector, timeout, Preference::Steady).await?;
    Ok(pods.swap_remove(0))
}

/// The type of the object as Go names it: `*v1.ConfigMap`.
pub fn go_type(info: &Info) -> String {
    format!("*{}.{}", info.resource.version, info.resource.kind)
}

/// The selector of the object's Pods.
///
/// # Errors
/// Why it has none.
pub fn selector(info: &Info) -> Result<LabelSelector, String> {
    let selector = info.object.at("spec.selector");
    match info.resource.kind.as_str() {
        "Service" | "ReplicationController" => {
            let labels = info.object.map("spec.selector");
            if labels.is_empty() && info.resource.kind == "Service" {
                return Err(format!("invalid service '{}': Service is defined without a selector", info.name));
            }
            Ok(LabelSelector::from_labels(labels))
        }
        "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            let parsed =
                LabelSelector::from_object(selector).map_err(|why| format!("invalid label selector: {why}"))?;
            parsed.ok_or_else(|| "invalid label selector: none".to_string())
        }
        _ => Err(format!("selector for {} not implemented", go_type(info))),
    }
}

/// The Pods that a selector chooses, the preferred one first; waits for the first one as long as `timeout`.
///
/// # Errors
/// None came in time.
pub async fn of_selector(
    cx: &Context<'_>,
    namespace: &str,
    selector: &LabelSelector,
    timeout: Duration,
    preference: Preference,
) -> Result<Vec<Value>, CommandError> {
    let resource = cx.resource("pods").await?;
    let request = Request::get(resource.collection(namespace)).query("labelSelector", selector.to_string());
    let list = cx.client()?.json(request.clone()).await?;
    let mut pods = list.list("items").to_vec();
    if !pods.is_empty() {
        pods.sort_by(|a, b| order(a, b, preference));
        return Ok(pods);
    }
    let version = list.text("metadata.resourceVersion").to_string();
    let first = async {
        let request = request.query("watch", "true").query("resourceVersion", version);
        let mut events = cx.client()?.watch(request).await?;
        while let Some(event) = events.next().await? {
            if matches!(event.text("type"), "ADDED" | "MODIFIED") {
                return Ok(event.at("object").clone());
            }
        }
        Err(CommandError::message("watch closed before UntilWithoutRetry timeout"))
    };
    match tokio::time::timeout(timeout, first).await {
        Ok(pod) => pod.map(|pod| vec![pod]),
        Err(_) => Err(CommandError::message("timed out waiting for the condition")),
    }
}

/// Follows a Pod until `seen` gives something; `None` waits without end.
///
/// # Errors
/// The Pod goes away, or `seen` gives nothing in time.
pub async fn until<T>(
    cx: &Context<'_>,
    namespace: &str,
    name: &str,
    timeout: Option<Duration>,
    mut seen: impl FnMut(&Value) -> Result<Option<T>, CommandError>,
) -> Result<T, CommandError> {
    let resource = cx.resource("pods").await?;
    let request = Request::get(resource.collection(namespace)).query("fieldSelector", format!("metadata.name={name}"));
    let gone = || CommandError::from(Status::not_found("pods", "", ""));
    let following = async {
        loop {
            let list = cx.client()?.json(request.clone()).await?;
            if let Some(found) = seen(list.list("items").first().ok_or_else(gone)?)? {
                return Ok(found);
            }
            let version = list.text("metadata.resourceVersion").to_string();
            let watch = request.clone().query("watch", "true").query("resourceVersion", version);
            let mut events = cx.client()?.watch(watch).await?;
            while let Some(event) = events.next().await? {
                match event.text("type") {
                    "DELETED" => return Err(gone()),
                    "ADDED" | "MODIFIED" => {
                        if let Some(found) = seen(event.at("object"))? {
                            return Ok(found);
                        }
                    }
                    _ => {}
                }
            }
            // The server has ended the watch; one that does so all the time is not asked all the time.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    match timeout {
        None => following.await,
        Some(timeout) => match tokio::time::timeout(timeout, following).await {
            Ok(result) => result,
            Err(_) => Err(CommandError::message("timed out waiting for the condition")),
        },
    }
}

/// Whether a Pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    ready_since(pod).is_some()
}

/// The better Pod comes first: on a node, running, ready, ready for longer, by its restarts, older.
fn order(a: &Value, b: &Value, preference: Preference) -> Ordering {
    let phase = |pod: &Value| match pod.text("status.phase") {
        "Pending" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    // Times of one form compare as text; one that is missing comes last.
    let since = |text: &str| (text.is_empty(), text.to_string());
    let restarts = |pod: &Value| {
        let statuses = pod.list("status.containerStatuses").iter();
        let most = statuses.filter_map(|status| status.int("restartCount")).max().unwrap_or(0);
        if preference == Preference::Telling { -most } else { most }
    };
    let rank = |pod: &Value| {
        let ready = ready_since(pod);
        (
            pod.text("spec.nodeName").is_empty(),
            phase(pod),
            Reverse(ready.is_some()),
            since(ready.unwrap_or_default()),
            restarts(pod),
            since(pod.text("metadata.creationTimestamp")),
        )
    };
    rank(a).cmp(&rank(b))
}

/// When the Pod became ready, if it is.
fn ready_since(pod: &Value) -> Option<&str> {
    let conditions = pod.list("status.conditions").iter();
    let ready = conditions.filter(|c| c.text("type") == "Ready").find(|c| c.text("status") == "True");
    ready.map(|condition| condition.text("lastTransitionTime"))
}

/// The lists of a Pod's containers, in the order in which they are told, with what is said of each.
const CONTAINERS: [(&str, &str); 3] =
    [("spec.containers", ""), ("spec.ephemeralContainers", " (ephem)"), ("spec.initContainers", " (init)")];

/// The names of all containers: `app, debugger (ephem), setup (init)`.
pub fn container_names(pod: &Value) -> String {
    let names = CONTAINERS.iter().flat_map(|(list, what)| {
        pod.list(list).iter().map(move |container| format!("{}{what}", container.text("name")))
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The container of this name, of whatever sort it is.
pub fn container<'p>(pod: &'p Value, name: &str) -> Option<&'p Value> {
    CONTAINERS.iter().flat_map(|(list, _)| pod.list(list)).find(|container| container.text("name") == name)
}

/// The status of the container of this name, of whatever sort it is.
pub fn container_status<'p>(pod: &'p Value, name: &str) -> Option<&'p Value> {
    ["status.containerStatuses", "status.ephemeralContainerStatuses", "status.initContainerStatuses"]
        .iter()
        .flat_map(|list| pod.list(list))
        .find(|status| status.text("name") == name)
}

/// The container called `name`; where that is empty, the one that the Pod's annotation or, without it, the order means.
/// Tells about a choice among several, unless `quiet`.
///
/// # Errors
/// There is none of this name.
pub fn container_or_default<'p>(
    cx: &Context<'_>,
    pod: &'p Value,
    name: &str,
    quiet: bool,
) -> Result<&'p Value, CommandError> {
    let name = if name.is_empty() { pod.annotation(DEFAULT_CONTAINER).unwrap_or_default() } else { name };
    if !name.is_empty() {
        return container(pod, name).ok_or_else(|| {
            CommandError::message(format!(
                "container {name} is not valid for pod {} out of: {}",
                pod.name(),
                container_names(pod)
            ))
        });
    }
    first_container(cx, pod, quiet)
}

/// The first container; tells about a choice among several, unless `quiet`.
///
/// # Errors
/// There is none.
pub fn first_container<'p>(cx: &Context<'_>, pod: &'p Value, quiet: bool) -> Result<&'p Value, CommandError> {
    let Some(first) = pod.list("spec.containers").first() else {
        return Err(CommandError::message(format!(
            "pod {}/{} does not have any containers",
            pod.namespace(),
            pod.name()
        )));
    };
    if !quiet && let Some(told) = choice(pod) {
        writeln!(cx.streams.err(), "{told}")?;
    }
    Ok(first)
}

/// What is told where a Pod's first container is taken; nothing if it has only one.
fn choice(pod: &Value) -> Option<String> {
    let first = pod.list("spec.containers").first()?;
    let count: usize = CONTAINERS.iter().map(|(list, _)| pod.list(list).len()).sum();
    (count > 1).then(|| format!("Defaulted container {:?} out of: {}", first.text("name"), container_names(pod)))
}

/// What [`container_or_default`] would tell.
pub fn told_choice(pod: &Value, name: &str) -> Option<String> {
    choice(pod).filter(|_| name.is_empty() && pod.annotation(DEFAULT_CONTAINER).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn pod(name: &str, ready: &str, restarts: i64) -> Value {
        json!({
            "metadata": {"name": name, "creationTimestamp": "2024-01-01T00:00:00Z"},
            "spec": {"nodeName": "n", "containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready.is_empty() { "False" } else { "True" },
                    "lastTransitionTime": ready}],
                "containerStatuses": [{"restartCount": restarts}],
            },
        })
    }

    #[test]
    fn the_preferred_pod_comes_first() {
        let mut pending = pod("pending", "", 0);
        pending.set("status.phase", "Pending");
        let mut unassigned = pod("unassigned", "", 0);
        unassigned.set("spec.nodeName", "");
        let mut pods = [
            unassigned,
            pending,
            pod("unready", "", 0),
            pod("restarted", "2024-01-01T00:00:01Z", 3),
            pod("late", "2024-01-01T00:00:02Z", 0),
            pod("steady", "2024-01-01T00:00:01Z", 0),
        ];
        let names = |pods: &[Value]| pods.iter().map(|pod| pod.name().to_string()).collect::<Vec<_>>();
        pods.sort_by(|a, b| order(a, b, Preference::Steady));
        assert_eq!(names(&pods), ["steady", "restarted", "late", "unready", "pending", "unassigned"]);
        pods.sort_by(|a, b| order(a, b, Preference::Telling));
        assert_eq!(names(&pods), ["restarted", "steady", "late", "unready", "pending", "unassigned"]);
    }

    #[test]
    fn containers_of_all_sorts_are_found() {
        let mut pod = pod("p", "", 0);
        pod.set("spec.ephemeralContainers", json!([{"name": "e"}]));
        assert_eq!(container_names(&pod), "a, b, e (ephem), i (init)");
        assert!(container(&pod, "e").is_some() && container(&pod, "i").is_some() && container(&pod, "x").is_none());
    }
}
