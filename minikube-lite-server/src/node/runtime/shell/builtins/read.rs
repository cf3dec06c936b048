//! Builtins that read: a line, or options.

use super::super::words::is_name;
use super::super::{Flow, Shell};
use std::io;
use std::time::Duration;

/// What `read` was asked for.
#[derive(Default)]
struct Wanted {
    raw: bool,
    silent: bool,
    prompt: Option<String>,
    seconds: Option<f64>,
    characters: Option<usize>,
}

pub async fn read(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let mut wanted = Wanted::default();
    let mut rest = words[1..].iter().peekable();
    while let Some(flags) = rest.next_if(|word| word.len() > 1 && word.starts_with('-')) {
        let mut letters = flags[1..].chars();
        while let Some(letter) = letters.next() {
            match letter {
                'r' => wanted.raw = true,
                's' => wanted.silent = true,
                'p' | 't' | 'n' | 'd' | 'u' => {
                    let attached: String = letters.by_ref().collect();
                    let value = if attached.is_empty() { rest.next().cloned().unwrap_or_default() } else { attached };
                    match letter {
                        'p' => wanted.prompt = Some(value),
                        't' => wanted.seconds = value.parse().ok(),
                        'n' => wanted.characters = value.parse().ok(),
                        _ => {}
                    }
                }
                _ => {
                    shell.complain_in("read", &format!("Illegal option -{letter}")).await;
                    shell.status = 2;
                    return Ok(Flow::Next);
                }
            }
        }
    }
    let names: Vec<String> = if rest.peek().is_none() { vec!["REPLY".into()] } else { rest.cloned().collect() };
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        let message = format!("{name}: bad variable name");
        return Ok(shell.fatal(&format!("read: {message}")).await);
    }
    if let (Some(prompt), true) = (&wanted.prompt, shell.terminal.is_some()) {
        shell.stderr().write(prompt.as_bytes()).await?;
    }
    if let (true, Some(terminal)) = (wanted.silent, &shell.terminal) {
        terminal.set_echo(false);
    }
    let line = match wanted.seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(limit)) => tokio::time::timeout(limit, line(shell, &wanted)).await.unwrap_or(Ok(None)),
        _ => line(shell, &wanted).await,
    };
    if let (true, Some(terminal)) = (wanted.silent, &shell.terminal) {
        terminal.set_echo(true);
    }
    let line = line.unwrap_or(None);
    // A last line without a line feed is read, but it is the end.
    shell.status = i32::from(!line.as_ref().is_some_and(|(_, complete)| *complete));
    let (text, _) = line.unwrap_or_default();
    let separators = shell.variables.get("IFS").map_or(" \t\n".to_string(), |ifs| ifs.to_string());
    for (name, value) in names.iter().zip(fields(&text, &separators, names.len())) {
        shell.variables.set(name, &value);
    }
    Ok(Flow::Next)
}

/// A line, each character with whether a backslash stood before it; and whether it was complete.
type Line = (Vec<(char, bool)>, bool);

async fn line(shell: &Shell, wanted: &Wanted) -> io::Result<Option<Line>> {
    let mut text = Vec::new();
    let input = shell.stdin();
    if let Some(count) = wanted.characters {
        let bytes = input.read(count).await?;
        let read: Vec<_> = String::from_utf8_lossy(&bytes).chars().map(|c| (c, false)).collect();
        return Ok((!read.is_empty()).then_some((read, true)));
    }
    loop {
        let Some(bytes) = input.read_line().await? else {
            return Ok((!text.is_empty()).then_some((text, false)));
        };
        let read = String::from_utf8_lossy(&bytes);
        let (read, complete) = read.strip_suffix('\n').map_or((read.as_ref(), false), |read| (read, true));
        let mut chars = read.chars();
        let mut continues = false;
        while let Some(c) = chars.next() {
            match c {
                '\\' if !wanted.raw => match chars.next() {
                    Some(c) => text.push((c, true)),
                    None => continues = complete,
                },
                c => text.push((c, false)),
            }
        }
        if !continues {
            return Ok(Some((text, complete)));
        }
    }
}

