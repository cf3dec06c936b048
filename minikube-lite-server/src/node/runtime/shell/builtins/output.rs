//! Builtins that print or test, which are programs too.

use super::super::{Flavor, Flow, Shell};
use crate::node::runtime::tools::{echo, printf, test as conditions};
use std::io;

pub async fn echo(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let text = echo::text(&words[1..], shell.flavor == Flavor::Dash);
    shell.stdout().write(&text).await?;
    shell.status = 0;
    Ok(Flow::Next)
}

pub async fn printf(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    if words.len() < 2 {
        shell.complain("usage: printf FORMAT [ARG]...").await;
        shell.status = 2;
        return Ok(Flow::Next);
    }
    let printed = printf::format(&words[1], &words[2..]);
    shell.stdout().write(&printed.text).await?;
    for error in &printed.errors {
        shell.complain_in("printf", error).await;
    }
    shell.status = i32::from(!printed.errors.is_empty());
    Ok(Flow::Next)
}

/// `test`, `[`, `[[`
pub async fn test(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let place = conditions::Place {
        files: shell.world.files(),
        cwd: &shell.cwd,
        user: shell.world.user(),
        is_terminal: shell.terminal.is_some(),
    };
    let arguments = match words[0].as_str() {
        "test" => Ok(&words[1..]),
        bracket => match words.split_last() {
            Some((last, rest)) if !rest.is_empty() && last == if bracket == "[" { "]" } else { "]]" } => Ok(&rest[1..]),
            _ => Err("missing ]".to_string()),
        },
    };
    let result = arguments.and_then(|arguments| conditions::evaluate(arguments, &place, words[0] == "[["));
    match result {
        Ok(truth) => shell.status = i32::from(!truth),
        Err(message) => {
            let message = if shell.flavor == Flavor::Ash { message } else { format!("{}: {message}", words[0]) };
            shell.complain(&message).await;
            shell.status = 2;
        }
    }
    Ok(Flow::Next)
}
