//! `nginx`: the web server with the configuration and the files that the container has.

mod config;
mod content;
mod directives;
mod pages;
mod proxy;
mod site;
mod syntax;
mod template;
mod tls;

#[cfg(test)]
mod tests;

use super::program::exec;
use super::serving::Server;
use super::{Image, Tree, bases, http as web, times, version};
use crate::node::network::Accepted;
use crate::node::runtime::Reference;
use crate::node::runtime::process::Process;
use crate::node::runtime::signal::Signal;
use crate::node::runtime::world::Start;
use ::http::HeaderValue;
use config::Config;
use futures_util::future::BoxFuture;
use proxy::Upstreams;
use site::{Counts, Running};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use syntax::Mistake;
use tokio_util::sync::CancellationToken;

/// Where the first process writes its number.
const PID_FILE: &str = "/run/nginx.pid";
const CONFIG: &str = "/etc/nginx/nginx.conf";

pub fn image(reference: &Reference) -> Image {
    static DEBIAN: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(content::add(bases::debian_with_curl())));
    static ALPINE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(content::add(bases::alpine_with_curl())));
    let versions = ["1.29.3", "1.28.0", "1.27.5", "1.26.3", "1.25.5", "1.24.0", "1.23.4", "1.22.1", "1.21.6", "1.20.2"];
    let older = ["1.19.10", "1.18.0", "1.17.10", "1.16.1", "1.15.12", "1.14.2"];
    let versions: Vec<&str> = versions.into_iter().chain(older).collect();
    let tag = if reference.tag.starts_with("stable") { "1.28" } else { &reference.tag };
    let tree = if reference.tag.contains("alpine") { &ALPINE } else { &DEBIAN };
    let image = Image::new(tree).env("NGINX_VERSION", version(tag, &versions)).exposes(&[80]).stops_by(Signal::Quit);
    image.entrypoint(&["/docker-entrypoint.sh"]).cmd(&["nginx", "-g", "daemon off;"])
}

/// Before the server starts, templates become configuration files.
fn entrypoint(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        if matches!(process.args().first().map(String::as_str), Some("nginx" | "nginx-debug")) {
            // Nobody may be reading.
            let _ = process.print("/docker-entrypoint.sh: Preparing the configuration in /etc/nginx/conf.d\n").await;
            content::fill_templates(&process);
            let _ = process.print("/docker-entrypoint.sh: Configuration complete; ready for start up\n").await;
        }
        let argv = process.args().to_vec();
        exec(process, argv).await
    })
}

/// The program's options.
#[derive(Default)]
struct Options {
    file: String,
    globals: String,
    test: bool,
    dump: bool,
    signal: Option<String>,
    version: bool,
}

impl Options {
    fn parse(process: &Process) -> Result<Options, String> {
        let mut options = Options { file: CONFIG.into(), ..Options::default() };
        let mut args = process.args().iter();
        while let Some(arg) = args.next() {
            let mut value =
                |what: &str| args.next().cloned().ok_or_else(|| format!("option \"{arg}\" requires {what}"));
            match arg.as_str() {
                "-g" => options.globals = value("parameter")?,
                "-c" => options.file = process.path(&value("file name")?),
                "-p" | "-e" => drop(value("file name")?),
                "-s" => options.signal = Some(value("parameter")?),
                "-t" => options.test = true,
                "-T" => (options.test, options.dump) = (true, true),
                "-v" | "-V" => options.version = true,
                "-q" => {}
                other => return Err(format!("invalid option: \"{other}\"")),
            }
        }
        Ok(options)
    }
}

fn program(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(run(process))
}

async fn run(process: Process) -> i32 {
    let options = match Options::parse(&process) {
        Ok(options) => options,
        Err(message) => return process.fail(message).await,
    };
    let version = process.env.get("NGINX_VERSION").cloned().unwrap_or_default();
    if options.version {
        let _ = process.stderr.write(format!("nginx version: nginx/{version}\n").as_bytes()).await;
        return 0;
    }
    if let Some(signal) = &options.signal {
        return send(&process, signal).await;
    }
    let loaded = load(&process, &options).await;
    if options.test {
        return test(&process, &options, loaded.err()).await;
    }
    match loaded {
        Ok((config, upstreams)) if config.daemon => {
            drop((config, upstreams));
            to_background(process).await
        }
        Ok(loaded) => serve(process, options, version, loaded).await,
        Err(mistake) => {
            note(&process, "emerg", &mistake.to_string()).await;
            process.fail(format!("[emerg] {mistake}")).await
        }
    }
}

