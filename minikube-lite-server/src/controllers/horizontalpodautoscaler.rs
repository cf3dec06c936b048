//! HorizontalPodAutoscalers in a cluster where nothing serves metrics: what they scale is kept within their bounds, and
//! they say which metrics they lack.
//!
//! Reasons and messages are those of kube-controller-manager without metrics-server and its like.

use super::runtime::{Change, Full, Informers, Key, Queue, Recorder, work};
use super::{Context, Tasks};
use crate::client::{Client, Part};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::{self, Kind};
use shared_types::status::Status;
use shared_types::time::format_time;
use std::sync::Arc;
use std::time::Duration;

/// Autoscalers are looked at so often, and for the first time so long after they are made.
const SYNC: Duration = Duration::from_secs(15);

struct Controller {
    client: Client,
    informers: Arc<Informers>,
    queue: Arc<Queue<Key>>,
    recorder: Recorder,
}

/// Registers the controller and adds its worker.
pub(super) fn start(context: &Context, tasks: &mut Tasks) {
    let controller = Controller {
        client: context.client.clone(),
        informers: context.informers.clone(),
        queue: Arc::default(),
        recorder: Recorder::new(context.events.clone(), "horizontal-pod-autoscaler", ""),
    };
    let queue = controller.queue.clone();
    context.informers.horizontal_pod_autoscalers.on_change(move |change: &Change<'_, Full>| {
        if let Some(autoscaler) = change.new {
            queue.add_after(autoscaler.meta.key(), SYNC);
        }
    });
    context.spawn(tasks, async move {
        work("horizontalpodautoscaler", controller.queue.clone(), |key| controller.reconcile(key)).await;
    });
}

/// A condition to be set: its type, whether it is true, reason and message.
struct Condition(&'static str, bool, &'static str, String);

const ABLE_TO_SCALE: &str = "AbleToScale";
const SCALING_ACTIVE: &str = "ScalingActive";

/// What is seen and wanted of the target.
struct Sizes {
    current: i64,
    /// `None` leaves the last one.
    desired: Option<i64>,
    /// How many metrics have no value.
    unknown_metrics: usize,
    rescaled: bool,
}

impl Controller {
    async fn reconcile(&self, key: Key) -> Result<(), Status> {
        let Some(autoscaler) = self.informers.horizontal_pod_autoscalers.get(&key) else { return Ok(()) };
        let (conditions, sizes) = self.scale(&autoscaler).await;
        let now = format_time(self.client.environment().now());
        let change = |object: &mut Value| {
            for condition in &conditions {
                set_condition(object, condition, &now);
            }
            let Some(sizes) = &sizes else { return };
            object.set("status.currentReplicas", sizes.current);
            object.set("status.desiredReplicas", sizes.desired.or(object.int("status.desiredReplicas")).unwrap_or(0));
            match sizes.unknown_metrics {
                0 => drop(object.remove("status.currentMetrics")),
                count => object.set("status.currentMetrics", vec![json!({"type": ""}); count]),
            }
            if sizes.rescaled {
                object.set("status.lastScaleTime", now.as_str());
            }
        };
        let kind = autoscaler.meta.kind;
        let written = self.client.modify(kind, Part::Status, &key.namespace, &key.name, change).await;
        self.queue.add_after(key, SYNC);
        match written {
            Err(status) if !status.is_not_found() => Err(status),
            _ => Ok(()),
        }
    }

