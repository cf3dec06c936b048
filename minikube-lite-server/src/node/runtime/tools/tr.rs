//! `tr`

use super::echo::unescape;
use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(tr, run);

async fn run(process: &mut Process) -> Outcome {
    let options =
        Options::parse(process.args(), "+dscC", &[("delete", 'd'), ("squeeze-repeats", 's'), ("complement", 'c')])?;
    let (delete, squeeze) = (options.has('d'), options.has('s'));
    let Some(first) = options.operands.first() else { return Err("missing operand".to_string().into()) };
    let second = options.operands.get(1);
    if second.is_none() && !delete && !squeeze {
        return Err(format!("missing operand after '{first}'").into());
    }
    let mut from = set(first);
    if options.has('c') || options.has('C') {
        let listed = from;
        from = (0..=255).filter(|byte| !listed.contains(byte)).collect();
    }
    let to = second.map(|second| set(second)).unwrap_or_default();
    let mut table: [Option<u8>; 256] = std::array::from_fn(|byte| Some(byte as u8));
    for (index, byte) in from.iter().enumerate() {
        if delete {
            table[usize::from(*byte)] = None;
        } else if let Some(last) = to.last() {
            table[usize::from(*byte)] = Some(*to.get(index).unwrap_or(last));
        }
    }
    let squeezed = if to.is_empty() { &from } else { &to };
    let mut before = None;
    loop {
        let chunk = process.stdin.chunk().await?;
        if chunk.is_empty() {
            return Ok(0);
        }
        let mut output = Vec::with_capacity(chunk.len());
        for byte in chunk.iter().filter_map(|byte| table[usize::from(*byte)]) {
            if !(squeeze && before == Some(byte) && squeezed.contains(&byte)) {
                output.push(byte);
            }
            before = Some(byte);
        }
        process.print(output).await?;
    }
}

/// The bytes of a set: `a-z`, `[:upper:]`, `\n`.
fn set(text: &str) -> Vec<u8> {
    let mut escaped = Vec::new();
    unescape(text.as_bytes(), &mut escaped, false);
    let (mut bytes, mut rest) = (Vec::new(), escaped.as_slice());
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(inner) = rest.strip_prefix(b"[:")
            && let Some(end) = inner.windows(2).position(|pair| pair == b":]")
        {
            let is: fn(&u8) -> bool = match &inner[..end] {
                b"upper" => u8::is_ascii_uppercase,
                b"lower" => u8::is_ascii_lowercase,
                b"alpha" => u8::is_ascii_alphabetic,
                b"digit" => u8::is_ascii_digit,
                b"alnum" => u8::is_ascii_alphanumeric,
                b"space" => |byte| byte.is_ascii_whitespace() || *byte == 11,
                b"blank" => |byte| matches!(byte, b' ' | b'\t'),
                b"punct" => u8::is_ascii_punctuation,
                b"cntrl" => u8::is_ascii_control,
                b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
                b"xdigit" => u8::is_ascii_hexdigit,
                _ => |_| false,
            };
            bytes.extend((0..=255).filter(is));
            rest = &inner[end + 2..];
        } else if let [b'-', last, after @ ..] = after
            && *last >= byte
        {
            bytes.extend(byte..=*last);
            rest = after;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    bytes
}
