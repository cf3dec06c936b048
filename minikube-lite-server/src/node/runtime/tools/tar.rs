//! `tar`: what `kubectl cp` needs, and packing and unpacking archives by hand.

use super::options::Options;
use super::{MEMORY, Outcome, gzip, program};
use crate::node::runtime::files::{self, FileKind, OpenFile};
use crate::node::runtime::pipe::{Input, Output};
use crate::node::runtime::process::Process;
use bytes::Bytes;
use jiff::Timestamp;
use std::io;

program!(tar, run);

/// The size of a block: of a header, and what contents are filled up to.
const BLOCK: usize = 512;
/// How much of a file is copied at once; whole blocks.
const CHUNK: usize = 128 * BLOCK;
/// The longest name, in bytes.
const NAME: u64 = 4096;

const LONG: &[(&str, char)] = &[
    ("create", 'c'),
    ("extract", 'x'),
    ("get", 'x'),
    ("list", 't'),
    ("file", 'f'),
    ("directory", 'C'),
    ("gzip", 'z'),
    ("verbose", 'v'),
    ("dereference", 'h'),
    ("same-permissions", 'p'),
    ("preserve-permissions", 'p'),
    ("no-same-permissions", 'o'),
    ("no-same-owner", 'o'),
    ("same-owner", 'o'),
    ("numeric-owner", 'o'),
    ("overwrite", 'o'),
    ("touch", 'm'),
    ("to-stdout", 'O'),
    ("strip-components", 'S'),
    ("exclude", 'X'),
    ("warning", 'W'),
];

async fn run(process: &mut Process) -> Outcome {
    let mut arguments = process.args().to_vec();
    // `tar xf FILE` is `tar -xf FILE`.
    if let Some(first) = arguments.first_mut()
        && !first.starts_with('-')
    {
        first.insert(0, '-');
    }
    let options = Options::parse(&arguments, "cxtf:C:zvhpomOS:X:W:k", LONG)?;
    let directory = process.path(options.value('C').unwrap_or("."));
    if !process.world.files().is_directory(&directory) {
        let verb = if process.is_busybox() { "can't change directory to" } else { "cannot open" };
        return Err(format!("{verb} '{}': No such file or directory", options.value('C').unwrap_or(".")).into());
    }
    let archive = options.value('f').unwrap_or("-");
    if options.has('c') {
        return create(process, &options, archive, &directory).await;
    }
    if !options.has('x') && !options.has('t') {
        return Err("must specify one of -c -x -t".to_string().into());
    }
    let Some(mut input) = process.input(archive).await else { return Ok(1) };
    let packed = options.has('z') || archive.ends_with(".gz") || archive.ends_with(".tgz");
    if packed {
        let content = input.read_to_end(MEMORY).await.map_err(|_| "out of memory".to_string())?;
        let content = gzip::convert(process, &content, true).await.map_err(|_| "invalid gzip magic".to_string())?;
        input = Input::from_bytes(content);
    }
    extract(process, &options, &input, &directory).await
}

/// What a header says.
struct Header {
    name: String,
    mode: u32,
    size: u64,
    modified: Timestamp,
    kind: u8,
    link: String,
}

/// Reads exactly so many bytes. `None` at the end of the archive.
async fn exactly(input: &Input, length: usize) -> io::Result<Option<Bytes>> {
    let mut read = Vec::new();
    while read.len() < length {
        let part = input.read(length - read.len()).await?;
        if part.is_empty() {
            return if read.is_empty() { Ok(None) } else { Err(io::Error::other("short read")) };
        }
        read.extend_from_slice(&part);
    }
    Ok(Some(read.into()))
}

