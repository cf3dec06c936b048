//! `gzip`, `gunzip`, `zcat`

use super::options::Options;
use super::{MEMORY, Outcome, or_stdin, program};
use crate::node::runtime::process::Process;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use std::io::{self, Write};

program!(gzip, run_gzip);
program!(gunzip, run_gunzip);
program!(zcat, run_zcat);

async fn run_gzip(process: &mut Process) -> Outcome {
    run(process, false, false).await
}
async fn run_gunzip(process: &mut Process) -> Outcome {
    run(process, true, false).await
}
async fn run_zcat(process: &mut Process) -> Outcome {
    run(process, true, true).await
}

/// What unpacking or packing gives, at most as much as a tool may keep.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.0.len() + data.len() > MEMORY {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs or unpacks a piece at a time, so that others run in between.
pub(super) async fn convert(process: &Process, content: &[u8], unpack: bool) -> io::Result<Vec<u8>> {
    const PIECE: usize = 16 * 1024;
    let mut encoder = GzEncoder::new(Bounded(Vec::new()), Compression::default());
    let mut decoder = MultiGzDecoder::new(Bounded(Vec::new()));
    for piece in content.chunks(PIECE) {
        process.world.budget().spend().await;
        tokio::task::yield_now().await;
        if unpack { decoder.write_all(piece)? } else { encoder.write_all(piece)? }
    }
    if unpack { Ok(decoder.finish()?.0) } else { Ok(encoder.finish()?.0) }
}

async fn run(process: &mut Process, unpack: bool, to_stdout: bool) -> Outcome {
    let long = [("decompress", 'd'), ("stdout", 'c'), ("keep", 'k'), ("force", 'f')];
    let options = Options::parse(process.args(), "dckfqnv123456789", &long)?;
    let unpack = unpack || options.has('d');
    let (files, mut code) = (process.world.files().clone(), 0);
    for path in or_stdin(&options) {
        let Some(input) = process.input(&path).await else {
            code = 1;
            continue;
        };
        let content = input.read_to_end(MEMORY).await.map_err(|_| "out of memory".to_string())?;
        let converted = match convert(process, &content, unpack).await {
            Ok(converted) => converted,
            Err(_) if unpack => {
                code = process.fail("invalid magic").await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if path == "-" || to_stdout || options.has('c') {
            process.print(converted).await?;
            continue;
        }
        let name = match (unpack, path.strip_suffix(".gz"), path.strip_suffix(".tgz")) {
            (false, ..) => format!("{path}.gz"),
            (true, Some(name), _) => name.to_string(),
            (true, None, Some(name)) => format!("{name}.tar"),
            (true, None, None) => {
                code = process.fail(format!("{path}: unknown suffix - ignored")).await;
                continue;
            }
        };
        let done = files.write(&process.path(&name), &converted);
        let done = done.and_then(|()| if options.has('k') { Ok(()) } else { files.remove(&process.path(&path)) });
        if let Err(error) = done {
            code = process.fail_at(&name, &error).await;
        }
    }
    Ok(code)
}
