//! `yes`

use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(yes, run);

async fn run(process: &mut Process) -> Outcome {
    let line = if process.args().is_empty() { "y".to_string() } else { process.args().join(" ") } + "\n";
    let chunk = line.repeat(1 + 4096 / line.len());
    loop {
        process.world.budget().spend().await;
        process.print(&chunk).await?;
    }
}
