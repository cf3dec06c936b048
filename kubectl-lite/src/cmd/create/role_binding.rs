//! `kubectl create rolebinding` and `clusterrolebinding`.

use super::{Generate, metadata, required};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Users come as `--user`.
#[derive(clap::Args)]
struct Subjects {
    /// Group to bind to; may be repeated
    #[arg(long)]
    group: Vec<String>,
    /// NAMESPACE:NAME of a service account to bind to; may be repeated
    #[arg(long)]
    serviceaccount: Vec<String>,
    /// Name of a user to bind to; may be repeated
    #[arg(long)]
    user: Vec<String>,
}

#[derive(clap::Args)]
pub struct RoleBinding {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    subjects: Subjects,
    /// Cluster role to bind
    #[arg(long, default_value = "")]
    clusterrole: String,
    /// Role to bind
    #[arg(long, default_value = "")]
    role: String,
}

impl Command for RoleBinding {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create rolebinding")?;
        let (kind, role) = match (self.role.as_str(), self.clusterrole.as_str()) {
            ("", "") => ("", ""),
            (role, "") => ("Role", role),
            ("", role) => ("ClusterRole", role),
            _ => ("", ""),
        };
        if kind.is_empty() {
            return Err(CommandError::message("exactly one of clusterrole or role must be specified"));
        }
        let binding = binding("RoleBinding", name, kind, role, self.subjects.list()?);
        let failure = Some("failed to create rolebinding");
        self.generate.create(cx, "rolebindings.rbac.authorization.k8s.io", failure, binding).await
    }
}

#[derive(clap::Args)]
pub struct ClusterRoleBinding {
    #[command(flatten)]
    generate: Generate,
    #[command(flatten)]
    subjects: Subjects,
    /// Cluster role to bind
    #[arg(long)]
    clusterrole: Option<String>,
}

impl Command for ClusterRoleBinding {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let role = required("clusterrole", &self.clusterrole)?;
        let name = self.generate.name("create clusterrolebinding")?;
        let binding = binding("ClusterRoleBinding", name, "ClusterRole", role, self.subjects.list()?);
        let failure = Some("failed to create clusterrolebinding");
        self.generate.create(cx, "clusterrolebindings.rbac.authorization.k8s.io", failure, binding).await
    }
}

impl Subjects {
    fn list(&self) -> Result<Vec<Value>, CommandError> {
        let named = |kind: &str, name: &String| json!({"apiGroup": GROUP, "kind": kind, "name": name});
        let mut subjects: Vec<Value> = self.user.iter().map(|user| named("User", user)).collect();
        subjects.extend(self.group.iter().map(|group| named("Group", group)));
        for account in &self.serviceaccount {
            let parts: Vec<&str> = account.split(':').collect();
            match parts.as_slice() {
                [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                    subjects.push(json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}));
                }
                _ => return Err(CommandError::message("serviceaccount must be <namespace>:<name>")),
            }
        }
        Ok(subjects)
    }
}

fn binding(kind: &str, name: &str, role_kind: &str, role: &str, subjects: Vec<Value>) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata(name), "subjects": subjects,
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
    })
}
