//! `env`, `printenv`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(env, run);
program!(printenv, run_printenv);

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "+iu:", &[("ignore-environment", 'i'), ("unset", 'u')])?;
    if options.has('i') {
        process.env.clear();
    }
    for name in options.values('u') {
        process.env.remove(name);
    }
    let mut rest = options.operands.as_slice();
    while let Some((first, after)) = rest.split_first()
        && let Some((name, value)) = first.split_once('=')
    {
        process.env.insert(name.into(), value.into());
        rest = after;
    }
    let Some(name) = rest.first() else {
        let lines: String = process.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        process.print(lines).await?;
        return Ok(0);
    };
    match process.start(rest) {
        Ok(mut child) => Ok(child.wait().await.code),
        Err(error) => Ok(process.cannot_start(name, &error).await),
    }
}

async fn run_printenv(process: &mut Process) -> Outcome {
    let names = process.args();
    if names.is_empty() {
        let lines: String = process.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        process.print(lines).await?;
        return Ok(0);
    }
    let mut code = 0;
    for name in names {
        match process.env.get(name) {
            Some(value) => process.print(format!("{value}\n")).await?,
            None => code = 1,
        }
    }
    Ok(code)
}
