//! Lessons as tests: a text that a reader can follow, whose commands must print what the text says they print.
//!
//! `$ COMMAND` is run by a shell in the lesson's folder, and what it prints (standard error first) is compared with the
//! lines that follow, up to a blank line or the next command. `~ COMMAND` is repeated until it succeeds. All other lines
//! are prose. What differs from run to run is compared by the names that [`normalize`] gives it.

use crate::{Kubectl, PATIENCE};
use regex::Regex;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Runs the lesson in `folder/lesson.txt`. With `UPDATE_LESSONS` set, the text is rewritten with what the commands print
/// instead.
///
/// # Panics
/// At the first command that prints something else.
pub fn run(folder: &Path, kubectl: &Kubectl) {
    let file = folder.join("lesson.txt");
    let text = std::fs::read_to_string(&file).expect("the lesson can be read");
    let shell = Shell::new(folder, kubectl);
    let update = std::env::var_os("UPDATE_LESSONS").is_some();
    let mut rewritten = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        rewritten += &format!("{line}\n");
        if let Some(command) = line.strip_prefix("~ ") {
            shell.wait_for(command);
        } else if let Some(command) = line.strip_prefix("$ ") {
            let mut expected = String::new();
            while let Some(line) =
                lines.next_if(|line| !line.is_empty() && !line.starts_with("$ ") && !line.starts_with("~ "))
            {
                expected += &format!("{line}\n");
            }
            let printed = normalize(&shell.output(command));
            if !update {
                assert_eq!(printed, expected, "{}: $ {command}", file.display());
            }
            rewritten += &printed;
        }
    }
    if update {
        std::fs::write(&file, rewritten).expect("the lesson can be written");
    }
}

/// A shell in which `kubectl` is the client under test.
struct Shell<'a> {
    folder: &'a Path,
    kubectl: &'a Kubectl,
    path: std::ffi::OsString,
    _links: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    fn new(folder: &'a Path, kubectl: &'a Kubectl) -> Shell<'a> {
        let links = tempfile::TempDir::new().expect("temporary folders can be made");
        std::os::unix::fs::symlink(&kubectl.program, links.path().join("kubectl")).expect("links can be made");
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(links.path().to_path_buf()).chain(std::env::split_paths(&rest));
        let path = std::env::join_paths(folders).expect("temporary folders' names have no colon");
        Shell { folder, kubectl, path, _links: links }
    }

    fn command(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.folder).stdin(Stdio::null());
        shell.env("PATH", &self.path).env("KUBECONFIG", &self.kubectl.kubeconfig).env("HOME", self._links.path());
        shell
    }

    fn output(&self, command: &str) -> String {
        let output = self.command(command).output().expect("sh runs");
        let (mut text, out) =
            (String::from_utf8_lossy(&output.stderr).into_owned(), String::from_utf8_lossy(&output.stdout));
        text += &out;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn wait_for(&self, command: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.command(command).output().expect("sh runs");
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(Instant::now() < deadline, "waited in vain for: {command}\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What differs from run to run, by name: ages, addresses, nodes, random parts of names, and the width of columns.
pub fn normalize(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        // The letters of generated names (apimachinery's safe alphabet).
        const SAFE: &str = "bcdfghjklmnpqrstvwxz2456789";
        let rules = [
            (r"10\.24[4-9]\.\d+\.\d+".to_string(), "POD-IP"),
            (r"10\.(?:9[6-9]|10\d|11[01])\.\d+\.(?:[02-9]|1\d)\d*\b".to_string(), "CLUSTER-IP"),
            (r"\bnode-\d+\b".to_string(), "NODE"),
            (format!(r"-[{SAFE}]{{6,10}}-[{SAFE}]{{5}}\b"), "-HASH-RANDOM"),
            (format!(r"-[{SAFE}]{{5}}\b"), "-RANDOM"),
            (r"(?m)(  +)(?:\d+[dhms])+( |$)".to_string(), "${1}AGE$2"),
            (r"\[\d\d/\w{3}/\d{4}:[\d:]+ \+0000\]".to_string(), "[TIME]"),
            (r"\b\d+ ms\b".to_string(), "NUMBER ms"),
            (r"(?m) +$".to_string(), ""),
            (r"(\S)  +".to_string(), "$1  "),
        ];
        let compile =
            |(rule, name): (String, &'static str)| (Regex::new(&rule).expect("the rules are expressions"), name);
        rules.into_iter().map(compile).collect()
    });
    RULES.iter().fold(text.to_string(), |text, (rule, name)| rule.replace_all(&text, *name).into_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_what_differs() {
        let text = "backend   ClusterIP   10.107.124.73   <none>   80/TCP   1m5s\nkubernetes  ClusterIP  10.96.0.1  <none>  443/TCP  3s  \n";
        let expected = "backend  ClusterIP  CLUSTER-IP  <none>  80/TCP  AGE\nkubernetes  ClusterIP  10.96.0.1  <none>  443/TCP  AGE\n";
        assert_eq!(super::normalize(text), expected);
        assert_eq!(
            super::normalize("pod/backend-6dfc8757c6-25kl5 10.244.1.7 node-2"),
            "pod/backend-HASH-RANDOM POD-IP NODE"
        );
    }
}
