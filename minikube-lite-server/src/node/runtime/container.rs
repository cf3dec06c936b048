//! One run of a container: its processes and files, its log, and the ways into it while it runs.

use super::attach::Streams;
use super::budget::Budget;
use super::files::Files;
use super::log::Log;
use super::pipe::{Input, pipe};
use super::process::Program;
use super::session::{Session, Wanted};
use super::signal::Signal;
use super::world::{CannotStart, Start, World, WorldSettings};
use crate::environment::Environment;
use crate::node::network::PodNetwork;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How much of the output of a command is kept for whoever runs it, in bytes.
const MAX_OUTPUT: usize = 10 << 10;
/// How much of a termination message is kept, in bytes.
const MAX_MESSAGE: usize = 4096;
/// How much of the log stands in for a termination message (`FallbackToLogsOnError`): lines, bytes.
const MESSAGE_FROM_LOG: (usize, usize) = (80, 2048);

/// What a run of a container starts with.
pub struct ContainerSettings {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub working_dir: String,
    pub files: Files,
    pub network: PodNetwork,
    pub budget: Budget,
    pub environment: Environment,
    /// Run in place of programs that the image's files do not have.
    pub fallback: Option<Program>,
    pub declared_ports: Vec<u16>,
    /// Whom processes run as.
    pub user: u32,
    pub group: u32,
    pub log: Log,
    pub stop_signal: Signal,
    /// Standard input is open, and waits for somebody who attaches.
    pub stdin: bool,
    /// It ends with the first one who attached.
    pub stdin_once: bool,
    pub tty: bool,
    /// Where the program leaves its last words.
    pub message_path: String,
    /// Without last words, a failed program's are the end of its log.
    pub message_from_log: bool,
    /// Its memory is not enough after this time.
    pub out_of_memory: Option<Duration>,
}

/// A container that runs. When it is dropped, all that runs in it ends.
pub struct Container {
    world: World,
    env: Environ,
    working_dir: String,
    stop_signal: Signal,
    streams: Arc<Streams>,
    ended: watch::Receiver<Option<Ended>>,
    /// When a stop that is under way gets impatient.
    deadline: watch::Sender<Option<Instant>>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub code: i32,
    pub at: Timestamp,
    pub out_of_memory: bool,
    /// The termination message.
    pub message: String,
}