async fn load(process: &Process, options: &Options) -> Result<(Arc<Config>, Arc<Upstreams>), Mistake> {
    let config = Config::read(process.world.files(), &options.file, &options.globals)?;
    let upstreams = Upstreams::resolve(&config, process).await?;
    Ok((Arc::new(config), Arc::new(upstreams)))
}

/// A line of the error log.
async fn note(process: &Process, level: &str, text: &str) {
    let time = times::format(process.world.now(), "%Y/%m/%d %H:%M:%S");
    let line = format!("{time} [{level}] {pid}#{pid}: {text}\n", pid = process.pid);
    // A log that nobody keeps stops no server.
    let _ = process.stderr.write(line.as_bytes()).await;
}

/// `nginx -t` and `-T`.
async fn test(process: &Process, options: &Options, mistake: Option<Mistake>) -> i32 {
    let file = &options.file;
    if let Some(mistake) = mistake {
        process.fail(format!("[emerg] {mistake}")).await;
        return process.fail(format!("configuration file {file} test failed")).await;
    }
    process.fail(format!("the configuration file {file} syntax is ok")).await;
    process.fail(format!("configuration file {file} test is successful")).await;
    if options.dump {
        for path in content::configuration_files(process.world.files(), file) {
            let text = process.world.files().read(&path).unwrap_or_default();
            let _ = process.print(format!("# configuration file {path}:\n")).await;
            let _ = process.print(text).await;
            let _ = process.print("\n").await;
        }
    }
    0
}

/// `nginx -s SIGNAL`: sends it to the server whose number is in the file.
async fn send(process: &Process, signal: &str) -> i32 {
    let signal = match signal {
        "stop" => Signal::Term,
        "quit" => Signal::Quit,
        "reload" => Signal::Hup,
        "reopen" => Signal::Usr1,
        other => return process.fail(format!("invalid option: \"-s {other}\"")).await,
    };
    let content = process.world.files().read(PID_FILE).unwrap_or_default();
    let pid = std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse::<u32>().ok());
    match pid {
        Some(pid) if process.world.signal(pid, signal) => {
            note(process, "notice", "signal process started").await;
            0
        }
        Some(pid) => {
            process.fail(format!("[alert] kill({pid}, {}) failed (3: No such process)", signal.number())).await
        }
        None => process.fail(format!("[error] invalid PID number \"\" in \"{PID_FILE}\"")).await,
    }
}

/// Without `daemon off`, another process goes on with the work, and this one ends.
async fn to_background(process: Process) -> i32 {
    let mut argv = process.argv.clone();
    argv.extend(["-g".into(), "daemon off;".into()]);
    let start = Start {
        argv,
        env: process.env.clone(),
        cwd: process.cwd.clone(),
        stdout: process.stdout.clone(),
        stderr: process.stderr.clone(),
        parent: 1,
        ..Start::default()
    };
    match process.world.spawn(start) {
        Ok(_) => 0,
        Err(cannot) => process.fail(cannot.message).await,
    }
}

/// What new connections are served by; a reload replaces it.
struct Generation {
    running: Arc<Running>,
    /// Set when connections of this generation are to end after their current request.
    draining: CancellationToken,
}

