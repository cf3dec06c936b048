//! `cat`

use super::options::Options;
use super::{Outcome, or_stdin, program};
use crate::node::runtime::process::Process;

program!(cat, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("number", 'n'), ("show-all", 'A'), ("show-ends", 'E')];
    let options = Options::parse(process.args(), "nbuveAtTE", &long)?;
    let (all, ends) = (options.has('n'), options.has('A') || options.has('e') || options.has('E'));
    let (mut code, mut number) = (0, 0);
    for path in or_stdin(&options) {
        let Some(input) = process.input(&path).await else {
            code = 1;
            continue;
        };
        if !all && !ends && !options.has('b') {
            loop {
                let chunk = input.chunk().await?;
                if chunk.is_empty() {
                    break;
                }
                process.stdout.write(&chunk).await?;
            }
            continue;
        }
        while let Some(line) = input.read_line().await? {
            let mut text = Vec::new();
            if all || (options.has('b') && *line != *b"\n") {
                number += 1;
                text.extend(format!("{number:6}\t").bytes());
            }
            text.extend_from_slice(&line);
            if ends && text.ends_with(b"\n") {
                text.pop();
                text.extend(b"$\n");
            }
            process.print(text).await?;
        }
    }
    Ok(code)
}
