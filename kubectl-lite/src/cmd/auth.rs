//! `kubectl auth`.

mod reconcile;
mod rules;

use super::create::role::NON_RESOURCE_VERBS;
use super::{Command, Entry, command};
use crate::client::assumed::Assumed;
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::describe::rbac;
use crate::errors::CommandError;
use crate::print::table::Layout;
use crate::print::{Order, PrintFlags};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::rc::Rc;

pub static COMMANDS: &[Entry] = &[
    command::<CanI>("can-i", "Tell whether you may do something"),
    command::<reconcile::Reconcile>("reconcile", "Give roles and bindings what manifests say"),
    command::<Whoami>("whoami", "Tell who you are for the server").aliases(&["who-am-i"]),
];

#[derive(clap::Args)]
pub struct CanI {
    /// VERB TYPE, VERB TYPE/NAME, VERB TYPE NAME or VERB /PATH
    args: Vec<String>,
    /// In all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// List all that you may do
    #[arg(long)]
    list: bool,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// Only give the exit code
    #[arg(long, short)]
    quiet: bool,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
}

impl Command for CanI {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.list {
            if !self.args.is_empty() {
                return Err(CommandError::message("list option must be specified with no arguments"));
            }
            return self.list(cx).await;
        }
        if self.no_headers {
            return Err(CommandError::message("--no-headers cannot be set without --list specified"));
        }
        let [verb, target] = self.args.as_slice() else { return Err(wrong_arguments()) };
        let namespace = if self.all_namespaces { String::new() } else { cx.namespace()?.0 };
        let mut spec = json!({});
        let mut warnings = Vec::new();
        let mut verbs = &RESOURCE_VERBS[..];
        if target.starts_with('/') {
            verbs = &NON_RESOURCE_VERBS;
            spec.set("nonResourceAttributes", json!({"verb": verb, "path": target}));
        } else {
            let (typed, name) = target.split_once('/').unwrap_or((target, ""));
            let (group, plural) = self.resource(cx, typed, &mut warnings).await?;
            spec.set(
                "resourceAttributes",
                json!({"namespace": namespace, "verb": verb, "group": group, "resource": plural,
                    "subresource": self.subresource, "name": name}),
            );
        }
        if !verbs.contains(&verb.as_str()) && !self.all_namespaces {
            warnings.push(format!("verb '{verb}' is not a known verb"));
        }
        for warning in &warnings {
            writeln!(cx.streams.err(), "Warning: {warning}\n")?;
        }
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = cx.client()?.typed(Request::post(path, &review)).await?;
        let allowed = answer.flag("status.allowed");
        if !self.quiet {
            let mut line = String::from(if allowed { "yes" } else { "no" });
            if !answer.text("status.reason").is_empty() && !allowed {
                line.push_str(&format!(" - {}", answer.text("status.reason")));
            }
            if !answer.text("status.evaluationError").is_empty() {
                line.push_str(&format!(" - {}", answer.text("status.evaluationError")));
            }
            writeln!(cx.streams.out(), "{line}")?;
        }
        if allowed { Ok(()) } else { Err(CommandError::Exit(1)) }
    }
}

/// The verbs of resources that are nothing to wonder about.
const RESOURCE_VERBS: [&str; 16] = [
    "*",
    "approve",
    "bind",
    "create",
    "delete",
    "deletecollection",
    "escalate",
    "get",
    "impersonate",
    "list",
    "mark",
    "patch",
    "sign",
    "update",
    "use",
    "watch",
];

fn wrong_arguments() -> CommandError {
    CommandError::message(
        "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for \
         help and examples.",
    )
}

impl CanI {
    /// Group and plural of what was typed. What the server does not have is asked about as it stands.
    async fn resource(
        &self,
        cx: &Context<'_>,
        typed: &str,
        warnings: &mut Vec<String>,
    ) -> Result<(String, String), CommandError> {
        if typed == "*" {
            return Ok((String::new(), "*".into()));
        }
        // These are no objects, and are known all the same.
        if matches!(typed, "users" | "groups") {
            return Ok((String::new(), typed.to_string()));
        }
        match self.discovered(cx, typed).await {
            Ok(resource) => {
                if !resource.namespaced && !self.all_namespaces {
                    let what = shared_types::status::qualified(&resource.plural, &resource.group);
                    let group = if resource.group.is_empty() {
                        String::new()
                    } else {
                        format!(" in group '{}'", resource.group)
                    };
                    let what = if group.is_empty() { what } else { resource.plural.clone() };
                    warnings.push(format!("resource '{what}' is not namespace scoped{group}"));
                }
                Ok((resource.group.clone(), resource.plural.clone()))
            }
            Err(CommandError::Message(_) | CommandError::Undiscovered { .. }) => {
                let (plural, group) = typed.split_once('.').unwrap_or((typed, ""));
                warnings.push(if group.is_empty() {
                    format!("the server doesn't have a resource type '{plural}'")
                } else {
                    format!("the server doesn't have a resource type '{plural}' in group '{group}'")
                });
                Ok((group.to_string(), plural.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// The resource that is meant. What is not known from before is asked for at once: without an answer the question
    /// is put as it stands.
    async fn discovered(&self, cx: &Context<'_>, typed: &str) -> Result<Rc<Resource>, CommandError> {
        if !cx.mapper()?.is_known() {
            cx.assume(Assumed::Resources { tries: 2 })?;
            cx.mapper()?.discovery(cx.client()?, false).await?;
        }
        cx.resource(typed).await
    }

    async fn list(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        let namespace = if self.all_namespaces { String::new() } else { cx.namespace()?.0 };
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let answer = cx.client()?.typed(Request::post(path, &review)).await?;
        if answer.flag("status.incomplete") {
            writeln!(
                cx.streams.err(),
                "warning: the list may be incomplete: {}",
                answer.text("status.evaluationError")
            )?;
        }
        let mut layout = Layout::new();
        if !self.no_headers {
            layout.row(["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]);
        }
        let rules = answer.list("status.resourceRules").iter().chain(answer.list("status.nonResourceRules"));
        for rule in rbac::put_together(rules) {
            layout.row(rule.row());
        }
        layout.write(&mut *cx.streams.out().writer())
    }
}

/// `[get list]`.
fn words(rule: &Value, field: &str) -> String {
    format!("[{}]", rule.list(field).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
}

#[derive(clap::Args)]
pub struct Whoami {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
}

impl Command for Whoami {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let answer = cx.client()?.typed(Request::post(path, &review)).await?;
        if self.print.is_set() {
            let mut printer = self.print.for_format(Order::Declared)?;
            return printer.print(&answer, &mut *cx.streams.out().writer());
        }
        let user = answer.at("status.userInfo");
        let mut layout = Layout::new();
        let mut row = |name: &str, value: String| layout.row(vec![name.to_string(), value]);
        row("ATTRIBUTE", "VALUE".into());
        if user.has("username") {
            row("Username", user.text("username").into());
        }
        if user.has("uid") {
            row("UID", user.text("uid").into());
        }
        if user.has("groups") {
            row("Groups", words(user, "groups"));
        }
        for (key, values) in user.map("extra") {
            let values = json!({"values": values});
            row(&format!("Extra: {key}"), words(&values, "values"));
        }
        layout.write(&mut *cx.streams.out().writer())
    }
}
