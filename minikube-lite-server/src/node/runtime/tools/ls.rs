//! `ls`

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::files::{self, FileKind, Stat, strerror};
use crate::node::runtime::process::Process;
use jiff::Timestamp;
use jiff::tz::TimeZone;

program!(ls, run);

/// What is listed of one file.
struct Item {
    name: String,
    path: String,
    stat: Stat,
}

async fn run(process: &mut Process) -> Outcome {
    let long = [
        ("all", 'a'),
        ("almost-all", 'A'),
        ("recursive", 'R'),
        ("directory", 'd'),
        ("human-readable", 'h'),
        ("color", 'G'),
    ];
    let options = Options::parse(process.args(), "alA1RhdtrSFispngCxkQuGo", &long)?;
    let files = process.world.files();
    let operands = if options.operands.is_empty() { vec![".".to_string()] } else { options.operands.clone() };
    let (mut code, mut loose, mut directories) = (0, Vec::new(), Vec::new());
    for name in &operands {
        let path = process.path(name);
        let follows = !(options.has('l') || options.has('d')) || name.ends_with('/');
        let stat = if follows { files.stat(&path).or_else(|_| files.link_stat(&path)) } else { files.link_stat(&path) };
        match stat {
            Ok(stat) => {
                let item = Item { name: name.clone(), path, stat };
                let lists = !options.has('d')
                    && (item.stat.is_directory() || files.is_directory(&item.path) && !options.has('l'));
                if lists { directories.push(item) } else { loose.push(item) }
            }
            Err(error) if process.is_busybox() => code = process.fail_at(name, &error).await,
            Err(error) => {
                process.fail(format!("cannot access '{name}': {}", strerror(&error))).await;
                code = 2;
            }
        }
    }
    let titles = directories.len() + loose.len() > 1 || options.has('R') || operands.len() > 1;
    let mut first = loose.is_empty();
    sort(&mut loose, &options);
    show(process, &loose, &options, false).await?;
    sort(&mut directories, &options);
    directories.reverse();
    while let Some(directory) = directories.pop() {
        process.world.budget().spend().await;
        if titles {
            process.print(format!("{}{}:\n", if first { "" } else { "\n" }, directory.name)).await?;
        }
        first = false;
        let mut items = Vec::new();
        let mut add = |name: &str| {
            let path = files::absolute(&directory.path, name);
            if let Ok(stat) = files.link_stat(&path) {
                items.push(Item { name: name.into(), path, stat });
            }
        };
        if options.has('a') {
            add(".");
            add("..");
        }
        for name in files.list(&directory.path).unwrap_or_default() {
            if !name.starts_with('.') || options.has('a') || options.has('A') {
                add(&name);
            }
        }
        sort(&mut items, &options);
        show(process, &items, &options, true).await?;
        if options.has('R') {
            let below =
                items.into_iter().filter(|item| item.stat.is_directory() && !matches!(item.name.as_str(), "." | ".."));
            let below = below.map(|item| Item { name: format!("{}/{}", directory.name, item.name), ..item });
            let mut below: Vec<Item> = below.collect();
            below.reverse();
            directories.extend(below);
        }
    }
    Ok(code)
}

fn sort(items: &mut [Item], options: &Options) {
    if options.has('t') {
        items.sort_by_key(|item| std::cmp::Reverse(item.stat.modified));
    } else if options.has('S') {
        items.sort_by_key(|item| std::cmp::Reverse(item.stat.size));
    } else {
        items.sort_by(|one, other| one.name.cmp(&other.name));
    }
    if options.has('r') {
        items.reverse();
    }
}

