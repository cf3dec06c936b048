//! `awk`: patterns, actions, arrays and the usual functions.

mod eval;
mod parse;

use super::options::Options;
use super::{Outcome, or_stdin, program, text};
use crate::node::runtime::process::Process;
use eval::{Flow, Machine};
use parse::{Pattern, Statement, parse};

program!(awk, run);

async fn run(process: &mut Process) -> Outcome {
    let mut options = Options::parse(process.args(), "+F:v:f:", &[])?;
    let program = match options.value('f') {
        Some(path) => match process.world.files().read(&process.path(path)) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) => return Ok(process.fail_at(path, &error).await),
        },
        None if options.operands.is_empty() => {
            return Err("usage: awk [-F SEP] [-v VAR=VALUE] PROGRAM [FILE]...".to_string().into());
        }
        None => options.operands.remove(0),
    };
    let rules = match parse(&program) {
        Ok(rules) => rules,
        Err(message) => return Err(format!("syntax error: {message}").into()),
    };
    let mut machine = Machine::new(process.world.budget().clone(), &process.env);
    if let Some(separator) = options.value('F') {
        machine.set("FS", &separator.replace("\\t", "\t"));
    }
    for assignment in options.values('v') {
        let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        machine.set(name, value);
    }
    let outcome = run_rules(process, &mut options, &rules, &mut machine).await;
    match outcome {
        Ok(code) => Ok(code),
        Err(failure) => {
            process.print(std::mem::take(&mut machine.output)).await?;
            Err(failure)
        }
    }
}

async fn run_rules(
    process: &Process,
    options: &mut Options,
    rules: &[(Pattern, Statement)],
    machine: &mut Machine,
) -> Outcome {
    let mut code = None;
    for (pattern, action) in rules {
        if matches!(pattern, Pattern::Begin)
            && let Flow::Exit(exit) = machine.run(process, action).await?
        {
            code = Some(exit);
            break;
        }
    }
    let reads = rules.iter().any(|(pattern, _)| !matches!(pattern, Pattern::Begin));
    // Assignments among the files count from their place on; before the first file is near enough.
    options.operands.retain(|operand| match operand.split_once('=') {
        Some((name, value)) if !name.contains('/') => {
            machine.set(name, value);
            false
        }
        _ => true,
    });
    let mut failed = 0;
    if reads && code.is_none() {
        'files: for path in or_stdin(options) {
            let Some(input) = process.input(&path).await else {
                failed = 2;
                continue;
            };
            while let Some(line) = input.read_line().await? {
                machine.record(&text(&line));
                for (pattern, action) in rules {
                    let chosen = match pattern {
                        Pattern::Every => true,
                        Pattern::If(condition) => machine.is_true(condition)?,
                        _ => false,
                    };
                    if !chosen {
                        continue;
                    }
                    match machine.run(process, action).await? {
                        Flow::Next => break,
                        Flow::Exit(exit) => {
                            code = Some(exit);
                            break 'files;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    for (pattern, action) in rules {
        if matches!(pattern, Pattern::End)
            && let Flow::Exit(exit) = machine.run(process, action).await?
        {
            code = Some(exit);
            break;
        }
    }
    process.print(std::mem::take(&mut machine.output)).await?;
    Ok(code.unwrap_or(failed))
}
