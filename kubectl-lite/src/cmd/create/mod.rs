//! `kubectl create`: from files, and the generators, one file each.

mod configmap;
mod cronjob;
mod deployment;
pub mod files;
pub mod hash;
mod ingress;
mod job;
mod key_pair;
mod namespace;
mod poddisruptionbudget;
mod priorityclass;
mod quota;
pub mod role;
mod role_binding;
mod secret;
mod service;
mod serviceaccount;
mod sources;
mod token;

use super::flags::{DryRun, DryRunFlag, ValidateFlag};
use super::{Entry, command, group};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::last_applied::{LAST_APPLIED, declared_configuration};
use shared_types::fields::Fields;
use shared_types::json::{Value, json, parse};
use shared_types::schema;

/// The generators: `create namespace`, `create deployment`, ...
pub static COMMANDS: &[Entry] = &[
    command::<role::ClusterRole>("clusterrole", "Create a cluster role"),
    command::<role_binding::ClusterRoleBinding>("clusterrolebinding", "Create a cluster role binding"),
    command::<configmap::ConfigMap>("configmap", "Create a config map from files, folders or values").aliases(&["cm"]),
    command::<cronjob::CronJob>("cronjob", "Create a cron job").aliases(&["cj"]),
    command::<deployment::Deployment>("deployment", "Create a deployment").aliases(&["deploy"]),
    command::<ingress::Ingress>("ingress", "Create an ingress").aliases(&["ing"]),
    command::<job::Job>("job", "Create a job"),
    command::<namespace::Namespace>("namespace", "Create a namespace").aliases(&["ns"]),
    command::<poddisruptionbudget::PodDisruptionBudget>("poddisruptionbudget", "Create a pod disruption budget")
        .aliases(&["pdb"]),
    command::<priorityclass::PriorityClass>("priorityclass", "Create a priority class").aliases(&["pc"]),
    command::<quota::Quota>("quota", "Create a resource quota").aliases(&["resourcequota"]),
    command::<role::Role>("role", "Create a role"),
    command::<role_binding::RoleBinding>("rolebinding", "Create a role binding"),
    group("secret", "Create a secret", secret::COMMANDS),
    group("service", "Create a service", service::COMMANDS).aliases(&["svc"]),
    command::<serviceaccount::ServiceAccount>("serviceaccount", "Create a service account").aliases(&["sa"]),
    command::<token::Token>("token", "Ask for a token of a service account"),
];

/// The flags that all generators take.
#[derive(clap::Args)]
struct Generate {
    /// NAME
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    validate: ValidateFlag,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-create")]
    field_manager: String,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
}

impl Generate {
    /// The one name that was given to `command` (`create configmap`).
    fn name(&self, command: &str) -> Result<&str, CommandError> {
        match self.args.as_slice() {
            [name] => Ok(name),
            other => Err(CommandError::usage(command, format!("exactly one NAME is required, got {}", other.len()))),
        }
    }

    /// Creates `object`, or pretends to, and reports it. `failure` stands before what the server refuses, such as
    /// `failed to create configmap`; without it the answer is shown as it is.
    async fn create(
        &self,
        cx: &Context<'_>,
        plural: &str,
        failure: Option<&str>,
        object: Value,
    ) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        let mut object = declared(&object);
        let (namespace, asked) = cx.namespace()?;
        let namespaced = !matches!(
            plural,
            "namespaces"
                | "priorityclasses.scheduling.k8s.io"
                | "clusterroles.rbac.authorization.k8s.io"
                | "clusterrolebindings.rbac.authorization.k8s.io"
        );
        if asked && namespaced {
            object.set("metadata.namespace", namespace.clone());
        }
        if self.save_config {
            let configuration = declared_configuration(&object);
            object.map_mut("metadata.annotations").insert(LAST_APPLIED, configuration.into());
        }
        let mut printer = self.print.reporter(&dry_run.done("created"), Order::Declared)?;
        let validation = self.validate.read()?;
        if dry_run != DryRun::Client {
            let created = async {
                let resource = cx.resource(plural).await?;
                let request = Request::post(resource.collection(&namespace), &object)
                    .query("fieldManager", &self.field_manager)
                    .query("fieldValidation", validation);
                cx.client()?.typed(dry_run.mark(request)).await
            };
            object = created.await.map_err(|error: CommandError| match failure {
                Some(failure) => CommandError::message(format!("{failure}: {}", error.text())),
                None => error,
            })?;
        } else {
            cx.client()?.look_up_assumed().await?;
        }
        printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())
    }
}

/// The object with all fields that its type always has (`status: {}`).
fn declared(object: &Value) -> Value {
    let ty = schema::of_kind(object.text("apiVersion"), object.text("kind"));
    let written = ty.and_then(|ty| parse(&schema::encode(ty, object)).ok());
    written.unwrap_or_else(|| object.clone())
}

/// A flag that must be given.
fn required<'a>(flag: &str, value: &'a Option<String>) -> Result<&'a str, CommandError> {
    value.as_deref().ok_or_else(|| CommandError::message(format!("required flag(s) \"{flag}\" not set")))
}

/// `meta/v1`'s `metadata` of a new object.
fn metadata(name: &str) -> Value {
    json!({ "name": name })
}
