//! The containers of a Pod or Pod template.

use super::metadata::{date, truth};
use super::pod::seccomp_profile;
use super::report::{Report, or, scalar};
use super::{downward_api, probes};
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::Value;

/// A group of containers.
pub struct Containers<'v> {
    pub title: &'static str,
    pub list: &'v [Value],
    /// Of containers that have run or wait to.
    pub statuses: &'v [Value],
    /// The Pod that they are in, where it is not only a template.
    pub pod: Option<&'v Value>,
    /// Before the title.
    pub indent: &'static str,
}

impl Containers<'_> {
    pub fn describe(&self, report: &mut Report) {
        let none = if self.list.is_empty() { " <none>" } else { "" };
        report.line(0, format_args!("{}{}:{none}", self.indent, self.title));
        for container in self.list {
            let name = container.text("name");
            let status = self.statuses.iter().find(|status| status.text("name") == name);
            let indent = if self.indent.is_empty() { "" } else { " " };
            report.line(1, format_args!("{indent}{name}:"));
            basics(report, container, status);
            command(report, "Command", container.list("command"));
            command(report, "Args", container.list("args"));
            if let Some(status) = status {
                run(report, status);
            }
            resources(report, 2, container.at("resources"));
            for (title, path) in
                [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
            {
                if container.has(path) {
                    report.field(2, title, probes::text(container.at(path)));
                }
            }
            environment_sources(report, container);
            self.environment(report, container);
            mounts(report, container);
        }
    }

    fn environment(&self, report: &mut Report, container: &Value) {
        let variables = container.list("env");
        report.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
        for variable in variables {
            let name = variable.text("name");
            let source = variable.at("valueFrom");
            if source.is_null() {
                let mut lines = variable.text("value").split('\n');
                report.field(3, name, lines.next().unwrap_or_default());
                lines.for_each(|line| report.line(3, format_args!("\t{line}")));
            } else if source.has("fieldRef") {
                let path = source.text("fieldRef.fieldPath");
                let value = self.pod.and_then(|pod| downward_api::field(pod, path)).unwrap_or_default();
                let version = source.text("fieldRef.apiVersion");
                report.field(3, name, format_args!("{value} ({version}:{path})"));
            } else if source.has("resourceFieldRef") {
                let resource = source.text("resourceFieldRef.resource");
                let value = downward_api::resource(container, source.at("resourceFieldRef")).unwrap_or_default();
                let whole_node = value == "0" && matches!(resource, "limits.cpu" | "limits.memory");
                let value = if whole_node { "node allocatable" } else { &value };
                report.field(3, name, format_args!("{value} ({resource})"));
            } else {
                for (path, what) in [("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")] {
                    let from = source.at(path);
                    if from.is_null() {
                        continue;
                    }
                    let (key, of, optional) = (from.text("key"), from.text("name"), from.flag("optional"));
                    report.field(3, name, format_args!("<set to the key '{key}' {what} '{of}'>\tOptional: {optional}"));
                    break;
                }
            }
        }
    }
}

/// Image, ports, and what they are called by the runtime.
fn basics(report: &mut Report, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        report.field(2, "Container ID", status.text("containerID"));
    }
    report.field(2, "Image", container.text("image"));
    if let Some(status) = status {
        report.field(2, "Image ID", status.text("imageID"));
    }
    for (title, path) in [("Port", "containerPort"), ("Host Port", "hostPort")] {
        let ports: Vec<String> = container.list("ports").iter().map(|port| port_text(port, path)).collect();
        let plural = if ports.len() > 1 { "s" } else { "" };
        report.field(2, format_args!("{title}{plural}"), or(&ports.join(", "), "<none>"));
    }
    seccomp_profile(report, 2, container.at("securityContext.seccompProfile"));
}

/// `80/TCP (http)`.
fn port_text(port: &Value, path: &str) -> String {
    let number = port.int(path).unwrap_or(0);
    let text = format!("{number}/{}", port.text("protocol"));
    match port.text("name") {
        "" => text,
        name => format!("{text} ({name})"),
    }
}

