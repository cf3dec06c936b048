//! `curl`, for HTTP.

mod options;
mod progress;
mod transfer;
mod write_out;

use super::super::pipe::Output;
use super::super::process::Process;
use futures_util::future::BoxFuture;
use options::{Options, Sink};
use std::time::Duration;
use transfer::{Failure, Kept, Report, Transfer};

/// The version whose behaviour and messages these are.
const VERSION: &str = "8.17.0";
/// Retries wait for at most this time.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(600);

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { curl(&process).await })
}

async fn curl(process: &Process) -> i32 {
    let options = match options::parse(process.args()) {
        Ok(options) => options,
        Err(problem) => return usage(process, &problem).await,
    };
    if options.version {
        let text = format!("curl {VERSION} (x86_64-pc-linux-musl)\nProtocols: http\nFeatures:\n");
        return exit_of(process.print(text).await);
    }
    if options.help {
        let text = "Usage: curl [options...] <url>\n";
        return exit_of(process.print(text).await);
    }
    if options.urls.is_empty() {
        return usage(process, "(2) no URL specified").await;
    }
    let mut code = 0;
    // Connections are used again for URLs of the same server.
    let mut connection = None;
    for (index, url) in options.urls.iter().enumerate() {
        if let Some(failure) = one(process, &options, index, url, &mut connection).await {
            code = failure.code;
        }
    }
    code
}

fn exit_of(result: std::io::Result<()>) -> i32 {
    if result.is_ok() { 0 } else { 23 }
}

async fn usage(process: &Process, problem: &str) -> i32 {
    let text = format!("curl: {problem}\ncurl: try 'curl --help' or 'curl --manual' for more information\n");
    // Nobody is left to be told that standard error is closed.
    let _ = process.stderr.write(text.as_bytes()).await;
    2
}

/// Gets one URL, as often as it is to be tried, and says what went wrong.
async fn one(
    process: &Process,
    options: &Options,
    index: usize,
    url: &str,
    connection: &mut Option<Kept>,
) -> Option<Failure> {
    let mut left = options.retry;
    let mut delay = Duration::from_secs(1);
    loop {
        let report = attempt(process, options, index, url, connection).await;
        if left > 0 && is_transient(&report, options) {
            let wait = options.retry_delay.unwrap_or(delay);
            if !options.silent {
                let text = warning(&report, wait, left);
                let _ = process.stderr.write(text.as_bytes()).await;
            }
            tokio::time::sleep(wait).await;
            delay = (2 * delay).min(MAX_RETRY_DELAY);
            left -= 1;
            continue;
        }
        if let Some(failure) = report.error.as_ref().filter(|_| !options.silent || options.show_error) {
            let text = format!("curl: ({}) {}\n", failure.code, failure.message);
            let _ = process.stderr.write(text.as_bytes()).await;
        }
        if let Some(format) = &options.write_out {
            let written = write_out::format(format, &report);
            let _ = process.stderr.write(written.stderr.as_bytes()).await;
            let _ = process.stdout.write(written.stdout.as_bytes()).await;
        }
        return report.error;
    }
}

fn is_transient(report: &Report, options: &Options) -> bool {
    match &report.error {
        Some(failure) => {
            let known = failure.code == 28 || failure.code == 7 && options.retry_refused;
            known || options.retry_all || is_transient_status(report.status)
        }
        None => is_transient_status(report.status),
    }
}

fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504 | 522 | 524)
}

fn warning(report: &Report, wait: Duration, left: u32) -> String {
    let why = match &report.error {
        Some(failure) if failure.code == 28 => "timeout",
        Some(failure) if failure.code == 7 => "connection refused",
        Some(_) if !is_transient_status(report.status) => "(retrying all errors)",
        _ => "HTTP error",
    };
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let seconds = wait.as_secs();
    let (unit, retries) = (plural(seconds), if left == 1 { "retry" } else { "retries" });
    format!("Warning: Problem: {why}. Will retry in {seconds} second{unit}. {left} {retries} left.\n")
}

/// Gets one URL once.
async fn attempt(
    process: &Process,
    options: &Options,
    index: usize,
    url: &str,
    connection: &mut Option<Kept>,
) -> Report {
    let mut transfer = Transfer::new(process, options, url);
    let target = options.outputs.get(index);
    let output = match output(process, target, url) {
        Ok(output) => output,
        Err(failure) => return Report { error: Some(failure), ..transfer.report },
    };
    let is_shown = !options.silent && !options.no_meter;
    // The meter would be in the way of a body on a terminal.
    transfer.meter = is_shown && (target.is_some() || process.terminal.is_none());
    transfer.run(&output, connection).await
}

/// Where the body goes.
fn output(process: &Process, sink: Option<&Sink>, url: &str) -> Result<Output, Failure> {
    let file = match sink {
        None => return Ok(process.stdout.clone()),
        Some(Sink::File(file)) if file == "-" => return Ok(process.stdout.clone()),
        Some(Sink::File(file)) => file.clone(),
        Some(Sink::RemoteName) => match super::http::Url::parse(url).ok().map(|url| url.file_name().to_string()) {
            Some(name) if !name.is_empty() => name,
            _ => return Err(Failure::new(23, "Failed to extract a filename to use for storage")),
        },
    };
    process
        .create(&file, false)
        .map_err(|_| Failure::new(23, "client returned ERROR on write, file could not be opened"))
}
