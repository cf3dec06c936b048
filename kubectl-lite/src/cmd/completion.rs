//! `kubectl completion`, and the hidden command that the shells ask.

use super::{COMMANDS, Command, Entry};
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;

#[derive(clap::Args)]
pub struct Completion {
    /// bash, zsh, fish or powershell
    args: Vec<String>,
}

const BASH: &str = r#"# bash completion for kubectl
__kubectl_complete() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F __kubectl_complete kubectl
complete -o default -F __kubectl_complete kubectl-lite
"#;

const ZSH: &str = r#"#compdef kubectl
# zsh completion for kubectl
__kubectl_complete() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -a found
}
compdef __kubectl_complete kubectl kubectl-lite
"#;

const FISH: &str = r#"# fish completion for kubectl
function __kubectl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c kubectl -f -a '(__kubectl_complete)'
complete -c kubectl-lite -f -a '(__kubectl_complete)'
"#;

const POWERSHELL: &str = r#"# powershell completion for kubectl
Register-ArgumentCompleter -Native -CommandName kubectl, kubectl-lite -ScriptBlock {
    param($word, $ast, $position)
    $words = @($ast.CommandElements | ForEach-Object { "$_" })
    if ($word -eq '') { $words += '""' }
    & $words[0] __complete @($words | Select-Object -Skip 1) 2>$null |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
"#;

impl Command for Completion {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let script = match self.args.as_slice() {
            [] => return Err(CommandError::usage("completion", "Shell not specified.")),
            [shell] => match shell.as_str() {
                "bash" => BASH,
                "zsh" => ZSH,
                "fish" => FISH,
                "powershell" => POWERSHELL,
                other => return Err(CommandError::usage("completion", format!("Unsupported shell type {other:?}."))),
            },
            _ => return Err(CommandError::usage("completion", "Too many arguments. Expected only the shell type.")),
        };
        Ok(write!(cx.streams.out(), "{script}")?)
    }
}

/// What the shells ask: the words so far, the last of which is to be completed.
#[derive(clap::Args)]
pub struct Complete {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Command for Complete {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let (last, before) = match self.words.split_last() {
            Some((last, before)) => (last.as_str(), before),
            None => ("", &[][..]),
        };
        let (entry, children, rest) = position(before);
        let mut found: Vec<String> = Vec::new();
        if last.starts_with('-') {
            if let Some(action) = entry.and_then(|entry| entry.action) {
                let command = (action.arguments)(clap::Command::new("complete"));
                let long = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long());
                found.extend(long.map(|name| format!("--{name}")));
            }
        } else if !children.is_empty() && rest.is_empty() {
            found.extend(children.iter().filter(|e| !e.hidden).map(|e| e.name.to_string()));
        } else if entry.is_some_and(|entry| entry.action.is_some()) {
            // A server that cannot be asked completes nothing.
            found = from_server(cx, &rest, last).await.unwrap_or_default();
        }
        found.retain(|word| word.starts_with(last));
        found.sort();
        found.dedup();
        for word in found {
            writeln!(cx.streams.out(), "{word}")?;
        }
        Ok(())
    }
}

/// The command that the words lead to, what it holds, and its arguments so far.
fn position(words: &[String]) -> (Option<&'static Entry>, &'static [Entry], Vec<&String>) {
    let (mut entry, mut children): (Option<&'static Entry>, &'static [Entry]) = (None, COMMANDS);
    let mut rest = Vec::new();
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        match children.iter().find(|e| e.name == *word || e.aliases.contains(&word.as_str())) {
            Some(found) if rest.is_empty() => {
                entry = Some(found);
                children = found.children;
            }
            _ => rest.push(word),
        }
    }
    (entry, children, rest)
}

/// Types of resources, or names of objects.
async fn from_server(cx: &Context<'_>, rest: &[&String], last: &str) -> Result<Vec<String>, CommandError> {
    let (typed, prefix) = match (rest, last.split_once('/')) {
        ([], Some((typed, _))) => (typed.to_string(), format!("{typed}/")),
        ([], None) => {
            let served = cx.mapper()?.discovery(cx.client()?, false).await?;
            return Ok(served.resources.iter().filter(|r| r.can("list")).map(|r| r.group_resource()).collect());
        }
        ([typed, ..], _) => (typed.to_string(), String::new()),
    };
    let resource = cx.resource(&typed).await?;
    let (namespace, _) = cx.namespace()?;
    let list = cx.client()?.json(Request::get(resource.collection(&namespace))).await?;
    Ok(list.list("items").iter().map(|object| format!("{prefix}{}", object.name())).collect())
}
