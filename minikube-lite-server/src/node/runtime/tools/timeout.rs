//! `timeout`, `nohup`

use super::options::Options;
use super::sleep::duration;
use super::{Outcome, program};
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::{CannotStart, Child, Start};
use std::time::Duration;

program!(timeout, run);
program!(nohup, run_nohup);

impl Process {
    /// Starts a program with this process's streams and environment.
    pub(super) fn start(&self, argv: &[String]) -> Result<Child, CannotStart> {
        self.world.spawn(Start {
            argv: argv.to_vec(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            stdin: self.stdin.clone(),
            stdout: self.stdout.clone(),
            stderr: self.stderr.clone(),
            terminal: self.terminal.clone(),
            parent: self.pid,
            group: Some(self.world.info(self.pid).map_or(self.pid, |info| info.group)),
        })
    }

    /// Says why a program could not be started, and gives the exit code for it.
    pub(super) async fn cannot_start(&self, name: &str, error: &CannotStart) -> i32 {
        let message = if self.is_busybox() { format!("can't execute '{name}'") } else { format!("'{name}'") };
        self.fail(format!("{message}: {}", error.reason)).await;
        error.code
    }
}

async fn run(process: &mut Process) -> Outcome {
    let long = [("signal", 's'), ("kill-after", 'k'), ("preserve-status", 'p'), ("foreground", 'f')];
    let options = Options::parse(process.args(), "+s:k:pf", &long)?;
    let (Some(limit), argv) = (options.operands.first(), options.operands.get(1..).unwrap_or_default()) else {
        return Err("missing operand".to_string().into());
    };
    let Some(limit) = duration(limit) else { return Err(format!("invalid time interval '{limit}'").into()) };
    let signal = options.value('s').map_or(Some(Signal::Term), Signal::parse);
    let Some(signal) = signal else { return Err("unknown signal".to_string().into()) };
    let Some(name) = argv.first() else { return Err("missing operand".to_string().into()) };
    let mut child = match process.start(argv) {
        Ok(child) => child,
        Err(error) => return Ok(process.cannot_start(name, &error).await),
    };
    // As a last resort it kills; nothing that runs ignores that.
    let patience = options.value('k').and_then(duration).flatten();
    tokio::select! {
        exit = child.wait() => return Ok(exit.code),
        () = pause(limit.filter(|limit| !limit.is_zero())) => {}
    }
    process.world.signal(child.pid, signal);
    let exit = tokio::select! {
        exit = child.wait() => exit,
        () = pause(patience) => {
            process.world.signal(child.pid, Signal::Kill);
            child.wait().await
        }
    };
    Ok(match (options.has('p') || exit.signal == Some(Signal::Kill), process.is_busybox()) {
        (false, false) => 124,
        (false, true) => 128 + signal.number(),
        (true, _) => exit.code,
    })
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// `nohup`, and `nice`, which here is the same: it runs a command.
async fn run_nohup(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "+n:", &[])?;
    let Some(name) = options.operands.first() else { return Err("missing operand".to_string().into()) };
    process.signals.ignore(&[Signal::Hup]);
    match process.start(&options.operands) {
        Ok(mut child) => Ok(child.wait().await.code),
        Err(error) => Ok(process.cannot_start(name, &error).await),
    }
}
