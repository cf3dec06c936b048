//! What the programs of the images have in common.

use crate::node::runtime::process::Process;
use crate::node::runtime::signal::{Signal, Signals};
use crate::node::runtime::tools;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

/// Becomes another program, as `exec` at the end of an entrypoint script does.
pub async fn exec(mut process: Process, argv: Vec<String>) -> i32 {
    let Some(name) = argv.first() else { return 0 };
    match process.world.find(name, &process.cwd, process.env.get("PATH").map(String::as_str)) {
        Ok(executable) => {
            process.world.rename(process.pid, &argv);
            process.argv = executable.arguments(argv);
            (executable.program)(process).await
        }
        Err(cannot) => {
            process.fail(&cannot.message).await;
            cannot.code
        }
    }
}

/// Waits until the program is asked to stop, by one of these signals.
pub async fn stopped(signals: &mut Signals, by: &[Signal]) -> Signal {
    signals.handle(by);
    signals.next().await
}

/// Runs until SIGTERM or SIGINT, as a Go program without a handler does when it is the first process of a container: it
/// ends with 2.
pub async fn stopped_go(signals: &mut Signals) -> i32 {
    stopped(signals, &[Signal::Term, Signal::Int]).await;
    2
}

/// The value of an option that is given as `-name=value`, `--name=value` or `-name value`, as Go's `flag` reads them.
pub fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(i, arg)| {
        let given = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
        match given.strip_prefix(name)? {
            "" => args.get(i + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        }
    })
}

/// The port in `:8080` or `0.0.0.0:8080`.
pub fn port_of(address: &str) -> Option<u16> {
    address.rsplit(':').next()?.parse().ok()
}

/// A duration as Go writes it: `1.5s`, `300ms`, `2m`, at most an hour.
pub fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = match &text[split..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = text[..split].parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds.min(3600.0)).ok()
}

/// The address of a host, given by number or by name.
///
/// # Errors
/// `NotFound` when the name has none.
pub async fn resolve(process: &Process, host: &str, port: u16) -> io::Result<SocketAddrV4> {
    let ip = tools::http::resolve(&process.world, host).await.map_err(|_| io::ErrorKind::NotFound)?;
    Ok(SocketAddrV4::new(ip, port))
}

/// Writes a line to standard output. A server does not mind when nobody keeps its log.
pub async fn log(process: &Process, line: impl AsRef<str>) {
    let _ = process.stdout.write(format!("{}\n", line.as_ref()).as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_in_all_forms() {
        let args: Vec<String> = ["-text=a b", "--listen", ":80", "-x"].map(String::from).to_vec();
        assert_eq!(flag(&args, "text"), Some("a b"));
        assert_eq!(flag(&args, "listen"), Some(":80"));
        assert_eq!(flag(&args, "list"), None);
        assert_eq!(flag(&args, "x"), None);
        assert_eq!((port_of(":80"), port_of("0.0.0.0:8080"), port_of("x")), (Some(80), Some(8080), None));
        assert_eq!(duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!((duration("5"), duration("s"), duration("-1s")), (None, None, None));
    }
}
