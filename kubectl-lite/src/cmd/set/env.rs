//! `kubectl set env`.

use super::{Shared, name_fits, pod_spec_path};
use crate::client::Request;
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Arguments, Builder, Info};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use std::collections::HashMap;
use std::io::Read as _;

#[derive(clap::Args)]
pub struct Env {
    /// TYPE NAME... NAME=VALUE... NAME-...
    args: Vec<String>,
    #[command(flatten)]
    shared: Shared,
    /// Names of containers, with * for any part
    #[arg(long, short, default_value = "*")]
    containers: String,
    /// NAME=VALUE
    #[arg(long = "env", short = 'e')]
    env: Vec<String>,
    /// A ConfigMap or Secret to take variables from: configmap/NAME
    #[arg(long, default_value = "")]
    from: String,
    /// With --from: only these keys
    #[arg(long, value_delimiter = ',')]
    keys: Vec<String>,
    /// Show what there is
    #[arg(long)]
    list: bool,
    /// Change variables that are there already
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    overwrite: bool,
    /// With --from: what names begin with
    #[arg(long, default_value = "")]
    prefix: String,
    /// With --list: look up the values of references
    #[arg(long)]
    resolve: bool,
}

impl Command for Env {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let (resources, changes) = split(&self.args)?;
        if resources.is_empty() && self.shared.files.is_empty() {
            return Err(CommandError::message(
                "one or more resources must be specified as <resource> <name> or <resource>/<name>",
            ));
        }
        if self.list {
            return self.show(cx, resources).await;
        }
        let Changes { mut set, remove } = self.changes(cx, changes)?;
        Arguments::parse(resources)?;
        if !self.from.is_empty() {
            self.take_over(cx, &mut set).await?;
        }
        let infos = self.shared.infos(cx, resources).await?;
        self.shared
            .change_all(cx, infos, "env updated", |info| {
                let path = self.shared.require_pod_spec(info)?;
                let mut object = info.object.clone();
                let mut found = false;
                for list in ["initContainers", "containers"] {
                    for container in object.list_mut(&format!("{path}.{list}")) {
                        if name_fits(container.text("name"), &self.containers) {
                            found = true;
                            self.check(info, container, &set)?;
                            change(container, &set, &remove);
                        }
                    }
                }
                if !found {
                    let (kind, name, wanted) = (&info.resource.kind, &info.name, &self.containers);
                    writeln!(
                        cx.streams.err(),
                        "Warning: {kind}/{name} does not have any containers matching {wanted:?}"
                    )?;
                }
                Ok(object)
            })
            .await
    }
}

/// What is to become of variables.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    set: Vec<Value>,
    remove: Vec<String>,
}

/// Arguments that name resources, and those after them that say what to change.
///
/// # Errors
/// They are mixed.
fn split(args: &[String]) -> Result<(&[String], &[String]), CommandError> {
    let is_change = |arg: &String| arg.find('=').is_some_and(|at| at > 0) || arg.ends_with('-');
    let (resources, changes) = args.split_at(args.iter().position(is_change).unwrap_or(args.len()));
    if changes.iter().all(is_change) {
        return Ok((resources, changes));
    }
    Err(CommandError::message(format!(
        "all resources must be specified before environment changes: {}",
        args.join(" ")
    )))
}

fn variable((name, value): (&str, &str)) -> Value {
    json!({"name": name, "value": value})
}

/// The variables of a text with a `NAME=VALUE` a line, and comments.
fn variables(text: &str) -> impl Iterator<Item = Value> {
    let uncommented = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    uncommented.filter_map(|line| line.split_once('=')).map(variable)
}

/// The container's variables, changed in their place; new ones come last. Of several of one name the first counts.
fn change(container: &mut Value, set: &[Value], remove: &[String]) {
    let mut env: Vec<Value> = Vec::new();
    let new = |name: &str| set.iter().find(|entry| entry.text("name") == name);
    for entry in container.list("env").iter().map(|old| new(old.text("name")).unwrap_or(old)).chain(set) {
        let name = entry.text("name");
        if !remove.iter().any(|gone| gone == name) && !env.iter().any(|have| have.text("name") == name) {
            env.push(entry.clone());
        }
    }
    if env.is_empty() {
        container.remove("env");
    } else {
        container.set("env", env);
    }
}

impl Env {
    /// What `--env` and the arguments say: `NAME=VALUE`, `NAME-`, or `-` for what standard input holds.
    fn changes(&self, cx: &Context<'_>, arguments: &[String]) -> Result<Changes, CommandError> {
        let mut changes = Changes::default();
        let mut given = Vec::new();
        for change in self.env.iter().chain(arguments) {
            match (change.split_once('='), change.strip_suffix('-')) {
                (None, Some("")) => {
                    let mut text = Vec::new();
                    cx.streams.input().read_to_end(&mut text)?;
                    changes.set.extend(variables(&String::from_utf8_lossy(&text)));
                    if self.shared.files.filenames.iter().any(|name| name == "-") {
                        return Err(CommandError::message("standard input cannot be used for multiple arguments"));
                    }
                }
                (Some(pair), _) => {
                    given.push(pair.0);
                    changes.set.push(variable(pair));
                }
                (None, Some(name)) => changes.remove.push(name.to_string()),
                (None, None) => {
                    return Err(CommandError::message(format!("unknown environment variable: {change}")));
                }
            }
        }
        if changes.remove.iter().any(|name| given.contains(&name.as_str())) {
            return Err(CommandError::message(
                "can not both modify and remove the same environment variable in the same command",
            ));
        }
        Ok(changes)
    }

