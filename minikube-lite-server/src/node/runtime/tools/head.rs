//! `head`

use super::options::{Options, size};
use super::{Outcome, or_stdin, program};
use crate::node::runtime::process::Process;

program!(head, run);

/// `-20` is `-n 20`.
pub fn with_number(arguments: &[String]) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    if let Some(first) = arguments.first_mut()
        && let Some(number) = first.strip_prefix('-')
        && number.parse::<u64>().is_ok()
    {
        *first = format!("-n{number}");
    }
    arguments
}

/// What stands above the lines of each of several files.
pub fn title(path: &str, index: usize) -> String {
    let name = if path == "-" { "standard input" } else { path };
    format!("{}==> {name} <==\n", if index > 0 { "\n" } else { "" })
}

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(&with_number(process.args()), "n:c:qv", &[("lines", 'n'), ("bytes", 'c')])?;
    let files = or_stdin(&options);
    let titles = (files.len() > 1 || options.has('v')) && !options.has('q');
    let mut code = 0;
    for (index, path) in files.iter().enumerate() {
        let Some(input) = process.input(path).await else {
            code = 1;
            continue;
        };
        if titles {
            process.print(title(path, index)).await?;
        }
        if let Some(count) = options.value('c') {
            let mut left = usize::try_from(size(count)?).unwrap_or(usize::MAX);
            while left > 0 {
                let chunk = input.read(left.min(65536)).await?;
                if chunk.is_empty() {
                    break;
                }
                left -= chunk.len();
                process.stdout.write(&chunk).await?;
            }
            continue;
        }
        let count: i64 = options.number('n', 10)?;
        if count < 0 {
            // All but the last ones.
            let mut held = std::collections::VecDeque::new();
            while let Some(line) = input.read_line().await? {
                held.push_back(line);
                if held.len() as u64 > count.unsigned_abs()
                    && let Some(line) = held.pop_front()
                {
                    process.stdout.write(&line).await?;
                }
            }
            continue;
        }
        for _ in 0..count {
            let Some(line) = input.read_line().await? else { break };
            process.stdout.write(&line).await?;
        }
    }
    Ok(code)
}
