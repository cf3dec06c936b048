//! `kubectl run`.

mod attached;

use super::Command;
use super::attach::DETACH_KEYS;
use super::flags::{DryRun, DryRunFlag};
use crate::cli::go_flags;
use crate::client::Request;
use crate::client::assumed::Assumed;
use crate::client::failure::decode;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use crate::resource::last_applied;
use shared_types::fields::Fields;
use shared_types::json::{Value, json, parse};
use shared_types::{patch, schema};

#[derive(clap::Args)]
pub struct Run {
    /// NAME [-- ARGUMENTS...]
    args: Vec<String>,
    /// After --: arguments of the container, or its command with --command
    #[arg(last = true)]
    rest: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// KEY=VALUE
    #[arg(long)]
    annotations: Vec<String>,
    /// Attach to the container once it runs; done with -i anyway
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_flags::boolean)]
    attach: Option<bool>,
    #[arg(long, default_value = "background", hide = true)]
    cascade: String,
    /// What follows -- is the command, not its arguments
    #[arg(long)]
    command: bool,
    /// Keys that end the session and leave the container running
    #[arg(long, default_value = DETACH_KEYS)]
    detach_keys: String,
    /// NAME=VALUE
    #[arg(long)]
    env: Vec<String>,
    /// Make a Service for the Pod as well
    #[arg(long)]
    expose: bool,
    /// Name under which fields are managed
    #[arg(long, default_value = "kubectl-run")]
    field_manager: String,
    #[arg(long = "filename", short = 'f', hide = true)]
    filenames: Vec<String>,
    #[arg(long, hide = true)]
    force: bool,
    #[arg(long, default_value_t = -1, value_parser = go_flags::int::<i64>, hide = true)]
    grace_period: i64,
    /// Image of the container
    #[arg(long)]
    image: Option<String>,
    /// Always, IfNotPresent or Never
    #[arg(long, default_value = "")]
    image_pull_policy: String,
    #[arg(long, short = 'k', hide = true)]
    kustomize: Option<String>,
    /// KEY=VALUE,...
    #[arg(long, short = 'l', value_delimiter = ',')]
    labels: Vec<String>,
    /// Keep standard input open after the first attach
    #[arg(long)]
    leave_stdin_open: bool,
    /// How --overrides is merged: merge, strategic or json
    #[arg(long, default_value = "merge")]
    override_type: String,
    /// JSON to merge into the Pod
    #[arg(long, default_value = "")]
    overrides: String,
    /// How long to wait for the Pod
    #[arg(long, default_value = "1m0s", value_parser = go_flags::duration)]
    pod_running_timeout: go_flags::Duration,
    /// Port that the container listens on
    #[arg(long, default_value = "")]
    port: String,
    /// Run with all privileges
    #[arg(long)]
    privileged: bool,
    /// Print nothing but what the container prints
    #[arg(long, short)]
    quiet: bool,
    #[arg(long, short = 'R', hide = true)]
    recursive: bool,
    /// Always, OnFailure or Never
    #[arg(long, default_value = "Always")]
    restart: String,
    /// Delete the Pod once the attached container ends
    #[arg(long)]
    rm: bool,
    /// Keep the configuration in the annotation that apply uses
    #[arg(long)]
    save_config: bool,
    /// Keep standard input open
    #[arg(long, short = 'i')]
    stdin: bool,
    #[arg(long, default_value = "0s", value_parser = go_flags::duration, hide = true)]
    timeout: go_flags::Duration,
    /// Give the container a terminal
    #[arg(long, short)]
    tty: bool,
    #[arg(long, hide = true)]
    wait: bool,
}

