//! `sort`

use super::options::Options;
use super::{MEMORY, Outcome, or_stdin, program, text};
use crate::node::runtime::process::Process;
use std::cmp::Ordering;

program!(sort, run);

/// What lines are compared by.
struct Key {
    /// The first field, from 0, and the last one.
    from: usize,
    to: usize,
    numeric: bool,
    human: bool,
    version: bool,
    fold: bool,
    reverse: bool,
}

async fn run(process: &mut Process) -> Outcome {
    let long = [("reverse", 'r'), ("unique", 'u'), ("numeric-sort", 'n'), ("key", 'k'), ("field-separator", 't')];
    let options = Options::parse(process.args(), "nruhVfbdszk:t:o:c", &long)?;
    let key = |spec: &str, from, to| {
        let flag = |letter: char| spec.contains(letter) || options.has(letter);
        Key {
            from,
            to,
            numeric: flag('n'),
            human: flag('h'),
            version: flag('V'),
            fold: flag('f'),
            reverse: spec.contains('r') || (options.has('r') && !spec.contains(|c: char| c.is_ascii_alphabetic())),
        }
    };
    let mut keys = Vec::new();
    for spec in options.values('k') {
        let (from, to) = spec.split_once(',').unwrap_or((spec, ""));
        let number = |text: &str| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok()
        };
        let Some(first) = number(from).filter(|first| *first > 0) else {
            return Err(format!("bad field specification '{spec}'").into());
        };
        keys.push(key(spec, first - 1, number(to).map_or(usize::MAX, |to| to.max(1) - 1)));
    }
    let whole = key("", 0, usize::MAX);
    let separator = options.value('t').and_then(|text| text.chars().next());
    let (mut lines, mut size) = (Vec::new(), 0);
    for path in or_stdin(&options) {
        let Some(input) = process.input(&path).await else { return Ok(2) };
        while let Some(line) = input.read_line().await? {
            size += line.len();
            if size > MEMORY {
                return Err("out of memory".to_string().into());
            }
            lines.push(text(&line));
        }
    }
    let by_keys = |left: &String, right: &String| {
        if keys.is_empty() {
            return compare(left, right, &whole);
        }
        let fields = |line: &String, key: &Key| field(line, key, separator);
        keys.iter()
            .map(|key| compare(&fields(left, key), &fields(right, key), key))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    let ordering = |left: &String, right: &String| {
        // Equal keys are told apart by the whole line, unless the order is to stay or only the keys count.
        let last = || if options.has('s') || options.has('u') { Ordering::Equal } else { left.cmp(right) };
        by_keys(left, right).then_with(|| if options.has('r') { last().reverse() } else { last() })
    };
    if options.has('c') {
        let sorted = lines.is_sorted_by(|left, right| ordering(left, right).is_le());
        return Ok(i32::from(!sorted));
    }
    lines.sort_by(ordering);
    if options.has('u') {
        lines.dedup_by(|next, line| by_keys(line, next).is_eq());
    }
    let output = match options.value('o') {
        Some(path) => match process.create(path, false) {
            Ok(output) => output,
            Err(error) => return Ok(process.fail_at(path, &error).await),
        },
        None => process.stdout.clone(),
    };
    for part in lines.chunks(256) {
        output.write((part.join("\n") + "\n").as_bytes()).await?;
    }
    Ok(0)
}

fn field(line: &str, key: &Key, separator: Option<char>) -> String {
    match separator {
        Some(separator) => {
            let fields = line.split(separator).skip(key.from).take(key.to.saturating_sub(key.from).saturating_add(1));
            fields.collect::<Vec<_>>().join(separator.encode_utf8(&mut [0; 4]))
        }
        None => {
            let fields = line.split_whitespace().skip(key.from).take(key.to.saturating_sub(key.from).saturating_add(1));
            fields.collect::<Vec<_>>().join(" ")
        }
    }
}

fn compare(left: &str, right: &str, key: &Key) -> Ordering {
    let order = if key.human {
        human(left).total_cmp(&human(right))
    } else if key.numeric {
        number(left).total_cmp(&number(right))
    } else if key.version {
        versions(left, right)
    } else if key.fold {
        left.to_uppercase().cmp(&right.to_uppercase())
    } else {
        left.cmp(right)
    };
    if key.reverse { order.reverse() } else { order }
}

/// The number at the beginning of a text, and 0 without one.
fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text.char_indices().find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && *c == '-')));
    text[..end.map_or(text.len(), |(at, _)| at)].parse().unwrap_or(0.0)
}

fn human(text: &str) -> f64 {
    let text = text.trim();
    let unit = text.find(|c: char| "kKMGTPE".contains(c)).and_then(|at| text[at..].chars().next());
    let power = unit.and_then(|unit| "KMGTPE".find(unit.to_ascii_uppercase())).map_or(0, |at| at + 1);
    number(text) * 1024f64.powi(power as i32)
}

/// Compares digits as numbers and all else as text.
fn versions(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let split = |text: &str, digits: bool| text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
        let (text_left, text_right) = (split(left, false), split(right, false));
        let order = left[..text_left].cmp(&right[..text_right]);
        if order.is_ne() {
            return order;
        }
        (left, right) = (&left[text_left..], &right[text_right..]);
        let (digits_left, digits_right) = (split(left, true), split(right, true));
        let value = |text: &str| text.parse::<u128>().unwrap_or(0);
        let order = value(&left[..digits_left]).cmp(&value(&right[..digits_right]));
        if order.is_ne() || (digits_left == 0 && digits_right == 0) {
            return order.then(left.len().cmp(&right.len()));
        }
        (left, right) = (&left[digits_left..], &right[digits_right..]);
    }
}
