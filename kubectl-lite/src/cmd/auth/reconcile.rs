//! `kubectl auth reconcile`: RBAC objects get the permissions and subjects of manifests, and keep their own.

use super::rules::{self, uncovered};
use crate::client::Request;
use crate::cmd::Command;
use crate::cmd::flags::{DryRun, DryRunFlag};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// `false` keeps an object as it is.
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

#[derive(clap::Args)]
pub struct Reconcile {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Take permissions away that the manifests do not give
    #[arg(long)]
    remove_extra_permissions: bool,
    /// Take subjects away that the manifests do not name
    #[arg(long)]
    remove_extra_subjects: bool,
}

/// What has to be done about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    None,
    Create,
    Update,
    /// The role of a binding cannot be changed.
    Recreate,
}

/// What became of an object.
struct Reconciled {
    object: Value,
    operation: Operation,
    /// Opted out by annotation.
    protected: bool,
    missing_rules: Vec<Value>,
    extra_rules: Vec<Value>,
    missing_subjects: Vec<Value>,
    extra_subjects: Vec<Value>,
}

impl Command for Reconcile {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        self.files.require()?;
        if !self.args.is_empty() {
            return Err(CommandError::message("no arguments are allowed"));
        }
        let dry_run = self.dry_run.read(cx)?;
        if dry_run == DryRun::Server {
            return Err(CommandError::message("--dry-run=server for command reconcile is not supported yet"));
        }
        let mut printer = self.print.reporter(&dry_run.done("reconciled"), Order::Declared)?;
        for info in Builder::new(cx)?.files(&self.files).typed().all(false).await? {
            let is_role = match (info.resource.group.as_str(), info.resource.kind.as_str()) {
                ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => true,
                ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => false,
                // Other objects are none of this command's business.
                _ => continue,
            };
            let reconciled = self.one(cx, &info, is_role, dry_run).await?;
            printer.print(&self.print.shown(reconciled.object.clone()), &mut *cx.streams.out().writer())?;
            self.report(cx, &reconciled)?;
        }
        Ok(())
    }
}

