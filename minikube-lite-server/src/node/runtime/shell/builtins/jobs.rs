//! Builtins about processes.

use super::super::{Flow, Shell};
use crate::node::runtime::signal::Signal;
use std::io;

/// Waits for jobs; a signal with a trap ends the waiting.
pub async fn wait(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    let mut pids = Vec::new();
    for word in &words[1..] {
        let pid = match word.strip_prefix('%') {
            Some(number) => number.parse::<usize>().ok().and_then(|at| Some(shell.jobs.get(at.checked_sub(1)?)?.pid)),
            None => word.parse::<u32>().ok(),
        };
        pids.extend(pid);
    }
    let mut jobs = Vec::new();
    if words.len() == 1 {
        jobs = std::mem::take(&mut shell.jobs);
    } else {
        shell.status = 127;
        for pid in pids {
            if let Some(at) = shell.jobs.iter().position(|job| job.pid == pid) {
                jobs.push(shell.jobs.remove(at));
            }
        }
    }
    let handles =
        shell.interactive || shell.traps.iter().any(|(signal, action)| signal.is_some() && !action.is_empty());
    for index in 0..jobs.len() {
        let Some(job) = jobs.get_mut(index) else { break };
        tokio::select! {
            exit = job.wait() => if words.len() > 1 { shell.status = exit.code },
            signal = shell.signals.next(), if handles => {
                // Those that still run can be waited for again.
                shell.jobs.extend(jobs.drain(index..));
                let flow = shell.trapped(signal).await;
                shell.status = 128 + signal.number();
                return Ok(flow);
            }
        }
    }
    Ok(Flow::Next)
}

pub async fn jobs(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let only_pids = words.get(1).is_some_and(|word| word == "-p");
    shell.jobs.retain_mut(|job| !job.has_ended());
    let mut lines = String::new();
    for (index, job) in shell.jobs.iter().enumerate() {
        let command = shell.world.info(job.pid).map(|info| info.argv.join(" ")).unwrap_or_default();
        lines += &if only_pids {
            format!("{}\n", job.pid)
        } else {
            format!("[{}]+ Running                    {command}\n", index + 1)
        };
    }
    shell.stdout().write(lines.as_bytes()).await?;
    shell.status = 0;
    Ok(Flow::Next)
}

pub async fn kill(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let mut words = &words[1..];
    let mut signal = Signal::Term;
    if let Some(flag) = words.first().and_then(|word| word.strip_prefix('-')) {
        words = &words[1..];
        let name = match flag {
            "l" => {
                let names: Vec<String> =
                    Signal::ALL.iter().map(|signal| format!("{:2}) {}\n", signal.number(), signal.name())).collect();
                shell.stdout().write(names.concat().as_bytes()).await?;
                shell.status = 0;
                return Ok(Flow::Next);
            }
            "s" | "n" => {
                let name = words.first().cloned().unwrap_or_default();
                words = words.get(1..).unwrap_or_default();
                name
            }
            "-" => "TERM".into(),
            name => name.to_string(),
        };
        match Signal::parse(&name) {
            Some(parsed) => signal = parsed,
            // Signal 0 only asks whether the process is there.
            None if name == "0" => return Ok(exists(shell, words).await),
            None => {
                shell.complain_in("kill", &format!("bad signal name '{name}'")).await;
                shell.status = 1;
                return Ok(Flow::Next);
            }
        }
    }
    if words.is_empty() {
        shell.complain_in("kill", "you need to specify whom to kill").await;
        shell.status = 1;
        return Ok(Flow::Next);
    }
    shell.status = 0;
    for word in words {
        let target = match word.strip_prefix('%') {
            Some(number) => {
                let job = number.parse::<usize>().ok().and_then(|at| shell.jobs.get(at.checked_sub(1)?));
                job.map(|job| i64::from(job.pid))
            }
            None => word.parse::<i64>().ok(),
        };
        let Some(target) = target else {
            shell.complain_in("kill", &format!("invalid number '{word}'")).await;
            shell.status = 1;
            continue;
        };
        // Only from outside the first process can be killed.
        let spared = target == 1 && signal == Signal::Kill;
        let sent = match u32::try_from(target.unsigned_abs()) {
            _ if spared => true,
            Ok(pid) if target > 0 => shell.world.signal(pid, signal),
            Ok(0) => shell.world.signal_group(shell.group, signal),
            Ok(group) => shell.world.signal_group(group, signal),
            Err(_) => false,
        };
        if !sent {
            shell.complain_in("kill", &format!("can't kill pid {word}: No such process")).await;
            shell.status = 1;
        }
    }
    // If it was the shell itself, it is over here.
    tokio::task::yield_now().await;
    Ok(shell.take_signals().await)
}

async fn exists(shell: &mut Shell, words: &[String]) -> Flow {
    shell.status = 0;
    for word in words {
        if !word.parse().is_ok_and(|pid| shell.world.info(pid).is_some()) {
            shell.complain_in("kill", &format!("can't kill pid {word}: No such process")).await;
            shell.status = 1;
        }
    }
    Flow::Next
}

/// What of processor time is counted is not told.
pub async fn times(shell: &mut Shell, _: &[String]) -> io::Result<Flow> {
    shell.stdout().write(b"0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n").await?;
    shell.status = 0;
    Ok(Flow::Next)
}

pub async fn umask(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    match words.get(1).map(|word| u32::from_str_radix(word, 8)) {
        None => shell.stdout().write(format!("{:04o}\n", shell.umask).as_bytes()).await?,
        Some(Ok(umask)) if umask <= 0o777 => shell.umask = umask,
        Some(_) => {
            shell.complain_in("umask", &format!("Illegal number: {}", words[1])).await;
            shell.status = 2;
        }
    }
    Ok(Flow::Next)
}

/// There is nothing to be limited but what is limited already.
pub async fn ulimit(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    shell.status = 0;
    let asked = words.get(1).map_or("-f", String::as_str);
    let value = match asked {
        "-n" => "1048576",
        _ => "unlimited",
    };
    if words.len() <= 2 && (asked.starts_with('-') || words.len() == 1) && asked != "-a" {
        shell.stdout().write(format!("{value}\n").as_bytes()).await?;
    }
    Ok(Flow::Next)
}
