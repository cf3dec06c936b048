//! `nc`, as busybox has it.

use super::super::pipe::{Input, Output};
use super::super::process::Process;
use super::super::world::Start;
use super::{hosts, http};
use crate::node::network::{Connection, Handler};
use futures_util::future::BoxFuture;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { nc(&process).await })
}

const USAGE: &str = "Usage: nc [-l] [-p PORT] [-k] [-n] [-v] [-w SEC] [-z] [-e PROG] [HOST] [PORT]\n";
/// How many connections may wait for `nc -l` to take them.
const BACKLOG: usize = 16;
const BUFFER: usize = 16 * 1024;

#[derive(Default)]
struct Options {
    listen: bool,
    keep: bool,
    scan: bool,
    verbose: bool,
    /// UDP, which the network does not have.
    datagrams: bool,
    port: Option<u16>,
    limit: Option<Duration>,
    /// The program that serves the connection, with its arguments.
    program: Vec<String>,
    operands: Vec<String>,
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            options.operands.push(argument.clone());
            continue;
        };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            match letter {
                'l' => options.listen = true,
                'k' => options.keep = true,
                'z' => options.scan = true,
                'v' => options.verbose = true,
                'u' => options.datagrams = true,
                'n' | '4' | 'N' => {}
                'p' | 'w' | 'e' => {
                    let attached = letters.as_str();
                    let value = if attached.is_empty() { arguments.next()?.as_str() } else { attached };
                    match letter {
                        'p' => options.port = Some(value.parse().ok()?),
                        'w' => options.limit = Some(Duration::from_secs(value.parse().ok()?)),
                        // All that follows is the program's.
                        _ => {
                            options.program =
                                std::iter::once(value.to_string()).chain(arguments.by_ref().cloned()).collect()
                        }
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
    Some(options)
}

async fn nc(process: &Process) -> i32 {
    let options = parse(process.args());
    match &options {
        Some(options) if options.datagrams => process.fail("UDP is not simulated").await,
        Some(options) if options.listen => match options.port.or_else(|| options.operands.last()?.parse().ok()) {
            Some(port) => listen(process, options, port).await,
            None => usage(process).await,
        },
        Some(options) => match &options.operands[..] {
            [host, port] => match port.parse() {
                Ok(port) => connect(process, options, host, port).await,
                Err(_) => process.fail(format!("bad port '{port}'")).await,
            },
            _ => usage(process).await,
        },
        None => usage(process).await,
    }
}

async fn usage(process: &Process) -> i32 {
    let _ = process.stderr.write(USAGE.as_bytes()).await;
    1
}

async fn connect(process: &Process, options: &Options, host: &str, port: u16) -> i32 {
    let found = hosts::lookup(&process.world, host).await.ok();
    let Some(ip) = found.and_then(|addresses| addresses.first().copied()) else {
        return process.fail(format!("bad address '{host}'")).await;
    };
    let connecting = process.world.network().connect(SocketAddrV4::new(ip, port));
    let connected = match options.limit {
        Some(limit) => timeout(limit, connecting).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())),
        None => connecting.await,
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(problem) if options.verbose => {
            let why = http::reason(&problem);
            return process.fail(format!("{host} ({ip}:{port}): {why}")).await;
        }
        Err(_) => return 1,
    };
    if options.verbose {
        let text = format!("{host} ({ip}:{port}) open\n");
        let _ = process.stderr.write(text.as_bytes()).await;
    }
    if options.scan {
        return 0;
    }
    serve(process, options, connection).await
}

async fn listen(process: &Process, options: &Options, port: u16) -> i32 {
    let (sender, mut connections) = mpsc::channel(BACKLOG);
    // Connections beyond those that may wait are closed at once.
    let handler: Handler = Arc::new(move |accepted| drop(sender.try_send(accepted)));
    let listening = match process.world.network().listen(Ipv4Addr::UNSPECIFIED, port, handler) {
        Ok(listening) => listening,
        Err(_) => return process.fail("bind: Address already in use").await,
    };
    if options.verbose {
        let text = format!("listening on [::]:{port} ...\n");
        let _ = process.stderr.write(text.as_bytes()).await;
    }
    let mut code = 0;
    while let Some(accepted) = connections.recv().await {
        if options.verbose {
            let (local, peer) = (accepted.local, accepted.peer);
            let text = format!("connect to {local} from {} ({peer})\n", peer.ip());
            let _ = process.stderr.write(text.as_bytes()).await;
        }
        code = serve(process, options, accepted.stream).await;
        if !options.keep {
            break;
        }
    }
    drop(listening);
    code
}

/// Lets the program that was asked for, or else whoever runs this one, talk over a connection.
async fn serve(process: &Process, options: &Options, connection: Connection) -> i32 {
    let (mut reader, mut writer) = tokio::io::split(connection);
    if !options.program.is_empty() {
        let child = process.world.spawn(Start {
            argv: options.program.clone(),
            env: process.env.clone(),
            cwd: process.cwd.clone(),
            stdin: Input::from_reader(reader),
            stdout: Output::from_writer(writer),
            stderr: process.stderr.clone(),
            terminal: None,
            parent: process.pid,
            group: None,
        });
        return match child {
            Ok(mut child) => child.wait().await.code,
            Err(problem) => process.fail(format!("can't execute '{}': {}", options.program[0], problem.reason)).await,
        };
    }
    let sending = async {
        loop {
            match process.stdin.read(BUFFER).await {
                Ok(bytes) if !bytes.is_empty() => {
                    if writer.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                _ => break,
            }
        }
        // The other side may still have something to say.
        let _ = writer.shutdown().await;
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            buffer.clear();
            match reader.read_buf(&mut buffer).await {
                Ok(count) if count > 0 => {
                    if process.stdout.write(&buffer).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    tokio::select! {
        () = receiving => 0,
        () = sending => 0,
    }
}