impl Command for Run {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let dry_run = self.dry_run.read(cx)?;
        self.check(dry_run)?;
        let (namespace, _) = cx.namespace()?;
        let name = self.args[0].clone();
        let mut pod = self.pod(&name)?;
        self.override_with(&mut pod, &name)?;
        let operation = dry_run.done("created");
        let order = if dry_run.is_client() { Order::Declared } else { Order::Sorted };
        let mut printer = self.print.reporter(&operation, order)?;
        if dry_run.is_client() {
            cx.assume(Assumed::Resources { tries: 1 })?;
            cx.client()?.look_up_assumed().await?;
        }
        let service = if self.expose { Some(self.service(&name, &pod)?) } else { None };
        let pod = self.create(cx, "pods", &namespace, pod, dry_run).await?;
        if self.is_attached() {
            if let Some(service) = service {
                let service = self.create(cx, "services", &namespace, service, dry_run).await?;
                printer.print(&self.print.shown(service), &mut *cx.streams.out().writer())?;
            }
            return self.attend(cx, &namespace, &name).await;
        }
        if let Some(service) = service {
            let service = self.create(cx, "services", &namespace, service, dry_run).await?;
            printer.print(&self.print.shown(service), &mut *cx.streams.out().writer())?;
            if self.print.format() == Some("yaml") {
                // In addition to what the printer itself puts between objects.
                writeln!(cx.streams.out(), "---")?;
            }
        }
        printer.print(&self.print.shown(pod), &mut *cx.streams.out().writer())
    }
}

impl Run {
    fn check(&self, dry_run: DryRun) -> Result<(), CommandError> {
        let usage = |text: &str| Err(CommandError::usage("run", text));
        let Some(image) = self.image.as_deref() else {
            return Err(CommandError::message("required flag(s) \"image\" not set"));
        };
        if self.args.is_empty() {
            return usage("NAME is required for run");
        }
        if image.is_empty() {
            return Err(CommandError::message("--image is required"));
        }
        if !is_image_reference(image) {
            return Err(CommandError::message(format!("Invalid image name {image:?}: invalid reference format")));
        }
        if self.tty && !self.stdin {
            return usage("-i/--stdin is required for containers with -t/--tty=true");
        }
        if self.expose && self.port.is_empty() {
            return usage("--port must be set when exposing a service");
        }
        if dry_run != DryRun::None && (self.is_attached() || self.stdin || self.tty) {
            return usage(
                "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
            );
        }
        if self.rm && !self.is_attached() {
            return usage("--rm should only be used for attached containers");
        }
        if !matches!(self.image_pull_policy.as_str(), "" | "Always" | "IfNotPresent" | "Never") {
            return usage(&format!("invalid image pull policy: {}", self.image_pull_policy));
        }
        if !matches!(self.restart.as_str(), "" | "Always" | "OnFailure" | "Never") {
            return usage(&format!("invalid restart policy: {}", self.restart));
        }
        Ok(())
    }

    fn is_attached(&self) -> bool {
        self.attach.unwrap_or(self.stdin)
    }

