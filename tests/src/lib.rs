//! The harness of the end-to-end tests: a real server on a free loopback port with a temporary data folder, and the
//! clients that drive it.

pub mod differential;
pub mod front;
pub mod lesson;
pub mod load;
pub mod stream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// A built program of this workspace.
///
/// # Panics
/// If it cannot be built.
pub fn program(name: &str) -> PathBuf {
    // The tests' own program lies in target/PROFILE/deps.
    let own = std::env::current_exe().expect("a test program has a path");
    let folder = own.ancestors().nth(2).expect("test programs lie two folders below target").to_path_buf();
    build(&folder);
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds the programs once, so that `cargo test` alone is enough.
fn build(folder: &Path) {
    static BUILT: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "minikube-lite-server", "-p", "kubectl-lite"]);
        if let Some(profile) = folder.file_name().filter(|name| *name != "debug") {
            cargo.arg("--profile").arg(profile);
        }
        cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // The folder of the running tests, also where the caller chose it by an option.
        cargo.env("CARGO_TARGET_DIR", folder.parent().expect("a profile's folder lies in the target folder"));
        assert!(cargo.status().expect("cargo runs").success(), "the programs cannot be built");
    });
}

/// A file of `fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// A running server.
pub struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    /// Starts a server with further options and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start(options: &[&str]) -> Server {
        let folder = TempDir::new().expect("temporary folders can be made");
        let process = launch(folder.path(), "127.0.0.1:0", options);
        let server = Server { process, folder };
        server.wait_until_ready();
        server
    }

    /// The data folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }
    /// The process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_ready(&self) {
        wait_for("the server to be ready", || {
            self.kubeconfig().exists() && self.kubectl().run("get --raw /readyz").status.success()
        });
    }

    /// Where it listens, as `host:port`.
    ///
    /// # Panics
    /// If its kubeconfig does not tell.
    pub fn address(&self) -> String {
        let config = std::fs::read_to_string(self.kubeconfig()).expect("the server wrote a kubeconfig");
        let config: serde_json::Value = serde_yaml::from_str(&config).expect("a kubeconfig is YAML");
        let server = config["clusters"][0]["cluster"]["server"].as_str().expect("it names the server");
        server.trim_start_matches("https://").to_string()
    }

    /// Kills the server without warning and starts it again, on the same data folder and at the same address.
    pub fn crash_and_restart(&mut self, options: &[&str]) {
        let address = self.address();
        self.process.kill().expect("the server runs");
        self.process.wait().expect("the server has ended");
        std::fs::remove_file(self.kubeconfig()).expect("the server wrote a kubeconfig");
        self.process = launch(self.folder.path(), &address, options);
        self.wait_until_ready();
    }

    /// Asks the server to end, and returns its exit code.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> Option<i32> {
        let sent = Command::new("kill").arg(self.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "the server takes signals");
        self.process.wait().expect("the server ends").code()
    }

    /// kubectl-lite, pointed at this server.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(program("kubectl-lite"), self)
    }

    /// The official kubectl, pointed at this server, where the machine has one of the right version. `MINIKUBE_LITE_KUBECTL`
    /// names it, or else it is looked for on the PATH.
    pub fn official_kubectl(&self) -> Option<Kubectl> {
        official_kubectl().map(|program| Kubectl::new(program, self))
    }
}

/// The official kubectl 1.36, where the machine has it.
pub fn official_kubectl() -> Option<PathBuf> {
    let named = std::env::var_os("MINIKUBE_LITE_KUBECTL").map(PathBuf::from);
    let program = named.unwrap_or_else(|| PathBuf::from("kubectl"));
    let output = Command::new(&program).args(["version", "--client"]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).contains("v1.36.").then_some(program)
}

fn launch(folder: &Path, address: &str, options: &[&str]) -> Child {
    let log = std::fs::File::create(folder.join("log")).expect("the temporary folder can be written");
    Command::new(program("minikube-lite-server"))
        .args(["--listen", address])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--kubeconfig")
        .arg(folder.join("kubeconfig"))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the server starts")
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A kubectl and the cluster that it talks to.
pub struct Kubectl {
    pub program: PathBuf,
    pub kubeconfig: PathBuf,
    /// Further variables of its environment.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Kubectl {
    fn new(program: PathBuf, server: &Server) -> Kubectl {
        Kubectl { program, kubeconfig: server.kubeconfig(), environment: Vec::new() }
    }

    /// The command with arguments separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments.split_whitespace()).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command.envs(self.environment.iter().copied());
        command
    }

    /// Runs with arguments separated by spaces.
    ///
    /// # Panics
    /// If the program cannot be run.
    pub fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("kubectl runs")
    }

    /// Runs with something on standard input.
    ///
    /// # Panics
    /// If the program cannot be run.
    pub fn run_with_input(&self, arguments: &str, input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        let mut pipe = child.stdin.take().expect("its input is a pipe");
        let input = input.to_vec();
        // Beside reading, since it may want to write before it has read everything. It may well stop reading early.
        std::thread::spawn(move || pipe.write_all(&input));
        child.wait_with_output().expect("kubectl ends")
    }

    /// What a run that must succeed prints.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn ok(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments}: {errors}{text}");
        text
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not in good time.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
