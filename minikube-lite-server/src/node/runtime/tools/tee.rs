//! `tee`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(tee, run);

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "ai", &[("append", 'a')])?;
    let (mut code, mut outputs) = (0, vec![process.stdout.clone()]);
    for path in &options.operands {
        match process.create(path, options.has('a')) {
            Ok(output) => outputs.push(output),
            Err(error) => code = process.fail_at(path, &error).await,
        }
    }
    loop {
        let chunk = process.stdin.chunk().await?;
        if chunk.is_empty() {
            return Ok(code);
        }
        for output in &outputs {
            output.write(&chunk).await?;
        }
    }
}
