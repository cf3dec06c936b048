//! `redis` and `valkey`: the server with its data in memory, and `redis-cli`.

mod cli;
mod config;
mod resp;
mod store;

use super::program::{exec, log, stopped};
use super::serving::Server;
use super::{Image, bases, times, version};
use crate::node::network::{Accepted, Connection, Requests};
use crate::node::runtime::Reference;
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::Signal;
use bytes::BytesMut;
use config::Config;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use resp::Value;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers are sent once they are this long, in bytes, even if there are more requests to answer.
const FLUSH: usize = 64 << 10;

pub fn image(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<super::Tree>> = LazyLock::new(|| tree("redis"));
    let versions = ["8.2.1", "8.0.3", "7.4.5", "7.2.10", "6.2.19", "6.0.20", "5.0.14"];
    let image = Image::new(&TREE).env("REDIS_VERSION", version(&reference.tag, &versions));
    image.entrypoint(&["docker-entrypoint.sh"]).cmd(&["redis-server"]).working_dir("/data").exposes(&[6379])
}

pub fn valkey(reference: &Reference) -> Image {
    static TREE: LazyLock<Arc<super::Tree>> = LazyLock::new(|| tree("valkey"));
    let image = Image::new(&TREE).env("VALKEY_VERSION", version(&reference.tag, &["8.1.3", "8.0.4", "7.2.10"]));
    image.entrypoint(&["docker-entrypoint.sh"]).cmd(&["valkey-server"]).working_dir("/data").exposes(&[6379])
}

fn tree(name: &str) -> Arc<super::Tree> {
    let tree = bases::debian_tree()
        .program("/usr/local/bin/docker-entrypoint.sh", entrypoint)
        .program(&format!("/usr/local/bin/{name}-server"), server)
        .program(&format!("/usr/local/bin/{name}-cli"), cli::run)
        .program("/usr/local/bin/redis-cli", cli::run)
        .directory("/data");
    Arc::new(tree)
}

/// Options and a configuration file alone are the server's.
fn entrypoint(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let mut argv = process.args().to_vec();
        if argv.first().is_some_and(|first| first.starts_with('-') || first.ends_with(".conf")) {
            let name = if process.env.contains_key("VALKEY_VERSION") { "valkey-server" } else { "redis-server" };
            argv.insert(0, name.into());
        }
        exec(process, argv).await
    })
}

/// What the connections of one server share.
struct Shared {
    store: Mutex<Store>,
    config: Mutex<Config>,
    version: String,
    started: Timestamp,
    environment: crate::environment::Environment,
}

fn server(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(serve(process))
}

async fn serve(mut process: Process) -> i32 {
    let (name, version) = match process.env.get("VALKEY_VERSION") {
        Some(version) => ("Valkey", version.clone()),
        None => ("Redis", process.env.get("REDIS_VERSION").cloned().unwrap_or_default()),
    };
    if process.args().iter().any(|arg| arg == "--version" || arg == "-v") {
        let line = format!("{name} server v={version} sha=00000000:0 malloc=libc bits=64 build=0");
        log(&process, line).await;
        return 0;
    }
    let config = match Config::of(&process).await {
        Ok(config) => config,
        Err(message) => {
            let text = format!("\n*** FATAL CONFIG FILE ERROR ({name} {version}) ***\n{message}\n");
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        }
    };
    let port = config.port();
    note(&process, 'C', '*', &format!("oO0OoO0OoO0Oo {name} is starting oO0OoO0OoO0Oo")).await;
    let about =
        format!("{name} version={version}, bits=64, commit=00000000, modified=0, pid={}, just started", process.pid);
    note(&process, 'C', '*', &about).await;
    let shared = Arc::new(Shared {
        store: Mutex::default(),
        config: Mutex::new(config),
        version,
        started: process.world.now(),
        environment: process.world.environment().clone(),
    });
    let mut server = Server::new();
    let serving = shared.clone();
    let listening =
        server.listen(process.world.network(), Ipv4Addr::UNSPECIFIED, port, move |accepted: Accepted, _| {
            let shared = serving.clone();
            async move {
                // A connection that fails has nobody left to tell.
                let _ = converse(accepted.stream, &accepted.requests, &shared).await;
            }
        });
    if listening.is_err() {
        let text =
            format!("Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use");
        note(&process, 'M', '#', &text).await;
        note(&process, 'M', '#', "Failed listening on port, aborting.").await;
        return 1;
    }
    note(&process, 'M', '*', &format!("Running mode=standalone, port={port}.")).await;
    note(&process, 'M', '*', "Server initialized").await;
    note(&process, 'M', '*', "Ready to accept connections tcp").await;
    let signal = stopped(&mut process.signals, &[Signal::Term, Signal::Int]).await;
    note(&process, 'M', '*', &format!("Received {signal} scheduling shutdown...")).await;
    note(&process, 'M', '*', "User requested shutdown...").await;
    note(&process, 'M', '#', &format!("{name} is now ready to exit, bye bye...")).await;
    0
}

