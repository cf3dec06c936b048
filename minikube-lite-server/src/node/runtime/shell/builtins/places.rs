//! Builtins about directories and about what a name means.

use super::super::{Flavor, Flow, Shell};
use crate::node::runtime::files;
use crate::node::runtime::world::Executable;
use std::io;

pub async fn cd(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let mut arguments = words[1..].iter().filter(|word| !matches!(word.as_str(), "-L" | "-P" | "--"));
    let variable = |name: &str| shell.variables.get(name).map(|value| value.to_string());
    let (target, print) = match arguments.next().map(String::as_str) {
        None => (variable("HOME").unwrap_or_else(|| "/root".into()), false),
        Some("-") => (variable("OLDPWD").unwrap_or_else(|| shell.cwd.clone()), true),
        Some(target) => (target.to_string(), false),
    };
    let path = logical(&files::absolute(&shell.cwd, &target));
    match shell.world.files().stat(&path) {
        Ok(stat) if stat.is_directory() => {
            shell.variables.set("OLDPWD", &shell.cwd);
            shell.variables.set("PWD", &path);
            shell.cwd = path;
            shell.status = 0;
            if print {
                shell.stdout().write(format!("{}\n", shell.cwd).as_bytes()).await?;
            }
        }
        other => {
            let reason = other.map_or_else(|error| files::strerror(&error), |_| "Not a directory".into());
            let message = match shell.flavor {
                Flavor::Bash => format!("{target}: {reason}"),
                _ => format!("can't cd to {target}: {reason}"),
            };
            shell.complain_in("cd", &message).await;
            shell.status = if shell.flavor == Flavor::Dash { 2 } else { 1 };
        }
    }
    Ok(Flow::Next)
}

/// The path without `..`, as it is written: `cd ..` leaves a link by the way it came.
fn logical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

pub async fn pwd(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let physical = words.get(1).is_some_and(|word| word == "-P");
    let path = if physical { shell.world.files().canonical(&shell.cwd).ok() } else { None };
    let line = format!("{}\n", path.as_ref().unwrap_or(&shell.cwd));
    shell.stdout().write(line.as_bytes()).await?;
    shell.status = 0;
    Ok(Flow::Next)
}

fn find(shell: &Shell, name: &str) -> Option<Executable> {
    let path = shell.variables.get("PATH").map(|path| path.to_string());
    shell.world.find(name, &shell.cwd, path.as_deref()).ok()
}

/// `type`
pub async fn kind(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    for name in &words[1..] {
        let line = if shell.functions.contains_key(name) {
            format!("{name} is a function\n")
        } else if super::find(name).is_some() {
            format!("{name} is a shell builtin\n")
        } else if let Some(executable) = find(shell, name) {
            format!("{name} is {}\n", executable.path)
        } else {
            shell.status = if shell.flavor == Flavor::Bash { 1 } else { 127 };
            format!("{name}: not found\n")
        };
        shell.stdout().write(line.as_bytes()).await?;
    }
    Ok(Flow::Next)
}

/// `command`, `builtin`: what follows, but no function.
pub async fn command(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let mut words = &words[1..];
    let mut looks = false;
    while let Some(flag) = words.first().filter(|word| word.len() > 1 && word.starts_with('-')) {
        looks |= flag.contains(['v', 'V']);
        words = &words[1..];
        if flag == "--" {
            break;
        }
    }
    let Some(name) = words.first() else {
        shell.status = 0;
        return Ok(Flow::Next);
    };
    if !looks {
        return Ok(match super::find(name) {
            Some(builtin) => shell.builtin(builtin, words).await,
            None => shell.program(words.to_vec(), Vec::new(), false).await,
        });
    }
    shell.status = 0;
    for name in words {
        let known = shell.functions.contains_key(name) || super::find(name).is_some();
        let found = if known { Some(name.clone()) } else { find(shell, name).map(|executable| executable.path) };
        match found {
            Some(found) => shell.stdout().write(format!("{found}\n").as_bytes()).await?,
            None => shell.status = if shell.flavor == Flavor::Bash { 1 } else { 127 },
        }
    }
    Ok(Flow::Next)
}
