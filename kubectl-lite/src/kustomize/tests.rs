use super::*;
use std::fs;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn built(folder: &Path) -> std::result::Result<Vec<Value>, String> {
    build(folder.to_str().unwrap(), Restriction::RootOnly).map_err(|error| error.text())
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      \
    - name: c\n        image: nginx:1.27\n        envFrom: [{configMapRef: {name: settings}}]\n";

#[test]
fn bases_and_overlays() {
    let folder = tempfile::tempdir().unwrap();
    let base = "resources: [dep.yaml]\nnamePrefix: dev-\nlabels:\n- pairs: {team: core}\nimages: [{name: nginx, newTag: \"1.28\"}]\n\
                configMapGenerator:\n- name: settings\n  literals: [A=1, B=two]\n";
    let over = "resources: [../base]\nnamespace: prod\ncommonLabels: {x: \"y\"}\nreplicas: [{name: web, count: 3}]\n\
                configMapGenerator:\n- {name: settings, behavior: merge, literals: [A=9]}\n\
                patches:\n- target: {kind: Deploy.*}\n  patch: '[{op: add, path: /metadata/annotations, value: {a: b}}]'\n\
                - patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n    spec: {template: {spec: {containers: [{name: c, tty: true}]}}}\n\
                replacements:\n- source: {kind: ConfigMap, fieldPath: data.B}\n  targets:\n  - {select: {kind: Deployment}, fieldPaths: ['spec.template.spec.containers.[name=c].command.0'], options: {create: true}}\n";
    write(
        folder.path(),
        &[("base/kustomization.yaml", base), ("base/dep.yaml", DEPLOYMENT), ("over/kustomization.yml", over)],
    );
    let base = built(&folder.path().join("base")).unwrap();
    assert_eq!(base[0].name(), "dev-settings-6b56fdfggc");
    assert_eq!(base[1].name(), "dev-web");
    let pod = &base[1]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(pod["image"], "nginx:1.28");
    assert_eq!(pod["envFrom"][0]["configMapRef"]["name"], "dev-settings-6b56fdfggc");
    assert_eq!(base[1].label("team"), Some("core"));
    assert_eq!(base[1].text("spec.selector.matchLabels.team"), "");
    let strict = over.replace(", options: {create: true}", "");
    write(folder.path(), &[("over/kustomization.yml", &strict)]);
    let refused = built(&folder.path().join("over")).unwrap_err();
    assert!(refused.contains("unable to find field"), "{refused}");
    let over = over.replace(".command.0", ".workingDir");
    write(folder.path(), &[("over/kustomization.yml", &over)]);
    let over = built(&folder.path().join("over")).unwrap();
    assert_eq!((over[0].namespace(), over[0].text("data.A"), over[0].text("data.B")), ("prod", "9", "two"));
    let web = &over[1];
    assert_eq!(web.int("spec.replicas"), Some(3));
    assert_eq!(web.text("spec.selector.matchLabels.x"), "y");
    assert_eq!(web.annotation("a"), Some("b"));
    let container = &web["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["tty"], &container["image"]), (&Value::Bool(true), &"nginx:1.28".into()));
    assert_eq!(container["workingDir"], "two");
    assert_eq!(container["envFrom"][0]["configMapRef"]["name"], over[0].name());
}

#[test]
fn what_cannot_be_built() {
    let folder = tempfile::tempdir().unwrap();
    let here = |text: &str| {
        write(folder.path(), &[("kustomization.yaml", text), ("dep.yaml", DEPLOYMENT)]);
        built(folder.path()).unwrap_err()
    };
    assert_eq!(here(""), "kustomization.yaml is empty");
    assert_eq!(here("foo: 1"), "invalid Kustomization: json: unknown field \"foo\"");
    assert!(here("resources: [nope.yaml]").contains("accumulating resources from 'nope.yaml'"));
    assert!(here("resources: [.]").contains("cycle detected"));
    assert!(
        here("resources: [dep.yaml, dep.yaml]")
            .contains("may not add resource with an already registered id: Deployment.v1.apps/web.[noNs]")
    );
    assert!(
        here("resources: [../../etc/passwd]").contains("lstat")
            || here("resources: [/etc/passwd]").contains("security;")
    );
    assert!(here("resources: [\"https://example.com/x\"]").contains("not possible"));
    assert!(
        here("resources: [dep.yaml]\npatches: [{patch: \"{apiVersion: v1, kind: Pod, metadata: {name: x}}\"}]")
            .contains("no matches for Id Pod.v1.[noGrp]/x.[noNs]")
    );
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(built(&empty).unwrap_err().starts_with("unable to find one of 'kustomization.yaml'"));
}
