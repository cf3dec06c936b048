//! `mkdir`, `touch`, `chmod`, `chown`, `mktemp`

use super::options::Options;
use super::{Outcome, date, program};
use crate::node::runtime::files::{self, strerror};
use crate::node::runtime::process::Process;
use std::io;

program!(mkdir, run_mkdir);
program!(touch, run_touch);
program!(chmod, run_chmod);
program!(chown, run_chown);
program!(mktemp, run_mktemp);

async fn run_mkdir(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "pm:v", &[("parents", 'p'), ("mode", 'm'), ("verbose", 'v')])?;
    if options.operands.is_empty() {
        return Err("missing operand".to_string().into());
    }
    let mut code = 0;
    for name in &options.operands {
        let (files, path) = (process.world.files(), process.path(name));
        let made = if options.has('p') { files.make_directories(&path) } else { files.make_directory(&path) };
        let made = made.and_then(|()| match options.value('m').map(|mode| u32::from_str_radix(mode, 8)) {
            Some(Ok(mode)) => files.set_mode(&path, mode),
            _ => Ok(()),
        });
        if let Err(error) = made {
            let message = match process.is_busybox() {
                true => format!("can't create directory '{name}': {}", strerror(&error)),
                false => format!("cannot create directory '{name}': {}", strerror(&error)),
            };
            code = process.fail(message).await;
        }
    }
    Ok(code)
}

async fn run_touch(process: &mut Process) -> Outcome {
    let long = [("no-create", 'c'), ("date", 'd'), ("reference", 'r')];
    let options = Options::parse(process.args(), "cd:t:r:amhf", &long)?;
    let mut time = process.world.now();
    if let Some(text) = options.value('d') {
        time = date::parse(text, time).ok_or_else(|| format!("invalid date '{text}'"))?;
    }
    if let Some(path) = options.value('r') {
        match process.world.files().stat(&process.path(path)) {
            Ok(stat) => time = stat.modified,
            Err(error) => return Ok(process.fail_at(path, &error).await),
        }
    }
    let mut code = 0;
    for name in &options.operands {
        let (files, path) = (process.world.files(), process.path(name));
        if !files.exists(&path) {
            if options.has('c') {
                continue;
            }
            if let Err(error) = files.create(&path, true) {
                let message = match process.is_busybox() {
                    true => format!("{name}: {}", strerror(&error)),
                    false => format!("cannot touch '{name}': {}", strerror(&error)),
                };
                code = process.fail(message).await;
                continue;
            }
        }
        if let Err(error) = files.set_modified(&path, time) {
            code = process.fail_at(name, &error).await;
        }
    }
    Ok(code)
}

/// A mode as `chmod` is given it: `755`, `u+x,go-w`.
fn mode(text: &str, before: u32, is_directory: bool) -> Option<u32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    let mut mode = before;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut mask = who.chars().try_fold(0, |mask, c| {
            Some(
                mask | match c {
                    'u' => 0o700,
                    'g' => 0o070,
                    'o' => 0o007,
                    'a' => 0o777,
                    _ => return None,
                },
            )
        })?;
        if who.is_empty() {
            mask = 0o777;
        }
        let bits = rest[1..].chars().try_fold(0, |bits, c| {
            Some(
                bits | match c {
                    'r' => 0o444,
                    'w' => 0o222,
                    'x' => 0o111,
                    'X' if is_directory || before & 0o111 != 0 => 0o111,
                    'X' | 's' | 't' => 0,
                    _ => return None,
                },
            )
        })?;
        mode = match rest.as_bytes()[0] {
            b'+' => mode | (bits & mask),
            b'-' => mode & !(bits & mask),
            _ => (mode & !mask) | (bits & mask),
        };
    }
    Some(mode)
}

async fn run_chmod(process: &mut Process) -> Outcome {
    // A mode such as `-w` looks like an option.
    let args = process.args();
    let recursive = args.iter().any(|word| matches!(word.as_str(), "-R" | "--recursive"));
    let mut words =
        args.iter().filter(|word| !matches!(word.as_str(), "-R" | "--recursive" | "-v" | "-f" | "-c" | "--"));
    let Some(wanted) = words.next() else { return Err("missing operand".to_string().into()) };
    let mut code = 0;
    for name in words {
        let mut todo = vec![process.path(name)];
        while let Some(path) = todo.pop() {
            process.world.budget().spend().await;
            let files = process.world.files();
            let stat = match files.stat(&path) {
                Ok(stat) => stat,
                Err(error) => {
                    code = process.fail_at(name, &error).await;
                    continue;
                }
            };
            let Some(mode) = mode(wanted, stat.mode, stat.is_directory()) else {
                return Err(format!("invalid mode '{wanted}'").into());
            };
            if let Err(error) = files.set_mode(&path, mode) {
                code = process.fail_at(name, &error).await;
            }
            if recursive && stat.is_directory() {
                todo.extend(files.list(&path).unwrap_or_default().iter().map(|child| files::absolute(&path, child)));
            }
        }
    }
    Ok(code)
}

/// Owners are not kept: everything belongs to the user that the container runs as.
async fn run_chown(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "Rvcfh", &[("recursive", 'R')])?;
    let mut code = 0;
    for name in options.operands.iter().skip(1) {
        if let Err(error) = process.world.files().stat(&process.path(name)) {
            code = process.fail_at(name, &error).await;
        }
    }
    Ok(code)
}

async fn run_mktemp(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "dqup:t", &[("directory", 'd'), ("tmpdir", 'p')])?;
    let template = options.operands.first().map_or("tmp.XXXXXX", String::as_str);
    let directory = options.value('p').unwrap_or("/tmp");
    let path = if options.operands.is_empty() || options.has('p') || options.has('t') {
        files::absolute(directory, template)
    } else {
        template.to_string()
    };
    let start = path.trim_end_matches('X').len();
    if path.len() - start < 3 {
        return Err(format!("invalid template '{template}'").into());
    }
    for _ in 0..100 {
        let suffix = process.world.environment().name_suffix("mktemp", path.len() - start);
        let name = format!("{}{suffix}", &path[..start]);
        let (files, absolute) = (process.world.files(), process.path(&name));
        if files.exists(&absolute) {
            continue;
        }
        let made =
            if options.has('d') { files.make_directory(&absolute) } else { files.create(&absolute, false).map(drop) };
        let made = made.and_then(|()| files.set_mode(&absolute, if options.has('d') { 0o700 } else { 0o600 }));
        return match made {
            Ok(()) => {
                process.print(format!("{name}\n")).await?;
                Ok(0)
            }
            Err(error) => Ok(process.fail_at(&name, &error).await),
        };
    }
    Ok(process.fail_at(&path, &io::ErrorKind::AlreadyExists.into()).await)
}
