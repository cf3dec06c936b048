//! `ping`, as busybox has it. Pods and nodes answer; the address of a Service does not, as kube-proxy only knows its ports.

use super::super::process::Process;
use super::super::signal::Signal;
use super::hosts;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { ping(process).await })
}

const USAGE: &str = "Usage: ping [-c COUNT] [-i SECS] [-s SIZE] [-W SECS] [-w SECS] [-q] HOST\n";

struct Options {
    host: String,
    count: Option<u64>,
    interval: Duration,
    size: usize,
    /// How long to wait for the last answer.
    patience: Duration,
    deadline: Option<Duration>,
    quiet: bool,
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options {
        host: String::new(),
        count: None,
        interval: Duration::from_secs(1),
        size: 56,
        patience: Duration::from_secs(10),
        deadline: None,
        quiet: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(option) = argument.strip_prefix('-') else {
            options.host = argument.clone();
            continue;
        };
        let (letter, attached) = option.split_at_checked(1)?;
        match letter {
            "q" => options.quiet = true,
            "4" | "n" | "A" => {}
            _ => {
                let value = if attached.is_empty() { arguments.next()?.as_str() } else { attached };
                let seconds = || value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                match letter {
                    "c" => options.count = Some(value.parse().ok()?),
                    "i" => options.interval = seconds()?.max(Duration::from_millis(2)),
                    "s" => options.size = value.parse().ok().filter(|size| *size <= 65_507)?,
                    "W" => options.patience = seconds()?,
                    "w" => options.deadline = Some(seconds()?),
                    _ => return None,
                }
            }
        }
    }
    (!options.host.is_empty()).then_some(options)
}

async fn ping(mut process: Process) -> i32 {
    let Some(options) = parse(process.args()) else {
        let _ = process.stderr.write(USAGE.as_bytes()).await;
        return 1;
    };
    let found = hosts::lookup(&process.world, &options.host).await;
    let Some(ip) = found.ok().and_then(|addresses| addresses.first().copied()) else {
        return process.fail(format!("bad address '{}'", options.host)).await;
    };
    let _ = process.print(format!("PING {} ({ip}): {} data bytes\n", options.host, options.size)).await;
    process.signals.handle(&[Signal::Int]);
    let start = Instant::now();
    let deadline = options.deadline.map(|limit| start + limit);
    let (mut sent, mut times) = (0, Vec::new());
    while options.count.is_none_or(|count| sent < count) {
        let begun = Instant::now();
        if process.world.network().answers(ip) {
            let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
            let line = format!("{} bytes from {ip}: seq={sent} ttl=64 time={milliseconds:.3} ms\n", options.size + 8);
            if !options.quiet && process.print(line).await.is_err() {
                return 1;
            }
            times.push(milliseconds);
        }
        sent += 1;
        let is_last = options.count == Some(sent);
        let next = match is_last {
            true if times.len() as u64 == sent => break,
            true => begun + options.patience,
            false => begun + options.interval,
        };
        let next = deadline.map_or(next, |deadline| next.min(deadline));
        // Ctrl-C ends it with what is known until then.
        if timeout_at(next, process.signals.next()).await.is_ok() || deadline.is_some_and(|deadline| next >= deadline) {
            break;
        }
        sleep_until(next).await;
    }
    let received = times.len() as u64;
    let lost = (100 * (sent - received)).checked_div(sent).unwrap_or(0);
    let mut text = format!(
        "\n--- {} ping statistics ---\n{sent} packets transmitted, {received} packets received, {lost}% packet loss\n",
        options.host
    );
    if !times.is_empty() {
        let (min, max) = times.iter().fold((f64::MAX, 0.0), |(min, max), time| (time.min(min), time.max(max)));
        let average = times.iter().sum::<f64>() / received as f64;
        text += &format!("round-trip min/avg/max = {min:.3}/{average:.3}/{max:.3} ms\n");
    }
    let _ = process.print(text).await;
    i32::from(received == 0)
}
