//! `kubectl completion`. The scripts ask the hidden command in `complete`, whose last line is not among the words.

pub mod complete;

use super::Command;
use crate::context::Context;
use crate::errors::CommandError;

#[derive(clap::Args)]
pub struct Completion {
    /// bash, zsh, fish or powershell
    args: Vec<String>,
}

const BASH: &str = r#"# bash completion for kubectl
__kubectl_complete() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" __completeNoDesc "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | sed '$d'))
}
complete -o default -F __kubectl_complete kubectl
complete -o default -F __kubectl_complete kubectl-lite
"#;

const ZSH: &str = r#"#compdef kubectl
# zsh completion for kubectl
__kubectl_complete() {
    local -a found
    found=("${(@f)$("${words[1]}" __completeNoDesc "${(@)words[2,CURRENT]}" 2>/dev/null | sed '$d')}")
    compadd -a found
}
compdef __kubectl_complete kubectl kubectl-lite
"#;

const FISH: &str = r#"# fish completion for kubectl
function __kubectl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | sed '$d'
end
complete -c kubectl -f -a '(__kubectl_complete)'
complete -c kubectl-lite -f -a '(__kubectl_complete)'
"#;

const POWERSHELL: &str = r#"# powershell completion for kubectl
Register-ArgumentCompleter -Native -CommandName kubectl, kubectl-lite -ScriptBlock {
    param($word, $ast, $position)
    $words = @($ast.CommandElements | ForEach-Object { "$_" })
    if ($word -eq '') { $words += '""' }
    & $words[0] __completeNoDesc @($words | Select-Object -Skip 1) 2>$null | Select-Object -SkipLast 1 |
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
