//! `df`, `du`, `free`

use super::options::Options;
use super::{Outcome, ls, program};
use crate::node::runtime::process::Process;

program!(df, run_df);
program!(du, run_du);
program!(free, run_free);

async fn run_df(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "hkmPTia", &[("human-readable", 'h')])?;
    let show = |bytes: u64| if options.has('h') { ls::human(bytes) } else { bytes.div_ceil(1024).to_string() };
    let unit = if options.has('h') { "Size" } else { "1K-blocks" };
    let mut text = format!("{:<20} {unit:>10} {:>9} {:>9} Use% Mounted on\n", "Filesystem", "Used", "Available");
    for (path, _, (used, limit)) in process.world.files().mounts() {
        let name = if path == "/" { "overlay" } else { "tmpfs" };
        let percent = (used * 100).div_ceil(limit.max(1));
        text += &format!(
            "{name:<20} {:>10} {:>9} {:>9} {percent:>3}% {path}\n",
            show(limit),
            show(used),
            show(limit - used.min(limit))
        );
    }
    process.print(text).await?;
    Ok(0)
}

async fn run_du(process: &mut Process) -> Outcome {
    let options = Options::parse(
        process.args(),
        "shkmad:cx",
        &[("summarize", 's'), ("human-readable", 'h'), ("max-depth", 'd')],
    )?;
    let operands = if options.operands.is_empty() { vec![".".to_string()] } else { options.operands.clone() };
    let deepest = if options.has('s') { 0 } else { options.number('d', usize::MAX)? };
    let show = |kilobytes: u64| if options.has('h') { ls::human(kilobytes * 1024) } else { kilobytes.to_string() };
    let (files, mut code) = (process.world.files(), 0);
    for name in &operands {
        // Each directory is looked at twice: when it is entered, and when all below is counted.
        let mut todo = vec![(name.clone(), 0, false)];
        let mut sums: Vec<u64> = Vec::new();
        while let Some((path, depth, counted)) = todo.pop() {
            process.world.budget().spend().await;
            let stat = match files.link_stat(&process.path(&path)) {
                Ok(stat) => stat,
                Err(error) => {
                    code = process.fail_at(&path, &error).await;
                    continue;
                }
            };
            let mut size = ls::blocks(&stat);
            if stat.is_directory() && !counted {
                let children = files.list(&process.path(&path)).unwrap_or_default();
                todo.push((path.clone(), depth, true));
                sums.push(0);
                todo.extend(
                    children.iter().map(|child| (format!("{}/{child}", path.trim_end_matches('/')), depth + 1, false)),
                );
                continue;
            }
            if counted {
                size += sums.pop().unwrap_or(0);
            }
            if let Some(sum) = sums.last_mut() {
                *sum += size;
            }
            if depth <= deepest && (stat.is_directory() || depth == 0 || options.has('a')) {
                process.print(format!("{}\t{path}\n", show(size))).await?;
            }
        }
    }
    Ok(code)
}

/// The memory of a simulated node.
async fn run_free(process: &mut Process) -> Outcome {
    const TOTAL: u64 = 8 * 1024 * 1024;
    const USED: u64 = 1024 * 1024;
    let options = Options::parse(process.args(), "mhgkb", &[])?;
    let show = |kilobytes: u64| match () {
        () if options.has('m') => (kilobytes / 1024).to_string(),
        () if options.has('g') => (kilobytes / 1024 / 1024).to_string(),
        () if options.has('h') => ls::human(kilobytes * 1024),
        () => kilobytes.to_string(),
    };
    let row = |cells: [u64; 6]| cells.iter().map(|cell| format!("{:>12}", show(*cell))).collect::<String>();
    let text = format!(
        "              total        used        free      shared  buff/cache   available\nMem:   {}\nSwap:  {}\n",
        row([TOTAL, USED, TOTAL - USED, 0, 0, TOTAL - USED]),
        row([0; 6]).get(..36).unwrap_or_default(),
    );
    process.print(text).await?;
    Ok(0)
}
