//! `rm`, `rmdir`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::files::{self, Files, strerror};
use crate::node::runtime::process::Process;
use std::io;

program!(rm, run);
program!(rmdir, run_rmdir);

/// Removes a file, or a directory with all that is in it.
pub async fn all(process: &Process, files: &Files, path: &str) -> io::Result<()> {
    let mut todo = vec![(path.to_string(), false)];
    while let Some((path, emptied)) = todo.pop() {
        process.world.budget().spend().await;
        if emptied {
            files.remove_directory(&path)?;
        } else if files.link_stat(&path)?.is_directory() {
            let children = files.list(&path)?;
            todo.push((path.clone(), true));
            todo.extend(children.iter().map(|child| (files::absolute(&path, child), false)));
        } else {
            files.remove(&path)?;
        }
    }
    Ok(())
}

async fn run(process: &mut Process) -> Outcome {
    let long = [("recursive", 'r'), ("force", 'f'), ("verbose", 'v'), ("interactive", 'i')];
    let options = Options::parse(process.args(), "rRfvid", &long)?;
    let (recursive, force) = (options.has('r') || options.has('R'), options.has('f'));
    if options.operands.is_empty() && !force {
        return Err("missing operand".to_string().into());
    }
    let (files, mut code) = (process.world.files(), 0);
    for name in &options.operands {
        let path = process.path(name);
        if matches!(files::file_name(name), "" | "." | "..") {
            code = process.fail(format!("can't remove '{name}': Invalid argument")).await;
            continue;
        }
        let removed = match files.link_stat(&path) {
            Err(error) if force && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(stat) if stat.is_directory() && !recursive => Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => all(process, files, path.trim_end_matches('/')).await,
        };
        if let Err(error) = removed {
            let reason = strerror(&error);
            let message = match (process.is_busybox(), error.kind()) {
                (true, io::ErrorKind::IsADirectory) => format!("'{name}' is a directory"),
                (true, _) => format!("can't remove '{name}': {reason}"),
                (false, _) => format!("cannot remove '{name}': {reason}"),
            };
            code = process.fail(message).await;
        }
    }
    Ok(code)
}

async fn run_rmdir(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "pv", &[("parents", 'p'), ("ignore-fail-on-non-empty", 'v')])?;
    let (files, mut code) = (process.world.files(), 0);
    for name in &options.operands {
        let mut path = process.path(name).trim_end_matches('/').to_string();
        loop {
            if let Err(error) = files.remove_directory(&path) {
                let message = match process.is_busybox() {
                    true => format!("'{name}': {}", strerror(&error)),
                    false => format!("failed to remove '{name}': {}", strerror(&error)),
                };
                code = process.fail(message).await;
                break;
            }
            path = files::parent(&path).to_string();
            if !options.has('p') || path == "/" || name.starts_with('/') || path == process.cwd {
                break;
            }
        }
    }
    Ok(code)
}
