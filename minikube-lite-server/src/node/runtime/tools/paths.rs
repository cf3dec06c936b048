//! `basename`, `dirname`, `pwd`, `readlink`, `realpath`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::files;
use crate::node::runtime::process::Process;

program!(basename, run_basename);
program!(dirname, run_dirname);
program!(pwd, run_pwd);
program!(readlink, run_readlink);
program!(realpath, run_realpath);

async fn run_basename(process: &mut Process) -> Outcome {
    let [path, suffix @ ..] = process.args() else { return Err("missing operand".to_string().into()) };
    let name =
        if path.starts_with('/') && path.trim_end_matches('/').is_empty() { "/" } else { files::file_name(path) };
    let short = suffix.first().and_then(|suffix| name.strip_suffix(suffix.as_str())).filter(|short| !short.is_empty());
    process.print(format!("{}\n", short.unwrap_or(name))).await?;
    Ok(0)
}

async fn run_dirname(process: &mut Process) -> Outcome {
    let Some(path) = process.args().first() else { return Err("missing operand".to_string().into()) };
    let trimmed = path.trim_end_matches('/');
    let directory = match trimmed.rfind('/') {
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => ".",
        Some(at) => match trimmed[..at].trim_end_matches('/') {
            "" => "/",
            directory => directory,
        },
    };
    process.print(format!("{directory}\n")).await?;
    Ok(0)
}

async fn run_pwd(process: &mut Process) -> Outcome {
    process.print(format!("{}\n", process.cwd)).await?;
    Ok(0)
}

async fn run_readlink(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "fnemqsv", &[("canonicalize", 'f')])?;
    let mut code = 0;
    for path in &options.operands {
        let path = process.path(path);
        let found = if options.has('f') || options.has('e') || options.has('m') {
            process.world.files().canonical(&path)
        } else {
            process.world.files().read_link(&path)
        };
        match found {
            Ok(found) => process.print(format!("{found}{}", if options.has('n') { "" } else { "\n" })).await?,
            Err(_) => code = 1,
        }
    }
    Ok(code)
}

async fn run_realpath(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "smqez", &[])?;
    let mut code = 0;
    for path in &options.operands {
        match process.world.files().canonical(&process.path(path)) {
            Ok(found) => process.print(format!("{found}\n")).await?,
            Err(error) => code = process.fail_at(path, &error).await,
        }
    }
    Ok(code)
}