async fn serve(mut process: Process, options: Options, version: String, loaded: (Arc<Config>, Arc<Upstreams>)) -> i32 {
    let counts = Arc::new(Counts::default());
    let mut server = Server::new();
    let generation = |(config, upstreams): (Arc<Config>, Arc<Upstreams>), draining: CancellationToken| {
        let name = HeaderValue::try_from(format!("nginx/{version}"));
        let running = Running {
            config,
            upstreams,
            world: process.world.clone(),
            version: version.clone(),
            access_log: process.stdout.clone(),
            error_log: process.stderr.clone(),
            server: name.unwrap_or(HeaderValue::from_static("nginx")),
            counts: counts.clone(),
        };
        Arc::new(Generation { running: Arc::new(running), draining })
    };
    for warning in &loaded.0.warnings {
        note(&process, "warn", warning).await;
    }
    let first = generation(loaded, server.draining().child_token());
    let current = Arc::new(RwLock::new(first.clone()));
    if let Err(mistake) = listen(&mut server, &process, &first.running.config, &current) {
        note(&process, "emerg", &mistake).await;
        return 1;
    }
    let _ = process.world.files().write(PID_FILE, format!("{}\n", process.pid).as_bytes());
    note(&process, "notice", &format!("nginx/{version}")).await;
    note(&process, "notice", "start worker processes").await;
    drop(first);
    process.signals.handle(&[Signal::Hup, Signal::Int, Signal::Quit, Signal::Term, Signal::Usr1, Signal::Winch]);
    loop {
        let signal = process.signals.next().await;
        note(&process, "notice", &format!("signal {} ({signal}) received", signal.number())).await;
        match signal {
            Signal::Quit => {
                note(&process, "notice", "gracefully shutting down").await;
                server.drain().await;
                break;
            }
            Signal::Term | Signal::Int => break,
            Signal::Hup => {
                note(&process, "notice", "reconfiguring").await;
                match load(&process, &options).await {
                    Ok(loaded) => {
                        for warning in &loaded.0.warnings {
                            note(&process, "warn", warning).await;
                        }
                        let config = loaded.0.clone();
                        let next = generation(loaded, server.draining().child_token());
                        if let Err(mistake) = listen(&mut server, &process, &config, &current) {
                            note(&process, "emerg", &mistake).await;
                            continue;
                        }
                        server.retain(|address, port| addresses(&config).contains(&(address, port)));
                        let before =
                            std::mem::replace(&mut *current.write().unwrap_or_else(PoisonError::into_inner), next);
                        before.draining.cancel();
                        note(&process, "notice", "start worker processes").await;
                    }
                    Err(mistake) => note(&process, "emerg", &mistake.to_string()).await,
                }
            }
            _ => {}
        }
    }
    let _ = process.world.files().remove(PID_FILE);
    note(&process, "notice", "exit").await;
    0
}

/// Where a configuration listens; an address is not listened on beside all addresses of its port.
fn addresses(config: &Config) -> Vec<(Ipv4Addr, u16)> {
    let all: Vec<_> = config.servers.iter().flat_map(|server| &server.listens).map(|l| (l.address, l.port)).collect();
    let mut needed: Vec<_> = all
        .iter()
        .copied()
        .filter(|(address, port)| address.is_unspecified() || !all.contains(&(Ipv4Addr::UNSPECIFIED, *port)))
        .collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Listens wherever a configuration does and the server does not yet.
fn listen(
    server: &mut Server,
    process: &Process,
    config: &Config,
    current: &Arc<RwLock<Arc<Generation>>>,
) -> Result<(), String> {
    for (address, port) in addresses(config) {
        if server.listens(address, port) {
            continue;
        }
        let current = current.clone();
        let serve = move |accepted: Accepted, _| {
            let generation = current.read().unwrap_or_else(PoisonError::into_inner).clone();
            generation.running.counts.accepted.fetch_add(1, Ordering::Relaxed);
            async move {
                let (running, draining) = (generation.running.clone(), generation.draining.clone());
                match running.config.certificates.get(&port).cloned() {
                    Some(acceptor) => tls::serve(acceptor, accepted, running, draining).await,
                    None => web::serve(accepted, running, draining).await,
                }
            }
        };
        let listening = server.listen(process.world.network(), address, port, serve);
        listening.map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::AddrNotAvailable => "99: Address not available",
                _ => "98: Address already in use",
            };
            format!("bind() to {address}:{port} failed ({why})")
        })?;
    }
    Ok(())
}
