//! The hidden command that the shells ask: it gives a word on each line, what the word means behind a tab, and at the
//! end how the shell is to go on.

use crate::cli::Globals;
use crate::client::Request;
use crate::cmd::{COMMANDS, Command, Entry};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use shared_types::fields::Fields;

/// The words so far, the last of which is to be completed.
#[derive(clap::Args)]
pub struct Complete {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// The same, and the words' meanings are of no interest.
#[derive(clap::Args)]
pub struct CompleteBare {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Command for Complete {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        complete(cx, &self.words, true).await
    }
}

impl Command for CompleteBare {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        complete(cx, &self.words, false).await
    }
}

/// What may stand in the place of a word: the words, and whether files are something else that may.
struct Offer {
    words: Vec<String>,
    directive: Directive,
}

/// What the shell does with the words.
#[derive(Clone, Copy)]
enum Directive {
    /// Completes files where there are no words.
    Default,
    /// Completes files where there are no words, and lets one go on with a word.
    NoSpace,
    /// Completes nothing but the words.
    NoFiles,
    /// Completes nothing but the words, and lets one go on with a word.
    NoSpaceNoFiles,
    /// The words are endings of files.
    FileEndings,
}

impl Directive {
    fn number_and_name(self) -> (u8, &'static str) {
        match self {
            Directive::Default => (0, "ShellCompDirectiveDefault"),
            Directive::NoSpace => (2, "ShellCompDirectiveNoSpace"),
            Directive::NoFiles => (4, "ShellCompDirectiveNoFileComp"),
            Directive::NoSpaceNoFiles => (6, "ShellCompDirectiveNoSpace, ShellCompDirectiveNoFileComp"),
            Directive::FileEndings => (8, "ShellCompDirectiveFilterFileExt"),
        }
    }
}

impl Offer {
    fn of(words: Vec<String>) -> Offer {
        Offer { words, directive: Directive::NoFiles }
    }
    fn fixed(words: &[&str]) -> Offer {
        Offer::of(words.iter().map(ToString::to_string).collect())
    }
    /// The names in a list of the kubeconfig.
    fn configured(cx: &Context<'_>, list: &str) -> Result<Offer, CommandError> {
        Ok(Offer::of(cx.kubeconfig()?.names(list).iter().map(ToString::to_string).collect()))
    }
    fn files() -> Offer {
        Offer { words: Vec::new(), directive: Directive::Default }
    }
}

async fn complete(cx: &Context<'_>, words: &[String], described: bool) -> Result<(), CommandError> {
    let Some((last, before)) = words.split_last() else {
        return Err(CommandError::message("requires at least 1 arg(s), only received 0"));
    };
    let line = Line::read(before);
    if line.entry.is_none() && !line.rest.is_empty() {
        let unknown: Vec<&str> = line.rest.iter().map(|word| word.as_str()).collect();
        writeln!(cx.streams.err(), "[Debug] Cleared global flags for plugin completion")?;
        let unknown = unknown.join(" ");
        writeln!(cx.streams.err(), "[Debug] [Error] unable to find a command for arguments: [{unknown}]")?;
        return tell(cx, &Offer::files(), "", |_| None);
    }
    if let Some(flag) = &line.open_flag {
        // A server that cannot be asked completes nothing.
        let offer = line.values(cx, flag).await.unwrap_or(Offer::fixed(&[]));
        return tell(cx, &offer, last, |_| None);
    }
    let required = line.required(last);
    if last.starts_with('-') {
        let mut flags = line.flags();
        if !required.is_empty() {
            flags.retain(|(name, _)| required.contains(&format!("--{name}")));
        }
        let offer = Offer::of(flags.iter().map(|(name, _)| format!("--{name}")).collect());
        let about = |word: &str| flags.iter().find(|(name, _)| word[2..] == *name).map(|(_, about)| about.clone());
        return tell(cx, &offer, last, |word| about(word).filter(|_| described));
    }
    if !line.children.is_empty() && line.rest.is_empty() {
        let mut names: Vec<String> =
            line.children.iter().filter(|entry| !entry.hidden).map(|entry| entry.name.to_string()).collect();
        names.sort();
        let about = |word: &str| line.children.iter().find(|entry| entry.name == word).map(|e| e.about.to_string());
        return tell(cx, &Offer::of(names), last, |word| about(word).filter(|_| described));
    }
    let mut offer = line.arguments(cx, last).await.unwrap_or(Offer::fixed(&[]));
    let flags = line.flags();
    let about =
        |word: &str| flags.iter().find(|(name, _)| word.strip_prefix("--") == Some(name)).map(|(_, a)| a.clone());
    offer.words.splice(0..0, required);
    tell(cx, &offer, last, |word| about(word).filter(|_| described))
}

