//! `stat`

use super::options::Options;
use super::{Outcome, ls, program};
use crate::node::runtime::files::{FileKind, strerror};
use crate::node::runtime::process::Process;
use jiff::tz::TimeZone;

program!(stat, run);

async fn run(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "c:Lft", &[("format", 'c'), ("dereference", 'L')])?;
    let mut code = 0;
    for name in &options.operands {
        let (files, path) = (process.world.files(), process.path(name));
        let stat = if options.has('L') { files.stat(&path) } else { files.link_stat(&path) };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => {
                let verb = if process.is_busybox() { "can't stat" } else { "cannot stat" };
                code = process.fail(format!("{verb} '{name}': {}", strerror(&error))).await;
                continue;
            }
        };
        let kind = match stat.kind {
            FileKind::Directory => "directory",
            FileKind::Regular if stat.size == 0 => "regular empty file",
            FileKind::Regular => "regular file",
            FileKind::Link => "symbolic link",
            FileKind::Device => "character special file",
        };
        let time = stat.modified.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%N %z").to_string();
        let (user, group) = (process.world.user(), process.world.group());
        let text = match options.value('c') {
            Some(format) => {
                let mut text = String::new();
                let mut chars = format.chars();
                while let Some(c) = chars.next() {
                    match (c, if c == '%' { chars.next() } else { None }) {
                        ('%', Some('n')) => text += name,
                        ('%', Some('s')) => text += &stat.size.to_string(),
                        ('%', Some('a')) => text += &format!("{:o}", stat.mode),
                        ('%', Some('A')) => text += &ls::mode(&stat),
                        ('%', Some('F')) => text += kind,
                        ('%', Some('u')) => text += &user.to_string(),
                        ('%', Some('g')) => text += &group.to_string(),
                        ('%', Some('U' | 'G')) => text += if user == 0 { "root" } else { "UNKNOWN" },
                        ('%', Some('y')) => text += &time,
                        ('%', Some('Y')) => text += &stat.modified.as_second().to_string(),
                        ('%', Some(other)) => text.push(other),
                        (c, _) => text.push(c),
                    }
                }
                text + "\n"
            }
            None => format!(
                "  File: {name}\n  Size: {}\t\tBlocks: {}\tIO Block: 4096   {kind}\nAccess: ({:04o}/{})  Uid: ({user})   Gid: \
                 ({group})\nModify: {time}\n",
                stat.size,
                ls::blocks(&stat) * 2,
                stat.mode,
                ls::mode(&stat),
            ),
        };
        process.print(text).await?;
    }
    Ok(code)
}
