//! Descriptions of objects, one file per kind: pure functions from an object, and what was looked up about it, to a
//! [`Report`]. This file does the looking up.

mod autoscaler;
mod config;
mod containers;
mod downward_api;
mod endpoints;
mod endpointslice;
mod events;
mod generic;
mod metadata;
mod node;
mod pod;
mod pod_template;
mod policy;
pub mod probes;
pub mod rbac;
mod report;
mod scheduling;
mod selectors;
mod service;
mod volumes;
mod workloads;

use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Info};
use jiff::Timestamp;
use report::Report;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use shared_types::selector::LabelSelector;

/// Where the Leases of Nodes are.
const NODE_LEASES: &str = "kube-node-lease";
const MIRROR_POD: &str = "kubernetes.io/config.mirror";

/// Describes objects.
pub struct Describer<'c, 'a> {
    pub cx: &'c Context<'a>,
    /// Whether to end with the object's Events.
    pub show_events: bool,
    /// How many objects to list at a time; 0 lists all at once.
    pub chunk: i64,
}

impl Describer<'_, '_> {
    /// The description of an object that has been read.
    ///
    /// # Errors
    /// Something without which the object cannot be described cannot be had.
    pub async fn describe(&self, info: &Info) -> Result<String, CommandError> {
        let object = &info.object;
        let mut report = Report::default();
        let now = Timestamp::now();
        let out = &mut report;
        let mut has_events = true;
        match (info.resource.group.as_str(), info.resource.kind.as_str()) {
            ("", "Pod") => pod::describe(out, object, now),
            ("", "Service") => {
                let label = format!("kubernetes.io/service-name={}", object.name());
                let slices = self.list("EndpointSlice", object.namespace(), &label, "").await.unwrap_or_default();
                service::describe(out, object, &slices);
            }
            ("", "Endpoints") => endpoints::describe(out, object),
            ("discovery.k8s.io", "EndpointSlice") => endpointslice::describe(out, object),
            ("apps", "Deployment") => {
                let sets = self.selected("ReplicaSet", object).await.unwrap_or_default();
                workloads::deployment(out, object, sets);
            }
            ("apps", "ReplicaSet") => {
                let pods = self.selected("Pod", object).await.map_err(|error| error.text());
                workloads::replica_set(out, object, pods);
            }
            ("", "ConfigMap") => config::config_map(out, object),
            ("", "ServiceAccount") => config::service_account(out, object),
            ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::describe(out, object),
            ("", "Node") => self.node(out, object, now).await?,
            (group, kind) => match self.without_events(out, group, kind, object).await? {
                true => has_events = false,
                false => generic::describe(out, object),
            },
        }
        if has_events
            && self.show_events
            && let Some(events) = self.events(&info.resource, object).await
        {
            events::describe(out, events, now);
        }
        Ok(report.finish())
    }

    /// Describes objects of kinds whose Events are not shown; tells whether this is one.
    async fn without_events(
        &self,
        out: &mut Report,
        group: &str,
        kind: &str,
        object: &Value,
    ) -> Result<bool, CommandError> {
        match (group, kind) {
            ("", "Secret") => config::secret(out, object),
            ("", "LimitRange") => policy::limit_range(out, object),
            ("", "ResourceQuota") => policy::resource_quota(out, object),
            ("", "Namespace") => {
                let quotas = self.list_if_served("ResourceQuota", object.name()).await?;
                let limits = self.list_if_served("LimitRange", object.name()).await?;
                policy::namespace(out, object, quotas, limits);
            }
            ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => rbac::role(out, object),
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => rbac::binding(out, object),
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn node(&self, out: &mut Report, node: &Value, now: Timestamp) -> Result<(), CommandError> {
        let field = format!("spec.nodeName={},status.phase!=Succeeded,status.phase!=Failed", node.name());
        let pods = match self.list("Pod", "", "", &field).await {
            Ok(pods) => Some(pods),
            Err(error) if error.status().is_some_and(|status| status.reason == "Forbidden") => None,
            Err(error) => return Err(error),
        };
        let path = Resource::from(kinds::named("Lease")).object(NODE_LEASES, node.name());
        let lease = self.cx.client()?.json(Request::get(path)).await.map_err(|error| error.text());
        node::describe(out, node, lease, pods.as_deref(), now);
        Ok(())
    }

    /// The Events of an object; `None` where they cannot be had.
    async fn events(&self, resource: &Resource, object: &Value) -> Option<Vec<Value>> {
        let (name, namespace) = (object.name(), object.namespace());
        let uid = match resource.kind.as_str() {
            // The kubelet knows the Pods of its own files by another uid.
            "Pod" => object.annotation(MIRROR_POD).unwrap_or(object.uid()),
            _ => object.uid(),
        };
        // Those of a Pod may be about other kinds that are called as it is.
        let kind = if resource.kind == "Pod" { "" } else { resource.kind.as_str() };
        let mut events = self.list("Event", namespace, "", &events::selector(kind, name, namespace, uid)).await.ok()?;
        if resource.kind == "Node" {
            // A kubelet takes its Node's name for the uid.
            let by_name = events::selector(kind, name, namespace, name);
            events.extend(self.list("Event", namespace, "", &by_name).await.ok()?);
        }
        Some(events)
    }

    /// The objects of a kind that an object's `spec.selector` matches.
    async fn selected(&self, kind: &str, object: &Value) -> Result<Vec<Value>, CommandError> {
        match LabelSelector::from_object(object.at("spec.selector"))? {
            Some(selector) => self.list(kind, object.namespace(), &selector.to_string(), "").await,
            None => Ok(Vec::new()),
        }
    }

    async fn list_if_served(&self, kind: &str, namespace: &str) -> Result<Option<Vec<Value>>, CommandError> {
        match self.list(kind, namespace, "", "").await {
            Ok(list) => Ok(Some(list)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, kind: &str, namespace: &str, label: &str, field: &str) -> Result<Vec<Value>, CommandError> {
        let resource = Resource::from(kinds::named(kind));
        Builder::new(self.cx)?
            .label_selector(label)
            .field_selector(field)
            .chunk(self.chunk)
            .list(&resource, namespace)
            .await
    }
}

/// A Pod template as `rollout history` shows it: parts of a line are set apart by tabs.
pub fn pod_template_text(template: &Value) -> String {
    let mut report = Report::default();
    pod_template::describe(&mut report, template);
    report.unaligned()
}