impl Reconcile {
    async fn one(
        &self,
        cx: &Context<'_>,
        info: &Info,
        is_role: bool,
        dry_run: DryRun,
    ) -> Result<Reconciled, CommandError> {
        let client = cx.client()?;
        let existing = match client.json(Request::get(info.path())).await {
            Ok(existing) => Some(existing),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let mut reconciled = match existing {
            None => created(&info.object),
            Some(existing) if is_role => self.role(existing, &info.object),
            Some(existing) => self.binding(existing, &info.object),
        };
        if dry_run.is_client() || reconciled.protected {
            return Ok(reconciled);
        }
        let collection = info.resource.collection(&info.namespace);
        let request = match reconciled.operation {
            Operation::None => return Ok(reconciled),
            Operation::Create => {
                ensure_namespace(cx, &info.namespace).await?;
                Request::post(collection, &reconciled.object)
            }
            Operation::Update => Request::put(info.path(), &reconciled.object),
            Operation::Recreate => {
                match client.send(Request::delete(info.path())).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
                Request::post(collection, &reconciled.object)
            }
        };
        reconciled.object = client.json(request).await?;
        Ok(reconciled)
    }

    /// A role that has what `expected` has.
    fn role(&self, existing: Value, expected: &Value) -> Reconciled {
        let (wanted, given) = (expected.list("rules"), existing.list("rules"));
        let aggregated = |object: &Value| object.has("aggregationRule");
        let extra = if aggregated(expected) && aggregated(&existing) { Vec::new() } else { uncovered(wanted, given) };
        let missing = if aggregated(expected) { Vec::new() } else { uncovered(given, wanted) };
        let mut reconciled = Reconciled::over(existing, expected);
        let rules = match (self.remove_extra_permissions, missing.is_empty(), extra.is_empty()) {
            (false, false, _) => Some([reconciled.object.list("rules"), &missing].concat()),
            (true, false, _) | (true, _, false) => Some(wanted.to_vec()),
            _ => None,
        };
        reconciled.set("rules", rules);
        let selectors = "aggregationRule.clusterRoleSelectors";
        let (missing_selectors, extra_selectors) =
            difference(reconciled.object.list(selectors), expected.list(selectors));
        let both = match (self.remove_extra_permissions, missing_selectors.is_empty(), extra_selectors.is_empty()) {
            (false, false, _) => Some([reconciled.object.list(selectors), &missing_selectors].concat()),
            (true, false, _) | (true, _, false) => Some(expected.list(selectors).to_vec()),
            _ => None,
        };
        reconciled.set(selectors, both);
        Reconciled { missing_rules: missing, extra_rules: extra, ..reconciled }
    }

    /// A binding that has the subjects of `expected`.
    fn binding(&self, existing: Value, expected: &Value) -> Reconciled {
        if existing.at("roleRef") != expected.at("roleRef") {
            let protected = Reconciled::over(existing, expected).protected;
            let anew = created(expected);
            return Reconciled { operation: Operation::Recreate, protected, missing_subjects: Vec::new(), ..anew };
        }
        let (missing, extra) = difference(existing.list("subjects"), expected.list("subjects"));
        let mut reconciled = Reconciled::over(existing, expected);
        let subjects = match (self.remove_extra_subjects, missing.is_empty(), extra.is_empty()) {
            (false, false, _) => Some([reconciled.object.list("subjects"), &missing].concat()),
            (true, false, _) | (true, _, false) => Some(expected.list("subjects").to_vec()),
            _ => None,
        };
        reconciled.set("subjects", subjects);
        Reconciled { missing_subjects: missing, extra_subjects: extra, ..reconciled }
    }

    /// Tells on standard error what was amiss.
    fn report(&self, cx: &Context<'_>, reconciled: &Reconciled) -> Result<(), CommandError> {
        let err = cx.streams.err();
        let caveat =
            if reconciled.protected { format!(", but object opted out ({AUTO_UPDATE}: false)") } else { String::new() };
        let operation = match reconciled.operation {
            Operation::None => return Ok(()),
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Recreate => "recreate",
        };
        writeln!(err, "\treconciliation required {operation}{caveat}")?;
        // What is more than wanted is only told where it has been taken away.
        let (rules, subjects) = (self.remove_extra_permissions, self.remove_extra_subjects);
        for (told, what, list, text) in [
            (true, "missing rules added", &reconciled.missing_rules, rules::text as fn(&Value) -> String),
            (rules, "extra rules removed", &reconciled.extra_rules, rules::text),
            (true, "missing subjects added", &reconciled.missing_subjects, subject_text),
            (subjects, "extra subjects removed", &reconciled.extra_subjects, subject_text),
        ] {
            if !told {
                continue;
            }
            if !list.is_empty() {
                writeln!(err, "\t{what}:")?;
            }
            for entry in list {
                writeln!(err, "\t\t{}", text(entry))?;
            }
        }
        Ok(())
    }
}

/// An object that is not there yet.
fn created(expected: &Value) -> Reconciled {
    Reconciled {
        object: expected.clone(),
        operation: Operation::Create,
        protected: false,
        missing_rules: expected.list("rules").to_vec(),
        extra_rules: Vec::new(),
        missing_subjects: expected.list("subjects").to_vec(),
        extra_subjects: Vec::new(),
    }
}

impl Reconciled {
    /// The existing object with those labels and annotations of `expected` that it does not have.
    fn over(existing: Value, expected: &Value) -> Reconciled {
        let protected = existing.annotation(AUTO_UPDATE) == Some("false");
        let mut object = existing;
        let mut operation = Operation::None;
        for path in ["metadata.annotations", "metadata.labels"] {
            for (key, value) in expected.map(path) {
                if !object.map(path).contains_key(key) {
                    object.map_mut(path).insert(key.clone(), value.clone());
                    operation = Operation::Update;
                }
            }
        }
        Reconciled { object, operation, protected, ..created(&json!({})) }
    }

