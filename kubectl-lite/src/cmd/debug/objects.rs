//! What `debug` makes: an ephemeral container, a copy of a Pod, a Pod on a node.

use super::Debug;
use super::profile::{Profile, Target};
use crate::context::Context;
use crate::errors::CommandError;
use crate::resource::pods;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::{patch, schema};

/// What random parts of names are made of: no vowels, so that no words come out.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

fn suffix() -> String {
    (0..5).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect()
}

impl Debug {
    /// `--container`, else a new name, which is told.
    pub(super) fn container_name(&self, cx: &Context<'_>, pod: &Value) -> Result<String, CommandError> {
        if !self.container.is_empty() {
            return Ok(self.container.clone());
        }
        let mut name = format!("debugger-{}", suffix());
        while pods::container(pod, &name).is_some() {
            name = format!("debugger-{}", suffix());
        }
        self.tell(cx, &format!("Defaulting debug container name to {name}."))?;
        Ok(name)
    }

    /// The ephemeral container for `pod`.
    pub(super) fn ephemeral_container(
        &self,
        pod: &Value,
        name: &str,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let mut container = self.container(name);
        if !self.target.is_empty() {
            container.set("targetContainerName", self.target.clone());
        }
        profile.apply_to_container(&mut container, Target::Ephemeral);
        let mut alone = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.name()}});
        alone.set("spec.ephemeralContainers", json!([container]));
        customize(&mut alone, "ephemeralContainers", name, custom)?;
        Ok(alone.list("spec.ephemeralContainers")[0].clone())
    }

    /// A copy of `pod` with a container more or changed, and that container's name; none where only images change.
    pub(super) fn copy(
        &self,
        cx: &Context<'_>,
        pod: &Value,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<(Value, Option<String>), CommandError> {
        let mut copy = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.copy_to, "namespace": pod.namespace()}});
        for field in ["metadata.annotations", "metadata.labels", "spec"] {
            if pod.has(field) {
                copy.set(field, pod.at(field).clone());
            }
        }
        copy.remove("spec.ephemeralContainers");
        if let Some(share) = self.share_processes {
            copy.set("spec.shareProcessNamespace", share);
        }
        if !self.same_node {
            copy.remove("spec.nodeName");
        }
        for container in copy.list_mut("spec.containers") {
            let image = |name: &str| self.set_image.iter().rev().find(|(key, _)| key == name);
            if let Some((_, image)) = image(container.text("name")).or_else(|| image("*")) {
                container.set("image", image.clone());
            }
        }
        let there = !self.container.is_empty() && pods::container(&copy, &self.container).is_some();
        if !there && self.image.is_empty() {
            if !self.set_image.is_empty() {
                return Ok((copy, None));
            }
            return Err(CommandError::message("you must specify image when creating new container"));
        }
        let name = self.container_name(cx, &copy)?;
        if there {
            for list in ["spec.containers", "spec.initContainers"] {
                copy.list_mut(list).iter_mut().filter(|c| c.text("name") == name).for_each(|c| self.change(c));
            }
        } else {
            let container = self.container(&name);
            if let Some(containers) = copy.at_mut("spec.containers").as_array_mut() {
                containers.push(container);
            }
        }
        self.keep(&mut copy, profile);
        profile.apply_to_pod(&mut copy, Target::Copy);
        for container in copy.list_mut("spec.containers").iter_mut().filter(|c| c.text("name") == name) {
            profile.apply_to_container(container, Target::Copy);
        }
        customize(&mut copy, "containers", &name, custom)?;
        Ok((copy, Some(name)))
    }

    /// A Pod on a node.
    pub(super) fn node_pod(
        &self,
        node: &str,
        container: &str,
        profile: Profile,
        custom: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let mut only = self.container(container);
        profile.apply_to_container(&mut only, Target::Node);
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("node-debugger-{node}-{}", suffix()),
                "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"},
            },
            "spec": {
                "containers": [only], "nodeName": node, "restartPolicy": "Never", "tolerations": [{"operator": "Exists"}],
            },
        });
        profile.apply_to_pod(&mut pod, Target::Node);
        customize(&mut pod, "containers", container, custom)?;
        Ok(pod)
    }

    /// The new container that the flags describe.
    fn container(&self, name: &str) -> Value {
        let mut container = json!({"name": name, "resources": {}, "terminationMessagePolicy": "File"});
        self.change(&mut container);
        container
    }

    /// Puts over `container` what the flags say.
    fn change(&self, container: &mut Value) {
        if !self.command.is_empty() {
            if self.arguments_only {
                container.set("args", json!(self.command));
            } else {
                container.set("command", json!(self.command));
                container.remove("args");
            }
        }
        if !self.env.is_empty() {
            let env = self.env.iter().map(|(name, value)| json!({"name": name, "value": value}));
            container.set("env", env.collect::<Vec<_>>());
        }
        for (field, text) in [("image", &self.image), ("imagePullPolicy", &self.image_pull_policy)] {
            if !text.is_empty() {
                container.set(field, text.clone());
            }
        }
        for (field, on) in [("stdin", self.stdin), ("tty", self.tty)] {
            if on {
                container.set(field, true);
            } else {
                container.remove(field);
            }
        }
    }

    /// Leaves out of a copy what is not to be kept.
    fn keep(&self, copy: &mut Value, profile: Profile) {
        if !self.keep_labels {
            copy.remove("metadata.labels");
        }
        // The oldest profile leaves all the rest as it is.
        if profile == Profile::Legacy {
            return;
        }
        if !self.keep_annotations {
            copy.remove("metadata.annotations");
        }
        if !self.keep_init_containers {
            copy.remove("spec.initContainers");
        }
        for container in copy.list_mut("spec.containers") {
            for (probe, kept) in [
                ("livenessProbe", self.keep_liveness),
                ("readinessProbe", self.keep_readiness),
                ("startupProbe", self.keep_startup),
            ] {
                if !kept {
                    container.remove(probe);
                }
            }
        }
    }
}

/// Merges a custom profile into the container called `name`.
fn customize(pod: &mut Value, list: &str, name: &str, custom: Option<&Value>) -> Result<(), CommandError> {
    let Some(mut custom) = custom.cloned() else { return Ok(()) };
    custom.set("name", name);
    let ty = schema::of_kind("v1", "Pod").ok_or_else(|| CommandError::message("no type of Pod"))?;
    let mut change = json!({"spec": {list: [custom]}});
    patch::strategic::apply(ty, pod, &mut change).map_err(|error| {
        CommandError::message(format!("error creating three way patch to add debug container: {error}"))
    })
}
