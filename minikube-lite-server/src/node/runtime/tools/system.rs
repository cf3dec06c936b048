//! What a container is: `hostname`, `uname`, `id`, `whoami`, `uptime`, `nproc`, `arch`; `true` and `false`.

use super::options::Options;
use super::{Outcome, program};
use crate::node::runtime::process::Process;

program!(success, run_success);
program!(failure, run_failure);
program!(hostname, run_hostname);
program!(uname, run_uname);
program!(arch, run_arch);
program!(id, run_id);
program!(whoami, run_whoami);
program!(uptime, run_uptime);
program!(nproc, run_nproc);

async fn run_success(_: &mut Process) -> Outcome {
    Ok(0)
}

async fn run_failure(_: &mut Process) -> Outcome {
    Ok(1)
}

async fn run_hostname(process: &mut Process) -> Outcome {
    let options = Options::parse(process.args(), "ifsd", &[])?;
    if !options.operands.is_empty() {
        return Err("sethostname: Operation not permitted".to_string().into());
    }
    let line = if options.has('i') {
        format!("{}\n", process.world.network().identity().ip)
    } else {
        format!("{}\n", process.world.hostname())
    };
    process.print(line).await?;
    Ok(0)
}

async fn run_uname(process: &mut Process) -> Outcome {
    let long = [("all", 'a'), ("kernel-name", 's'), ("nodename", 'n'), ("kernel-release", 'r'), ("machine", 'm')];
    let options = Options::parse(process.args(), "asnrvmpio", &long)?;
    let machine = std::env::consts::ARCH;
    let parts = [
        ('s', "Linux"),
        ('n', process.world.hostname()),
        ('r', "6.1.0"),
        ('v', "#1 SMP"),
        ('m', machine),
        ('o', if process.is_busybox() { "Linux" } else { "GNU/Linux" }),
    ];
    let any = parts.iter().any(|(letter, _)| options.has(*letter));
    let wanted =
        parts.iter().filter(|(letter, _)| options.has('a') || options.has(*letter) || (!any && *letter == 's'));
    let words: Vec<&str> = wanted.map(|(_, word)| *word).collect();
    process.print(words.join(" ") + "\n").await?;
    Ok(0)
}

async fn run_arch(process: &mut Process) -> Outcome {
    process.print(format!("{}\n", std::env::consts::ARCH)).await?;
    Ok(0)
}

/// A number with the name that a file like `/etc/passwd` gives it.
fn named(process: &Process, number: u32, file: &str) -> Option<String> {
    let content = process.world.files().read(file).ok()?;
    let content = String::from_utf8_lossy(&content);
    let mut names = content.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_string())
    });
    names.next()
}

async fn run_id(process: &mut Process) -> Outcome {
    let options =
        Options::parse(process.args(), "ugnrG", &[("user", 'u'), ("group", 'g'), ("name", 'n'), ("groups", 'G')])?;
    let (user, group) = (process.world.user(), process.world.group());
    let (user_name, group_name) = (named(process, user, "/etc/passwd"), named(process, group, "/etc/group"));
    let one = |number: u32, name: Option<String>| match name {
        Some(name) if options.has('n') => name,
        _ => number.to_string(),
    };
    let line = if options.has('u') {
        one(user, user_name)
    } else if options.has('g') || options.has('G') {
        one(group, group_name)
    } else {
        let both = |number: u32, name: &Option<String>| match name {
            Some(name) => format!("{number}({name})"),
            None => number.to_string(),
        };
        let (user, group) = (both(user, &user_name), both(group, &group_name));
        format!("uid={user} gid={group} groups={group}")
    };
    process.print(line + "\n").await?;
    Ok(0)
}

async fn run_whoami(process: &mut Process) -> Outcome {
    let user = process.world.user();
    match named(process, user, "/etc/passwd") {
        Some(name) => process.print(name + "\n").await?,
        None if process.is_busybox() => return Err(format!("unknown uid {user}").into()),
        None => return Err(format!("cannot find name for user ID {user}").into()),
    }
    Ok(0)
}

async fn run_uptime(process: &mut Process) -> Outcome {
    let now = process.world.now();
    let up = process.world.info(1).map_or(0, |first| now.duration_since(first.started).as_secs());
    let (days, hours, minutes) = (up / 86400, up / 3600 % 24, up / 60 % 60);
    let days = if days > 0 { format!("{days} days, ") } else { String::new() };
    let clock = now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S");
    process.print(format!(" {clock} up {days}{hours:2}:{minutes:02},  load average: 0.00, 0.00, 0.00\n")).await?;
    Ok(0)
}

/// The processors of a simulated node.
async fn run_nproc(process: &mut Process) -> Outcome {
    process.print("4\n").await?;
    Ok(0)
}
