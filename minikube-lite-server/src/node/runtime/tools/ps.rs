//! `ps`, `top`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(ps, run);
program!(top, run_top);

fn user(process: &Process) -> String {
    if process.world.user() == 0 { "root".into() } else { process.world.user().to_string() }
}

async fn run(process: &mut Process) -> Outcome {
    let full = process.args().iter().any(|word| !word.starts_with('-') && word.contains('u') || word.contains('f'));
    let (user, now) = (user(process), process.world.now());
    let mut lines = match (process.is_busybox(), full) {
        (true, _) => "PID   USER     TIME  COMMAND\n".to_string(),
        (false, true) => "UID          PID    PPID  C STIME TTY          TIME CMD\n".to_string(),
        (false, false) => "    PID TTY          TIME CMD\n".to_string(),
    };
    for info in process.world.processes() {
        let command = info.argv.join(" ");
        let name = info.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
        lines += &match (process.is_busybox(), full) {
            (true, _) => format!("{:5} {user:<8}  0:00 {command}\n", info.pid),
            (false, true) => {
                let started = info.started.to_zoned(jiff::tz::TimeZone::UTC);
                let started = if now.duration_since(info.started).as_hours() < 24 {
                    started.strftime("%H:%M").to_string()
                } else {
                    started.strftime("%b%d").to_string()
                };
                format!("{user:<8} {:7} {:7}  0 {started} ?        00:00:00 {command}\n", info.pid, info.parent)
            }
            (false, false) => format!("{:7} ?        00:00:00 {name}\n", info.pid),
        };
    }
    process.print(lines).await?;
    Ok(0)
}

async fn run_top(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "bn:d:", &[])?;
    let rounds = options.number('n', if process.terminal.is_some() { u64::MAX } else { 1 })?;
    let seconds = options.number('d', 5u64)?.clamp(1, 3600);
    for round in 0..rounds {
        if round > 0 {
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        }
        let user = user(process);
        let clear = if options.has('b') { "" } else { "\x1b[H\x1b[J" };
        let mut text = format!("{clear}CPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% sirq\n");
        text += "  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND\n";
        for info in process.world.processes() {
            text += &format!(
                "{:5} {:5} {user:<8} S     4400   0%   0   0% {}\n",
                info.pid,
                info.parent,
                info.argv.join(" ")
            );
        }
        process.print(text).await?;
    }
    Ok(0)
}
