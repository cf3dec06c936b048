//! The commands, one file each: its `clap` arguments, and what it does.

pub mod api_resources;
pub mod apply;
pub mod attach;
pub mod auth;
pub mod certificate;
pub mod cluster_info;
pub mod completion;
pub mod config;
pub mod cp;
pub mod create;
pub mod debug;
pub mod delete;
pub mod describe;
pub mod diff;
pub mod edit;
pub mod events;
pub mod exec;
pub mod explain;
pub mod expose;
pub mod flags;
pub mod get;
pub mod kuberc;
pub mod kustomize;
pub mod label;
pub mod logs;
pub mod nodes;
pub mod options;
pub mod patch;
pub mod plugin;
pub mod port_forward;
pub mod proxy;
pub mod replace;
pub mod rollout;
pub mod run;
pub mod scale;
pub mod session;
pub mod set;
pub mod taint;
pub mod top;
pub mod traffic;
pub mod version;
pub mod wait;
pub mod why;

use crate::cli::go_flags;
use crate::context::Context;
use crate::errors::CommandError;
use std::ffi::OsStr;
use std::pin::Pin;

/// A command: a struct of its arguments (doc comments are the help), and its run.
///
/// Flags follow Go's `pflag` by themselves ([`go_flags::like_pflag`]); a plain `bool` takes `--flag`, `--flag=false`.
/// Collect positional arguments into a `Vec<String>` and check them in `run`, where kubectl's own message is at hand.
pub trait Command: clap::Args + clap::FromArgMatches + 'static {
    /// Does it. What is printed goes through `cx.streams`.
    ///
    /// # Errors
    /// Whatever ends the command; it is rendered, and turned into the exit code, by the caller.
    fn run(self, cx: &Context<'_>) -> impl Future<Output = Result<(), CommandError>>;
}

/// A name of the command tree.
pub struct Entry {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    pub hidden: bool,
    /// The heading that it stands under in the overview.
    pub section: Section,
    /// What it does itself; `None` where it only holds other commands.
    pub action: Option<Action>,
    pub children: &'static [Entry],
    /// What becomes of it without one of them.
    pub alone: Alone,
}

/// What a command that only holds others does with its help when none of them is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It is an error.
    Fails,
    /// It is told on standard output, and is an error still.
    Tells,
    /// It is all that was asked for, whatever the arguments are.
    Helps,
}

/// What a command does.
#[derive(Clone, Copy)]
pub struct Action {
    pub arguments: fn(clap::Command) -> clap::Command,
    pub run: for<'a> fn(clap::ArgMatches, &'a Context<'_>) -> Outcome<'a>,
}

/// The future of a command's run.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), CommandError>> + 'a>>;

/// The parts of the overview.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Beginner,
    Intermediate,
    Deploy,
    Cluster,
    Debugging,
    Advanced,
    Settings,
    Other,
}

/// An entry for the command `C`.
pub const fn command<C: Command>(name: &'static str, about: &'static str) -> Entry {
    Entry {
        action: Some(Action {
            arguments: |command| go_flags::like_pflag(C::augment_args(without_own::<C>(command))),
            run: |matches, cx| {
                Box::pin(async move {
                    let command = C::from_arg_matches(&matches).map_err(|e| CommandError::message(e.to_string()))?;
                    command.run(cx).await
                })
            },
        }),
        ..group(name, about, &[])
    }
}

/// The command with those global flags out of the way that `C` has a flag of its own for (`set subject --user`).
fn without_own<C: Command>(command: clap::Command) -> clap::Command {
    let own = C::augment_args(clap::Command::new(""));
    let taken: Vec<clap::Id> = command
        .get_arguments()
        .filter(|global| own.get_arguments().any(|arg| arg.get_long().is_some() && arg.get_long() == global.get_long()))
        .map(|global| global.get_id().clone())
        .collect();
    taken.into_iter().fold(command, |command, id| {
        let name = format!("global-{id}");
        command.mut_arg(id, |arg| arg.id(name.clone()).long(name).hide(true))
    })
}