    /// The Pod that the flags describe.
    fn pod(&self, name: &str) -> Result<Value, CommandError> {
        let mut labels = json!({"run": name});
        if !self.labels.is_empty() {
            labels = pairs(&self.labels, |spec| format!("unexpected label spec: {spec}"))?;
        }
        let mut container = json!({"name": name, "image": self.image, "resources": {}});
        let rest: Vec<&String> = self.args[1..].iter().chain(&self.rest).collect();
        if !rest.is_empty() {
            container.set(if self.command { "command" } else { "args" }, json!(rest));
        }
        if !self.env.is_empty() {
            let mut env = Vec::new();
            for pair in &self.env {
                match pair.split_once('=') {
                    Some((name, "")) if !name.is_empty() => env.push(json!({"name": name})),
                    Some((name, value)) if !name.is_empty() => env.push(json!({"name": name, "value": value})),
                    _ => return Err(CommandError::message(format!("invalid env: {pair}"))),
                }
            }
            container.set("env", env);
        }
        if !self.image_pull_policy.is_empty() {
            container.set("imagePullPolicy", self.image_pull_policy.clone());
        }
        if !self.port.is_empty() {
            container.set("ports", json!([{"containerPort": self.port()?}]));
        }
        if self.stdin {
            container.set("stdin", true);
            container.set("stdinOnce", !self.leave_stdin_open);
        }
        if self.tty {
            container.set("tty", true);
        }
        if self.privileged {
            container.set("securityContext.privileged", true);
        }
        let restart = if self.restart.is_empty() { "Always" } else { &self.restart };
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart},
            "status": {},
        });
        if !self.annotations.is_empty() {
            let annotations = pairs(&self.annotations, |spec| format!("invalid annotations format: {spec}"))?;
            pod.set("metadata.annotations", annotations);
        }
        Ok(pod)
    }

    fn port(&self) -> Result<i64, CommandError> {
        go_flags::int::<i64>(&self.port).map_err(|error| CommandError::message(error.replace("ParseInt", "Atoi")))
    }

    /// Puts `--overrides` over the Pod.
    fn override_with(&self, pod: &mut Value, name: &str) -> Result<(), CommandError> {
        if self.overrides.is_empty() {
            return Ok(());
        }
        let text = &self.overrides;
        // YAML will do as well, as far as it makes an object or a list.
        let read = || {
            parse(text.as_bytes()).ok().or_else(|| {
                shared_types::yaml::parse_document(text).ok().map(|d| d.value).filter(|v| v.is_object() || v.is_array())
            })
        };
        let Some(mut patch) = read() else { return Err(CommandError::message("Invalid JSON Patch")) };
        let _ = name;
        let ty = schema::of_kind("v1", "Pod").ok_or_else(|| CommandError::message("no type of Pod"))?;
        match self.override_type.as_str() {
            "merge" => patch::merge::apply(pod, &patch),
            "strategic" => {
                patch::strategic::apply(ty, pod, &mut patch).map_err(|e| CommandError::message(e.to_string()))?;
            }
            "json" => {
                let patch = patch::json::Patch::parse(&patch).map_err(CommandError::message)?;
                patch.apply(pod).map_err(CommandError::message)?;
            }
            other => return Err(CommandError::message(format!("invalid override type: {other}"))),
        }
        let decoded = schema::decode_value(ty, std::mem::take(pod)).map_err(CommandError::message)?.object;
        *pod = decode(&schema::encode(ty, &decoded))?;
        Ok(())
    }

    /// The Service for `--expose`.
    fn service(&self, name: &str, pod: &Value) -> Result<Value, CommandError> {
        let port = self.port()?;
        Ok(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"protocol": "TCP", "port": port, "targetPort": port}], "selector": pod.at("metadata.labels")},
            "status": {"loadBalancer": {}},
        }))
    }

    async fn create(
        &self,
        cx: &Context<'_>,
        plural: &str,
        namespace: &str,
        mut object: Value,
        dry_run: DryRun,
    ) -> Result<Value, CommandError> {
        if self.save_config {
            let configuration = last_applied::declared_configuration(&object);
            object.map_mut("metadata.annotations").insert(last_applied::LAST_APPLIED, configuration.into());
        }
        if dry_run.is_client() {
            return Ok(object);
        }
        let resource = cx.discovered(plural, 1).await?;
        let request = Request::post(resource.collection(namespace), &object).query("fieldManager", &self.field_manager);
        cx.client()?.json(dry_run.mark(request)).await
    }
}

/// `KEY=VALUE` pairs as an object.
fn pairs(specs: &[String], wrong: impl Fn(&str) -> String) -> Result<Value, CommandError> {
    let mut map = json!({});
    for spec in specs.iter().filter(|s| !s.is_empty()) {
        match spec.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                map.map_mut("").insert(key, value.into());
            }
            _ => return Err(CommandError::message(wrong(spec))),
        }
    }
    Ok(map)
}

/// Whether `image` has the form of an image reference: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`.
pub fn is_image_reference(image: &str) -> bool {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    if digest.is_some_and(|d| {
        !d.split_once(':').is_some_and(|(_, hex)| hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    }) {
        return false;
    }
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if tag.is_some_and(|t| {
        t.is_empty() || t.len() > 128 || !word(t.as_bytes()[0]) || !t.bytes().all(|b| word(b) || b == b'.' || b == b'-')
    }) {
        return false;
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 1
        && (parts[0].contains(['.', ':']) || parts[0] == "localhost" || parts[0] != parts[0].to_lowercase())
    {
        parts.remove(0);
    }
    let component = |part: &&str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.bytes().next())
            && edge(part.bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    parts.iter().all(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_a_form() {
        for good in [
            "nginx",
            "nginx:1.28",
            "localhost:5000/a/b:c",
            "registry.example.com/x-y/z_z@sha256:0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_image_reference(good), "{good}");
        }
        for bad in ["bad image", "UPPER", "a:", "a//b", "-a", "a@sha256:x"] {
            assert!(!is_image_reference(bad), "{bad}");
        }
    }
}
