//! Databases and brokers: they start and stop as the real ones do, listen, and say what a client needs to know that they are
//! there. They keep no data.

use super::program::{self, exec, log, stopped};
use super::serving::Server;
use super::{Image, Process, Tree, bases, times, version};
use crate::node::network::{Accepted, Connection};
use crate::node::runtime::Reference;
use crate::node::runtime::signal::Signal;
use futures_util::future::BoxFuture;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// What a client is told that asks for data.
const NO_DATA: &str = "this simulated server keeps no data";

pub fn postgres(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> =
        LazyLock::new(|| tree(&[("postgres", run_postgres), ("pg_isready", pg_isready)]));
    let version = version(&reference.tag, &["17.6", "16.10", "15.14", "14.19", "13.22"]);
    let image = server(&TREE, "postgres", 5432).env("PG_MAJOR", version.split('.').next().unwrap_or_default());
    image.env("PG_VERSION", version).env("PGDATA", "/var/lib/postgresql/data").stops_by(Signal::Int)
}

pub fn mysql(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| tree(&[("mysqld", run_mysql), ("mysqladmin", mysqladmin)]));
    server(&TREE, "mysqld", 3306).env("MYSQL_VERSION", version(&reference.tag, &["9.4.0", "8.4.6", "8.0.43", "5.7.44"]))
}

pub fn mariadb(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> =
        LazyLock::new(|| tree(&[("mariadbd", run_mysql), ("mariadb-admin", mysqladmin), ("mysqladmin", mysqladmin)]));
    server(&TREE, "mariadbd", 3306).env("MARIADB_VERSION", version(&reference.tag, &["12.0.2", "11.8.3", "10.11.14"]))
}

pub fn mongo(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| tree(&[("mongod", run_mongo)]));
    server(&TREE, "mongod", 27017).env("MONGO_VERSION", version(&reference.tag, &["8.0.13", "7.0.24", "6.0.26"]))
}

pub fn memcached(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| tree(&[("memcached", run_memcached)]));
    server(&TREE, "memcached", 11211).env("MEMCACHED_VERSION", version(&reference.tag, &["1.6.39", "1.5.22"]))
}

pub fn rabbitmq(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<Tree>> = LazyLock::new(|| {
        tree(&[("rabbitmq-server", run_rabbitmq), ("rabbitmq-diagnostics", diagnostics), ("rabbitmqctl", diagnostics)])
    });
    server(&TREE, "rabbitmq-server", 5672).env("RABBITMQ_VERSION", version(&reference.tag, &["4.1.3", "3.13.7"]))
}

fn tree(programs: &[(&str, super::Program)]) -> Arc<Tree> {
    let tree = bases::debian_tree().program("/usr/local/bin/docker-entrypoint.sh", entrypoint);
    Arc::new(
        programs.iter().fold(tree, |tree, (name, program)| tree.program(&format!("/usr/local/bin/{name}"), *program)),
    )
}

fn server(tree: &Arc<Tree>, program: &str, port: u16) -> Image {
    Image::new(tree).entrypoint(&["docker-entrypoint.sh"]).cmd(&[program]).exposes(&[port])
}

/// Options alone are the server's.
fn entrypoint(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let mut argv = process.args().to_vec();
        if argv.first().is_some_and(|first| first.starts_with('-')) {
            let servers = ["PG_VERSION", "MYSQL_VERSION", "MARIADB_VERSION", "MONGO_VERSION", "MEMCACHED_VERSION"];
            let names = ["postgres", "mysqld", "mariadbd", "mongod", "memcached"];
            let known = servers.iter().position(|variable| process.env.contains_key(*variable));
            argv.insert(0, known.map_or("rabbitmq-server", |at| names[at]).into());
        }
        exec(process, argv).await
    })
}

/// Whether the environment has one of these variables with a value.
fn has(process: &Process, names: &[&str]) -> bool {
    names.iter().any(|name| process.env.get(*name).is_some_and(|value| !value.is_empty()))
}