/// Prints those words that begin with `last`.
fn tell(
    cx: &Context<'_>,
    offer: &Offer,
    last: &str,
    about: impl Fn(&str) -> Option<String>,
) -> Result<(), CommandError> {
    for word in offer.words.iter().filter(|word| word.starts_with(last)) {
        match about(word) {
            Some(about) => writeln!(cx.streams.out(), "{word}\t{about}")?,
            None => writeln!(cx.streams.out(), "{word}")?,
        }
    }
    let (number, name) = offer.directive.number_and_name();
    writeln!(cx.streams.out(), ":{number}")?;
    Ok(writeln!(cx.streams.err(), "Completion ended with directive: {name}")?)
}

/// The words before the one that is to be completed.
#[derive(Default)]
struct Line<'w> {
    entry: Option<&'static Entry>,
    /// The names of the commands that lead to `entry`.
    path: Vec<&'static str>,
    /// What `entry` holds.
    children: &'static [Entry],
    /// The arguments so far.
    rest: Vec<&'w String>,
    namespace: Option<String>,
    /// The flags so far.
    given: Vec<String>,
    /// The flag whose value comes next.
    open_flag: Option<String>,
}

impl<'w> Line<'w> {
    fn read(words: &'w [String]) -> Line<'w> {
        let mut line = Line { children: COMMANDS, ..Line::default() };
        for word in words {
            if let Some(flag) = line.open_flag.take() {
                line.take_value(&flag, word);
            } else if let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) {
                line.take_flag(flag);
            } else if let Some(found) = line.children.iter().find(|entry| entry.is_called(word.as_ref()))
                && line.rest.is_empty()
            {
                line.entry = Some(found);
                line.path.push(found.name);
                line.children = found.children;
            } else {
                line.rest.push(word);
            }
        }
        line
    }

    fn take_value(&mut self, flag: &str, value: &str) {
        if flag == "namespace" {
            self.namespace = Some(value.to_string());
        }
    }

    /// Takes a flag, without its first dash: it may have its value with it.
    fn take_flag(&mut self, flag: &str) {
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let command = self.command();
        let is_it = |arg: &&clap::Arg| match name.strip_prefix('-') {
            Some(long) => arg.get_long() == Some(long),
            None => arg.get_short() == name.chars().next_back(),
        };
        let Some(arg) = command.get_arguments().find(is_it) else { return };
        let long = arg.get_long().unwrap_or_default().to_string();
        self.given.push(long.clone());
        match value {
            Some(value) => self.take_value(&long, value),
            None if arg.get_action().takes_values() && !arg.is_require_equals_set() => self.open_flag = Some(long),
            None => {}
        }
    }

    /// The command with all its flags.
    fn command(&self) -> clap::Command {
        let command = <Globals as clap::Args>::augment_args(clap::Command::new("complete"));
        match self.entry.and_then(|entry| entry.action) {
            Some(action) => (action.arguments)(command),
            None => command,
        }
    }

    /// The flags, and what they are for.
    fn flags(&self) -> Vec<(String, String)> {
        let command = self.command();
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let about = |arg: &clap::Arg| arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut flags: Vec<_> = shown.filter_map(|arg| Some((arg.get_long()?.to_string(), about(arg)))).collect();
        flags.sort();
        flags
    }

    /// Flags that begin with `last` and still have to be given.
    fn required(&self, last: &str) -> Vec<String> {
        let required = REQUIRED.iter().find(|(path, _)| *path == self.path).map_or(&[][..], |(_, flags)| flags);
        let missing = required.iter().filter(|flag| !self.given.iter().any(|given| given == *flag));
        missing.map(|flag| format!("--{flag}")).filter(|flag| flag.starts_with(last)).collect()
    }

