//! The command line: global flags, the tree of commands made for `clap`, and the way from arguments to a command's run.

pub mod flag_errors;
pub mod go_flags;

use crate::cmd::{self, Alone, Entry};
use crate::context::Context;
use crate::errors::CommandError;
use crate::kuberc::{self, CommandLine, Opt};
use crate::streams::Streams;
use clap::FromArgMatches as _;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::process::ExitCode;

/// The flags that every command takes, before or after its name.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// User to act as
    #[arg(long = "as", global = true)]
    pub r#as: Option<String>,
    /// Group to act as; may be repeated
    #[arg(long, global = true)]
    pub as_group: Vec<String>,
    /// UID to act as
    #[arg(long, global = true)]
    pub as_uid: Option<String>,
    /// KEY=VALUE to act with; may be repeated
    #[arg(long, global = true)]
    pub as_user_extra: Vec<String>,
    /// Folder of the discovery cache
    #[arg(long, global = true)]
    pub cache_dir: Option<String>,
    /// File of the authority that signed the server's certificate
    #[arg(long, global = true)]
    pub certificate_authority: Option<String>,
    /// File of the client certificate
    #[arg(long, global = true)]
    pub client_certificate: Option<String>,
    /// File of the client certificate's key
    #[arg(long, global = true)]
    pub client_key: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Ask for answers without compression
    #[arg(long, global = true)]
    pub disable_compression: bool,
    /// Do not check the server's certificate
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_flags::boolean)]
    pub insecure_skip_tls_verify: Option<bool>,
    /// Kubeconfig file
    #[arg(long, global = true)]
    pub kubeconfig: Option<String>,
    /// File of preferences
    #[arg(long, global = true)]
    pub kuberc: Option<String>,
    #[arg(long, global = true, hide = true)]
    pub log_flush_frequency: Option<String>,
    /// Require the server's version to be this program's
    #[arg(long, global = true)]
    pub match_server_version: bool,
    /// Namespace
    #[arg(long, short, global = true)]
    pub namespace: Option<String>,
    /// Password for basic authentication
    #[arg(long, global = true)]
    pub password: Option<String>,
    #[arg(long, global = true, hide = true)]
    pub profile: Option<String>,
    #[arg(long, global = true, hide = true)]
    pub profile_output: Option<String>,
    /// How long to wait for one request, such as 1s, 2m or 3h; 0 waits without end
    #[arg(long, global = true)]
    pub request_timeout: Option<String>,
    /// Address of the server
    #[arg(long, short, global = true)]
    pub server: Option<String>,
    /// Name to look for in the server's certificate
    #[arg(long, global = true)]
    pub tls_server_name: Option<String>,
    /// Bearer token
    #[arg(long, global = true)]
    pub token: Option<String>,
    /// User of the kubeconfig
    #[arg(id = "global-user", long = "user", value_name = "USER", global = true)]
    pub user: Option<String>,
    /// User name for basic authentication
    #[arg(long, global = true)]
    pub username: Option<String>,
    /// How much to tell; from 6 on each request is shown
    #[arg(long = "v", short = 'v', global = true, default_value_t = 0, value_parser = go_flags::int::<i32>)]
    pub verbosity: i32,
    #[arg(long, global = true, hide = true)]
    pub vmodule: Option<String>,
    /// Fail when the server warns
    #[arg(long, global = true)]
    pub warnings_as_errors: bool,
}

impl Globals {
    /// What is empty counts as not given.
    fn without_empty(mut self) -> Globals {
        for value in [
            &mut self.r#as,
            &mut self.as_uid,
            &mut self.certificate_authority,
            &mut self.client_certificate,
            &mut self.client_key,
            &mut self.cluster,
            &mut self.context,
            &mut self.kubeconfig,
            &mut self.server,
            &mut self.tls_server_name,
            &mut self.token,
            &mut self.user,
        ] {
            value.take_if(|text| text.is_empty());
        }
        self
    }
}