    fn check(&self, info: &Info, container: &Value, set: &[Value]) -> Result<(), CommandError> {
        if self.overwrite {
            return Ok(());
        }
        let there = |entry: &&Value| container.list("env").iter().any(|old| old.text("name") == entry.text("name"));
        match set.iter().find(there) {
            Some(entry) => Err(CommandError::message(format!(
                "{}: '{}' already has a value, and --overwrite is false",
                info.reference(),
                entry.text("name")
            ))),
            None => Ok(()),
        }
    }

    /// Variables for the keys of the ConfigMap or Secret that `--from` names.
    async fn take_over(&self, cx: &Context<'_>, set: &mut Vec<Value>) -> Result<(), CommandError> {
        for info in Builder::new(cx)?.arguments(std::slice::from_ref(&self.from)).all(true).await? {
            let reference = match info.resource.kind.as_str() {
                "ConfigMap" => "configMapKeyRef",
                "Secret" => "secretKeyRef",
                kind => return Err(CommandError::message(format!("unsupported resource specified in --from: {kind}"))),
            };
            for key in info.object.map("data").keys() {
                if !self.keys.is_empty() && !self.keys.iter().any(|wanted| wanted == key) {
                    continue;
                }
                let name = variable_name(key);
                if name != *key {
                    writeln!(cx.streams.err(), "Warning: key {key} transferred to {name}")?;
                }
                set.push(json!({
                    "name": format!("{}{name}", self.prefix),
                    "valueFrom": {reference: {"name": info.name, "key": key}},
                }));
            }
        }
        Ok(())
    }

    async fn show(&self, cx: &Context<'_>, resources: &[String]) -> Result<(), CommandError> {
        let mut known = HashMap::new();
        for info in self.shared.infos(cx, resources).await? {
            let Some(path) = pod_spec_path(&info.resource.kind) else { continue };
            for list in ["initContainers", "containers"] {
                for container in info.object.list(&format!("{path}.{list}")) {
                    if !name_fits(container.text("name"), &self.containers) {
                        continue;
                    }
                    writeln!(
                        cx.streams.out(),
                        "# {} {}, container {}",
                        info.resource.kind,
                        info.name,
                        container.text("name")
                    )?;
                    for entry in container.list("env") {
                        let line = self.line(cx, &info, entry, &mut known).await;
                        writeln!(cx.streams.out(), "{line}")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// One variable as it is listed.
    async fn line(
        &self,
        cx: &Context<'_>,
        info: &Info,
        entry: &Value,
        known: &mut HashMap<String, Result<Value, String>>,
    ) -> String {
        let name = entry.text("name");
        for (field, plural, kind) in
            [("valueFrom.configMapKeyRef", "configmaps", "configmap"), ("valueFrom.secretKeyRef", "secrets", "secret")]
        {
            if !entry.has(field) {
                continue;
            }
            let (source, key) = (entry.text(&format!("{field}.name")), entry.text(&format!("{field}.key")));
            let told = format!("# {name} from {kind} {source}, key {key}");
            if !self.resolve {
                return told;
            }
            let path = format!("/api/v1/namespaces/{}/{plural}/{source}", info.namespace);
            if !known.contains_key(&path) {
                let answer = async { cx.client()?.json(Request::get(path.clone())).await }.await;
                known.insert(path.clone(), answer.map_err(|error| error.text()));
            }
            return match known.get(&path) {
                Some(Ok(object)) => match object.map("data").get(key).and_then(Value::as_str) {
                    Some(value) if kind == "secret" => format!("{name}={}", decoded(value)),
                    Some(value) => format!("{name}={value}"),
                    None => format!("# {name} error retrieving reference: key {key} not found in {kind} {source}"),
                },
                Some(Err(error)) => format!("# {name} error retrieving reference: {error}"),
                None => told,
            };
        }
        if entry.has("valueFrom.fieldRef") {
            return format!("# {name} from field path {}", entry.text("valueFrom.fieldRef.fieldPath"));
        }
        if entry.has("valueFrom.resourceFieldRef") {
            return format!("# {name} from resource {}", entry.text("valueFrom.resourceFieldRef.resource"));
        }
        format!("{name}={}", entry.text("value"))
    }
}

fn decoded(value: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A key as the name of a variable: in capitals, everything that no name may hold an underscore.
fn variable_name(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_after_resources() {
        let args = |words: &str| words.split(' ').map(String::from).collect::<Vec<_>>();
        let mixed = args("deployment/x A=b pods");
        assert!(split(&mixed).unwrap_err().text().ends_with("before environment changes: deployment/x A=b pods"));
        let good = args("deployment x =y A=b B- -");
        assert_eq!(split(&good).unwrap(), (&good[..3], &good[3..]));
    }

    #[test]
    fn variables_are_read_from_lines() {
        let read: Vec<Value> = variables("# one\n\nA=b=c # two\r\nnothing\n C=\n").collect();
        assert_eq!(read, [variable(("A", "b=c ")), variable((" C", ""))]);
    }

    #[test]
    fn variables_keep_their_place() {
        let mut container = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        change(
            &mut container,
            &[json!({"name": "C", "value": "3"}), json!({"name": "A", "value": "9"})],
            &["B".into()],
        );
        assert_eq!(container, json!({"env": [{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]}));
        assert_eq!(variable_name("my-dash.key"), "MY_DASH_KEY");
    }
}
