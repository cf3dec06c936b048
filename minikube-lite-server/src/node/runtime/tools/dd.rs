//! `dd`

use super::options::size;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(dd, run);

/// The largest block.
const BLOCK: u64 = 16 * 1024 * 1024;

async fn run(process: &mut Process) -> Outcome {
    let (mut from, mut to) = ("-".to_string(), None);
    let (mut block, mut count, mut skip, mut quiet, mut append) = (512, None, 0, false, false);
    for word in process.args() {
        match word.split_once('=') {
            Some(("if", value)) => from = value.into(),
            Some(("of", value)) => to = Some(value.to_string()),
            Some(("bs" | "ibs" | "obs", value)) => block = size(value)?,
            Some(("count", value)) => count = Some(size(value)?),
            Some(("skip", value)) => skip = size(value)?,
            Some(("status", value)) => quiet = value == "none",
            Some(("oflag", value)) => append = value == "append",
            Some(("conv" | "iflag" | "seek", _)) => {}
            _ => return Err(format!("invalid argument '{word}'").into()),
        }
    }
    if block == 0 || block > BLOCK {
        return Err(format!("invalid number '{block}'").into());
    }
    let Some(input) = process.input(&from).await else { return Ok(1) };
    let output = match &to {
        Some(path) => match process.create(path, append) {
            Ok(output) => output,
            Err(error) => return Ok(process.fail_at(path, &error).await),
        },
        None => process.stdout.clone(),
    };
    let (began, mut full, mut part, mut total, mut code) = (tokio::time::Instant::now(), 0u64, 0u64, 0u64, 0);
    let mut index = 0;
    while count.is_none_or(|count| index < count + skip) {
        process.world.budget().spend().await;
        // A block is read whole where there is as much.
        let mut read = Vec::new();
        while (read.len() as u64) < block {
            let chunk = input.read((block as usize) - read.len()).await?;
            if chunk.is_empty() {
                break;
            }
            read.extend_from_slice(&chunk);
        }
        if read.is_empty() {
            break;
        }
        index += 1;
        if index <= skip {
            continue;
        }
        if let Err(error) = output.write(&read).await {
            code = process
                .fail(format!(
                    "error writing '{}': {}",
                    to.as_deref().unwrap_or("standard output"),
                    super::strerror(&error)
                ))
                .await;
            break;
        }
        total += read.len() as u64;
        if read.len() as u64 == block { full += 1 } else { part += 1 }
    }
    if !quiet {
        let seconds = began.elapsed().as_secs_f64().max(1e-6);
        let rate = super::ls::human((total as f64 / seconds) as u64);
        let text = format!(
            "{full}+{part} records in\n{full}+{part} records out\n{total} bytes ({}) copied, {seconds:.6} seconds, {rate}B/s\n",
            super::ls::human(total) + "B"
        );
        process.stderr.write(text.as_bytes()).await?;
    }
    Ok(code)
}