/// The values of `count` variables: fields at the separators, and all that is left in the last one.
fn fields(text: &[(char, bool)], separators: &str, count: usize) -> Vec<String> {
    let separates = |(c, escaped): &(char, bool)| !escaped && separators.contains(*c);
    let blank = |item: &(char, bool)| separates(item) && item.0.is_ascii_whitespace();
    let mut rest = text;
    let mut values = Vec::with_capacity(count);
    let trim = |text: &mut &[(char, bool)]| {
        while text.first().is_some_and(blank) {
            *text = &text[1..];
        }
    };
    trim(&mut rest);
    while values.len() + 1 < count {
        let end = rest.iter().position(separates).unwrap_or(rest.len());
        values.push(rest[..end].iter().map(|(c, _)| *c).collect());
        rest = &rest[end..];
        trim(&mut rest);
        if rest.first().is_some_and(separates) {
            rest = &rest[1..];
            trim(&mut rest);
        }
    }
    while rest.last().is_some_and(blank) {
        rest = &rest[..rest.len() - 1];
    }
    values.push(rest.iter().map(|(c, _)| *c).collect());
    values
}

pub async fn getopts(shell: &mut Shell, words: &[String]) -> io::Result<Flow> {
    let (Some(spec), Some(name)) = (words.get(1), words.get(2)) else {
        shell.complain_in("getopts", "usage: getopts optstring var [arg]").await;
        shell.status = 2;
        return Ok(Flow::Next);
    };
    let arguments = if words.len() > 3 { words[3..].to_vec() } else { shell.arguments.to_vec() };
    // The place in a word of several options is kept beside OPTIND.
    let number = |shell: &Shell, name: &str| shell.variables.get(name).and_then(|value| value.parse::<usize>().ok());
    let mut index = number(shell, "OPTIND").unwrap_or(1).max(1);
    let mut offset = number(shell, "_OPTOFF").unwrap_or(1).max(1);
    let word = arguments.get(index - 1).filter(|word| word.len() > 1 && word.starts_with('-') && *word != "--");
    let Some(letter) = word.and_then(|word| word.chars().nth(offset)) else {
        if arguments.get(index - 1).is_some_and(|word| word == "--") {
            index += 1;
        }
        shell.variables.set("OPTIND", &index.to_string());
        shell.variables.unset("_OPTOFF");
        shell.variables.set(name, "?");
        shell.status = 1;
        return Ok(Flow::Next);
    };
    let word = word.cloned().unwrap_or_default();
    let (silent, letters) = spec.strip_prefix(':').map_or((false, spec.as_str()), |rest| (true, rest));
    let place = letters.find(letter).filter(|_| letter != ':');
    let takes = place.is_some_and(|at| letters[at + letter.len_utf8()..].starts_with(':'));
    let (mut option, mut value) = (letter.to_string(), None);
    let attached: String = word.chars().skip(offset + 1).collect();
    if takes {
        index += 1;
        offset = 1;
        value = if attached.is_empty() { arguments.get(index - 1).cloned() } else { Some(attached.clone()) };
        index += usize::from(attached.is_empty());
        if value.is_none() {
            if silent {
                (option, value) = (":".into(), Some(letter.to_string()));
            } else {
                shell.complain(&format!("No arg for -{letter} option")).await;
                option = "?".into();
            }
        }
    } else {
        if attached.is_empty() {
            index += 1;
            offset = 1;
        } else {
            offset += 1;
        }
        if place.is_none() {
            option = "?".into();
            if silent {
                value = Some(letter.to_string());
            } else {
                shell.complain(&format!("Illegal option -{letter}")).await;
            }
        }
    }
    shell.variables.set("OPTIND", &index.to_string());
    if offset > 1 {
        shell.variables.set("_OPTOFF", &offset.to_string());
    } else {
        shell.variables.unset("_OPTOFF");
    }
    match value {
        Some(value) => shell.variables.set("OPTARG", &value),
        None => shell.variables.unset("OPTARG"),
    };
    shell.variables.set(name, &option);
    shell.status = 0;
    Ok(Flow::Next)
}
