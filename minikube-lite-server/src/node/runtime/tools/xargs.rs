//! `xargs`

use super::options::Options;
use super::{MEMORY, Outcome, program};
use crate::node::runtime::process::Process;

program!(xargs, run);

/// How many arguments a command gets at most.
const MOST: usize = 5000;

async fn run(process: &mut Process) -> Outcome {
    let long = [("null", '0'), ("no-run-if-empty", 'r'), ("max-args", 'n'), ("verbose", 't'), ("replace", 'I')];
    let options = Options::parse(process.args(), "+0rtn:I:L:P:s:d:", &long)?;
    let input = process.stdin.read_to_end(MEMORY).await.map_err(|_| "out of memory".to_string())?;
    let input = String::from_utf8_lossy(&input).into_owned();
    // The commands do not read what was meant for this one.
    process.stdin = crate::node::runtime::pipe::Input::empty();
    let replaced = options.value('I');
    let words: Vec<String> = if options.has('0') {
        input.split('\0').filter(|word| !word.is_empty()).map(String::from).collect()
    } else if let Some(delimiter) = options.value('d') {
        let delimiter = delimiter.replace("\\n", "\n");
        input.split(delimiter.as_str()).filter(|word| !word.is_empty()).map(String::from).collect()
    } else if replaced.is_some() || options.has('L') {
        input.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
    } else {
        words(&input)
    };
    let command = if options.operands.is_empty() { vec!["echo".to_string()] } else { options.operands.clone() };
    let most = options.number('n', options.number('L', MOST)?)?.clamp(1, MOST);
    let mut commands: Vec<Vec<String>> = match replaced {
        Some(mark) => {
            let fill = |word: &String| command.iter().map(|part| part.replace(mark, word)).collect();
            words.iter().map(fill).collect()
        }
        None => words.chunks(most).map(|words| command.iter().chain(words).cloned().collect()).collect(),
    };
    if words.is_empty() && replaced.is_none() && !options.has('r') {
        commands.push(command);
    }
    let mut code = 0;
    for argv in commands {
        if options.has('t') {
            process.stderr.write(format!("{}\n", argv.join(" ")).as_bytes()).await?;
        }
        match process.start(&argv) {
            Ok(mut child) => match child.wait().await.code {
                0 => {}
                255 => return Ok(124),
                _ => code = 123,
            },
            Err(error) => {
                process.fail(format!("{}: {}", argv[0], error.reason)).await;
                return Ok(error.code);
            }
        }
    }
    Ok(code)
}

/// Words between blanks, with quotes and backslashes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
                continue;
            }
            '\'' | '"' => word.extend(chars.by_ref().take_while(|other| *other != c)),
            '\\' => word.extend(chars.next()),
            c => word.push(c),
        }
        open = true;
    }
    if open {
        words.push(word);
    }
    words
}