/// Listens until it is stopped, and gives the exit code.
async fn serve<F, Serving>(process: &mut Process, port: u16, ready: &str, converse: F) -> i32
where
    F: Fn(Connection) -> Serving + Send + Sync + 'static,
    Serving: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut server = Server::new();
    let serve = move |accepted: Accepted, _| {
        let conversation = converse(accepted.stream);
        async move {
            // A connection that fails has nobody left to tell.
            let _ = conversation.await;
        }
    };
    if server.listen(process.world.network(), Ipv4Addr::UNSPECIFIED, port, serve).is_err() {
        return process.fail(format!("could not bind 0.0.0.0:{port}: Address already in use")).await;
    }
    let time = times::format(process.world.now(), "%Y-%m-%d %H:%M:%S.%3f UTC");
    let _ = process.stderr.write(format!("{time} [{}] LOG:  {ready}\n", process.pid).as_bytes()).await;
    let _ = stopped(&mut process.signals, &[Signal::Term, Signal::Int, Signal::Quit]).await;
    let time = times::format(process.world.now(), "%Y-%m-%d %H:%M:%S.%3f UTC");
    let _ = process.stderr.write(format!("{time} [{}] LOG:  shutting down\n", process.pid).as_bytes()).await;
    0
}

fn port(process: &Process, option: &str, default: u16) -> u16 {
    program::flag(process.args(), option).and_then(|port| port.parse().ok()).unwrap_or(default)
}

fn run_postgres(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let trusts = process.env.get("POSTGRES_HOST_AUTH_METHOD").is_some_and(|method| method == "trust");
        if !trusts && !has(&process, &["POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"]) {
            let text = "Error: Database is uninitialized and superuser password is not specified.\n       You must specify \
                        POSTGRES_PASSWORD to a non-empty value for the superuser.\n";
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        }
        let port = port(&process, "p", 5432);
        serve(&mut process, port, "database system is ready to accept connections", speak_postgres).await
    })
}

/// PostgreSQL's protocol 3.0: no encryption, then an error in answer to the start-up message.
async fn speak_postgres(mut stream: Connection) -> io::Result<()> {
    const SSL_REQUEST: u32 = 80_877_103;
    const GSS_REQUEST: u32 = 80_877_104;
    loop {
        let length = stream.read_u32().await?;
        let code = stream.read_u32().await?;
        if code == SSL_REQUEST || code == GSS_REQUEST {
            stream.write_all(b"N").await?;
            stream.flush().await?;
            continue;
        }
        let rest = u64::from(length.saturating_sub(8).min(10_000));
        tokio::io::copy(&mut (&mut stream).take(rest), &mut tokio::io::sink()).await?;
        let fields = format!("SFATAL\0VFATAL\0C0A000\0M{NO_DATA}\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap_or(0);
        stream.write_all(b"E").await?;
        stream.write_u32(length).await?;
        stream.write_all(fields.as_bytes()).await?;
        return stream.shutdown().await;
    }
}

fn pg_isready(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args = process.args();
        let host = program::flag(args, "h").or_else(|| program::flag(args, "host"));
        let port = port(&process, "p", 5432);
        let shown = host.unwrap_or("/var/run/postgresql").to_string();
        let host = host.filter(|host| !host.starts_with('/')).unwrap_or("127.0.0.1");
        let answers = answers(&process, host, port).await;
        log(&process, format!("{shown}:{port} - {}", if answers { "accepting connections" } else { "no response" }))
            .await;
        if answers { 0 } else { 2 }
    })
}

async fn answers(process: &Process, host: &str, port: u16) -> bool {
    match program::resolve(process, host, port).await {
        Ok(address) => process.world.network().connect(address).await.is_ok(),
        Err(_) => false,
    }
}

