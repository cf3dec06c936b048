//! `kubectl wait`, and the waiting of other commands.

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::jsonpath::JsonPath;
use crate::print::{Order, PrintFlags};
use crate::resource::{Builder, Filenames, Info};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Wait {
    /// TYPE NAME..., TYPE/NAME..., TYPE with -l or --all
    args: Vec<String>,
    /// Files, folders or URLs with manifests
    #[arg(long = "filename", short = 'f', value_delimiter = ',')]
    filenames: Vec<String>,
    /// Also use folders inside of folders
    #[arg(long, short = 'R', default_value_t = true, action = clap::ArgAction::Set)]
    recursive: bool,
    #[command(flatten)]
    print: PrintFlags,
    /// Everything of the types
    #[arg(long)]
    all: bool,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Field selector
    #[arg(long, default_value = "")]
    field_selector: String,
    /// create, delete, condition=NAME[=VALUE] or jsonpath=PATH[=VALUE]
    #[arg(long = "for")]
    conditions: Vec<String>,
    /// (taken, without effect)
    #[arg(long, hide = true)]
    local: bool,
    /// Label selector
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// How long to wait; 0 looks once, less than 0 waits a week
    #[arg(long, default_value = "30s", value_parser = go_flags::duration)]
    timeout: go_flags::Duration,
}

/// What is waited for.
enum Goal {
    Create,
    Delete,
    Condition { name: String, value: String },
    JsonPath { path: JsonPath, value: Option<String> },
}

impl Command for Wait {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let goals = match self.goals() {
            Ok(goals) => goals,
            Err(error) => {
                // The arguments are looked at first, whatever becomes of that.
                let _ = Builder::new(cx)?.arguments(&self.args).look_for_categories().await;
                return Err(error);
            }
        };
        let timeout = if self.timeout.negative { Duration::from_secs(7 * 24 * 60 * 60) } else { self.timeout.length };
        let until = Instant::now() + timeout;
        let to_go = goals.iter().any(|goal| matches!(goal, Goal::Delete));
        for goal in &goals {
            self.reach(cx, goal, to_go, until).await?;
        }
        Ok(())
    }
}

impl Wait {
    fn goals(&self) -> Result<Vec<Goal>, CommandError> {
        if self.conditions.is_empty() {
            return Err(CommandError::message("unrecognized condition: []"));
        }
        self.conditions.iter().map(|text| Goal::parse(text)).collect()
    }

    /// Waits for one goal. What does not exist need not be waited for where one of the goals is that it goes.
    async fn reach(&self, cx: &Context<'_>, goal: &Goal, to_go: bool, until: Instant) -> Result<(), CommandError> {
        let files = Filenames { filenames: self.filenames.clone(), recursive: self.recursive, kustomize: None };
        let builder = Builder::new(cx)?
            .files(&files)
            .arguments(&self.args)
            .all_namespaces(self.all_namespaces)
            .label_selector(&self.selector)
            .field_selector(&self.field_selector)
            .nameless()
            .everything(self.all);
        let mut met = 0;
        let mut errors = Vec::new();
        let mut infos = builder.infos(!matches!(goal, Goal::Create)).await?;
        while matches!(goal, Goal::Create) && infos.is_empty() && Instant::now() < until {
            tokio::time::sleep(POLL).await;
            infos = builder.infos(false).await?;
        }
        for info in infos {
            let info = match info {
                Ok(info) => info,
                Err(error) if error.is_not_found() && to_go => {
                    met += 1;
                    continue;
                }
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            met += 1;
            if info.name.is_empty() {
                errors.push(CommandError::message("resource name must be provided"));
                continue;
            }
            match goal.reach(cx, &info, until).await {
                Ok(object) => {
                    let mut printer = self.print.reporter("condition met", Order::Sorted)?;
                    printer.print(&self.print.shown(object), &mut *cx.streams.out().writer())?;
                    cx.streams.out().flush()?;
                }
                Err(error) => errors.push(error),
            }
        }
        CommandError::all(errors)?;
        let nothing_to_go = matches!(goal, Goal::Delete) && !files.is_empty();
        if met == 0 && !nothing_to_go { Err(CommandError::message("no matching resources found")) } else { Ok(()) }
    }
}

/// Between two looks at something that cannot be watched.
const POLL: Duration = Duration::from_millis(100);

impl Goal {
    fn parse(text: &str) -> Result<Goal, CommandError> {
        let lower = text.to_lowercase();
        if lower == "delete" {
            return Ok(Goal::Delete);
        }
        if lower == "create" {
            return Ok(Goal::Create);
        }
        if lower.starts_with("condition=") {
            let rest = &text["condition=".len()..];
            let (name, value) = rest.split_once('=').unwrap_or((rest, "true"));
            return Ok(Goal::Condition { name: name.into(), value: value.into() });
        }
        if lower.starts_with("jsonpath=") {
            let rest = text["jsonpath=".len()..].trim_matches(['\'', '"']);
            return Goal::json_path(rest);
        }
        Err(CommandError::message(format!("unrecognized condition: {text:?}")))
    }

