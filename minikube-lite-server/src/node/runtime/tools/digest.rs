//! `md5sum`, `sha1sum`, `sha256sum`

use super::options::Options;
use super::{Outcome, or_stdin, program};
use crate::node::runtime::pipe::Input;
use crate::node::runtime::process::Process;
use sha2::Digest;
use std::fmt::Write;
use std::io;

program!(md5sum, run_md5);
program!(sha1sum, run_sha1);
program!(sha256sum, run_sha256);

async fn run_md5(process: &mut Process) -> Outcome {
    run::<md5::Md5>(process).await
}
async fn run_sha1(process: &mut Process) -> Outcome {
    run::<sha1::Sha1>(process).await
}
async fn run_sha256(process: &mut Process) -> Outcome {
    run::<sha2::Sha256>(process).await
}

/// The digest of all that an input gives, in hexadecimal.
async fn hex<D: Digest>(input: &Input) -> io::Result<String> {
    let mut digest = D::new();
    loop {
        let chunk = input.chunk().await?;
        if chunk.is_empty() {
            break;
        }
        digest.update(&chunk);
    }
    Ok(digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

async fn run<D: Digest + Send>(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "csbtw", &[("check", 'c')])?;
    let mut code = 0;
    for path in or_stdin(&options) {
        let Some(input) = process.input(&path).await else {
            code = 1;
            continue;
        };
        if !options.has('c') {
            let hex = hex::<D>(&input).await?;
            process.print(format!("{hex}  {path}\n")).await?;
            continue;
        }
        while let Some(line) = input.read_line().await? {
            let line = super::text(&line);
            let Some((expected, name)) = line.split_once("  ") else { continue };
            let actual = match process.input(name).await {
                Some(input) => hex::<D>(&input).await?,
                None => String::new(),
            };
            let same = actual == expected;
            if !same {
                code = 1;
            }
            if !options.has('s') {
                process.print(format!("{name}: {}\n", if same { "OK" } else { "FAILED" })).await?;
            }
        }
    }
    Ok(code)
}