    /// Brings the target's size within the bounds.
    async fn scale(&self, autoscaler: &Full) -> (Vec<Condition>, Option<Sizes>) {
        let object = &autoscaler.object;
        let (kind, target) = match self.target(object).await {
            Ok(found) => found,
            Err(problem) => {
                self.recorder.warning(&autoscaler.meta, "FailedGetScale", &problem);
                let message = format!("the HPA controller was unable to get the target's current scale: {problem}");
                return (vec![Condition(ABLE_TO_SCALE, false, "FailedGetScale", message)], None);
            }
        };
        let message = "the HPA controller was able to get the target's current scale".to_string();
        let mut conditions = vec![Condition(ABLE_TO_SCALE, true, "SucceededGetScale", message)];
        let current = target.int("spec.replicas").unwrap_or(0);
        let least = object.int("spec.minReplicas").unwrap_or(1);
        let most = object.int("spec.maxReplicas").unwrap_or(0);
        let mut sizes = Sizes { current, desired: Some(current), unknown_metrics: 0, rescaled: false };
        let (desired, reason) = if current == 0 && least != 0 {
            let message = "scaling is disabled since the replica count of the target is zero".to_string();
            conditions.push(Condition(SCALING_ACTIVE, false, "ScalingDisabled", message));
            return (conditions, Some(sizes));
        } else if current > most {
            (most, "Current number of replicas above Spec.MaxReplicas")
        } else if current < least {
            (least, "Current number of replicas below Spec.MinReplicas")
        } else {
            sizes.desired = None;
            sizes.unknown_metrics = object.list("spec.metrics").len();
            conditions.extend(self.miss_metrics(autoscaler));
            return (conditions, Some(sizes));
        };
        let change = |object: &mut Value| object.set("spec.replicas", desired);
        let part = Part::Other("scale");
        match self.client.modify(kind, part, target.namespace(), target.name(), change).await {
            Ok(_) => {
                let message = format!("the HPA controller was able to update the target scale to {desired}");
                conditions.push(Condition(ABLE_TO_SCALE, true, "SucceededRescale", message));
                let message = format!("New size: {desired}; reason: {reason}");
                self.recorder.normal(&autoscaler.meta, "SuccessfulRescale", message);
                (sizes.desired, sizes.rescaled) = (Some(desired), true);
            }
            Err(status) => {
                let message = format!("the HPA controller was unable to update the target scale: {status}");
                conditions.push(Condition(ABLE_TO_SCALE, false, "FailedUpdateScale", message));
                let message = format!("New size: {desired}; reason: {reason}; error: {status}");
                self.recorder.warning(&autoscaler.meta, "FailedRescale", message);
                sizes.desired = None;
            }
        }
        (conditions, Some(sizes))
    }

    /// The object that is scaled, and its kind.
    async fn target(&self, autoscaler: &Value) -> Result<(&'static Kind, Value), String> {
        let reference = autoscaler.at("spec.scaleTargetRef");
        let (version, kind, name) = (reference.text("apiVersion"), reference.text("kind"), reference.text("name"));
        if version.matches('/').count() > 1 {
            return Err(format!("unexpected GroupVersion string: {version}"));
        }
        let (group, _) = kinds::split_api_version(version);
        let known = kinds::KINDS.iter().find(|known| known.group == group && known.kind == kind);
        let Some(known) = known.filter(|known| known.is_stored()) else {
            return Err(format!("no matches for kind \"{kind}\" in group \"{group}\""));
        };
        if known.subresource("scale").is_none() {
            return Err("the server could not find the requested resource".to_string());
        }
        match self.client.get(known, autoscaler.namespace(), name).await {
            Ok(target) => Ok((known, target)),
            Err(status) if status.is_not_found() => Err(format!("{}/scale.{group} \"{name}\" not found", known.plural)),
            Err(status) => Err(status.to_string()),
        }
    }

    /// Tells which metrics cannot be had: all.
    fn miss_metrics(&self, autoscaler: &Full) -> Option<Condition> {
        let metrics = autoscaler.object.list("spec.metrics");
        let missing: Vec<Missing> =
            metrics.iter().map(|metric| Missing::of(metric, &autoscaler.meta.namespace)).collect();
        for metric in &missing {
            self.recorder.warning(&autoscaler.meta, metric.reason, &metric.problem);
        }
        let first = missing.first()?;
        let (count, error) = (missing.len(), &first.error);
        let message = format!("invalid metrics ({count} invalid out of {count}), first error is: {error}");
        self.recorder.warning(&autoscaler.meta, "FailedComputeMetricsReplicas", message);
        let message = format!("the HPA was unable to compute the replica count: {}", first.problem);
        Some(Condition(SCALING_ACTIVE, false, first.reason, message))
    }
}

/// A metric that nothing serves.
struct Missing {
    reason: &'static str,
    /// What went wrong with it, as its Event and the condition say.
    problem: String,
    /// The same within the error about all metrics.
    error: String,
}