fn command(report: &mut Report, title: &str, words: &[Value]) {
    if !words.is_empty() {
        report.heading(2, title);
    }
    for word in words {
        scalar(word).split('\n').for_each(|line| report.line(3, line));
    }
}

/// What becomes of a container.
fn run(report: &mut Report, status: &Value) {
    state(report, "State", status.at("state"));
    if status.has("lastState.terminated") {
        state(report, "Last State", status.at("lastState"));
    }
    report.field(2, "Ready", truth(status.flag("ready")));
    report.field(2, "Restart Count", status.int("restartCount").unwrap_or(0));
}

fn state(report: &mut Report, title: &str, state: &Value) {
    if state.has("running") {
        report.field(2, title, "Running");
        report.field(3, "Started", date(state.text("running.startedAt")));
    } else if state.has("terminated") && !state.has("waiting") {
        let ended = state.at("terminated");
        report.field(2, title, "Terminated");
        report.field_if(3, "Reason", ended.text("reason"));
        report.field_if(3, "Message", ended.text("message"));
        report.field(3, "Exit Code", ended.int("exitCode").unwrap_or(0));
        if let Some(signal @ 1..) = ended.int("signal") {
            report.field(3, "Signal", signal);
        }
        report.field(3, "Started", date(ended.text("startedAt")));
        report.field(3, "Finished", date(ended.text("finishedAt")));
    } else {
        report.field(2, title, "Waiting");
        report.field_if(3, "Reason", state.text("waiting.reason"));
    }
}

/// Limits and requests.
pub fn resources(report: &mut Report, level: usize, resources: &Value) {
    for (title, path) in [("Limits", "limits"), ("Requests", "requests")] {
        let amounts = resources.map(path);
        if !amounts.is_empty() {
            report.heading(level, title);
        }
        for (name, amount) in amounts {
            report.field(level + 1, name, scalar(amount));
        }
    }
}

fn environment_sources(report: &mut Report, container: &Value) {
    let sources = container.list("envFrom");
    if !sources.is_empty() {
        report.heading(2, "Environment Variables from");
    }
    for source in sources {
        let (kind, from) = match (source.has("configMapRef"), source.has("secretRef")) {
            (true, _) => ("ConfigMap", source.at("configMapRef")),
            (_, true) => ("Secret", source.at("secretRef")),
            _ => ("", &Value::Null),
        };
        let (name, optional) = (from.text("name"), from.flag("optional"));
        match source.text("prefix") {
            "" => report.line(3, format_args!("{name}\t{kind}\tOptional: {optional}")),
            prefix => {
                report.line(3, format_args!("{name}\t{kind} with prefix '{prefix}'\tOptional: {optional}"));
            }
        }
    }
}

fn mounts(report: &mut Report, container: &Value) {
    let mut mounts: Vec<&Value> = container.list("volumeMounts").iter().collect();
    mounts.sort_by_key(|mount| mount.text("mountPath"));
    report.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    for mount in &mounts {
        let mut how = if mount.flag("readOnly") { "ro" } else { "rw" }.to_string();
        if !mount.text("subPath").is_empty() {
            how.push_str(&format!(",path={}", quote(mount.text("subPath"))));
        }
        report.line(3, format_args!("{} from {} ({how})", mount.text("mountPath"), mount.text("name")));
    }
    let mut devices: Vec<&Value> = container.list("volumeDevices").iter().collect();
    devices.sort_by_key(|device| device.text("devicePath"));
    if !devices.is_empty() {
        // Kubernetes' own slip: what it says of devices depends on whether there are mounts.
        report.line(2, if mounts.is_empty() { "Devices:\t<none>" } else { "Devices:" });
    }
    for device in devices {
        report.line(3, format_args!("{} from {}", device.text("devicePath"), device.text("name")));
    }
}
