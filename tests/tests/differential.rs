//! `kubectl-lite` held against the official kubectl 1.36 where no server is needed: JSONPath, Go templates, YAML, the
//! generators of `create`, `config`, `kustomize`.
//!
//! The official kubectl is the one that MINIKUBE_LITE_KUBECTL names, else `kubectl` on the PATH if it is a 1.36. Without
//! one the tests say so and pass. The cases lie in `fixtures/differential`.

use serde_json::Value;
use std::path::Path;
use tests::differential::{Case, compare, programs, run};
use tests::fixture;

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
