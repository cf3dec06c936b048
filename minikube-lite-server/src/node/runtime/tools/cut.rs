//! `cut`

use super::options::Options;
use super::{Outcome, or_stdin, program, text};
use crate::node::runtime::process::Process;

program!(cut, run);

async fn run(process: &mut Process) -> Outcome {
    let long = [("fields", 'f'), ("delimiter", 'd'), ("characters", 'c'), ("bytes", 'b'), ("only-delimited", 's')];
    let options = Options::parse(process.args(), "f:d:c:b:sn", &long)?;
    let chosen = ['f', 'c', 'b'].iter().find_map(|letter| Some((*letter, options.value(*letter)?)));
    let Some((kind, list)) = chosen else {
        return Err("expected a list of bytes, characters, or fields".to_string().into());
    };
    let ranges = list.split(',').map(range).collect::<Option<Vec<_>>>();
    let Some(ranges) = ranges else { return Err(format!("invalid range {list}").into()) };
    let chosen = |index: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&(index + 1)));
    let delimiter = options.value('d').and_then(|text| text.chars().next()).unwrap_or('\t');
    let mut code = 0;
    for path in or_stdin(&options) {
        let Some(input) = process.input(&path).await else {
            code = 1;
            continue;
        };
        while let Some(line) = input.read_line().await? {
            let mut output: Vec<u8> = match kind {
                'f' => {
                    let line = text(&line);
                    if !line.contains(delimiter) {
                        if options.has('s') {
                            continue;
                        }
                        line.into_bytes()
                    } else {
                        let fields = line.split(delimiter).enumerate().filter(|(index, _)| chosen(*index));
                        let fields: Vec<&str> = fields.map(|(_, field)| field).collect();
                        fields.join(delimiter.encode_utf8(&mut [0; 4])).into_bytes()
                    }
                }
                'c' => {
                    let line = text(&line);
                    let chars = line.chars().enumerate().filter(|(index, _)| chosen(*index));
                    chars.map(|(_, c)| c).collect::<String>().into_bytes()
                }
                _ => {
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    line.iter().enumerate().filter(|(index, _)| chosen(*index)).map(|(_, byte)| *byte).collect()
                }
            };
            output.push(b'\n');
            process.print(output).await?;
        }
    }
    Ok(code)
}

/// `3`, `3-`, `-3` or `2-3`.
fn range(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    match text.split_once('-') {
        None => number(text).map(|number| (number, number)),
        Some(("", to)) => Some((1, number(to)?)),
        Some((from, "")) => Some((number(from)?, usize::MAX)),
        Some((from, to)) => Some((number(from)?, number(to)?)),
    }
}