fn run_mysql(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let (name, product) = match process.env.contains_key("MARIADB_VERSION") {
            true => ("MARIADB", "mariadbd"),
            false => ("MYSQL", "mysqld"),
        };
        let variables = ["ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD", "RANDOM_ROOT_PASSWORD", "ROOT_PASSWORD_FILE"];
        let given = variables.iter().any(|variable| {
            has(
                &process,
                &[&format!("MYSQL_{variable}"), &format!("{name}_{variable}"), "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD"],
            )
        });
        if !given {
            let time = times::format(process.world.now(), "%Y-%m-%d %H:%M:%S+00:00");
            let text = format!(
                "{time} [ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n    You need \
                 to specify one of the following as an environment variable:\n    - {name}_ROOT_PASSWORD\n    \
                 - {name}_ALLOW_EMPTY_PASSWORD\n    - {name}_RANDOM_ROOT_PASSWORD\n"
            );
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        }
        let version = process.env.get(&format!("{name}_VERSION")).cloned().unwrap_or_default();
        let port = port(&process, "port", 3306);
        let ready = format!("{product}: ready for connections. Version: '{version}'  port: {port}");
        serve(&mut process, port, &ready, move |stream| speak_mysql(stream, version.clone())).await
    })
}

/// MySQL's protocol: a greeting, then an error in answer to whatever comes.
async fn speak_mysql(mut stream: Connection, version: String) -> io::Result<()> {
    let mut greeting = vec![10];
    greeting.extend_from_slice(version.as_bytes());
    greeting.push(0);
    greeting.extend_from_slice(&[1, 0, 0, 0]);
    greeting.extend_from_slice(b"abcdefgh\0");
    // Protocol 4.1, secure connection, plugin authentication; UTF-8; autocommit.
    greeting.extend_from_slice(&[0x00, 0x82, 33, 2, 0, 0x08, 0x00, 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    packet(&mut stream, 0, &greeting).await?;
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length = u64::from(header[0]) | u64::from(header[1]) << 8;
    tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
    let mut error = vec![0xff, 0xd3, 0x04];
    error.extend_from_slice(b"#42000");
    error.extend_from_slice(NO_DATA.as_bytes());
    packet(&mut stream, header[3].wrapping_add(1), &error).await?;
    stream.shutdown().await
}

async fn packet(stream: &mut Connection, number: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
    stream.write_all(&[length[0], length[1], length[2], number]).await?;
    stream.write_all(content).await?;
    stream.flush().await
}

fn mysqladmin(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let args = process.args();
        let short = args.iter().find_map(|arg| arg.strip_prefix("-h")).filter(|host| !host.is_empty());
        let host = short.or(program::flag(args, "h")).or(program::flag(args, "host")).unwrap_or("127.0.0.1");
        let port = port(&process, "port", 3306);
        if answers(&process, if host == "localhost" { "127.0.0.1" } else { host }, port).await {
            log(&process, "mysqld is alive").await;
            return 0;
        }
        process.fail(format!("connect to server at '{host}' failed")).await
    })
}

fn run_mongo(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let port = port(&process, "port", 27017);
        serve(&mut process, port, "Waiting for connections", refuse).await
    })
}

fn run_rabbitmq(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { serve(&mut process, 5672, "Server startup complete", refuse).await })
}

/// Ends the connection as soon as the client asks for something.
async fn refuse(mut stream: Connection) -> io::Result<()> {
    stream.read_u8().await?;
    stream.shutdown().await
}

fn diagnostics(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        if answers(&process, "127.0.0.1", 5672).await {
            log(&process, "Ping succeeded").await;
            return 0;
        }
        let _ = process.fail("unable to perform an operation on the node: it is not running").await;
        69
    })
}

fn run_memcached(mut process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let version = process.env.get("MEMCACHED_VERSION").cloned().unwrap_or_default();
        let port = port(&process, "p", 11211);
        serve(&mut process, port, "server listening", move |stream| speak_memcached(stream, version.clone())).await
    })
}

/// memcached's text protocol, as far as it needs no data.
async fn speak_memcached(stream: Connection, version: String) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut stream).take(2048).read_until(b'\n', &mut line).await?;
        let answer = match line.trim_ascii_end() {
            b"" if line.is_empty() => return Ok(()),
            b"quit" => return stream.shutdown().await,
            b"version" => format!("VERSION {version}\r\n"),
            b"stats" => format!("STAT version {version}\r\nSTAT curr_items 0\r\nEND\r\n"),
            get if get.starts_with(b"get ") => "END\r\n".into(),
            _ => format!("SERVER_ERROR {NO_DATA}\r\n"),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
}
