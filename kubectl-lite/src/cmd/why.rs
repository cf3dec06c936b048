//! `kubectl-lite why`: what kubectl has no command for. It says in a few lines why something does not run.

use super::Command;
use crate::client::Resource;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Info};
use crate::why::{Finding, Surroundings, deployment, pod, service};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds;
use shared_types::selector::LabelSelector;

#[derive(clap::Args)]
pub struct Why {
    /// service/NAME, pod/NAME or deployment/NAME
    args: Vec<String>,
}

impl Command for Why {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.args.is_empty() {
            return Err(CommandError::usage("why", "you must name a service, pod or deployment, such as service/web"));
        }
        for info in Builder::new(cx)?.arguments(&self.args).everything(true).all(true).await? {
            let flags = if cx.namespace()?.1 { format!(" --namespace={}", info.namespace) } else { String::new() };
            for finding in findings(cx, &info).await? {
                let subject = format!("{}/{}", info.resource.singular, info.name);
                write!(cx.streams.out(), "{}", finding.render(&subject, &flags))?;
            }
        }
        Ok(())
    }
}

async fn findings(cx: &Context<'_>, info: &Info) -> Result<Vec<Finding>, CommandError> {
    let (object, namespace) = (&info.object, info.namespace.as_str());
    // Who may not see Events or nodes is told less.
    let events = list(cx, "Event", namespace, "").await.unwrap_or_default();
    let nodes = list(cx, "Node", "", "").await.unwrap_or_default();
    let around = Surroundings { events: &events, nodes: &nodes };
    Ok(match (info.resource.group.as_str(), info.resource.kind.as_str()) {
        ("", "Pod") => pod(object, around),
        ("", "Service") => {
            let label = format!("kubernetes.io/service-name={}", info.name);
            let slices = list(cx, "EndpointSlice", namespace, &label).await?;
            let pods = list(cx, "Pod", namespace, "").await?;
            let selector = object.map("spec.selector");
            let elsewhere = if selector.is_empty() {
                Vec::new()
            } else {
                let selector = LabelSelector::from_labels(selector).to_string();
                list(cx, "Pod", "", &selector).await.unwrap_or_default()
            };
            service(object, &pods, &elsewhere, &slices, around)
        }
        ("apps", "Deployment") => {
            let selector = LabelSelector::from_object(object.at("spec.selector"))?.unwrap_or_default();
            let pods = list(cx, "Pod", namespace, &selector.to_string()).await?;
            deployment(object, &pods, around)
        }
        _ => {
            let message = format!("cannot tell about {}; only about services, pods and deployments", info.reference());
            return Err(CommandError::message(message));
        }
    })
}

async fn list(cx: &Context<'_>, kind: &str, namespace: &str, label: &str) -> Result<Vec<Value>, CommandError> {
    let resource = Resource::from(kinds::named(kind));
    Builder::new(cx)?.label_selector(label).list(&resource, namespace).await
}
