//! `cp`, `mv`, `ln`

use super::options::Options;
use super::{Outcome, program, remove};
use crate::node::runtime::files::{self, FileKind, strerror};
use crate::node::runtime::process::Process;
use std::io;

program!(cp, run_cp);
program!(mv, run_mv);
program!(ln, run_ln);

/// How files are copied.
#[derive(Clone, Copy)]
struct How {
    recursive: bool,
    /// Keeps symbolic links and times.
    archive: bool,
}

/// Copies a file, or a directory with all that is in it.
async fn copy(process: &Process, from: &str, to: &str, how: How) -> io::Result<()> {
    let files = process.world.files();
    let mut todo = vec![(from.to_string(), to.to_string())];
    while let Some((from, to)) = todo.pop() {
        process.world.budget().spend().await;
        let stat = if how.archive { files.link_stat(&from)? } else { files.stat(&from)? };
        match stat.kind {
            FileKind::Directory => {
                if !how.recursive {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                if to.starts_with(&format!("{from}/")) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                files.make_directories(&to)?;
                let children = files.list(&from)?;
                todo.extend(children.iter().map(|child| (files::absolute(&from, child), files::absolute(&to, child))));
            }
            FileKind::Link => {
                if files.link_stat(&to).is_ok() {
                    files.remove(&to)?;
                }
                files.link(&files.read_link(&from)?, &to)?;
                continue;
            }
            FileKind::Regular | FileKind::Device => {
                if files.canonical(&from).ok() == files.canonical(&to).ok() {
                    return Err(io::Error::other("are the same file"));
                }
                let (input, output) = (process.open(&from)?, process.create(&to, false)?);
                loop {
                    let chunk = input.chunk().await?;
                    if chunk.is_empty() {
                        break;
                    }
                    output.write(&chunk).await?;
                }
                // Programs of the image are no bytes: what is copied is what they are.
                if let Ok(program) = files.program(&from) {
                    files.put_program(&to, program)?;
                }
            }
        }
        if stat.kind != FileKind::Device {
            files.set_mode(&to, stat.mode)?;
            if how.archive {
                files.set_modified(&to, stat.modified)?;
            }
        }
    }
    Ok(())
}

/// The pairs of source and target that operands mean.
async fn pairs(process: &Process, options: &Options) -> Result<Vec<(String, String)>, String> {
    let mut operands = options.operands.clone();
    let target = match options.value('t') {
        Some(target) => target.to_string(),
        None if operands.len() < 2 => return Err("missing file operand".into()),
        None => operands.pop().unwrap_or_default(),
    };
    let is_directory = process.world.files().is_directory(&process.path(&target)) && !options.has('T');
    if operands.len() > 1 && !is_directory {
        return Err(format!("can't create '{target}': Not a directory"));
    }
    let pair = |source: String| {
        let to = match is_directory {
            true => format!("{}/{}", target.trim_end_matches('/'), files::file_name(&source)),
            false => target.clone(),
        };
        (source, to)
    };
    Ok(operands.into_iter().map(pair).collect())
}

async fn run_cp(process: &mut Process) -> Outcome {
    let long = [("recursive", 'r'), ("archive", 'a'), ("force", 'f'), ("preserve", 'p'), ("no-target-directory", 'T')];
    let options = Options::parse(process.args(), "rRafpdPLHivnuTt:", &long)?;
    let archive = options.has('a') || options.has('p') || options.has('d') || options.has('P');
    let how = How { recursive: options.has('r') || options.has('R') || options.has('a'), archive };
    let mut code = 0;
    for (from, to) in pairs(process, &options).await? {
        if options.has('n') && process.world.files().exists(&process.path(&to)) {
            continue;
        }
        let Err(error) = copy(process, &process.path(&from), &process.path(&to), how).await else { continue };
        let reason = strerror(&error);
        let missing = !process.world.files().exists(&process.path(&from));
        let message = match (error.kind(), process.is_busybox()) {
            (io::ErrorKind::IsADirectory, true) => format!("omitting directory '{from}'"),
            (io::ErrorKind::IsADirectory, false) => format!("-r not specified; omitting directory '{from}'"),
            (_, true) if missing => format!("can't stat '{from}': {reason}"),
            (_, false) if missing => format!("cannot stat '{from}': {reason}"),
            (io::ErrorKind::Other, _) => format!("'{from}' and '{to}' {reason}"),
            (_, true) => format!("can't create '{to}': {reason}"),
            (_, false) => format!("cannot create regular file '{to}': {reason}"),
        };
        code = process.fail(message).await;
    }
    Ok(code)
}

async fn run_mv(process: &mut Process) -> Outcome {
    let options = Options::parse(
        process.args(),
        "finvuTt:",
        &[("force", 'f'), ("no-clobber", 'n'), ("no-target-directory", 'T')],
    )?;
    let (files, mut code) = (process.world.files(), 0);
    for (from, to) in pairs(process, &options).await? {
        let (source, target) = (process.path(&from), process.path(&to));
        if options.has('n') && files.exists(&target) {
            continue;
        }
        let moved = match files.rename(&source, &target) {
            // Between volumes it is copied.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                match copy(process, &source, &target, How { recursive: true, archive: true }).await {
                    Ok(()) => remove::all(process, files, &source).await,
                    Err(error) => Err(error),
                }
            }
            moved => moved,
        };
        if let Err(error) = moved {
            let reason = strerror(&error);
            let message = match (process.is_busybox(), files.link_stat(&source).is_err()) {
                (true, _) => format!("can't rename '{from}': {reason}"),
                (false, true) => format!("cannot stat '{from}': {reason}"),
                (false, false) => format!("cannot move '{from}' to '{to}': {reason}"),
            };
            code = process.fail(message).await;
        }
    }
    Ok(code)
}

async fn run_ln(process: &mut Process) -> Outcome {
    let options =
        Options::parse(process.args(), "sfnvT", &[("symbolic", 's'), ("force", 'f'), ("no-dereference", 'n')])?;
    let mut operands = options.operands.clone();
    let target = match operands.len() {
        0 => return Err("missing file operand".to_string().into()),
        1 => files::file_name(&operands[0]).to_string(),
        _ => operands.pop().unwrap_or_default(),
    };
    let (files, mut code) = (process.world.files(), 0);
    let into = files.is_directory(&process.path(&target)) && !options.has('n') && !options.has('T');
    for source in &operands {
        let name = match into {
            true => format!("{}/{}", target.trim_end_matches('/'), files::file_name(source)),
            false => target.clone(),
        };
        let path = process.path(&name);
        if options.has('f') && files.link_stat(&path).is_ok_and(|stat| !stat.is_directory()) {
            // What cannot be removed is told of below.
            let _ = files.remove(&path);
        }
        let made = match options.has('s') {
            true => files.link(source, &path),
            false => files.hard_link(&process.path(source), &path),
        };
        if let Err(error) = made {
            code = process.fail_at(&name, &error).await;
        }
    }
    Ok(code)
}
