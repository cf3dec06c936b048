//! `uniq`

use super::options::Options;
use super::{Outcome, program, text};
use crate::node::runtime::process::Process;

program!(uniq, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("count", 'c'), ("repeated", 'd'), ("unique", 'u'), ("ignore-case", 'i')];
    let options = Options::parse(process.args(), "cduif:s:w:", &long)?;
    let path = options.operands.first().map_or("-", String::as_str);
    let Some(input) = process.input(path).await else { return Ok(1) };
    let (skip_fields, skip) = (options.number('f', 0usize)?, options.number('s', 0usize)?);
    let width = options.number('w', usize::MAX)?;
    let key = |line: &str| {
        let mut rest = line;
        for _ in 0..skip_fields {
            rest = rest.trim_start();
            rest = &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..];
        }
        let key: String = rest.chars().skip(skip).take(width).collect();
        if options.has('i') { key.to_lowercase() } else { key }
    };
    let mut group: Option<(String, String, u64)> = None;
    loop {
        let line = input.read_line().await?.map(|line| text(&line));
        let next = line.map(|line| (key(&line), line, 1));
        match (&mut group, &next) {
            (Some((same, _, count)), Some((key, ..))) if same == key => {
                *count += 1;
                continue;
            }
            _ => {}
        }
        if let Some((_, line, count)) = std::mem::replace(&mut group, next)
            && (count > 1 || !options.has('d'))
            && (count == 1 || !options.has('u'))
        {
            let counted = if options.has('c') { format!("{count:7} ") } else { String::new() };
            process.print(format!("{counted}{line}\n")).await?;
        }
        if group.is_none() {
            return Ok(0);
        }
    }
}