    /// What may be the value of a flag.
    async fn values(&self, cx: &Context<'_>, flag: &str) -> Result<Offer, CommandError> {
        match (flag, self.path.as_slice()) {
            ("namespace", _) => Ok(Offer::of(self.names(cx, "namespaces", "").await?)),
            ("context", _) => Offer::configured(cx, "contexts"),
            ("cluster", _) => Offer::configured(cx, "clusters"),
            ("user", _) => Offer::configured(cx, "users"),
            ("filename", _) => {
                let words = ["json", "yaml", "yml"].map(String::from).into();
                Ok(Offer { words, directive: Directive::FileEndings })
            }
            ("container", ["exec"]) => Ok(Offer::of(self.containers(cx).await?)),
            ("output", ["get"]) => Ok(Offer::fixed(&OUTPUTS)),
            _ => Ok(Offer::files()),
        }
    }

    /// What may be the next argument.
    async fn arguments(&self, cx: &Context<'_>, last: &str) -> Result<Offer, CommandError> {
        let first = self.rest.is_empty();
        match self.path.as_slice() {
            ["get" | "describe" | "edit" | "delete" | "label" | "annotate" | "patch" | "debug"] => {
                self.objects(cx, &self.types(cx).await?, last).await
            }
            ["exec" | "attach" | "port-forward" | "logs"] if first && last.contains('/') => {
                self.objects(cx, &[], last).await
            }
            ["exec" | "attach" | "port-forward" | "logs"] if first => {
                let mut words = self.names(cx, "pods", "").await?;
                words.extend(WITH_PODS.map(String::from));
                Ok(Offer::of(words))
            }
            ["logs"] if self.rest.len() == 1 => Ok(Offer::of(self.containers(cx).await?)),
            ["exec" | "attach" | "port-forward" | "logs"] => Ok(Offer::fixed(&[])),
            ["top", "pod"] => Ok(Offer::of(self.names(cx, "pods", "").await?)),
            ["top", "node"] | ["cordon" | "uncordon" | "drain"] => Ok(Offer::of(self.names(cx, "nodes", "").await?)),
            ["taint"] => self.objects(cx, &["node"].map(String::from), last).await,
            ["expose"] => self.objects(cx, &EXPOSED.map(String::from), last).await,
            ["scale" | "autoscale"] => self.objects(cx, &SCALED.map(String::from), last).await,
            ["rollout", "pause" | "resume"] => self.objects(cx, &["deployment"].map(String::from), last).await,
            ["rollout", _] => self.objects(cx, &ROLLED_OUT.map(String::from), last).await,
            ["set", "image"] => self.objects(cx, &WITH_IMAGES.map(String::from), last).await,
            ["cp"] if first => self.places(cx, last).await,
            ["cp"] => Ok(Offer { words: Vec::new(), directive: Directive::NoSpace }),
            ["create", "token"] if first => Ok(Offer::of(self.names(cx, "serviceaccounts", "").await?)),
            ["config", "use-context" | "delete-context" | "rename-context" | "set-context"] if first => {
                Offer::configured(cx, "contexts")
            }
            ["config", "delete-cluster"] if first => Offer::configured(cx, "clusters"),
            ["config", "delete-user"] if first => Offer::configured(cx, "users"),
            ["config", "use-context" | "delete-context" | "rename-context" | "delete-cluster" | "delete-user"] => {
                Ok(Offer::fixed(&[]))
            }
            ["completion"] if first => Ok(Offer::fixed(&["powershell", "bash", "zsh", "fish"])),
            _ => Ok(Offer::files()),
        }
    }

    /// One of `types`, or the name of an object, by itself or behind its type.
    async fn objects(&self, cx: &Context<'_>, types: &[String], last: &str) -> Result<Offer, CommandError> {
        if let Some((typed, _)) = last.split_once('/') {
            return Ok(Offer::of(self.names(cx, typed, &format!("{typed}/")).await?));
        }
        let Some(typed) = self.rest.first() else { return Ok(Offer::of(types.to_vec())) };
        if typed.contains('/') {
            let words = types.iter().map(|typed| format!("{typed}/")).collect();
            return Ok(Offer { words, directive: Directive::NoSpaceNoFiles });
        }
        let mut words = Vec::new();
        for typed in typed.split(',') {
            words.extend(self.names(cx, typed, "").await?);
        }
        words.retain(|word| !self.rest[1..].contains(&word));
        Ok(Offer::of(words))
    }