fn field(block: &[u8], from: usize, length: usize) -> String {
    let field = &block[from..from + length];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A number in octal, or in binary where it is too large for that.
fn number(block: &[u8], from: usize, length: usize) -> Option<u64> {
    if block[from] & 0x80 != 0 {
        return Some(block[from + 1..from + length].iter().fold(0, |value: u64, byte| (value << 8) | u64::from(*byte)));
    }
    let text = field(block, from, length);
    let digits = text.trim();
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn checksum(block: &[u8]) -> u64 {
    block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum()
}

/// The next header, with the long names of GNU and of POSIX 2001 read into it.
async fn header(input: &Input) -> Result<Option<Header>, super::Failure> {
    let (mut long_name, mut long_link, mut long_size) = (None, None, None);
    loop {
        let Some(block) = exactly(input, BLOCK).await.map_err(|_| "short read".to_string())? else { return Ok(None) };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let invalid = || "invalid tar header".to_string();
        if number(&block, 148, 8) != Some(checksum(&block)) {
            return Err(invalid().into());
        }
        let size = number(&block, 124, 12).ok_or_else(invalid)?;
        let kind = block[156];
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            if size > 64 * NAME {
                return Err(invalid().into());
            }
            let length = (size as usize).div_ceil(BLOCK) * BLOCK;
            let content = exactly(input, length).await.map_err(|_| "short read".to_string())?.unwrap_or_default();
            let content = &content[..content.len().min(size as usize)];
            let text = String::from_utf8_lossy(content).trim_end_matches('\0').to_string();
            match kind {
                b'L' => long_name = Some(text),
                b'K' => long_link = Some(text),
                b'x' => {
                    // Records of the form `LENGTH KEY=VALUE`.
                    for record in text.lines() {
                        let record = record.split_once(' ').map_or("", |(_, record)| record);
                        match record.split_once('=') {
                            Some(("path", value)) => long_name = Some(value.to_string()),
                            Some(("linkpath", value)) => long_link = Some(value.to_string()),
                            Some(("size", value)) => long_size = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
            continue;
        }
        let (prefix, name) = (field(&block, 345, 155), field(&block, 0, 100));
        let is_posix = block[257..].starts_with(b"ustar\0");
        let short = if is_posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name };
        let seconds = number(&block, 136, 12).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0);
        return Ok(Some(Header {
            name: long_name.unwrap_or(short),
            mode: number(&block, 100, 8).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644) & 0o7777,
            size: long_size.unwrap_or(size),
            modified: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
            kind,
            link: long_link.unwrap_or_else(|| field(&block, 157, 100)),
        }));
    }
}

/// Where something of an archive goes: without a slash at the beginning, and never above the directory.
fn inside(name: &str, strip: usize) -> Option<String> {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return None;
    }
    Some(parts.get(strip..).unwrap_or_default().join("/"))
}

async fn extract(process: &Process, options: &Options, input: &Input, directory: &str) -> Outcome {
    let (mut code, strip) = (0, options.number('S', 0usize)?);
    let files = process.world.files();
    while let Some(header) = header(input).await? {
        process.world.budget().spend().await;
        let wanted = options.operands.is_empty()
            || options.operands.iter().any(|operand| {
                let operand = operand.trim_end_matches('/');
                header.name.strip_prefix(operand).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        let path = inside(&header.name, strip);
        if path.is_none() {
            code = process.fail(format!("name with '..' skipped: '{}'", header.name)).await;
        }
        let chosen = path.filter(|path| wanted && !path.is_empty());
        let (Some(path), true) = (&chosen, options.has('x')) else {
            if wanted && options.has('t') {
                process.print(format!("{}\n", header.name)).await?;
            }
            content(input, header.size, &Output::null()).await?;
            continue;
        };
        if options.has('v') {
            process.print(format!("{}\n", header.name)).await?;
        }
        let target = files::absolute(directory, path);
        let mut output = Output::null();
        let made = match header.kind {
            b'5' => files.make_directories(target.trim_end_matches('/')),
            _ if options.has('O') => {
                output = process.stdout.clone();
                Ok(())
            }
            kind => {
                let made = files.make_directories(files::parent(&target));
                if !matches!(files.link_stat(&target), Ok(stat) if stat.is_directory()) {
                    // A link in its place must not be written through.
                    let _ = files.remove(&target);
                }
                made.and_then(|()| match kind {
                    b'2' => files.link(&header.link, &target),
                    b'1' => inside(&header.link, strip)
                        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
                        .and_then(|source| files.hard_link(&files::absolute(directory, &source), &target)),
                    _ => process.create(&target, false).map(|created| output = created),
                })
            }
        };
        if let Err(error) = made {
            code = process.fail(format!("can't open '{}': {}", header.name, super::strerror(&error))).await;
        }
        if let Err(error) = content(input, header.size, &output).await {
            return Err(format!("{}: {}", header.name, super::strerror(&error)).into());
        }
        if !matches!(header.kind, b'1' | b'2') && !options.has('O') && files.exists(&target) {
            let kept = files.set_mode(&target, header.mode);
            let kept = kept
                .and_then(|()| if options.has('m') { Ok(()) } else { files.set_modified(&target, header.modified) });
            if let Err(error) = kept {
                code = process.fail_at(&header.name, &error).await;
            }
        }
    }
    // What is behind the archive is read, so that who writes it is not told of a broken pipe.
    while !input.chunk().await?.is_empty() {}
    Ok(code)
}

/// Copies the content that follows a header, and skips what fills it up.
async fn content(input: &Input, size: u64, output: &Output) -> io::Result<()> {
    let (mut left, mut filled) = (size, size.div_ceil(BLOCK as u64) * BLOCK as u64);
    while filled > 0 {
        let part = input.read(usize::try_from(filled).unwrap_or(CHUNK).min(CHUNK)).await?;
        if part.is_empty() {
            return Err(io::Error::other("short read"));
        }
        filled -= part.len() as u64;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(part.len());
        output.write(&part[..length]).await?;
        left -= length as u64;
    }
    Ok(())
}

/// Takes what is written until the archive is packed.
fn collected() -> (Output, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    let collected = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let target = collected.clone();
    let output = Output::from_fn(move |data| {
        let mut collected = target.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if collected.len() + data.len() <= MEMORY {
            collected.extend_from_slice(data);
        }
    });
    (output, collected)
}

async fn create(process: &Process, options: &Options, archive: &str, directory: &str) -> Outcome {
    if options.operands.is_empty() {
        return Err("cowardly refusing to create an empty archive".to_string().into());
    }
    let output = match archive {
        "-" => process.stdout.clone(),
        path => match process.create(path, false) {
            Ok(output) => output,
            Err(error) => return Ok(process.fail_at(path, &error).await),
        },
    };
    let (packed, memory) = collected();
    let target = if options.has('z') { &packed } else { &output };
    let own = process.path(archive);
    let (files, mut code) = (process.world.files(), 0);
    let mut todo: Vec<String> = options.operands.iter().rev().cloned().collect();
    while let Some(name) = todo.pop() {
        process.world.budget().spend().await;
        let path = files::absolute(directory, &name);
        if path == own
            || options.values('X').any(|excluded| excluded.trim_start_matches("./") == name.trim_start_matches("./"))
        {
            continue;
        }
        let stat = if options.has('h') { files.stat(&path) } else { files.link_stat(&path) };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => {
                let verb = if process.is_busybox() { "" } else { "Cannot stat: " };
                code = process.fail(format!("{name}: {verb}{}", super::strerror(&error))).await;
                if !process.is_busybox() {
                    code = 2;
                }
                continue;
            }
        };
        let stored = name.trim_start_matches('/').to_string();
        let mut header = Header {
            name: if stored.is_empty() { ".".into() } else { stored },
            mode: stat.mode,
            size: 0,
            modified: stat.modified,
            kind: b'0',
            link: String::new(),
        };
        if options.has('v') {
            process.stderr.write(format!("{}\n", header.name).as_bytes()).await?;
        }
        match stat.kind {
            FileKind::Directory => {
                header.kind = b'5';
                header.name = format!("{}/", header.name.trim_end_matches('/'));
                write_header(target, &header).await?;
                let children = files.list(&path).unwrap_or_default();
                todo.extend(children.iter().rev().map(|child| format!("{}/{child}", name.trim_end_matches('/'))));
            }
            FileKind::Link => {
                header.kind = b'2';
                header.link = files.read_link(&path)?;
                write_header(target, &header).await?;
            }
            FileKind::Regular => {
                let OpenFile::Regular(file) = files.open(&path)? else { continue };
                let content = file.content();
                header.size = content.len() as u64;
                write_header(target, &header).await?;
                target.write(&content).await?;
                let rest = content.len().next_multiple_of(BLOCK) - content.len();
                target.write(&vec![0; rest]).await?;
            }
            FileKind::Device => {}
        }
    }
    target.write(&[0; 2 * BLOCK]).await?;
    if options.has('z') {
        let content = std::mem::take(&mut *memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let content = gzip::convert(process, &content, false).await?;
        output.write(&content).await?;
    }
    Ok(code)
}

/// Writes a header, with those for long names before it, as GNU's tar does.
async fn write_header(output: &Output, header: &Header) -> io::Result<()> {
    for (kind, text) in [(b'L', &header.name), (b'K', &header.link)] {
        if text.len() > 100 {
            output.write(&block("././@LongLink", 0, text.len() as u64 + 1, 0, kind, "")).await?;
            let mut content = text.as_bytes().to_vec();
            content.resize((text.len() + 1).next_multiple_of(BLOCK), 0);
            output.write(&content).await?;
        }
    }
    let seconds = u64::try_from(header.modified.as_second()).unwrap_or(0);
    output.write(&block(&header.name, header.mode, header.size, seconds, header.kind, &header.link)).await
}

fn block(name: &str, mode: u32, size: u64, seconds: u64, kind: u8, link: &str) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, length: usize, text: &str| {
        let bytes = &text.as_bytes()[..text.len().min(length)];
        block[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, 100, name);
    put(100, 8, &format!("{mode:07o}"));
    put(108, 8, "0000000");
    put(116, 8, "0000000");
    put(124, 12, &format!("{size:011o}"));
    put(136, 12, &format!("{seconds:011o}"));
    put(157, 100, link);
    put(257, 8, "ustar  ");
    put(265, 32, "root");
    put(297, 32, "root");
    block[156] = kind;
    let sum = checksum(&block);
    let text = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(text.as_bytes());
    block
}