/// Writes a line to the log, for the role `C` or `M`, of the level `*` or `#`.
async fn note(process: &Process, role: char, level: char, text: &str) {
    let now = process.world.now();
    let time = times::format(now, "%d %b %Y %H:%M:%S");
    log(process, format!("{}:{role} {time}.{:03} {level} {text}", process.pid, now.subsec_millisecond())).await;
}

/// Answers the commands of one client, to the end of its connection.
async fn converse(mut stream: Connection, requests: &Requests, shared: &Shared) -> std::io::Result<()> {
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    let mut authenticated = shared.config().get("requirepass").is_empty();
    loop {
        while outgoing.len() < FLUSH {
            match resp::read_command(&mut incoming) {
                Ok(None) => break,
                Ok(Some(words)) if words.is_empty() => {}
                Ok(Some(words)) => {
                    requests.count();
                    let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
                    shared.answer(&name, &words, &mut authenticated).write(&mut outgoing);
                    if name == "QUIT" {
                        return stream.write_all(&outgoing).await;
                    }
                }
                Err(error) => {
                    Value::error(format!("ERR Protocol error: {error}")).write(&mut outgoing);
                    return stream.write_all(&outgoing).await;
                }
            }
        }
        if !outgoing.is_empty() {
            stream.write_all(&outgoing).await?;
            stream.flush().await?;
            let more = outgoing.len() >= FLUSH;
            outgoing.clear();
            if more {
                continue;
            }
        }
        if incoming.is_empty() {
            // An idle connection keeps no memory.
            (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        }
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        incoming.extend_from_slice(&chunk[..length]);
    }
}

impl Shared {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn config(&self) -> std::sync::MutexGuard<'_, Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one command; `name` is its first word in upper case.
    fn answer(&self, name: &str, words: &[Vec<u8>], authenticated: &mut bool) -> Value {
        let args = &words[1..];
        if !*authenticated && !matches!(name, "AUTH" | "HELLO" | "QUIT") {
            return Value::error("NOAUTH Authentication required.");
        }
        match (name, args) {
            ("PING", []) => Value::Simple("PONG".into()),
            ("PING" | "ECHO", [text]) => Value::bulk(text.clone()),
            ("QUIT", _) => Value::ok(),
            ("AUTH", [.., password]) => self.authenticate(password, args.len() == 1, authenticated),
            ("SELECT", [index]) => match std::str::from_utf8(index).ok().and_then(|index| index.parse::<u8>().ok()) {
                Some(0) => Value::ok(),
                _ => Value::error("ERR DB index is out of range"),
            },
            ("CLIENT", [..]) => Value::ok(),
            ("COMMAND", _) => Value::Array(Vec::new()),
            ("HELLO", [version, ..]) if version != b"2" => {
                Value::error("NOPROTO sorry, this protocol version is not supported")
            }
            ("HELLO", _) => Value::Array(vec![
                Value::bulk("server"),
                Value::bulk("redis"),
                Value::bulk("version"),
                Value::bulk(self.version.clone()),
                Value::bulk("proto"),
                Value::Integer(2),
                Value::bulk("role"),
                Value::bulk("master"),
            ]),
            ("CONFIG", [verb, rest @ ..]) => self.configure(&verb.to_ascii_uppercase(), rest),
            ("INFO", _) => Value::bulk(self.info()),
            ("SAVE", []) => Value::ok(),
            ("BGSAVE", _) => Value::Simple("Background saving started".into()),
            ("ROLE", []) => Value::Array(vec![Value::bulk("master"), Value::Integer(0), Value::Array(Vec::new())]),
            ("TIME", []) => {
                let now = self.environment.now();
                let micros = now.subsec_microsecond() + now.subsec_millisecond() * 1000;
                Value::Array(vec![Value::bulk(now.as_second().to_string()), Value::bulk(micros.to_string())])
            }
            _ => {
                let now = self.environment.now().as_millisecond();
                self.store().run(name, args, now).unwrap_or_else(|| unknown(&words[0], args))
            }
        }
    }

    fn authenticate(&self, password: &[u8], alone: bool, authenticated: &mut bool) -> Value {
        let config = self.config();
        let required = config.get("requirepass");
        if required.is_empty() && alone {
            return Value::error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            );
        }
        if !required.is_empty() && required.as_bytes() != password {
            return Value::error("WRONGPASS invalid username-password pair or user is disabled.");
        }
        *authenticated = true;
        Value::ok()
    }

    fn configure(&self, verb: &[u8], args: &[Vec<u8>]) -> Value {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        match (verb, args) {
            (b"GET", [_, ..]) => {
                let config = self.config();
                let patterns = args.iter().map(|pattern| pattern.to_ascii_lowercase());
                let found = patterns.flat_map(|pattern| config.find(&pattern));
                Value::Array(found.flat_map(|(name, value)| [Value::bulk(name), Value::bulk(value)]).collect())
            }
            (b"SET", pairs) if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
                let mut config = self.config();
                for pair in pairs.chunks_exact(2) {
                    if let Err(message) = config.set(&text(&pair[0]), &text(&pair[1])) {
                        return Value::error(format!("ERR CONFIG SET failed - {message}"));
                    }
                }
                Value::ok()
            }
            (b"RESETSTAT" | b"REWRITE", []) => Value::ok(),
            _ => Value::error("ERR unknown subcommand or wrong number of arguments for 'config' command."),
        }
    }

    fn info(&self) -> String {
        let now = self.environment.now();
        let (keys, expiring, used) = {
            let mut store = self.store();
            (store.len(now.as_millisecond()), store.expiring(), store.used())
        };
        let config = self.config();
        let keyspace = match keys {
            0 => String::new(),
            keys => format!("db0:keys={keys},expires={expiring},avg_ttl=0\r\n"),
        };
        format!(
            "# Server\r\nredis_version:{}\r\nredis_mode:standalone\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\n\r\n\
             # Memory\r\nused_memory:{used}\r\nmaxmemory:{}\r\nmaxmemory_policy:{}\r\n\r\n\
             # Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\n{keyspace}",
            self.version,
            config.port(),
            now.duration_since(self.started).as_secs(),
            config.get("maxmemory"),
            config.get("maxmemory-policy"),
        )
    }
}

fn unknown(name: &[u8], args: &[Vec<u8>]) -> Value {
    let shown = args.iter().take(20).map(|arg| format!("'{}' ", String::from_utf8_lossy(arg)));
    let name = String::from_utf8_lossy(name);
    // An error is one line.
    let text = format!("ERR unknown command '{name}', with args beginning with: {}", shown.collect::<String>());
    Value::error(text.replace(['\r', '\n'], " "))
}
