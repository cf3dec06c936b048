//! kubectl-lite held against the official kubectl, where the machine has one.

use crate::{official_kubectl, program};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A call of kubectl.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub args: Vec<String>,
    pub input: String,
}

/// What a call gave.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Both programs: theirs and ours. `None` is said on standard error, where there is no official kubectl.
pub fn programs() -> Option<[PathBuf; 2]> {
    let Some(official) = official_kubectl() else {
        eprintln!("skipped: there is no kubectl 1.36 (set MINIKUBE_LITE_KUBECTL to one)");
        return None;
    };
    Some([official, program("kubectl-lite")])
}

/// Runs a call in `folder`, which is its home too.
///
/// # Panics
/// If the program cannot be run.
pub fn run(program: &Path, case: &Case, folder: &Path, kubeconfig: &Path) -> Outcome {
    let mut child = Command::new(program)
        .args(&case.args)
        .current_dir(folder)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that reads nothing may be gone before it is written to.
    let _ = child.stdin.take().expect("standard input is a pipe").write_all(case.input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stderr = text(&output.stderr);
    let stderr = stderr.split_inclusive('\n').filter(|line| !is_log(line)).collect();
    Outcome { code: output.status.code(), stdout: text(&output.stdout), stderr }
}

/// Go's log lines tell of warnings with time and process.
fn is_log(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 5 && b"EWI".contains(&bytes[0]) && bytes[1..5].iter().all(u8::is_ascii_digit)
}

/// Runs all cases with both programs and lists those that differ.
///
/// # Panics
/// If there are any.
pub fn compare(cases: &[Case], folder: &Path) {
    let batches: Vec<Vec<Case>> = cases.iter().map(|case| vec![case.clone()]).collect();
    compare_batches(&batches, folder, |batch| batch[0].clone());
}

/// Runs many cases in one call where `join` can put them together, and ever fewer where that call fails or differs.
///
/// # Panics
/// If cases differ.
pub fn compare_batches(batches: &[Vec<Case>], folder: &Path, join: impl Fn(&[Case]) -> Case + Sync) {
    let Some([theirs, ours]) = programs() else { return };
    let count: usize = batches.iter().map(Vec::len).sum();
    assert!(count > 0, "there are cases");
    let nothing = folder.join("no-kubeconfig");
    let differ = |batch: &Vec<Case>| {
        let mut differences = Vec::new();
        let mut left = vec![batch.as_slice()];
        while let Some(cases) = left.pop() {
            let case = join(cases);
            let (expected, got) = (run(&theirs, &case, folder, &nothing), run(&ours, &case, folder, &nothing));
            if expected == got && (cases.len() == 1 || expected.code == Some(0)) {
                continue;
            }
            if cases.len() > 1 {
                let (first, second) = cases.split_at(cases.len() / 2);
                left.extend([second, first]);
            } else {
                let (args, input) = (&case.args, &case.input);
                differences.push(format!("{args:?} {input:?}\n  kubectl: {expected:?}\n  ours:    {got:?}\n"));
            }
        }
        differences
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let differences: Vec<String> = std::thread::scope(|scope| {
        let chunks: Vec<_> = batches
            .chunks(batches.len().div_ceil(workers))
            .map(|chunk| scope.spawn(|| chunk.iter().flat_map(&differ).collect::<Vec<_>>()))
            .collect();
        chunks.into_iter().flat_map(|chunk| chunk.join().expect("a worker ends")).collect()
    });
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
}
