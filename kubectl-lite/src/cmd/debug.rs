//! `kubectl debug`: a container of one's own in a Pod, in a copy of a Pod, or on a node.

mod objects;
mod profile;

use super::Command;
use super::attach::{Attachment, DETACH_KEYS};
use super::{logs, run};
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames, Info, changes, go_words, pods};
use profile::{Profile, Target};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::schema;

#[derive(clap::Args)]
pub struct Debug {
    /// POD or TYPE/NAME
    args: Vec<String>,
    /// After --: the command of the container
    #[arg(last = true)]
    command: Vec<String>,
    /// What follows -- are arguments, not the command
    #[arg(long)]
    arguments_only: bool,
    /// Attach to the container once it runs; done with -i anyway
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_flags::boolean)]
    attach: Option<bool>,
    /// Name of the container; of one that is there, with --copy-to
    #[arg(long, short, default_value = "")]
    container: String,
    /// Work in a copy of the Pod with this name
    #[arg(long, default_value = "")]
    copy_to: String,
    /// File with parts of a container (JSON or YAML) to put over what the profile says
    #[arg(long, default_value = "")]
    custom: String,
    /// NAME=VALUE
    #[arg(long, value_delimiter = ',', value_parser = pair)]
    env: Vec<(String, String)>,
    /// Files that name the object
    #[arg(long = "filename", short = 'f', value_delimiter = ',')]
    filenames: Vec<String>,
    /// Image of the container
    #[arg(long, default_value = "")]
    image: String,
    /// Always, IfNotPresent or Never
    #[arg(long, default_value = "")]
    image_pull_policy: String,
    /// Keep the Pod's annotations in the copy
    #[arg(long)]
    keep_annotations: bool,
    /// Keep the Pod's init containers in the copy
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    keep_init_containers: bool,
    /// Keep the Pod's labels in the copy
    #[arg(long)]
    keep_labels: bool,
    /// Keep liveness probes in the copy
    #[arg(long)]
    keep_liveness: bool,
    /// Keep readiness probes in the copy
    #[arg(long)]
    keep_readiness: bool,
    /// Keep startup probes in the copy
    #[arg(long)]
    keep_startup: bool,
    /// What the container may do: general, baseline, restricted, netadmin or sysadmin
    #[arg(long, default_value = "general")]
    profile: String,
    /// Print nothing but what the container prints
    #[arg(long, short)]
    quiet: bool,
    /// Delete the Pod that has been copied
    #[arg(long)]
    replace: bool,
    /// Put the copy onto the Pod's node
    #[arg(long)]
    same_node: bool,
    /// CONTAINER=IMAGE of the copy; * for all containers
    #[arg(long, value_delimiter = ',', value_parser = pair)]
    set_image: Vec<(String, String)>,
    /// Let the copy's containers see each other's processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_flags::boolean)]
    share_processes: Option<bool>,
    /// Keep standard input of the container open
    #[arg(long, short = 'i')]
    stdin: bool,
    /// The container whose processes are to be seen
    #[arg(long, default_value = "")]
    target: String,
    /// Give the container a terminal
    #[arg(long, short)]
    tty: bool,
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text} must be formatted as key=value"))?;
    Ok((key.to_string(), value.to_string()))
}

impl Command for Debug {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let profile = Profile::parse(&self.profile)?;
        let custom = self.read_custom()?;
        self.check(cx)?;
        if custom.as_ref().is_some_and(|custom| FIXED.iter().any(|field| custom.has(field))) {
            return Err(CommandError::message(
                "name, command, image, lifecycle and volume devices are not modifiable via custom profile",
            ));
        }
        if profile == Profile::Legacy {
            writeln!(
                cx.streams.err(),
                "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to specify other \
                 profile, for example \"--profile=general\"."
            )?;
        }
        let files = Filenames { filenames: self.filenames.clone(), recursive: false, kustomize: None };
        let mut infos = Vec::new();
        if !self.filenames.is_empty() {
            infos = Builder::new(cx)?.files(&files).infos(true).await?;
        }
        for name in &self.args {
            infos.push(pods::named(cx, name).await);
        }
        for info in infos {
            self.debug(cx, &info?, profile, custom.as_ref()).await?;
        }
        Ok(())
    }
}

/// Fields that a custom profile may not have.
const FIXED: [&str; 5] = ["name", "command", "image", "lifecycle", "volumeDevices"];

