//! What a simulated container does: whether and when its program ends, which ports it listens on, what a command that is
//! run in it answers. Nothing here touches the host.

mod catalogue;
mod shell;

use super::image::Reference;

use serde_json::Value;
use shared_types::fields::Fields;
use shell::{Ending, FileChange, Shell};
use std::time::Duration;

/// The program of a running container, worked out from its start to its end.
#[derive(Debug, Default)]
pub struct Process {
    /// When it ends by itself, counted from its start, and how.
    exit: Option<(Duration, i32)>,
    /// What becomes of files, in order of time.
    files: Vec<(Duration, FileChange)>,
    /// It is the image's own program, which is taken to have made every file that anybody asks for.
    own: bool,
    ports: Vec<u16>,
    stopped: i32,
}

/// How a command that was run in a container ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Execution {
    /// `None`: it does not end.
    pub code: Option<i32>,
    pub output: String,
    pub took: Duration,
}

impl Process {
    /// Starts the program of a container (`core/v1.Container`) of an image.
    pub fn start(image: &Reference, container: &Value, hostname: &str) -> Process {
        let known = catalogue::find(image.short_name());
        let words = |field: &str| container.list(field).iter().filter_map(Value::as_str).collect::<Vec<_>>();
        let (mut argv, args) = (words("command"), words("args"));
        let overridden = !argv.is_empty() || (known.tools && !args.is_empty());
        argv.extend(args);

        let declared = container.list("ports").iter().filter_map(|port| port.int("containerPort"));
        let mut ports: Vec<u16> = declared.filter_map(|port| u16::try_from(port).ok()).collect();
        if !overridden || !known.tools {
            ports.extend(known.ports);
        }
        if !overridden {
            let exit = known.completes.map(|code| (Duration::ZERO, code));
            return Process { exit, files: Vec::new(), own: true, ports, stopped: known.stopped };
        }
        let mut shell = Shell::new(variables(container, hostname));
        let ending = shell.run(&argv);
        let (exit, stopped) = match ending {
            Ending::Exit(code) => (Some((shell.elapsed(), code)), 137),
            Ending::Sleeps => (None, 137),
            Ending::Serves => (None, known.stopped),
        };
        // A server that no part of the command stands for is taken to be the image's own.
        let own = ending == Ending::Serves && shell.is_plain();
        // Only commands that are run in the container can see them.
        let files = if is_looked_into(container) { shell.into_changes() } else { Vec::new() };
        Process { exit, files, own, ports, stopped }
    }

    /// When the program ends by itself, counted from its start, and with which code. `None`: it runs until it is stopped.
    pub fn exit(&self) -> Option<(Duration, i32)> {
        self.exit
    }
    /// The exit code when it is asked to stop.
    pub fn stopped(&self) -> i32 {
        self.stopped
    }
    /// Whether a connection to the port is accepted.
    pub fn listens(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }
    /// Whether a command that is run in it has the same answer at any time.
    pub fn is_steady(&self) -> bool {
        self.files.is_empty()
    }
    /// Runs a command in the container, `elapsed` after the container's start.
    pub fn exec(&self, container: &Value, hostname: &str, argv: &[&str], elapsed: Duration) -> Execution {
        let mut shell = Shell::new(variables(container, hostname)).in_container(self.own);
        for (_, change) in self.files.iter().take_while(|(at, _)| *at <= elapsed) {
            shell.apply(change);
        }
        let code = match shell.run(argv) {
            Ending::Exit(code) => Some(code),
            // Tools that are not simulated (`redis-cli ping`) are taken to succeed.
            Ending::Serves => Some(0),
            Ending::Sleeps => None,
        };
        Execution { code, took: shell.elapsed(), output: shell.into_output() }
    }
}

/// Whether a probe or a hook runs commands in the container.
fn is_looked_into(container: &Value) -> bool {
    let handlers = ["startupProbe.exec", "livenessProbe.exec", "readinessProbe.exec", "lifecycle.preStop.exec"];
    handlers.iter().any(|handler| container.has(handler))
}

fn variables(container: &Value, hostname: &str) -> Vec<(String, String)> {
    let given = container.list("env").iter().filter(|env| env.has("value"));
    let given = given.map(|env| (env.text("name").to_string(), env.text("value").to_string()));
    std::iter::once(("HOSTNAME".to_string(), hostname.to_string())).chain(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn start(image: &str, container: Value) -> Process {
        Process::start(&Reference::parse(image).unwrap(), &container, "pod")
    }
    fn exit(image: &str, container: Value) -> Option<(u64, i32)> {
        start(image, container).exit().map(|(after, code)| (after.as_secs(), code))
    }
    fn exec(process: &Process, argv: &[&str], seconds: u64) -> Option<i32> {
        process.exec(&json!({}), "pod", argv, Duration::from_secs(seconds)).code
    }

    #[test]
    fn commands_end_as_they_should() {
        assert_eq!(exit("nginx", json!({})), None);
        assert_eq!(exit("busybox", json!({})), None);
        assert_eq!(exit("hello-world", json!({})), Some((0, 0)));
        assert_eq!(exit("busybox", json!({"command": ["true"]})), Some((0, 0)));
        assert_eq!(exit("busybox", json!({"args": ["false"]})), Some((0, 1)));
        assert_eq!(exit("busybox", json!({"command": ["sh", "-c", "exit 3"]})), Some((0, 3)));
        assert_eq!(exit("busybox", json!({"command": ["sh", "-c"], "args": ["sleep 5; false"]})), Some((5, 1)));
        assert_eq!(exit("busybox", json!({"args": ["sleep", "1000"]})), Some((1000, 0)));
        assert_eq!(exit("perl:5.34", json!({"command": ["perl", "-wle", "print 1"]})), Some((0, 0)));
        assert_eq!(exit("nginx", json!({"args": ["-g", "daemon off;"]})), None);
        assert_eq!(exit("python", json!({"command": ["python", "app.py"]})), None);
    }

    #[test]
    fn ports_are_the_declared_ones_and_the_images_own() {
        let nginx = start("nginx", json!({"ports": [{"containerPort": 8080}]}));
        assert!(nginx.listens(80) && nginx.listens(8080) && !nginx.listens(3000));
        assert!(!start("busybox", json!({"args": ["sleep", "1"]})).listens(80));
    }

    #[test]
    fn probes_see_the_files_of_the_moment() {
        let script = "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600";
        let process = start("busybox", json!({"args": ["/bin/sh", "-c", script], "livenessProbe": {"exec": {}}}));
        assert_eq!(exec(&process, &["cat", "/tmp/healthy"], 29), Some(0));
        assert_eq!(exec(&process, &["cat", "/tmp/healthy"], 31), Some(1));
        assert_eq!(exec(&process, &["test", "-f", "/tmp/other"], 1), Some(1));
        let own = start("nginx", json!({}));
        assert_eq!(exec(&own, &["cat", "/tmp/ok"], 0), Some(0));
        assert_eq!(exec(&own, &["false"], 0), Some(1));
        assert_eq!(exec(&own, &["sh", "-c", "exit 4"], 0), Some(4));
        assert_eq!(exec(&own, &["redis-cli", "ping"], 0), Some(0));
    }
}
