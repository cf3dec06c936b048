//! `tail`

use super::head::{title, with_number};
use super::options::{Options, size};
use super::{MEMORY, Outcome, or_stdin, program};
use crate::node::runtime::pipe::Input;
use crate::node::runtime::process::Process;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

program!(tail, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("lines", 'n'), ("bytes", 'c'), ("follow", 'f')];
    let options = Options::parse(&with_number(process.args()), "n:c:fFqvs:", &long)?;
    let files = or_stdin(&options);
    let titles = (files.len() > 1 || options.has('v')) && !options.has('q');
    let (mut code, mut followed) = (0, Vec::new());
    for (index, path) in files.iter().enumerate() {
        let Some(input) = process.input(path).await else {
            code = 1;
            continue;
        };
        if titles {
            process.print(title(path, index)).await?;
        }
        let (count, lines) = match options.value('c') {
            Some(bytes) => (bytes, false),
            None => (options.value('n').unwrap_or("10"), true),
        };
        let from_start = count.starts_with('+');
        let count = usize::try_from(size(count.trim_start_matches(['+', '-']))?).unwrap_or(usize::MAX);
        if from_start {
            let mut skip = count.saturating_sub(1);
            while skip > 0 {
                let skipped =
                    if lines { input.read_line().await?.map_or(0, |_| 1) } else { input.read(skip).await?.len() };
                if skipped == 0 {
                    break;
                }
                skip -= skipped;
            }
            copy(process, &input).await?;
        } else {
            for part in last(&input, count, lines).await? {
                process.stdout.write(&part).await?;
            }
        }
        followed.push(input);
    }
    if !options.has('f') && !options.has('F') {
        return Ok(code);
    }
    if followed.is_empty() {
        return Err("no files".to_string().into());
    }
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for input in &followed {
            copy(process, input).await?;
        }
    }
}

/// Copies what there is.
async fn copy(process: &Process, input: &Input) -> io::Result<()> {
    loop {
        let chunk = input.chunk().await?;
        if chunk.is_empty() {
            return Ok(());
        }
        process.stdout.write(&chunk).await?;
    }
}

/// The last lines or bytes of an input.
async fn last(input: &Input, count: usize, lines: bool) -> io::Result<VecDeque<Bytes>> {
    let (mut held, mut size) = (VecDeque::new(), 0);
    loop {
        let part = if lines { input.read_line().await?.unwrap_or_default() } else { input.chunk().await? };
        if part.is_empty() {
            return Ok(held);
        }
        size += part.len();
        held.push_back(part);
        let too_many = |held: &VecDeque<Bytes>, size: usize| {
            if lines { held.len() > count } else { held.front().is_some_and(|first| size - first.len() >= count) }
        };
        while too_many(&held, size) || (size > MEMORY && held.len() > 1) {
            size -= held.pop_front().map_or(0, |part| part.len());
        }
        if !lines && size > count && held.len() == 1 {
            let part: Bytes = held.pop_front().unwrap_or_default();
            held.push_back(part.slice(part.len() - count..));
            size = count;
        }
    }
}
