//! `wc`

use super::options::Options;
use super::{Outcome, or_stdin, program};
use crate::node::runtime::process::Process;

program!(wc, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("lines", 'l'), ("words", 'w'), ("bytes", 'c'), ("chars", 'm')];
    let options = Options::parse(process.args(), "lwcmL", &long)?;
    let files = or_stdin(&options);
    let all = !"lwcmL".chars().any(|letter| options.has(letter));
    let wanted: Vec<char> =
        "lwcmL".chars().filter(|letter| options.has(*letter) || (all && "lwc".contains(*letter))).collect();
    let (mut code, mut total) = (0, [0u64; 5]);
    let is_busybox = process.is_busybox();
    let line = |counts: &[u64; 5], name: &str| {
        let numbers = wanted.iter().map(|letter| counts["lwcmL".find(*letter).unwrap_or(0)]);
        let numbers: Vec<String> = match (wanted.len() > 1, is_busybox, name.is_empty()) {
            (false, _, _) => numbers.map(|number| number.to_string()).collect(),
            (true, true, _) | (true, false, true) => {
                numbers.map(|number| format!("{number:>w$}", w = if is_busybox { 9 } else { 7 })).collect()
            }
            (true, false, false) => numbers.map(|number| number.to_string()).collect(),
        };
        format!("{}{}{name}\n", numbers.join(" "), if name.is_empty() { "" } else { " " })
    };
    for path in &files {
        let Some(input) = process.input(path).await else {
            code = 1;
            continue;
        };
        let (mut counts, mut in_word, mut width) = ([0u64; 5], false, 0);
        loop {
            let chunk = input.chunk().await?;
            if chunk.is_empty() {
                break;
            }
            counts[2] += chunk.len() as u64;
            for byte in &chunk {
                counts[0] += u64::from(*byte == b'\n');
                counts[3] += u64::from(byte & 0xc0 != 0x80);
                let blank = byte.is_ascii_whitespace();
                counts[1] += u64::from(!blank && !in_word);
                in_word = !blank;
                width = if *byte == b'\n' { 0 } else { width + 1 };
                counts[4] = counts[4].max(width);
            }
        }
        let name = if options.operands.is_empty() { "" } else { path };
        process.print(line(&counts, name)).await?;
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    if files.len() > 1 {
        process.print(line(&total, "total")).await?;
    }
    Ok(code)
}