    /// Writes a list that has to change.
    fn set(&mut self, path: &str, list: Option<Vec<Value>>) {
        if let Some(list) = list {
            self.object.set(path, list);
            self.operation = Operation::Update;
        }
    }
}

/// What `expected` has more than `existing`, and what less.
fn difference(existing: &[Value], expected: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let without = |list: &[Value], other: &[Value]| list.iter().filter(|v| !other.contains(v)).cloned().collect();
    (without(expected, existing), without(existing, expected))
}

/// A subject as Go prints the struct.
fn subject_text(subject: &Value) -> String {
    let field = |name: &str| subject.text(name).to_string();
    let (kind, group, name, namespace) = (field("kind"), field("apiGroup"), field("name"), field("namespace"));
    format!("{{Kind:{kind} APIGroup:{group} Name:{name} Namespace:{namespace}}}")
}

/// Makes the namespace where there is none; a user who may not look or make is told by what follows.
async fn ensure_namespace(cx: &Context<'_>, namespace: &str) -> Result<(), CommandError> {
    if namespace.is_empty() {
        return Ok(());
    }
    let client = cx.client()?;
    let refused = |error: &CommandError| {
        error.status().is_some_and(|s| matches!(s.reason.as_str(), "Forbidden" | "AlreadyExists"))
    };
    match client.json(Request::get(format!("/api/v1/namespaces/{namespace}"))).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_not_found() || refused(&error) => {}
        Err(error) => return Err(error),
    }
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    match client.json(Request::post("/api/v1/namespaces", &object)).await {
        Err(error) if !refused(&error) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reconcile(remove: bool) -> Reconcile {
        Reconcile {
            args: Vec::new(),
            files: Filenames::default(),
            print: PrintFlags::default(),
            dry_run: DryRunFlag::default(),
            remove_extra_permissions: remove,
            remove_extra_subjects: remove,
        }
    }

    #[test]
    fn rules_are_added_and_only_removed_where_that_is_wanted() {
        let rule = |resource: &str| json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]});
        let existing = json!({"metadata": {"labels": {"a": "1"}}, "rules": [rule("pods")]});
        let expected = json!({"metadata": {"labels": {"a": "2", "b": "2"}}, "rules": [rule("secrets")]});
        let kept = reconcile(false).role(existing.clone(), &expected);
        assert_eq!((kept.operation, kept.object.list("rules").len()), (Operation::Update, 2));
        assert_eq!(kept.object.at("metadata.labels"), &json!({"a": "1", "b": "2"}), "what is there stays");
        let replaced = reconcile(true).role(existing.clone(), &expected);
        assert_eq!(replaced.object.list("rules"), [rule("secrets")]);
        assert_eq!((replaced.missing_rules.len(), replaced.extra_rules.len()), (1, 1));
        let same = reconcile(true).role(existing.clone(), &existing);
        assert_eq!(same.operation, Operation::None);
    }

    #[test]
    fn a_binding_to_another_role_is_made_anew() {
        let binding = |role: &str, user: &str| json!({"roleRef": {"name": role}, "subjects": [{"name": user}]});
        let other = reconcile(false).binding(binding("r", "u"), &binding("s", "w"));
        assert_eq!((other.operation, other.object), (Operation::Recreate, binding("s", "w")));
        let more = reconcile(false).binding(binding("r", "u"), &binding("r", "w"));
        assert_eq!(more.object.list("subjects").len(), 2);
        let less = reconcile(true).binding(binding("r", "u"), &binding("r", "w"));
        assert_eq!(less.object.list("subjects"), [json!({"name": "w"})]);
    }
}
