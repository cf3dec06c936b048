//! Why a container does not run, or is not ready.

use super::{Finding, Surroundings, shell_word};
use crate::describe::probes;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// What is wrong with the containers of a Pod; init containers first, since others wait for them.
pub fn troubles(pod: &Value, around: Surroundings<'_>) -> Vec<Finding> {
    let groups =
        [("spec.initContainers", "status.initContainerStatuses"), ("spec.containers", "status.containerStatuses")];
    for (specs, statuses) in groups {
        let mut findings = Vec::new();
        for (index, container) in pod.list(specs).iter().enumerate() {
            let status = pod.list(statuses).iter().find(|status| status.text("name") == container.text("name"));
            let Some(status) = status else { continue };
            let is_sidecar = specs == "spec.initContainers" && container.text("restartPolicy") == "Always";
            // A sidecar is ended after the others, whatever became of them.
            if is_sidecar && matches!(pod.text("status.phase"), "Failed" | "Succeeded") {
                continue;
            }
            let is_init = specs == "spec.initContainers" && !is_sidecar;
            if is_init && status.int("state.terminated.exitCode") == Some(0) {
                continue;
            }
            let one = Container { pod, container, status, index, specs, around };
            findings.extend(one.trouble(is_init));
        }
        if !findings.is_empty() {
            return findings;
        }
    }
    Vec::new()
}

/// A container with all that is known of it.
struct Container<'o> {
    pod: &'o Value,
    container: &'o Value,
    status: &'o Value,
    /// Its place in the list `specs`.
    index: usize,
    specs: &'o str,
    around: Surroundings<'o>,
}