impl Debug {
    fn is_attached(&self) -> bool {
        self.attach.unwrap_or(self.stdin)
    }

    fn read_custom(&self) -> Result<Option<Value>, CommandError> {
        if self.custom.is_empty() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&self.custom).map_err(|error| {
            CommandError::message(format!(
                "must pass a container spec json file for custom profile: open {}: {}",
                self.custom,
                go_words(&error)
            ))
        })?;
        let invalid = |why: &str| {
            CommandError::message(format!("{} does not contain a valid container spec: {why}", self.custom))
        };
        let document = shared_types::yaml::parse_document(&text).map_err(|why| invalid(&why.to_string()))?;
        let Some(container) = schema::named("core/v1.Container") else { return Ok(Some(document.value)) };
        // What containers do not have is not minded.
        let decoded = schema::decode_value(container, document.value)
            .map_err(|why| invalid(&format!("error unmarshaling JSON: while decoding JSON: {why}")))?;
        Ok(Some(decoded.object))
    }

    fn check(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        let fail = |text: String| Err(CommandError::message(text));
        if self.attach == Some(true) && self.image.is_empty() && self.container.is_empty() {
            return fail(
                "you must specify --container or create a new container using --image in order to attach.".into(),
            );
        }
        if !self.copy_to.is_empty() {
            if self.image.is_empty() && self.set_image.is_empty() && self.command.is_empty() {
                return fail("you must specify --image, --set-image or command arguments.".into());
            }
            if !self.command.is_empty() && self.container.is_empty() && self.image.is_empty() {
                return fail("you must specify an existing container or a new image when specifying args.".into());
            }
        } else {
            let only =
                [("replace", self.replace), ("same-node", self.same_node), ("set-image", !self.set_image.is_empty())];
            if let Some((flag, _)) = only.iter().find(|(_, given)| *given) {
                return fail(format!("--{flag} may only be used with --copy-to."));
            }
            if self.image.is_empty() {
                return fail("you must specify --image when not using --copy-to.".into());
            }
        }
        if !self.image.is_empty() && !run::is_image_reference(&self.image) {
            return fail(format!("invalid image name {:?}: invalid reference format", self.image));
        }
        if self.args.is_empty() && self.filenames.is_empty() {
            return fail("NAME or filename is required for debug".into());
        }
        if !matches!(self.image_pull_policy.as_str(), "" | "Always" | "IfNotPresent" | "Never") {
            return fail(format!("invalid image pull policy: {}", self.image_pull_policy));
        }
        if let Some((name, image)) = self.set_image.iter().find(|(_, image)| !run::is_image_reference(image)) {
            return fail(format!("invalid image name {image:?} for container {name:?}: invalid reference format"));
        }
        if !self.target.is_empty() {
            if !self.copy_to.is_empty() {
                return fail("--target is incompatible with --copy-to. Use --share-processes instead.".into());
            }
            self.tell(
                cx,
                &format!(
                    "Targeting container {:?}. If you don't see processes from this container it may be because the \
                     container runtime doesn't support this feature.",
                    self.target
                ),
            )?;
        }
        if self.tty && !self.stdin {
            return fail("-i/--stdin is required for containers with -t/--tty=true".into());
        }
        Ok(())
    }

    fn tell(&self, cx: &Context<'_>, text: &str) -> Result<(), CommandError> {
        if self.quiet { Ok(()) } else { Ok(writeln!(cx.streams.out(), "{text}")?) }
    }

    async fn debug(
        &self,
        cx: &Context<'_>,
        info: &Info,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<(), CommandError> {
        let (pod, container) = match info.resource.kind.as_str() {
            "Node" => self.on_node(cx, info, profile, custom).await?,
            "Pod" if self.copy_to.is_empty() => self.in_pod(cx, info, profile, custom).await?,
            "Pod" => self.in_copy(cx, info, profile, custom).await?,
            _ => {
                return Err(CommandError::message(format!("{:?} not supported by debug", info.resource.gvk_text())));
            }
        };
        match container {
            Some(container) if self.is_attached() => {
                cx.streams.out().flush()?;
                self.attend(cx, pod.namespace(), pod.name(), &container).await
            }
            _ => Ok(()),
        }
    }

    /// Adds an ephemeral container (KEP-277).
    async fn in_pod(
        &self,
        cx: &Context<'_>,
        info: &Info,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<(Value, Option<String>), CommandError> {
        let name = self.container_name(cx, &info.object)?;
        let container = self.ephemeral_container(&info.object, &name, profile, custom)?;
        warn_of_user(cx, &info.object, &container)?;
        let mut after = info.object.clone();
        match after.list_mut("spec.ephemeralContainers").iter_mut().find(|there| there.text("name") == name) {
            // What is there already takes the place of the new one; the server refuses to change it.
            Some(there) => profile.apply_to_container(there, Target::Ephemeral),
            None => {
                let containers = [after.list("spec.ephemeralContainers"), &[container]].concat();
                after.set("spec.ephemeralContainers", containers);
            }
        }
        let Some((patch, content_type)) = changes(info, &after)? else { return Ok((after, Some(name))) };
        let path = format!("{}/ephemeralcontainers", info.path());
        let request = Request::patch(path, content_type, patch.to_string().into_bytes());
        Ok((cx.client()?.json(request).await?, Some(name)))
    }

    async fn in_copy(
        &self,
        cx: &Context<'_>,
        info: &Info,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<(Value, Option<String>), CommandError> {
        let (copy, container) = self.copy(cx, &info.object, profile, custom)?;
        if let Some(container) = container.as_deref().and_then(|name| pods::container(&copy, name)) {
            warn_of_user(cx, &copy, container)?;
        }
        let created = cx.client()?.json(Request::post(info.resource.collection(&info.namespace), &copy)).await?;
        if self.replace {
            let request = Request::delete(info.path()).body(&json!({"gracePeriodSeconds": 0}));
            cx.client()?.send(request).await?;
        }
        Ok((created, container))
    }

    async fn on_node(
        &self,
        cx: &Context<'_>,
        info: &Info,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<(Value, Option<String>), CommandError> {
        let container = if self.container.is_empty() { "debugger" } else { &self.container };
        let pod = self.node_pod(&info.name, container, profile, custom)?;
        self.tell(
            cx,
            &format!("Creating debugging pod {} with container {container} on node {}.", pod.name(), info.name),
        )?;
        let (namespace, _) = cx.namespace()?;
        let resource = cx.resource("pods").await?;
        let created = cx.client()?.json(Request::post(resource.collection(&namespace), &pod)).await?;
        Ok((created, Some(container.to_string())))
    }

    /// Attaches to the container once it runs; what has ended before is read from its log.
    async fn attend(&self, cx: &Context<'_>, namespace: &str, name: &str, container: &str) -> Result<(), CommandError> {
        let mut told = String::new();
        let pod = pods::until(cx, namespace, name, None, |pod| {
            let Some(status) = pods::container_status(pod, container) else { return Ok(None) };
            if status.has("state.running") || status.has("state.terminated") {
                return Ok(Some(pod.clone()));
            }
            let why = status.text("state.waiting.message");
            if !self.quiet && !why.is_empty() && why != told {
                writeln!(cx.streams.err(), "Warning: container {container}: {why}")?;
                told = why.to_string();
            }
            Ok(None)
        })
        .await?;
        if pods::container_status(&pod, container).is_some_and(|status| status.has("state.terminated")) {
            return logs::so_far(cx, &pod, container).await;
        }
        let attachment = Attachment {
            pod: &pod,
            container,
            stdin: self.stdin,
            tty: self.tty,
            quiet: self.quiet,
            detach_keys: DETACH_KEYS,
            command: "kubectl attach",
        };
        attachment.run_or_read(cx).await
    }
}

/// Warns where a profile gives capabilities to a user who cannot use them.
fn warn_of_user(cx: &Context<'_>, pod: &Value, container: &Value) -> Result<(), CommandError> {
    let is_other = |user: Option<i64>| user.is_some_and(|user| user != 0);
    let context = container.at("securityContext");
    let gives = context.flag("privileged") || !context.list("capabilities.add").is_empty();
    if is_other(pod.int("spec.securityContext.runAsUser")) && context.int("runAsUser") != Some(0) && gives {
        writeln!(
            cx.streams.err(),
            "Warning: Non-root user is configured for the entire target Pod, and some capabilities granted by debug \
             profile may not work. Please consider using \"--custom\" with a custom profile that specifies \
             \"securityContext.runAsUser: 0\"."
        )?;
    }
    Ok(())
}