impl Missing {
    fn of(metric: &Value, namespace: &str) -> Missing {
        const CUSTOM: &str =
            "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
        let resource = |source: &Value| {
            let name = source.text("name");
            let what = if source.has("target.averageValue") { "usage" } else { "utilization" };
            format!(
                "failed to get {name} {what}: unable to get metrics for resource {name}: unable to fetch metrics from \
                 resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
            )
        };
        match metric.text("type") {
            "ContainerResource" => {
                let problem = resource(metric.at("containerResource"));
                let container = metric.text("containerResource.container");
                let error = format!("failed to get {container} container metric value: {problem}");
                Missing { reason: "FailedGetContainerResourceMetric", problem, error }
            }
            "Pods" => {
                let problem = format!("unable to get metric {}: {CUSTOM}", metric.text("pods.metric.name"));
                let error = format!("failed to get pods metric value: {problem}");
                Missing { reason: "FailedGetPodsMetric", problem, error }
            }
            "Object" => {
                let source = metric.at("object");
                let (name, described) = (source.text("metric.name"), source.at("describedObject"));
                // The object's name and the error stand in each other's place there.
                let (kind, object) = (described.text("kind"), described.text("name"));
                let problem = format!("unable to get metric {name}: {kind} on {namespace} {object}/{CUSTOM}");
                let error = match source.text("target.type") {
                    "AverageValue" => format!("failed to get {name} object metric: {problem}"),
                    _ => problem.clone(),
                };
                let error = format!("failed to get object metric value: {error}");
                Missing { reason: "FailedGetObjectMetric", problem, error }
            }
            "External" => {
                let source = metric.at("external");
                let name = source.text("metric.name");
                let selector = go_selector(source.at("metric.selector"));
                let problem = format!(
                    "unable to get external metric {namespace}/{name}/{selector}: unable to fetch metrics from external \
                     metrics API: the server could not find the requested resource (get {name}.external.metrics.k8s.io)"
                );
                let error = match source.has("target.averageValue") {
                    true => format!("failed to get {name} external metric: {problem}"),
                    false => format!("failed to get external metric {name}: {problem}"),
                };
                let error = format!("failed to get {name} external metric value: {error}");
                Missing { reason: "FailedGetExternalMetric", problem, error }
            }
            _ => {
                let source = metric.at("resource");
                let problem = resource(source);
                let error = format!("failed to get {} resource metric value: {problem}", source.text("name"));
                Missing { reason: "FailedGetResourceMetric", problem, error }
            }
        }
    }
}

/// A label selector as the Go type prints itself.
fn go_selector(selector: &Value) -> String {
    if selector.is_null() {
        return "nil".to_string();
    }
    let labels = selector.map("matchLabels").iter();
    let labels: String = labels.map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or(""))).collect();
    let expressions = selector.list("matchExpressions").iter().map(|expression| {
        let values: Vec<&str> = expression.list("values").iter().filter_map(Value::as_str).collect();
        let (key, operator) = (expression.text("key"), expression.text("operator"));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
    });
    let expressions: String = expressions.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

/// Sets a condition; its time changes with its status alone.
fn set_condition(autoscaler: &mut Value, Condition(name, holds, reason, message): &Condition, now: &str) {
    let status = if *holds { "True" } else { "False" };
    let mut conditions = autoscaler.list("status.conditions").to_vec();
    let mut wanted = json!({
        "type": *name,
        "status": status,
        "lastTransitionTime": now,
        "reason": *reason,
        "message": message.as_str(),
    });
    match conditions.iter_mut().find(|condition| condition.text("type") == *name) {
        Some(condition) => {
            if condition.text("status") == status {
                wanted.set("lastTransitionTime", condition.at("lastTransitionTime").clone());
            }
            *condition = wanted;
        }
        None => conditions.push(wanted),
    }
    autoscaler.set("status.conditions", conditions);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_metric_is_missed_in_its_own_words() {
        let selector = json!({"matchLabels": {"queue": "mail"}, "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]});
        let metrics = [
            json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}),
            json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "web", "target": {"averageUtilization": 60}}}),
            json!({"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"averageValue": "1k"}}}),
            json!({"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": {"kind": "Ingress", "name": "main"}, "target": {"type": "Value", "value": "2k"}}}),
            json!({"type": "External", "external": {"metric": {"name": "length", "selector": selector}, "target": {"averageValue": "30"}}}),
        ];
        let missing = metrics.map(|metric| Missing::of(&metric, "ns"));
        let said = missing.map(|missing| (missing.reason, missing.error));
        let resource = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get \
                        pods.metrics.k8s.io)";
        let custom =
            "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
        let expected = [
            ("FailedGetResourceMetric", format!("failed to get memory resource metric value: failed to get memory usage: unable to get metrics for resource memory: {resource}")),
            ("FailedGetContainerResourceMetric", format!("failed to get web container metric value: failed to get cpu utilization: unable to get metrics for resource cpu: {resource}")),
            ("FailedGetPodsMetric", format!("failed to get pods metric value: unable to get metric hits: {custom}")),
            ("FailedGetObjectMetric", format!("failed to get object metric value: unable to get metric hits: Ingress on ns main/{custom}")),
            ("FailedGetExternalMetric", "failed to get length external metric value: failed to get length external metric: unable to get external metric ns/length/&LabelSelector{MatchLabels:map[string]string{queue: mail,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:zone,Operator:In,Values:[a b],},},}: unable to fetch metrics from external metrics API: the server could not find the requested resource (get length.external.metrics.k8s.io)".to_string()),
        ];
        assert_eq!(said, expected);
    }
}