impl Container<'_> {
    fn name(&self) -> &str {
        self.container.text("name")
    }

    fn trouble(&self, is_init: bool) -> Option<Finding> {
        let state = self.status.at("state");
        if state.has("waiting") {
            return self.waiting(state.text("waiting.reason"), state.text("waiting.message"));
        }
        if state.has("terminated") {
            return Some(self.ended(state.at("terminated")));
        }
        if state.has("running") && !is_init && !self.status.flag("ready") {
            return Some(self.not_ready());
        }
        None
    }

    fn waiting(&self, reason: &str, message: &str) -> Option<Finding> {
        let name = self.name();
        Some(match reason {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => {
                self.image(reason, message)
            }
            "CrashLoopBackOff" => {
                let last = self.status.at("lastState.terminated");
                let mut finding = self.ended(last);
                let restarts = self.status.int("restartCount").unwrap_or(0);
                finding.what = format!("container {name} ends again and again ({restarts} restarts): {}", exit(last));
                finding
            }
            "CreateContainerConfigError" | "CreateContainerError" => {
                let finding = Finding::problem(format!("container {name} cannot be made")).detail(message);
                match missing(message) {
                    Some(("configmap", of)) => {
                        finding.command(format!("create configmap {of} --from-literal=KEY=VALUE"))
                    }
                    Some((_, of)) => finding.command(format!("create secret generic {of} --from-literal=KEY=VALUE")),
                    None => finding.command(format!("describe pod {}", self.pod.name())),
                }
            }
            "RunContainerError" | "StartError" => {
                Finding::problem(format!("container {name} cannot be started")).detail(message)
            }
            // What every container passes through.
            "" | "ContainerCreating" | "PodInitializing" => return None,
            reason => {
                let finding = Finding::problem(format!("container {name} waits: {reason}"));
                if message.is_empty() { finding } else { finding.detail(message) }
            }
        })
    }

    fn image(&self, reason: &str, message: &str) -> Finding {
        let (name, image) = (self.name(), self.container.text("image"));
        let image = if image.is_empty() { self.status.text("image") } else { image };
        let what = match reason {
            "InvalidImageName" => format!("{image:?} of container {name} is no name of an image"),
            "ErrImageNeverPull" => {
                format!("the image {image} of container {name} is not on the node, and may not be pulled")
            }
            _ => format!("the image {image} of container {name} cannot be pulled"),
        };
        let told = self.around.latest(self.pod, &["Failed"], "pull").unwrap_or(message);
        let finding = Finding::problem(what);
        let finding = if told.is_empty() { finding } else { finding.detail(told) };
        finding.command(format!("set image {} {name}=IMAGE", self.owner()))
    }

    /// What to change: the Deployment or other controller that the Pod was made by, or the Pod itself.
    fn owner(&self) -> String {
        let Some(owner) = self.pod.controller_ref() else { return format!("pod/{}", self.pod.name()) };
        let (kind, name) = (owner.text("kind"), owner.text("name"));
        let hash = self.pod.label("pod-template-hash").map(|hash| format!("-{hash}"));
        match hash.and_then(|hash| name.strip_suffix(hash.as_str())) {
            Some(deployment) if kind == "ReplicaSet" => format!("deployment/{deployment}"),
            _ => format!("{}/{name}", kind.to_lowercase()),
        }
    }

    fn ended(&self, last: &Value) -> Finding {
        let name = self.name();
        let finding = Finding::problem(format!("container {name} has ended: {}", exit(last)));
        let finding = match (last.int("exitCode"), last.text("reason")) {
            (_, "OOMKilled") => {
                let limit = self.container.text("resources.limits.memory");
                let finding = finding.detail(format!("it used more memory than its limit of {limit}"));
                return finding.command(format!("set resources {} -c {name} --limits=memory=AMOUNT", self.owner()));
            }
            (Some(0), _) => finding.detail(format!(
                "nothing went wrong, but restartPolicy {} starts it again; a server has to go on running",
                self.pod.text("spec.restartPolicy")
            )),
            (Some(126), _) => finding.detail("126 means that the command is there, but cannot be executed"),
            (Some(127), _) => finding.detail("127 means that the command was not found in the image"),
            (Some(137), _) => {
                finding.detail("137 means that it was killed (SIGKILL), as after a failed liveness probe")
            }
            (Some(139), _) => finding.detail("139 means that it accessed memory that it may not (SIGSEGV)"),
            (Some(143), _) => finding.detail("143 means that it was asked to end (SIGTERM)"),
            _ => finding,
        };
        let finding = match last.text("message") {
            "" => finding,
            message => finding.detail(message.trim()),
        };
        let finding = match self.around.latest(self.pod, &["Unhealthy"], "Liveness") {
            Some(message) => finding.detail(message),
            None => finding,
        };
        // Of a container that waits to be started again, the last run's output is wanted.
        let previous = if self.status.has("state.waiting") { " --previous" } else { "" };
        finding.command(format!("logs {} -c {name}{previous}", self.pod.name()))
    }

    /// A container that runs, but whose probe does not succeed.
    fn not_ready(&self) -> Finding {
        let name = self.name();
        let started = self.status.at("started").as_bool() != Some(false);
        let (path, what) = if !started && self.container.has("startupProbe") {
            ("startupProbe", "startup")
        } else {
            ("readinessProbe", "readiness")
        };
        let probe = self.container.at(path);
        if probe.is_null() {
            return Finding::problem(format!("container {name} runs, but the kubelet does not call it ready yet"));
        }
        let mut finding = Finding::problem(format!("the {what} probe of container {name} does not succeed"))
            .detail(format!("it is {}", probes::text(probe)));
        let capital = if what == "startup" { "Startup" } else { "Readiness" };
        if let Some(message) = self.around.latest(self.pod, &["Unhealthy"], capital) {
            finding = finding.detail(message);
        }
        match self.probed_elsewhere(probe) {
            Some((field, port, declared)) => {
                finding = finding.detail(format!(
                    "it asks port {port}, but the container says that it listens on {}",
                    declared.to_string().trim_matches('"')
                ));
                self.with_port(finding, &format!("{path}/{field}/port"), declared)
            }
            None => finding.command(format!("logs {} -c {name}", self.pod.name())),
        }
    }

    /// The kind of probe, and its port, where the container declares others: and the first of those.
    fn probed_elsewhere(&self, probe: &Value) -> Option<(&'static str, String, &Value)> {
        let declared = self.container.list("ports");
        let first = declared.first()?.at("containerPort");
        let field = ["httpGet", "tcpSocket", "grpc"].into_iter().find(|field| probe.has(field))?;
        let port = probe.at(field).at("port");
        let known = declared.iter().any(|own| match port.as_str() {
            Some(name) => own.text("name") == name,
            None => own.at("containerPort") == port,
        });
        (!known).then(|| (field, port.to_string(), first))
    }

    /// Adds the command that makes a probe ask another port. Of a Pod without a controller it cannot be changed.
    fn with_port(&self, finding: Finding, path: &str, port: &Value) -> Finding {
        let owner = self.owner();
        if owner.starts_with("pod/") {
            return finding
                .detail(format!(
                    "probes of a Pod cannot be changed: write port {port} into its manifest, and replace it"
                ))
                .command("replace --force -f MANIFEST");
        }
        let place = format!("/spec/template/{}/{}/{path}", self.specs.replace('.', "/"), self.index);
        let patch = json!([{"op": "replace", "path": place, "value": port}]);
        finding.command(format!("patch {owner} --type=json -p {}", shell_word(&patch.to_string())))
    }
}