    /// What `cp` may copy: files, and those of Pods.
    async fn places(&self, cx: &Context<'_>, last: &str) -> Result<Offer, CommandError> {
        let mut words = Vec::new();
        if last.starts_with(['/', '.', '~']) || last.contains(':') {
            // Files, of which the shell knows, or somewhere else's.
        } else if let Some((namespace, _)) = last.split_once('/') {
            let pods = self.names_in(cx, "pods", namespace).await?;
            words.extend(pods.into_iter().map(|name| format!("{namespace}/{name}:")));
        } else {
            words.extend(self.names(cx, "namespaces", "").await?.into_iter().map(|name| format!("{name}/")));
            words.extend(self.names(cx, "pods", "").await?.into_iter().map(|name| format!("{name}:")));
            words.retain(|word| word.starts_with(last));
            if last.is_empty() {
                words.extend(["./", "/"].map(String::from));
            } else if !words.is_empty() {
                words.extend(files());
            }
        }
        Ok(Offer { words, directive: Directive::NoSpace })
    }

    /// The resources that can be listed, by group.
    async fn types(&self, cx: &Context<'_>) -> Result<Vec<String>, CommandError> {
        let served = cx.mapper()?.discovery(cx.client()?, false).await?;
        let mut listed: Vec<_> = served.resources.iter().filter(|resource| resource.can("list")).collect();
        listed.sort_by_key(|resource| (&resource.group, &resource.plural));
        let mut types: Vec<String> = listed.iter().map(|resource| resource.group_resource()).collect();
        types.dedup();
        Ok(types)
    }

    /// The names of the objects of a type, each behind `prefix`, without those that were given already.
    async fn names(&self, cx: &Context<'_>, typed: &str, prefix: &str) -> Result<Vec<String>, CommandError> {
        let namespace = self.namespace.clone().map_or_else(|| cx.namespace().map(|(namespace, _)| namespace), Ok)?;
        let names = self.names_in(cx, typed, &namespace).await?;
        let names = names.into_iter().map(|name| format!("{prefix}{name}"));
        Ok(names.filter(|name| !self.rest.contains(&name)).collect())
    }

    async fn names_in(&self, cx: &Context<'_>, typed: &str, namespace: &str) -> Result<Vec<String>, CommandError> {
        let resource = cx.resource(typed).await?;
        let list = cx.client()?.json(Request::get(resource.collection(namespace))).await?;
        Ok(list.list("items").iter().map(|object| object.name().to_string()).collect())
    }

    /// The containers of the Pod that was named.
    async fn containers(&self, cx: &Context<'_>) -> Result<Vec<String>, CommandError> {
        let Some(name) = self.rest.first() else { return Ok(Vec::new()) };
        let pod = pods::named(cx, name).await?.object;
        let lists = ["spec.initContainers", "spec.containers", "spec.ephemeralContainers"];
        let containers = lists.iter().flat_map(|list| pod.list(list));
        Ok(containers.map(|container| container.text("name").to_string()).collect())
    }
}

/// The files and folders here, in order of name.
fn files() -> Vec<String> {
    let name = |entry: std::fs::DirEntry| {
        let end = if entry.path().is_dir() { "/" } else { "" };
        format!("{}{end}", entry.file_name().to_string_lossy())
    };
    let mut names: Vec<String> = std::fs::read_dir(".").into_iter().flatten().flatten().map(name).collect();
    names.sort();
    names
}

/// Flags that a command does not do without.
const REQUIRED: &[(&[&str], &[&str])] = &[
    (&["autoscale"], &["max"]),
    (&["create", "cronjob"], &["image", "schedule"]),
    (&["create", "deployment"], &["image"]),
    (&["create", "service", "externalname"], &["external-name"]),
    (&["run"], &["image"]),
    (&["scale"], &["replicas"]),
];
const OUTPUTS: [&str; 14] = [
    "json",
    "yaml",
    "kyaml",
    "name",
    "go-template",
    "go-template-file",
    "template",
    "templatefile",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "custom-columns",
    "custom-columns-file",
    "wide",
];
const WITH_PODS: [&str; 8] = [
    "daemonsets/",
    "deployments/",
    "pods/",
    "jobs/",
    "replicasets/",
    "replicationcontrollers/",
    "services/",
    "statefulsets/",
];
const WITH_IMAGES: [&str; 7] =
    ["daemonsets", "deployments", "pods", "cronjobs", "replicasets", "replicationcontrollers", "statefulsets"];
const EXPOSED: [&str; 5] = ["pod", "service", "replicationcontroller", "deployment", "replicaset"];
const SCALED: [&str; 4] = ["deployment", "replicaset", "replicationcontroller", "statefulset"];
const ROLLED_OUT: [&str; 3] = ["deployment", "daemonset", "statefulset"];