/// Runs the program with `args` (the program's name first) and gives its exit code.
pub fn main(args: Vec<OsString>, streams: Streams) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args, &streams)),
        Err(error) => Err(CommandError::from(error)),
    };
    let result = match streams.out().flush() {
        Err(error) if result.is_ok() => Err(CommandError::from(error)),
        _ => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a standard error that cannot be written to.
            let _ = write!(streams.err(), "{}", error.render());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Does what `args` (the program's name first) say.
///
/// # Errors
/// What went wrong, not yet told.
pub async fn run(args: Vec<OsString>, streams: &Streams) -> Result<(), CommandError> {
    if args.len() > 1
        && let Some(plugin) = cmd::plugin::for_arguments(&args[1..])
    {
        return plugin.run();
    }
    if args.get(1).is_some_and(|word| word == "help") {
        return help_about(&args, streams);
    }
    let mut args = args;
    if args.get(1).is_some_and(|word| word == "__complete" || word == "__completeNoDesc") {
        // The words that are to be completed are no flags of this call.
        args.insert(2, "--".into());
    }
    let CommandLine { args, defaults, plugins } = kuberc::apply(&kuberc::load(&args, streams)?, args)?;
    let mut root = tree(&args, &defaults);
    let args = go_flags::with_equals_as_value(&root, &path_of(&args), args);
    let matches = match root.try_get_matches_from_mut(args.iter()) {
        Ok(matches) => matches,
        Err(error) => return flag_errors::translate(error, &args, &root, streams),
    };
    let globals = Globals::from_arg_matches(&matches).map_err(|e| CommandError::message(e.to_string()))?;
    let globals = globals.without_empty();
    let mut entries = cmd::COMMANDS;
    let mut chosen: Option<&Entry> = None;
    let mut matches = matches;
    while let Some((name, inner)) = matches.remove_subcommand() {
        let Some(entry) = entries.iter().find(|e| e.name == name) else { break };
        entries = entry.children;
        chosen = Some(entry);
        matches = inner;
    }
    let action = chosen.and_then(|entry| entry.action);
    let cx = Context::new(streams, globals, plugins);
    match action {
        Some(action) => match (action.run)(matches, &cx).await {
            Err(CommandError::Helped(error)) => {
                write!(streams.out(), "{}", help(&mut root, &args))?;
                error.map_or(Ok(()), |error| Err(*error))
            }
            result => result.and_then(|()| cx.check_warnings()),
        },
        None => alone(chosen, &help(&mut root, &args), streams),
    }
}

/// A command that only holds others tells which when it is called alone.
fn alone(entry: Option<&Entry>, help: &str, streams: &Streams) -> Result<(), CommandError> {
    match entry.map(|entry| entry.alone) {
        Some(Alone::Fails) => Err(CommandError::Raw(help.into())),
        Some(Alone::Tells) => {
            write!(streams.out(), "{help}")?;
            Err(CommandError::Exit(1))
        }
        Some(Alone::Helps) | None => Ok(write!(streams.out(), "{help}")?),
    }
}

/// `kubectl help COMMAND`.
fn help_about(args: &[OsString], streams: &Streams) -> Result<(), CommandError> {
    let topics: Vec<OsString> = args.iter().skip(1).cloned().collect();
    let mut root = tree(&topics, &[]);
    root.build();
    let text = help(&mut root, &topics);
    if topics.len() > 1 && path_of(&topics).is_empty() {
        let quoted: Vec<String> = topics[1..].iter().map(|topic| format!("`{}`", topic.to_string_lossy())).collect();
        return Ok(write!(streams.err(), "Unknown help topic [{}]\n{text}", quoted.join(" "))?);
    }
    Ok(write!(streams.out(), "{text}")?)
}

/// The help of the command that `args` name.
fn help(root: &mut clap::Command, args: &[OsString]) -> String {
    fn render(command: &mut clap::Command, path: &[&str]) -> String {
        match path {
            [first, rest @ ..] if command.find_subcommand(first).is_some() => {
                command.find_subcommand_mut(first).map(|inner| render(inner, rest)).unwrap_or_default()
            }
            _ => {
                // `kubectl options` tells about the flags that all commands take.
                let global = |arg: clap::Arg| if arg.is_global_set() { arg.hide(true) } else { arg };
                command.clone().mut_args(global).render_help().to_string()
            }
        }
    }
    let path = path_of(args);
    let group = path.iter().try_fold(None, |found: Option<&Entry>, name| {
        let entries = found.map_or(cmd::COMMANDS, |entry| entry.children);
        entries.iter().find(|entry| entry.name == *name).map(Some)
    });
    match group.flatten() {
        Some(entry) if entry.action.is_none() => group_help(entry, &path.join(" ")),
        _ => render(root, &path),
    }
}

/// The help of a command that only holds others.
fn group_help(entry: &Entry, path: &str) -> String {
    let width = entry.children.iter().map(|child| child.name.len()).max().unwrap_or(0) + 2;
    let mut text = format!("{}.\n\nAvailable Commands:\n", entry.about);
    for child in entry.children.iter().filter(|child| !child.hidden) {
        text.push_str(&format!("  {:<width$} {}\n", child.name, child.about));
    }
    text.push_str(&format!("\nUsage:\n  kubectl {path} COMMAND [options]\n\n"));
    text.push_str(&format!("\"kubectl {path} COMMAND --help\" tells more about a command, \"kubectl options\" lists the flags that all take.\n"));
    text
}

/// The names of the commands that `args` go through: `["create", "secret", "tls"]`.
pub fn path_of(args: &[OsString]) -> Vec<&'static str> {
    let mut entries = cmd::COMMANDS;
    let mut path = Vec::new();
    for arg in args.iter().skip(1) {
        if arg == "--" {
            break;
        }
        if let Some(entry) = entries.iter().find(|entry| entry.is_called(arg)) {
            path.push(entry.name);
            entries = entry.children;
        }
    }
    path
}

/// The tree of the commands whose names are among `args`: all others would only cost time and memory, as each gets all
/// global flags. A command's own arguments are only made when it is the one that is called. `defaults` stand in for what
/// its flags have by themselves.
fn tree(args: &[OsString], defaults: &[Opt]) -> clap::Command {
    let root = clap::Command::new("kubectl")
        .bin_name("kubectl")
        .about("kubectl speaks to a Kubernetes cluster.")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .override_help(cmd::overview())
        .subcommands(commands(cmd::COMMANDS, args, defaults));
    with_defaults(go_flags::like_pflag(<Globals as clap::Args>::augment_args(root)), defaults)
}

fn commands(entries: &'static [Entry], args: &[OsString], defaults: &[Opt]) -> Vec<clap::Command> {
    let named = entries.iter().filter(|entry| args.iter().any(|arg| entry.is_called(arg)));
    let made = named.map(|entry| {
        let command = clap::Command::new(entry.name).about(entry.about).visible_aliases(entry.aliases);
        // `defer` takes a plain function pointer, so children are attached here and arguments come from the entry's own.
        let command = command.subcommands(commands(entry.children, args, defaults));
        let command = command.hide(entry.hidden).disable_help_subcommand(true);
        match entry.action {
            Some(action) if defaults.is_empty() => command.defer(action.arguments),
            Some(action) => with_defaults((action.arguments)(command), defaults),
            None => command,
        }
    });
    made.collect()
}

/// The command with other defaults for its own flags.
fn with_defaults(command: clap::Command, defaults: &[Opt]) -> clap::Command {
    command.mut_args(|arg| match defaults.iter().rfind(|option| arg.get_long() == Some(&option.name)) {
        Some(option) => arg.default_value(option.default.clone()),
        None => arg,
    })
}

/// Whether the command that `path` calls refuses `value` for its flag `name`, and why; without a reason where it has no
/// such flag.
pub fn refused_value(path: &[OsString], name: &str, value: &str) -> Option<Option<String>> {
    let args: Vec<OsString> = path.iter().cloned().chain([format!("--{name}={value}").into()]).collect();
    let mut root = tree(&args, &[]);
    let error = root.try_get_matches_from_mut(&args).err()?;
    match error.kind() {
        ErrorKind::UnknownArgument => Some(None),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            Some(Some(flag_errors::invalid_argument(&error, &root, &path_of(&args))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command line gives: standard output, and the error as it is rendered.
    fn outcome(line: &str) -> (String, String) {
        #[derive(Clone, Default)]
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let out = Shared::default();
        let streams = Streams::over(std::io::empty(), out.clone(), std::io::sink());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let args = std::iter::once("kubectl").chain(line.split_whitespace()).map(OsString::from).collect();
        let result = runtime.block_on(run(args, &streams));
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        (text, result.err().map(|error| error.render()).unwrap_or_default())
    }

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        let help = |command: &str| format!("See 'kubectl{command} --help' for usage.\n");
        for (line, error) in [
            ("get pods --frob=1", format!("error: unknown flag: --frob\n{}", help(" get"))),
            ("get pods -AQ", format!("error: unknown shorthand flag: 'Q' in -Q\n{}", help(" get"))),
            ("get -n", format!("error: flag needs an argument: 'n' in -n\n{}", help(" get"))),
            ("get --output", format!("error: flag needs an argument: --output\n{}", help(" get"))),
            (
                "get -w=x",
                format!(
                    "error: invalid argument \"x\" for \"-w, --watch\" flag: strconv.ParseBool: parsing \"x\": invalid \
                     syntax\n{}",
                    help(" get")
                ),
            ),
            (
                "create secret s2 --from-literal=a=b",
                format!("error: unknown flag: --from-literal\n{}", help(" create secret")),
            ),
            ("vrsion", "error: unknown command \"vrsion\" for \"kubectl\"\n\nDid you mean this?\n\tversion\n".into()),
            (
                "rollout frob",
                "error: unknown command \"frob\"\nSee 'kubectl rollout -h' for help and examples\n".into(),
            ),
        ] {
            assert_eq!(outcome(line).1, error, "{line}");
        }
        assert_eq!(
            outcome("version --client=true -v 0 -n x").0,
            "Client Version: v1.36.2\nKustomize Version: v5.8.0\n"
        );
    }

    #[test]
    fn all_commands_can_be_built() {
        fn build(entries: &'static [Entry], path: &mut Vec<&'static str>) {
            for entry in entries {
                path.push(entry.name);
                let args: Vec<OsString> =
                    std::iter::once(&"kubectl").chain(path.iter()).chain([&"--help"]).map(OsString::from).collect();
                let error = tree(&args, &[]).try_get_matches_from(args).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{path:?}");
                build(entry.children, path);
                path.pop();
            }
        }
        build(cmd::COMMANDS, &mut Vec::new());
    }
}
