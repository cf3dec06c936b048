//! `kill`, `killall`, `pkill`, `pgrep`

use super::{Outcome, program};
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::ProcessInfo;

program!(kill, run);
program!(killall, run_killall);
program!(pkill, run_pkill);
program!(pgrep, run_pgrep);

/// The signal that is asked for, and the other arguments.
fn signal(arguments: &[String]) -> Result<(Signal, Vec<String>), String> {
    let (mut signal, mut rest) = (Signal::Term, Vec::new());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let name = match word.strip_prefix('-') {
            Some("s") => words.next().map_or("", String::as_str),
            Some("q" | "f" | "x" | "o" | "n") | None => {
                rest.push(word.clone());
                continue;
            }
            Some(name) => name,
        };
        signal = Signal::parse(name).ok_or_else(|| format!("bad signal name '{name}'"))?;
    }
    Ok((signal, rest))
}

async fn send(process: &Process, pid: u32, signal: Signal) -> bool {
    // Only from outside the first process can be killed.
    (pid == 1 && signal == Signal::Kill) || process.world.signal(pid, signal)
}

async fn run(process: &mut Process) -> Outcome {
    let (signal, words) = signal(process.args())?;
    if words.is_empty() {
        return Err("you need to specify whom to kill".to_string().into());
    }
    let mut code = 0;
    for word in words {
        let Ok(pid) = word.parse::<u32>() else {
            code = process.fail(format!("invalid number '{word}'")).await;
            continue;
        };
        if !send(process, pid, signal).await {
            code = process.fail(format!("can't kill pid {pid}: No such process")).await;
        }
    }
    Ok(code)
}

/// The name of a process's program.
fn name(info: &ProcessInfo) -> &str {
    info.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name))
}

async fn run_killall(process: &mut Process) -> Outcome {
    let (signal, words) = signal(process.args())?;
    let quiet = words.iter().any(|word| word == "-q");
    let mut code = 0;
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let found: Vec<ProcessInfo> = process
            .world
            .processes()
            .into_iter()
            .filter(|info| name(info) == word && info.pid != process.pid)
            .collect();
        for info in &found {
            send(process, info.pid, signal).await;
        }
        if found.is_empty() {
            code = 1;
            if !quiet {
                process.fail(format!("{word}: no process killed")).await;
            }
        }
    }
    Ok(code)
}

fn matching(process: &Process, words: &[String]) -> Vec<ProcessInfo> {
    let whole = words.iter().any(|word| word == "-f");
    let Some(pattern) = words.iter().find(|word| !word.starts_with('-')) else { return Vec::new() };
    let fits = |info: &ProcessInfo| {
        let text = if whole { info.argv.join(" ") } else { name(info).to_string() };
        info.pid != process.pid && text.contains(pattern.as_str())
    };
    process.world.processes().into_iter().filter(fits).collect()
}

async fn run_pkill(process: &mut Process) -> Outcome {
    let (signal, words) = signal(process.args())?;
    let found = matching(process, &words);
    for info in &found {
        send(process, info.pid, signal).await;
    }
    Ok(i32::from(found.is_empty()))
}

async fn run_pgrep(process: &mut Process) -> Outcome {
    let found = matching(process, process.args());
    let lines: String = found.iter().map(|info| format!("{}\n", info.pid)).collect();
    process.print(lines).await?;
    Ok(i32::from(found.is_empty()))
}