impl Container {
    /// Starts the program of a container. `on_end` is called once it has ended, from another task.
    ///
    /// # Errors
    /// When there is no such program or it cannot be run.
    pub fn start(
        settings: ContainerSettings,
        on_end: impl FnOnce(Ended) + Send + 'static,
    ) -> Result<Container, CannotStart> {
        let ContainerSettings { argv, env, working_dir, files, network, environment, log, .. } = settings;
        let world = World::new(WorldSettings {
            hostname: network.identity().hostname.clone(),
            files,
            network,
            environment: environment.clone(),
            budget: settings.budget,
            fallback: settings.fallback,
            declared_ports: settings.declared_ports,
            user: settings.user,
            group: settings.group,
        });
        let kept = Environ::of(&env);
        let (streams, first) = Streams::new(&log, &environment, settings.stdin, settings.stdin_once, settings.tty);
        let child = world.spawn(Start {
            argv,
            env: kept.variables(settings.tty),
            cwd: working_dir.clone(),
            stdin: first.stdin,
            stdout: first.stdout,
            stderr: first.stderr,
            terminal: first.terminal,
            ..Start::default()
        });
        let mut child = match child {
            Ok(child) => child,
            Err(why) => {
                log.end();
                return Err(why);
            }
        };
        let (end, ended) = watch::channel(None);
        let waiting = (world.clone(), streams.clone());
        let (message_path, from_log) = (settings.message_path, settings.message_from_log);
        let out_of_memory = settings.out_of_memory;
        tokio::spawn(async move {
            let (world, streams) = waiting;
            let (exit, out_of_memory) = match out_of_memory {
                None => (child.wait().await, false),
                Some(after) => tokio::select! {
                    exit = child.wait() => (exit, false),
                    () = tokio::time::sleep(after) => {
                        world.kill_all();
                        (child.wait().await, true)
                    }
                },
            };
            world.kill_all();
            streams.end().await;
            log.end();
            let mut message = match world.files().read(&message_path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_MESSAGE)]).into_owned(),
                Err(_) => String::new(),
            };
            if message.is_empty() && from_log && exit.code != 0 {
                message = log.end_of_text(MESSAGE_FROM_LOG.0, MESSAGE_FROM_LOG.1);
            }
            let ended = Ended { code: exit.code, at: environment.now(), out_of_memory, message };
            end.send_replace(Some(ended.clone()));
            on_end(ended);
        });
        Ok(Container {
            world,
            env: kept,
            working_dir,
            stop_signal: settings.stop_signal,
            streams,
            ended,
            deadline: watch::Sender::new(None),
        })
    }

    /// Runs a command for a client.
    ///
    /// # Errors
    /// When there is no such program or it cannot be run.
    pub fn exec(&self, argv: Vec<String>, wanted: Wanted) -> Result<Session, CannotStart> {
        let (session, first, gate) = Session::open(wanted);
        let mut child = self.world.spawn(Start {
            argv,
            env: self.env.variables(wanted.tty),
            cwd: self.working_dir.clone(),
            stdin: first.stdin,
            stdout: first.stdout,
            stderr: first.stderr,
            terminal: first.terminal,
            ..Start::default()
        })?;
        let guard = KillOnDrop { world: self.world.clone(), pid: child.pid, has_ended: false };
        let exit = async move {
            let exit = child.wait().await;
            guard.disarm();
            gate.close();
            Ok(exit.code)
        };
        Ok(Session { exit: Box::pin(exit), ..session })
    }

    /// What a container runtime says of a command that did not start. Each attempt has an ID.
    pub fn cannot_exec(&self, why: &CannotStart) -> String {
        let part = || self.world.environment().random("exec", |rng| rng.u128(..));
        let id = format!("{:032x}{:032x}", part(), part());
        format!(
            "failed to exec in container: failed to start exec \"{id}\": OCI runtime exec failed: exec failed: unable to \
             start container process: {}: unknown",
            why.message
        )
    }

    /// Attaches a client to the first process.
    pub fn attach(&self, wanted: Wanted) -> Session {
        let mut ended = self.ended.clone();
        let exit = async move {
            match ended.wait_for(Option::is_some).await {
                Ok(ended) => Ok(ended.as_ref().map_or(0, |ended| ended.code)),
                Err(_) => Err("the container is gone".to_string()),
            }
        };
        Session { exit: Box::pin(exit), ..self.streams.attach(wanted) }
    }

    /// Runs a command to its end, for a probe or a hook: its exit code and what it wrote, shortened. Dropping the future
    /// ends the command.
    ///
    /// # Errors
    /// When there is no such program or it cannot be run.
    pub async fn run(&self, argv: Vec<String>) -> Result<(i32, Vec<u8>), CannotStart> {
        let (output, input) = pipe();
        let mut child = self.world.spawn(Start {
            argv,
            env: self.env.variables(false),
            cwd: self.working_dir.clone(),
            stdin: Input::empty(),
            stdout: output.clone(),
            stderr: output,
            ..Start::default()
        })?;
        let guard = KillOnDrop { world: self.world.clone(), pid: child.pid, has_ended: false };
        let read = async {
            let mut text = Vec::new();
            while let Ok(part) = input.chunk().await {
                if part.is_empty() {
                    break;
                }
                text.extend_from_slice(&part[..part.len().min(MAX_OUTPUT - text.len())]);
            }
            text
        };
        tokio::pin!(read);
        let (mut text, mut exit) = (None, None);
        // What it left running in the background may keep the pipe open.
        while exit.is_none() {
            tokio::select! {
                read = &mut read, if text.is_none() => text = Some(read),
                ended = child.wait() => exit = Some(ended),
            }
        }
        guard.disarm();
        let text = match text {
            Some(text) => text,
            None => tokio::time::timeout(Duration::from_millis(100), read).await.unwrap_or_default(),
        };
        Ok((exit.map_or(0, |exit| exit.code), text))
    }

    /// Asks the container to stop, and ends it at the deadline, but not before it has had `least`.
    pub async fn stop(&self, least: Duration) {
        self.world.signal(1, self.stop_signal);
        let mut ended = self.ended.clone();
        let impatient = async {
            tokio::join!(self.deadline_passed(), tokio::time::sleep(least));
        };
        tokio::select! {
            _ = ended.wait_for(Option::is_some) => {}
            () = impatient => self.kill(),
        }
    }

    /// The latest moment for the end of a stop; a later call can only bring it forward.
    pub fn set_deadline(&self, at: Instant) {
        self.deadline.send_modify(|deadline| *deadline = Some(deadline.map_or(at, |old| old.min(at))));
    }

    /// Waits for the deadline of the stop.
    pub async fn deadline_passed(&self) {
        let mut changes = self.deadline.subscribe();
        loop {
            let deadline = *changes.borrow_and_update();
            tokio::select! {
                () = sleep_until(deadline) => return,
                _ = changes.changed() => {}
            }
        }
    }

    /// Ends the container at once.
    pub fn kill(&self) {
        self.world.kill_all();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The variables of a container in one piece, for the commands to come: most containers never run one.
struct Environ(Box<str>);

impl Environ {
    fn of(variables: &BTreeMap<String, String>) -> Environ {
        // No name has an equals sign, and nothing has a zero byte.
        let lines = variables.iter().map(|(name, value)| format!("{name}={value}"));
        Environ(lines.collect::<Vec<_>>().join("\0").into())
    }

    /// The variables of a process, which knows of its terminal by `TERM`.
    fn variables(&self, tty: bool) -> BTreeMap<String, String> {
        let lines = self.0.split('\0').filter_map(|line| line.split_once('='));
        let mut variables: BTreeMap<_, _> = lines.map(|(name, value)| (name.into(), value.into())).collect();
        if tty {
            variables.entry("TERM".into()).or_insert_with(|| "xterm".into());
        }
        variables
    }
}

/// Ends a command, and what it started, together with what waits for it. What a command that has ended by itself left in the
/// background goes on.
struct KillOnDrop {
    world: World,
    pid: u32,
    has_ended: bool,
}

impl KillOnDrop {
    /// The command has ended by itself.
    fn disarm(mut self) {
        self.has_ended = true;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if !self.has_ended {
            self.world.signal_group(self.pid, Signal::Kill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reference;
    use super::super::images;
    use super::super::log::{LogOptions, LogSpace};
    use super::super::world::tests::network;
    use super::*;
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    /// A container of busybox that runs a script, its log and its end.
    fn start(script: &str, change: impl FnOnce(&mut ContainerSettings)) -> (Container, Log, oneshot::Receiver<Ended>) {
        let environment = Environment::new(Some(1));
        let image = images::find(&Reference::parse("busybox").unwrap(), None);
        let network = network(&environment);
        let log = Log::new(LogSpace::default());
        let mut settings = ContainerSettings {
            argv: ["sh", "-c", script].map(String::from).to_vec(),
            env: image.env.iter().cloned().collect(),
            working_dir: "/".into(),
            files: Files::new(&image.tree, Vec::new(), environment.clone()),
            network,
            budget: Budget::new(),
            environment,
            fallback: None,
            declared_ports: Vec::new(),
            user: 0,
            group: 0,
            log: log.clone(),
            stop_signal: Signal::Term,
            stdin: false,
            stdin_once: false,
            tty: false,
            message_path: "/dev/termination-log".into(),
            message_from_log: false,
            out_of_memory: None,
        };
        change(&mut settings);
        let (end, ended) = oneshot::channel();
        let container = Container::start(settings, |ended| drop(end.send(ended))).unwrap();
        (container, log, ended)
    }
    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }
    async fn text(log: &Log) -> String {
        String::from_utf8(log.read(LogOptions::default()).collect::<Vec<_>>().await.concat()).unwrap()
    }
    const ALL: Wanted = Wanted { stdin: true, stdout: true, stderr: true, tty: false };

    #[tokio::test(start_paused = true)]
    async fn commands_have_streams_and_an_exit_code() {
        let (container, ..) = start("sleep 1000", |_| {});
        let mut session = container.exec(words(&["sh", "-c", "cat; echo oops >&2; exit 3"]), ALL).unwrap();
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"hello").await.unwrap();
        stdin.shutdown().await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        session.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("hello", "oops\n"));
        assert_eq!(session.exit.await, Ok(3));

        let why = container.exec(words(&["nothing"]), ALL).err().unwrap();
        assert_eq!(why.message, "exec: \"nothing\": executable file not found in $PATH");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_ends_with_its_session() {
        let (container, ..) = start("sleep 1000", |_| {});
        let session = container.exec(words(&["sh", "-c", "sleep 1000; true"]), ALL).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let count = || container.world.processes().len();
        let before = count();
        assert!(before >= 2);
        drop(session);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(count() < before);
        let late = tokio::time::timeout(Duration::from_secs(1), container.run(words(&["sleep", "1000"]))).await;
        assert!(late.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(count() < before);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_command_leaves_in_the_background_goes_on() {
        let (container, ..) = start("sleep 1000", |_| {});
        let script = "(sleep 5; touch /tmp/done) > /dev/null 2>&1 & echo started";
        let mut session = container.exec(words(&["sh", "-c", script]), Wanted { stdin: false, ..ALL }).unwrap();
        let mut out = String::new();
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!((out.as_str(), session.exit.await), ("started\n", Ok(0)));
        assert_eq!(container.run(words(&["test", "-e", "/tmp/done"])).await.unwrap().0, 1);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(container.run(words(&["test", "-e", "/tmp/done"])).await.unwrap().0, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_interrupts_a_command() {
        let (container, ..) = start("sleep 1000", |_| {});
        let tty = Wanted { tty: true, stderr: false, ..ALL };
        let mut session = container.exec(words(&["sleep", "1000"]), tty).unwrap();
        let stdin = session.stdin.as_mut().unwrap();
        stdin.write_all(b"\x03").await.unwrap();
        assert_eq!(session.exit.await, Ok(130));
        let mut shown = String::new();
        // It ends although the client's stdin is still open.
        session.stdout.take().unwrap().read_to_string(&mut shown).await.unwrap();
        assert_eq!(shown, "^C");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_attached_sees_and_types() {
        let open = |settings: &mut ContainerSettings| (settings.stdin, settings.stdin_once) = (true, true);
        let (container, log, ended) = start("cat; echo done", open);
        let mut session = container.attach(ALL);
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"typed\n").await.unwrap();
        drop(stdin);
        let mut out = String::new();
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "typed\ndone\n");
        assert_eq!(session.exit.await, Ok(0));
        assert_eq!(ended.await.unwrap().code, 0);
        assert_eq!(text(&log).await, "typed\ndone\n");
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_asks_first() {
        let (container, log, ended) = start("trap 'echo bye; exit 4' TERM; while true; do sleep 1; done", |_| {});
        tokio::time::sleep(Duration::from_secs(2)).await;
        container.set_deadline(Instant::now() + Duration::from_secs(30));
        container.stop(Duration::ZERO).await;
        assert_eq!(ended.await.unwrap().code, 4);
        assert_eq!(text(&log).await, "bye\n");

        let (container, _, ended) = start("sleep 1000", |_| {});
        let began = Instant::now();
        container.set_deadline(Instant::now() + Duration::from_secs(30));
        container.stop(Duration::ZERO).await;
        assert_eq!(ended.await.unwrap().code, 137);
        assert_eq!(began.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn too_little_memory_kills() {
        let (_container, _, ended) =
            start("sleep 1000", |settings| settings.out_of_memory = Some(Duration::from_secs(2)));
        let ended = ended.await.unwrap();
        assert_eq!((ended.code, ended.out_of_memory), (137, true));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_outlives_a_container_that_is_dropped() {
        let (container, _, ended) = start("sleep 1000", |_| {});
        drop(container);
        assert_eq!(ended.await.unwrap().code, 137);
    }
}
