//! `kubectl-lite` held against the official kubectl 1.36 where no server is needed: JSONPath, Go templates, YAML, the
//! generators of `create`, `config`, `kustomize`.
//!
//! The official kubectl is the one that MINIKUBE_LITE_KUBECTL names, else `kubectl` on the PATH if it is a 1.36. Without
//! one the tests say so and pass. The cases lie in `fixtures/differential`.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::{fixture, program};

/// The official kubectl, if there is one.
fn official() -> Option<PathBuf> {
    let path = std::env::var_os("MINIKUBE_LITE_KUBECTL").map_or_else(|| "kubectl".into(), PathBuf::from);
    let version = Command::new(&path).args(["version", "--client"]).output().ok()?;
    if String::from_utf8_lossy(&version.stdout).contains("Client Version: v1.36.") {
        return Some(path);
    }
    None
}

/// Both programs: theirs and ours.
fn programs() -> Option<[PathBuf; 2]> {
    let Some(official) = official() else {
        eprintln!("skipped: there is no kubectl 1.36 (set MINIKUBE_LITE_KUBECTL to one)");
        return None;
    };
    Some([official, program("kubectl-lite")])
}

/// A call of kubectl.
#[derive(Clone, Debug, Default)]
struct Case {
    args: Vec<String>,
    input: String,
}

/// What a call gave.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(program: &Path, case: &Case, folder: &Path, kubeconfig: &Path) -> Outcome {
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
    // Go's log lines tell of warnings with time and process.
    let is_log = |line: &&str| {
        let bytes = line.as_bytes();
        bytes.len() > 5 && b"EWI".contains(&bytes[0]) && bytes[1..5].iter().all(u8::is_ascii_digit)
    };
    let stderr = text(&output.stderr);
    let stderr = stderr.split_inclusive('\n').filter(|line| !is_log(line)).collect();
    Outcome { code: output.status.code(), stdout: text(&output.stdout), stderr }
}

/// Runs all cases with both programs and lists those that differ.
fn compare(cases: &[Case], folder: &Path) {
    let Some([theirs, ours]) = programs() else { return };
    assert!(!cases.is_empty(), "there are cases");
    let nothing = folder.join("no-kubeconfig");
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let differ = |case: &Case| {
        let (expected, got) = (run(&theirs, case, folder, &nothing), run(&ours, case, folder, &nothing));
        (expected != got)
            .then(|| format!("{:?} {:?}\n  kubectl: {expected:?}\n  ours:    {got:?}\n", case.args, case.input))
    };
    let differences: Vec<String> = std::thread::scope(|scope| {
        let chunks: Vec<_> = cases
            .chunks(cases.len().div_ceil(workers))
            .map(|chunk| scope.spawn(move || chunk.iter().filter_map(differ).collect::<Vec<_>>()))
            .collect();
        chunks.into_iter().flat_map(|chunk| chunk.join().expect("a worker ends")).collect()
    });
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), cases.len(), differences.join("\n"));
}

fn list(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture can be read");
    serde_json::from_str(&text).expect("the fixture is a JSON list")
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|word| word.as_str().expect("a string").to_string()).collect()
}

/// `annotate --local` prints any object in any format without a server.
fn local(file: &str, output: &str, more: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = ["annotate", "--local", "zz=zz", "--overwrite", "-f"].map(String::from).to_vec();
    args.push(file.into());
    args.extend(["-o".to_string(), output.to_string()]);
    args.extend(more.iter().map(ToString::to_string));
    args
}

/// Takes every `step`th template of a list.
fn templates(format: &str, step: usize, more: &[&str]) {
    let file = fixture(&format!("differential/{format}.yaml"));
    let cases: Vec<Case> = list(&format!("differential/{format}.json"))
        .iter()
        .step_by(step)
        .map(|template| {
            let output = format!("{format}={}", template.as_str().expect("a template"));
            Case { args: local(&file.to_string_lossy(), &output, more), ..Case::default() }
        })
        .collect();
    compare(&cases, &fixture("differential"));
}

#[test]
fn jsonpath() {
    templates("jsonpath", 1, &[]);
}

#[test]
fn jsonpath_without_missing_keys() {
    templates("jsonpath", 5, &["--allow-missing-template-keys=false"]);
}

#[test]
fn go_templates() {
    templates("go-template", 1, &[]);
}

#[test]
fn go_templates_without_missing_keys() {
    templates("go-template", 5, &["--allow-missing-template-keys=false"]);
}

#[test]
fn objects_in_every_format() {
    let mut cases = Vec::new();
    for file in ["yaml", "jsonpath", "go-template"] {
        for output in ["yaml", "json", "kyaml", "name", "bogus", "jsonpath", "go-template=", "jsonpath-file=none"] {
            let file = fixture(&format!("differential/{file}.yaml"));
            cases.push(Case { args: local(&file.to_string_lossy(), output, &[]), ..Case::default() });
        }
    }
    compare(&cases, &fixture("differential"));
}

#[test]
fn yaml_input() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let cases: Vec<Case> = list("differential/yaml-input.json")
        .iter()
        .map(|text| {
            let input = text.as_str().expect("a text").replace("HEAD\n", head);
            Case { args: local("-", "json", &[]), input }
        })
        .collect();
    compare(&cases, &fixture("differential"));
}

#[test]
fn generators() {
    let cases: Vec<Case> = list("differential/create.json")
        .iter()
        .map(|words| {
            let mut args = strings(words);
            if args[1] != "token" {
                let end = args.iter().position(|word| word == "--").unwrap_or(args.len());
                args.insert(end, "--dry-run=client".into());
            }
            Case { args, ..Case::default() }
        })
        .collect();
    compare(&cases, &fixture("differential/create"));
}

#[test]
fn kustomizations() {
    let case = |folder: &str| Case { args: vec!["kustomize".into(), folder.into()], ..Case::default() };
    compare(&["base", "over"].map(case), &fixture("differential/kustomize"));
}

/// Each step works on the file that the one before left; both programs get a folder of their own.
#[test]
fn kubeconfig_changes() {
    let Some(programs) = programs() else { return };
    let start = "apiVersion: v1\nkind: Config\nclusters:\n- {name: z, cluster: {server: \"https://one\", \
                 certificate-authority-data: aGVsbG8=}}\nusers:\n- {name: u, user: {token: abc, exec: {command: a, \
                 apiVersion: client.authentication.k8s.io/v1}}}\ncontexts:\n- {name: z, context: {cluster: z, user: u}}\n\
                 current-context: z\n";
    let run_all = |program: &Path| {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let file = folder.path().join("config");
        std::fs::write(&file, start).expect("the kubeconfig can be written");
        let steps = list("differential/config.json");
        let outcomes = steps.iter().map(|words| {
            let case = Case { args: strings(words), ..Case::default() };
            let outcome = run(program, &case, folder.path(), Path::new("config"));
            let left = std::fs::read_to_string(&file).unwrap_or_default();
            format!("{:?}\n{outcome:?}\n{left}", case.args)
        });
        outcomes.collect::<Vec<String>>()
    };
    let [theirs, ours] = programs.map(|program| run_all(&program));
    for (expected, got) in theirs.iter().zip(&ours) {
        assert_eq!(expected, got);
    }
}