/// `exit code 1 (Error)`.
fn exit(ended: &Value) -> String {
    let code = ended.int("exitCode").unwrap_or(0);
    match ended.text("reason") {
        "" => format!("exit code {code}"),
        reason => format!("exit code {code} ({reason})"),
    }
}

/// From `configmap "x" not found` and `secret "x" not found`: the kind and the name.
fn missing(message: &str) -> Option<(&'static str, &str)> {
    for kind in ["configmap", "secret"] {
        let quoted = message.split_once(kind).and_then(|(_, rest)| rest.strip_prefix(" \""));
        if let Some((name, rest)) = quoted.and_then(|rest| rest.split_once('"'))
            && rest.starts_with(" not found")
        {
            return Some((kind, name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(container: Value, status: Value) -> Value {
        json!({"metadata": {"name": "web-5d4-x", "uid": "u", "labels": {"pod-template-hash": "5d4"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4", "controller": true}]},
            "spec": {"containers": [container], "restartPolicy": "Always"}, "status": {"containerStatuses": [status]}})
    }

    fn why(container: Value, status: Value, events: &[Value]) -> String {
        let pod = pod(container, status);
        let findings = troubles(&pod, Surroundings { events, nodes: &[] });
        findings.iter().map(|finding| finding.render("pod/x", "")).collect()
    }

    #[test]
    fn images_that_cannot_be_pulled() {
        let events =
            [json!({"involvedObject": {"uid": "u"}, "reason": "Failed", "message": "Failed to pull image: denied"})];
        let status = json!({"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}});
        let expected = "\
pod/x: the image nosuch:1 of container c cannot be pulled
  Failed to pull image: denied
  try: kubectl set image deployment/web c=IMAGE
";
        assert_eq!(why(json!({"name": "c", "image": "nosuch:1"}), status, &events), expected);
    }

    #[test]
    fn crash_loops_tell_the_exit_code() {
        let status = json!({"name": "c", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 127, "reason": "Error"}}});
        let expected = "\
pod/x: container c ends again and again (3 restarts): exit code 127 (Error)
  127 means that the command was not found in the image
  try: kubectl logs web-5d4-x -c c --previous
";
        assert_eq!(why(json!({"name": "c"}), status, &[]), expected);
    }

    #[test]
    fn probes_that_ask_another_port() {
        let container = json!({"name": "c", "ports": [{"containerPort": 80}],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "timeoutSeconds": 1, "periodSeconds": 10}});
        let text = why(container, json!({"name": "c", "state": {"running": {}}, "ready": false}), &[]);
        assert!(
            text.starts_with("pod/x: the readiness probe of container c does not succeed\n  it is tcp-socket :8080 ")
        );
        assert!(text.contains("it asks port 8080, but the container says that it listens on 80\n"), "{text}");
        let command = "patch deployment/web --type=json -p '[{\"op\":\"replace\",\"path\":\
            \"/spec/template/spec/containers/0/readinessProbe/tcpSocket/port\",\"value\":80}]'\n";
        assert!(text.ends_with(command), "{text}");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing("secret \"s\" not found"), Some(("secret", "s")));
        assert_eq!(missing("couldn't find key k in ConfigMap n/c"), None);
        let status = json!({"name": "c", "state": {"waiting": {"reason": "CreateContainerConfigError",
            "message": "configmap \"app\" not found"}}});
        assert!(why(json!({"name": "c"}), status, &[]).ends_with("create configmap app --from-literal=KEY=VALUE\n"));
    }

    #[test]
    fn containers_that_run_or_begin_are_no_trouble() {
        for state in [json!({"running": {}}), json!({"waiting": {"reason": "ContainerCreating"}})] {
            assert_eq!(why(json!({"name": "c"}), json!({"name": "c", "ready": true, "state": state}), &[]), "");
        }
    }

    #[test]
    fn sidecars_end_with_their_pod() {
        let ended = |name: &str| json!({"name": name, "state": {"terminated": {"exitCode": if name == "c" { 3 } else { 137 }}}});
        let mut pod = pod(json!({"name": "c"}), ended("c"));
        pod.set("spec.initContainers", json!([{"name": "side", "restartPolicy": "Always"}]));
        pod.set("status.initContainerStatuses", json!([ended("side")]));
        pod.set("status.phase", "Failed");
        let findings = troubles(&pod, Surroundings::default());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].what, "container c has ended: exit code 3");
    }
}
