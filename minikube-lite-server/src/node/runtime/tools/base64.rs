//! `base64`

use super::options::Options;
use super::{MEMORY, Outcome, program};
use crate::node::runtime::process::Process;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

program!(base64, run);

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "dDw:i", &[("decode", 'd'), ("wrap", 'w')])?;
    let path = options.operands.first().map_or("-", String::as_str);
    let Some(input) = process.input(path).await else { return Ok(1) };
    let content = input.read_to_end(MEMORY).await.map_err(|_| "out of memory".to_string())?;
    if options.has('d') || options.has('D') {
        let text: Vec<u8> = content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = BASE64_STANDARD.decode(text).map_err(|_| match process.is_busybox() {
            true => "truncated input".to_string(),
            false => "invalid input".to_string(),
        })?;
        process.print(decoded).await?;
        return Ok(0);
    }
    let encoded = BASE64_STANDARD.encode(content);
    let width = options.number('w', 76usize)?;
    let lines: Vec<&[u8]> = encoded.as_bytes().chunks(if width == 0 { usize::MAX } else { width }).collect();
    let mut text = lines.join(&b'\n');
    if width > 0 && !text.is_empty() {
        text.push(b'\n');
    }
    process.print(text).await?;
    Ok(0)
}