/// An entry that only holds others.
pub const fn group(name: &'static str, about: &'static str, children: &'static [Entry]) -> Entry {
    Entry {
        name,
        aliases: &[],
        about,
        hidden: false,
        section: Section::Other,
        action: None,
        children,
        alone: Alone::Fails,
    }
}

impl Entry {
    /// Whether `word` is the name, or one of the other names.
    pub fn is_called(&self, word: &OsStr) -> bool {
        word == self.name || self.aliases.iter().any(|alias| word == *alias)
    }
    pub const fn aliases(self, aliases: &'static [&'static str]) -> Entry {
        Entry { aliases, ..self }
    }
    /// A command that also holds others (`create`).
    pub const fn children(self, children: &'static [Entry]) -> Entry {
        Entry { children, ..self }
    }
    pub const fn alone(self, alone: Alone) -> Entry {
        Entry { alone, ..self }
    }
    pub const fn hidden(self) -> Entry {
        Entry { hidden: true, ..self }
    }
    pub const fn section(self, section: Section) -> Entry {
        Entry { section, ..self }
    }
}

/// All commands, in the order of the overview.
pub static COMMANDS: &[Entry] = &[
    command::<create::files::Create>("create", "Create a resource from a file or from standard input")
        .section(Section::Beginner)
        .children(create::COMMANDS),
    command::<expose::Expose>("expose", "Make a Service for a Deployment, ReplicaSet, Pod or Service")
        .section(Section::Beginner),
    command::<run::Run>("run", "Run an image in a new Pod").section(Section::Beginner),
    group("set", "Change single features of objects", set::COMMANDS).section(Section::Beginner),
    command::<explain::Explain>("explain", "Tell what a resource's fields mean").section(Section::Intermediate),
    command::<get::Get>("get", "Show one or many resources").section(Section::Intermediate),
    command::<edit::Edit>("edit", "Change a resource in an editor").section(Section::Intermediate),
    command::<delete::Delete>("delete", "Delete resources by file, name or selector").section(Section::Intermediate),
    group("rollout", "Manage the rollout of a resource", rollout::COMMANDS)
        .alone(Alone::Tells)
        .section(Section::Deploy),
    command::<scale::Scale>("scale", "Set how many replicas there are").section(Section::Deploy),
    command::<scale::Autoscale>("autoscale", "Let the number of replicas follow the load").section(Section::Deploy),
    group("certificate", "Approve or deny certificate signing requests", certificate::COMMANDS)
        .alone(Alone::Helps)
        .section(Section::Cluster),
    command::<cluster_info::ClusterInfo>("cluster-info", "Tell where the cluster is")
        .section(Section::Cluster)
        .children(&[command::<cluster_info::dump::Dump>(
            "dump",
            "Print all about the cluster that helps to find what is wrong",
        )]),
    group("top", "Show what nodes and Pods use", top::COMMANDS).section(Section::Cluster),
    command::<nodes::Cordon>("cordon", "Let no new Pods onto nodes").section(Section::Cluster),
    command::<nodes::Uncordon>("uncordon", "Let new Pods onto nodes again").section(Section::Cluster),
    command::<nodes::Drain>("drain", "Move all Pods off nodes").section(Section::Cluster),
    command::<taint::Taint>("taint", "Change the taints of nodes").section(Section::Cluster),
    command::<describe::Describe>("describe", "Tell all about resources").section(Section::Debugging),
    command::<why::Why>("why", "Tell why a Service, Pod or Deployment does not work").section(Section::Debugging),
    command::<logs::Logs>("logs", "Show what a container printed").section(Section::Debugging),
    command::<attach::Attach>("attach", "Attach to a running container").section(Section::Debugging),
    command::<debug::Debug>("debug", "Look into Pods and nodes with a container of its own")
        .section(Section::Debugging),
    command::<exec::Exec>("exec", "Run a command in a container").section(Section::Debugging),
    command::<port_forward::PortForward>("port-forward", "Forward local ports to a Pod").section(Section::Debugging),
    command::<proxy::Proxy>("proxy", "Serve the API on a local port").section(Section::Debugging),
    command::<cp::Cp>("cp", "Copy files from and to containers").section(Section::Debugging),
    group("auth", "Tell what you may do", auth::COMMANDS).section(Section::Debugging),
    command::<traffic::Traffic>("traffic", "Show who takes a Service's requests").section(Section::Debugging),
    command::<events::Events>("events", "List Events").section(Section::Debugging),
    command::<diff::Diff>("diff", "Show what apply would change").section(Section::Advanced),
    command::<apply::Apply>("apply", "Make resources be as manifests say").section(Section::Advanced).children(&[
        command::<apply::last_applied::View>("view-last-applied", "Show what was applied last"),
        command::<apply::edit_last_applied::Edit>("edit-last-applied", "Change in an editor what was applied last"),
        command::<apply::last_applied::Set>("set-last-applied", "Say what counts as applied last"),
    ]),
    command::<patch::Patch>("patch", "Change fields of a resource").section(Section::Advanced),
    command::<replace::Replace>("replace", "Replace resources by those of a file").section(Section::Advanced),
    command::<wait::Wait>("wait", "Wait until resources reach a condition").section(Section::Advanced),
    command::<label::Label>("label", "Change the labels of resources").section(Section::Settings),
    command::<label::Annotate>("annotate", "Change the annotations of resources").section(Section::Settings),
    command::<completion::Completion>("completion", "Print completion code for a shell").section(Section::Settings),
    command::<api_resources::ApiResources>("api-resources", "List the resources that the server serves"),
    command::<api_resources::ApiVersions>("api-versions", "List the API versions that the server serves"),
    group("config", "Change kubeconfig files", config::COMMANDS),
    group("kuberc", "Show and change your preferences", kuberc::COMMANDS),
    group("plugin", "Tell which plugins there are", plugin::COMMANDS),
    command::<kustomize::Kustomize>("kustomize", "Build what a kustomization describes").section(Section::Advanced),
    command::<version::Version>("version", "Show the versions of client and server"),
    command::<options::Options>("options", "List the flags that all commands take"),
    command::<options::Alpha>("alpha", "Commands that are not final yet").hidden(),
    command::<completion::complete::Complete>("__complete", "Complete a command line").hidden(),
    command::<completion::complete::CompleteBare>("__completeNoDesc", "Complete a command line").hidden(),
];

/// What `kubectl` alone prints: the commands by section.
pub fn overview() -> String {
    let sections = [
        (Section::Beginner, "Basic Commands (Beginner)"),
        (Section::Intermediate, "Basic Commands (Intermediate)"),
        (Section::Deploy, "Deploy Commands"),
        (Section::Cluster, "Cluster Management Commands"),
        (Section::Debugging, "Troubleshooting and Debugging Commands"),
        (Section::Advanced, "Advanced Commands"),
        (Section::Settings, "Settings Commands"),
        (Section::Other, "Other Commands"),
    ];
    let mut text = String::from("kubectl speaks to a Kubernetes cluster.\n");
    for (section, title) in sections {
        text.push_str(&format!("\n{title}:\n"));
        for entry in COMMANDS.iter().filter(|e| e.section == section && !e.hidden) {
            text.push_str(&format!("  {:<15} {}\n", entry.name, entry.about));
        }
    }
    text.push_str("\nUsage:\n  kubectl [flags] [options]\n\n");
    text.push_str(
        "\"kubectl COMMAND --help\" tells more about a command, \"kubectl options\" lists the flags that all take.\n",
    );
    text
}
