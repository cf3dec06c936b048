//! Builtins that say what runs next.

use super::super::{Flow, Shell, trappable};
use crate::node::runtime::files;
use crate::node::runtime::signal::Signal;
use std::io;

/// `:`, `true`
pub async fn nothing(shell: &mut Shell, _: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    Ok(Flow::Next)
}

pub async fn failure(shell: &mut Shell, _: &[String]) -> io::Result<Flow> {
    shell.status = 1;
    Ok(Flow::Next)
}

/// A number that a builtin takes, or the usual one.
async fn number(shell: &mut Shell, words: &[String], usual: i32) -> Option<i32> {
    let Some(word) = words.get(1) else { return Some(usual) };
    let number = word.parse().ok();
    if number.is_none() {
        shell.complain_in(&words[0], &format!("Illegal number: {word}")).await;
        shell.status = 2;
    }
    number
}

pub async fn exit(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let status = shell.status;
    if let Some(status) = number(shell, words, status).await {
        shell.status = status & 0xff;
    }
    Ok(Flow::Exit)
}

pub async fn leave_function(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let status = shell.status;
    let Some(status) = number(shell, words, status).await else { return Ok(Flow::Exit) };
    shell.status = status & 0xff;
    Ok(if shell.calls > 0 { Flow::Return } else { Flow::Exit })
}

/// `break`, `continue`
pub async fn leave_loop(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let Some(levels) = number(shell, words, 1).await else { return Ok(Flow::Exit) };
    shell.status = 0;
    if shell.loops == 0 {
        return Ok(Flow::Next);
    }
    let levels = usize::try_from(levels).unwrap_or(1).clamp(1, shell.loops);
    Ok(if words[0] == "break" { Flow::Break(levels) } else { Flow::Continue(levels) })
}

pub async fn eval(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let text = words[1..].join(" ");
    if text.trim().is_empty() {
        shell.status = 0;
        return Ok(Flow::Next);
    }
    Ok(shell.run_text(&text).await)
}

/// `.`, `source`
pub async fn source(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let Some(name) = words.get(1) else {
        shell.complain_in(&words[0], "filename argument required").await;
        shell.status = 2;
        return Ok(Flow::Exit);
    };
    let path = files::absolute(&shell.cwd, name);
    let content = match shell.world.files().read(&path) {
        Ok(content) => content,
        Err(error) => {
            let flow = shell.fatal(&format!("{}: can't open '{name}': {}", words[0], files::strerror(&error))).await;
            return Ok(flow);
        }
    };
    let arguments = (words.len() > 2).then(|| std::mem::replace(&mut shell.arguments, words[2..].into()));
    shell.status = 0;
    shell.calls += 1;
    let flow = shell.run_text(&String::from_utf8_lossy(&content)).await;
    shell.calls -= 1;
    if let Some(arguments) = arguments {
        shell.arguments = arguments;
    }
    Ok(match flow {
        Flow::Return => Flow::Next,
        flow => flow,
    })
}

pub async fn exec(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let words = &words[1..];
    let Some(name) = words.first() else {
        shell.status = 0;
        return Ok(Flow::Next);
    };
    let path = shell.variables.get("PATH").map(|path| path.to_string());
    match shell.world.find(name, &shell.cwd, path.as_deref()) {
        Ok(executable) => {
            let env = shell.variables.env();
            Ok(shell.become_program(executable.program, executable.arguments(words.to_vec()), env))
        }
        Err(error) => {
            let reason = if error.code == 127 { "not found" } else { &error.reason };
            shell.complain_in("exec", &format!("{name}: {reason}")).await;
            shell.status = error.code;
            shell.failed = true;
            Ok(Flow::Exit)
        }
    }
}

pub async fn trap(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    let words = if words.get(1).is_some_and(|word| word == "--") { &words[1..] } else { words };
    let name = |number: &Option<u8>| match number {
        None => "EXIT",
        Some(number) => Signal::ALL.iter().find(|signal| **signal as u8 == *number).map_or("", |signal| signal.name()),
    };
    match words.len() {
        1 => {
            let lines: String = shell
                .traps
                .iter()
                .map(|(number, action)| format!("trap -- {} {}\n", super::quote(action), name(number)))
                .collect();
            shell.stdout().write(lines.as_bytes()).await?;
            return Ok(Flow::Next);
        }
        2 if words[1] == "-l" => {
            let names: Vec<&str> = Signal::ALL.iter().map(|signal| signal.name()).collect();
            shell.stdout().write(format!("{}\n", names.join(" ")).as_bytes()).await?;
            return Ok(Flow::Next);
        }
        _ => {}
    }
    // With a signal alone it is put back.
    let (action, signals) = match words.get(1).map(String::as_str) {
        Some("-") => (None, &words[2..]),
        Some(first) if words.len() == 2 || first.parse::<u8>().is_ok() => (None, &words[1..]),
        Some(action) => (Some(action.to_string()), &words[2..]),
        None => (None, &words[1..]),
    };
    for word in signals {
        let key = match word.as_str() {
            "EXIT" | "0" | "exit" => None,
            word => match Signal::parse(word) {
                Some(signal) => Some(signal as u8),
                None => {
                    shell.complain_in("trap", &format!("{word}: invalid signal specification")).await;
                    shell.status = 1;
                    continue;
                }
            },
        };
        match &action {
            Some(action) => shell.traps.insert(key, action.clone()),
            None => shell.traps.remove(&key),
        };
    }
    let of = |ignored: bool| -> Vec<Signal> {
        let trapped = |signal: &Signal| {
            trappable(*signal)
                && shell.traps.get(&Some(*signal as u8)).is_some_and(|action| action.is_empty() == ignored)
        };
        Signal::ALL.iter().copied().filter(trapped).collect()
    };
    let (mut handled, ignored) = (of(false), of(true));
    if shell.interactive && !handled.contains(&Signal::Int) {
        handled.push(Signal::Int);
    }
    shell.signals.handle(&handled);
    shell.signals.ignore(&ignored);
    Ok(Flow::Next)
}
