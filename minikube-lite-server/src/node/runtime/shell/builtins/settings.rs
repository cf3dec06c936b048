//! Builtins that set variables, arguments and options.

use super::super::words::is_name;
use super::super::{Flavor, Flow, Shell};
use std::io;

/// The options of `set`, with their letters and long names.
const OPTIONS: &[(char, &str)] = &[
    ('a', "allexport"),
    ('C', "noclobber"),
    ('e', "errexit"),
    ('f', "noglob"),
    ('n', "noexec"),
    ('P', "pipefail"),
    ('u', "nounset"),
    ('x', "xtrace"),
];

impl Shell {
    fn option(&mut self, letter: char) -> Option<&mut bool> {
        let options = &mut self.options;
        Some(match letter {
            'a' => &mut options.export_all,
            'C' => &mut options.no_clobber,
            'e' => &mut options.exit_on_error,
            'f' => &mut options.no_glob,
            'n' => &mut options.no_run,
            'P' => &mut options.pipe_fail,
            'u' => &mut options.unset_is_error,
            'x' => &mut options.trace,
            _ => return None,
        })
    }

    /// Sets an option by its letter. `false` when there is none.
    pub(in crate::node::runtime::shell) fn set_option(&mut self, letter: char, on: bool) -> bool {
        /// Known, and without an effect here.
        const WITHOUT_EFFECT: &str = "bhmvEH";
        if WITHOUT_EFFECT.contains(letter) {
            return true;
        }
        // `P` stands for pipefail in the table only.
        match self.option(letter).filter(|_| letter != 'P') {
            Some(option) => {
                *option = on;
                true
            }
            None => false,
        }
    }

    /// Sets an option by its long name. `false` when there is none.
    pub(in crate::node::runtime::shell) fn set_long_option(&mut self, name: &str, on: bool) -> bool {
        if matches!(name, "posix" | "vi" | "emacs" | "monitor" | "ignoreeof" | "errtrace" | "functrace" | "verbose") {
            return true;
        }
        let letter = OPTIONS.iter().find(|(_, long)| *long == name).map(|(letter, _)| *letter);
        match letter.and_then(|letter| self.option(letter)) {
            Some(option) => {
                *option = on;
                true
            }
            None => false,
        }
    }

    /// `$-`
    pub(in crate::node::runtime::shell) fn flags(&self) -> String {
        let options = &self.options;
        let flags = [
            ('a', options.export_all),
            ('C', options.no_clobber),
            ('e', options.exit_on_error),
            ('f', options.no_glob),
            ('i', self.interactive),
            ('u', options.unset_is_error),
            ('x', options.trace),
        ];
        flags.iter().filter(|(_, on)| *on).map(|(letter, _)| *letter).collect()
    }
}

pub async fn set(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    if words.len() == 1 {
        let lines: String = shell.variables.list().map(|(name, value, _)| format!("{name}='{value}'\n")).collect();
        shell.stdout().write(lines.as_bytes()).await?;
        return Ok(Flow::Next);
    }
    let mut rest = words[1..].iter();
    while let Some(word) = rest.clone().next() {
        let on = word.starts_with('-');
        if word == "--" || word == "-" || !word.starts_with(['-', '+']) {
            if word.starts_with('-') {
                rest.next();
            }
            shell.arguments = rest.cloned().collect();
            break;
        }
        rest.next();
        for letter in word[1..].chars() {
            let name = if letter == 'o' { rest.next().cloned() } else { None };
            let known = match &name {
                Some(name) => shell.set_long_option(name, on),
                None if letter == 'o' => true,
                None => shell.set_option(letter, on),
            };
            if !known {
                let option = name.map_or_else(|| letter.to_string(), |name| format!("o {name}"));
                shell.complain_in("set", &format!("illegal option {}{option}", if on { '-' } else { '+' })).await;
                shell.status = 2;
                return Ok(Flow::Exit);
            }
        }
    }
    Ok(Flow::Next)
}

/// `export`, `readonly`
pub async fn export(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    let exports = words[0] == "export";
    let (mut names, mut on) = (Vec::new(), true);
    for word in &words[1..] {
        match word.as_str() {
            "-n" => on = false,
            "-p" | "--" => {}
            _ => names.push(word),
        }
    }
    if names.is_empty() {
        let variables = shell
            .variables
            .list()
            .filter(|(name, _, exported)| if exports { *exported } else { shell.variables.is_read_only(name) });
        let lines: String = variables.map(|(name, value, _)| format!("{} {name}='{value}'\n", words[0])).collect();
        shell.stdout().write(lines.as_bytes()).await?;
        return Ok(Flow::Next);
    }
    for word in names {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if let Some(flow) = assign(shell, &words[0], name, value).await {
            return Ok(flow);
        }
        if exports {
            shell.variables.export(name, on);
        } else {
            shell.variables.make_read_only(name);
        }
    }
    Ok(Flow::Next)
}

/// Sets what a declaring builtin sets; an error ends the script.
async fn assign(shell: &mut Shell, builtin: &str, name: &str, value: Option<&str>) -> Option<Flow> {
    if !is_name(name) {
        let message = match shell.flavor {
            Flavor::Bash => format!("`{name}': not a valid identifier"),
            _ => format!("{name}: bad variable name"),
        };
        shell.complain_in(builtin, &message).await;
        shell.status = if shell.flavor == Flavor::Bash { 1 } else { 2 };
        shell.failed = true;
        return (shell.flavor != Flavor::Bash).then_some(Flow::Exit);
    }
    match value {
        Some(value) if !shell.variables.set(name, value) => {
            Some(shell.fatal(&format!("{builtin}: {name}: is read only")).await)
        }
        _ => None,
    }
}

pub async fn local(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    for word in &words[1..] {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if name.starts_with('-') {
            continue;
        }
        if !shell.variables.make_local(name) {
            return Ok(shell.fatal("local: not in a function").await);
        }
        if let Some(flow) = assign(shell, "local", name, value).await {
            return Ok(flow);
        }
    }
    Ok(Flow::Next)
}

pub async fn unset(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    let functions = words.get(1).is_some_and(|word| word == "-f");
    for name in words[1..].iter().filter(|word| !word.starts_with('-')) {
        if functions {
            std::sync::Arc::make_mut(&mut shell.functions).remove(name);
        } else if !shell.variables.unset(name) {
            return Ok(shell.fatal(&format!("unset: {name}: is read only")).await);
        }
    }
    Ok(Flow::Next)
}

pub async fn shift(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let count = words.get(1).map_or(Some(1), |word| word.parse::<usize>().ok());
    match count {
        Some(count) if count <= shell.arguments.len() => {
            shell.arguments = shell.arguments[count..].into();
            shell.status = 0;
        }
        _ if shell.flavor == Flavor::Dash => return Ok(shell.fatal("shift: can't shift that many").await),
        _ => shell.status = 1,
    }
    Ok(Flow::Next)
}

/// `let`
pub async fn calculate(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    for expression in &words[1..] {
        match shell.evaluate(expression) {
            Ok(value) => shell.status = i32::from(value == 0),
            Err(message) => {
                shell.complain_in("let", &message).await;
                shell.status = 1;
            }
        }
    }
    Ok(Flow::Next)
}