    fn json_path(text: &str) -> Result<Goal, CommandError> {
        // The value begins after the closing brace, or after the first `=` outside of brackets.
        let mut depth = 0;
        let end = text.char_indices().find(|(_, c)| {
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth -= 1,
                _ => {}
            }
            *c == '=' && depth == 0
        });
        let (path, value) = match end {
            Some((at, _)) => (&text[..at], Some(text[at + 1..].trim_matches(['\'', '"']).to_string())),
            None => (text, None),
        };
        if value.as_deref() == Some("") {
            return Err(CommandError::message(
                "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
            ));
        }
        Ok(Goal::JsonPath {
            path: JsonPath::parse_relaxed(path).map_err(CommandError::message)?.allow_missing(true),
            value,
        })
    }

    /// Whether the goal is reached with the object as it is (`None`: it does not exist).
    fn is_reached(&self, object: Option<&Value>) -> Result<bool, CommandError> {
        let Some(object) = object else { return Ok(matches!(self, Goal::Delete)) };
        match self {
            Goal::Create => Ok(true),
            Goal::Delete => Ok(false),
            Goal::Condition { name, value } => Ok(object
                .list("status.conditions")
                .iter()
                .find(|condition| condition.text("type").eq_ignore_ascii_case(name))
                .is_some_and(|condition| {
                    // A condition that was seen on an older generation says nothing about this one.
                    let seen = condition.int("observedGeneration").or_else(|| object.int("status.observedGeneration"));
                    let stale =
                        seen.is_some_and(|seen| object.int("metadata.generation").is_some_and(|now| seen < now));
                    !stale && condition.text("status").eq_ignore_ascii_case(value)
                })),
            Goal::JsonPath { path, value } => {
                // Several results are never what is waited for, nor is a list or an object.
                let found = path.find(object).map_err(CommandError::message)?;
                Ok(match (found.concat().as_slice(), value) {
                    ([], _) => false,
                    ([_, ..], None) => true,
                    ([only], Some(value)) => match only {
                        Value::Array(_) | Value::Object(_) => {
                            return Err(CommandError::message(
                                "jsonpath leads to a nested object or list, which is not comparable",
                            ));
                        }
                        Value::String(text) => text == value,
                        other => other.to_string() == *value,
                    },
                    (_, Some(_)) => {
                        return Err(CommandError::message("given jsonpath expression matches more than one value"));
                    }
                })
            }
        }
    }

    /// Waits, and gives the object as it was when the goal was reached.
    async fn reach(&self, cx: &Context<'_>, info: &Info, until: Instant) -> Result<Value, CommandError> {
        let mut last = info.object.clone();
        let uid = last.uid().to_string();
        if !last.is_null() && self.is_reached(Some(&last))? {
            return Ok(last);
        }
        if last.is_null() {
            match cx.client()?.json(Request::get(info.path())).await {
                Ok(object) if self.is_reached(Some(&object))? => return Ok(object),
                Ok(object) => last = object,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Err(timed_out(info, matches!(self, Goal::Create)));
            };
            let watched = tokio::time::timeout(left, self.watch(cx, info, &uid, &mut last)).await;
            match watched {
                Err(_) => return Err(timed_out(info, matches!(self, Goal::Create))),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(true)) => return Ok(last),
                // The watch was ended by the server.
                Ok(Ok(false)) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Watches one object until the goal is reached (`true`) or the server ends the watch.
    async fn watch(&self, cx: &Context<'_>, info: &Info, uid: &str, last: &mut Value) -> Result<bool, CommandError> {
        let client = cx.client()?;
        let collection = info.resource.collection(&info.namespace);
        let chosen = Request::get(collection).query("fieldSelector", format!("metadata.name={}", info.name));
        let list = client.json(chosen.clone()).await?;
        let current = list.list("items").first().filter(|o| uid.is_empty() || o.uid() == uid);
        if self.is_reached(current)? {
            if let Some(current) = current {
                keep(last, current, info);
            }
            return Ok(true);
        }
        let version = list.text("metadata.resourceVersion").to_string();
        let mut events = client.watch(chosen.query("watch", "true").query("resourceVersion", version)).await?;
        while let Some(event) = events.next().await? {
            let object = event.at("object");
            let reached = match event.text("type") {
                "ERROR" => return Ok(false),
                "DELETED" => self.is_reached(None)?,
                _ if !uid.is_empty() && object.uid() != uid => self.is_reached(None)?,
                _ => self.is_reached(Some(object))?,
            };
            if reached {
                keep(last, object, info);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Items of lists do not say what they are.
fn keep(last: &mut Value, object: &Value, info: &Info) {
    *last = object.clone();
    last.set_default("apiVersion", info.resource.api_version());
    last.set_default("kind", info.resource.kind.clone());
}

fn timed_out(info: &Info, bare: bool) -> CommandError {
    let what = "timed out waiting for the condition";
    CommandError::message(if bare {
        what.to_string()
    } else {
        format!("{what} on {}/{}", info.resource.plural, info.name)
    })
}

/// Waits until the object with this uid is gone.
pub async fn until_gone(cx: &Context<'_>, info: &Info, uid: &str, until: Instant) -> Result<(), CommandError> {
    let mut info = info.clone();
    match cx.client()?.json(Request::get(info.path())).await {
        Ok(object) if uid.is_empty() || object.uid() == uid => info.object = object,
        Ok(_) => return Ok(()),
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    }
    Goal::Delete.reach(cx, &info, until).await.map(|_| ())
}

/// Waits until the object is gone, whoever made it.
pub async fn until_deleted(cx: &Context<'_>, info: &Info, timeout: Duration) -> Result<(), CommandError> {
    let timeout = if timeout.is_zero() { Duration::from_secs(300) } else { timeout };
    until_gone(cx, info, "", Instant::now() + timeout).await
}