async fn show(process: &Process, items: &[Item], options: &Options, directory: bool) -> Result<(), super::Failure> {
    let name = |item: &Item| match item.stat.kind {
        FileKind::Directory if options.has('F') || options.has('p') => format!("{}/", item.name),
        FileKind::Link if options.has('F') && !options.has('l') => format!("{}@", item.name),
        FileKind::Regular if options.has('F') && item.stat.mode & 0o111 != 0 => format!("{}*", item.name),
        _ => item.name.clone(),
    };
    let mut text = String::new();
    if options.has('l') || options.has('n') || options.has('g') || options.has('o') {
        if directory {
            let blocks: u64 = items.iter().map(|item| blocks(&item.stat)).sum();
            text += &format!("total {blocks}\n");
        }
        let now = process.world.now();
        let size = |stat: &Stat| if options.has('h') { human(stat.size) } else { stat.size.to_string() };
        let width = match process.is_busybox() {
            true => 9,
            false => items.iter().map(|item| size(&item.stat).len()).max().unwrap_or(0),
        };
        let (user, group) = match (process.world.user(), process.world.group()) {
            (0, 0) if !options.has('n') => ("root".to_string(), "root".to_string()),
            (user, group) => (user.to_string(), group.to_string()),
        };
        for item in items {
            let links = if item.stat.is_directory() { 2 } else { 1 };
            let start = match process.is_busybox() {
                true => format!("{} {links:4} {user:<8} {group:<8}", mode(&item.stat)),
                false => format!("{} {links} {user} {group}", mode(&item.stat)),
            };
            let target = match process.world.files().read_link(&item.path) {
                Ok(target) if item.stat.kind == FileKind::Link => format!(" -> {target}"),
                _ => String::new(),
            };
            let (size, date) = (size(&item.stat), date(item.stat.modified, now));
            text += &format!("{start} {size:>width$} {date} {}{target}\n", name(item));
        }
    } else {
        let names: Vec<String> = items.iter().map(name).collect();
        let columns = match &process.terminal {
            Some(terminal) if !options.has('1') => Some(usize::from(terminal.size.borrow().0)),
            _ => None,
        };
        text = match columns {
            Some(width) => in_columns(&names, width),
            None => names.iter().map(|name| format!("{name}\n")).collect(),
        };
    }
    process.print(text).await?;
    Ok(())
}

/// Names below each other, in as many columns as fit.
fn in_columns(names: &[String], width: usize) -> String {
    let Some(longest) = names.iter().map(|name| name.chars().count()).max() else { return String::new() };
    let columns = (width / (longest + 2)).max(1);
    let rows = names.len().div_ceil(columns);
    let mut text = String::new();
    for row in 0..rows {
        let cells: Vec<String> = names.iter().skip(row).step_by(rows).map(|name| format!("{name:<longest$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// The kilobytes that a file takes.
pub fn blocks(stat: &Stat) -> u64 {
    match stat.kind {
        FileKind::Directory => 4,
        FileKind::Regular => stat.size.div_ceil(4096) * 4,
        FileKind::Link | FileKind::Device => 0,
    }
}

/// The permissions as `-rw-r--r--`.
pub fn mode(stat: &Stat) -> String {
    let kind = match stat.kind {
        FileKind::Directory => 'd',
        FileKind::Regular => '-',
        FileKind::Link => 'l',
        FileKind::Device => 'c',
    };
    let bits = (0..9).map(|bit| if stat.mode & (0o400 >> bit) != 0 { ['r', 'w', 'x'][bit % 3] } else { '-' });
    let mut text: String = std::iter::once(kind).chain(bits).collect();
    if stat.mode & 0o1000 != 0 {
        text.pop();
        text.push(if stat.mode & 1 != 0 { 't' } else { 'T' });
    }
    text
}

/// A size with a unit: `4.0K`.
pub fn human(size: u64) -> String {
    if size < 1024 {
        return size.to_string();
    }
    let mut value = size as f64;
    let mut unit = 'B';
    for next in ['K', 'M', 'G', 'T'] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1}{unit}")
}

/// When a file was modified: with the time if that is not long ago.
fn date(modified: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(modified).as_hours();
    let format = if (0..24 * 182).contains(&age) { "%b %e %H:%M" } else { "%b %e  %Y" };
    modified.to_zoned(TimeZone::UTC).strftime(format).to_string()
}
