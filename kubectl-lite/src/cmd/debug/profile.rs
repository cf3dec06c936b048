//! What a debugging container may do (KEP-1441, "Debugging Profiles").

use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

/// `--profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// From before there were profiles.
    Legacy,
    /// Sees the processes of others.
    General,
    /// What the "baseline" Pod security standard allows.
    Baseline,
    /// What the "restricted" Pod security standard allows.
    Restricted,
    /// Works on the network.
    NetAdmin,
    /// Everything.
    SysAdmin,
}

/// What a profile is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Ephemeral,
    Copy,
    Node,
}

impl Profile {
    /// # Errors
    /// There is none of this name.
    pub fn parse(name: &str) -> Result<Profile, CommandError> {
        Ok(match name {
            "legacy" => Profile::Legacy,
            "general" => Profile::General,
            "baseline" => Profile::Baseline,
            "restricted" => Profile::Restricted,
            "netadmin" => Profile::NetAdmin,
            "sysadmin" => Profile::SysAdmin,
            other => return Err(CommandError::message(format!("unknown profile: {other}"))),
        })
    }

    /// Whether a Pod on a node gets the node's file system.
    fn sees_files(self) -> bool {
        matches!(self, Profile::Legacy | Profile::General | Profile::SysAdmin)
    }

    /// What the debugging container is given.
    pub fn apply_to_container(self, container: &mut Value, target: Target) {
        match self {
            Profile::General if target != Target::Node => add_capabilities(container, &["SYS_PTRACE"]),
            Profile::Legacy | Profile::General => {}
            Profile::Baseline => {
                container.remove("securityContext");
            }
            Profile::Restricted => container.set(
                "securityContext",
                json!({
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                    "seccompProfile": {"type": "RuntimeDefault"},
                }),
            ),
            Profile::NetAdmin => add_capabilities(container, &["NET_ADMIN", "NET_RAW"]),
            Profile::SysAdmin => container.set("securityContext.privileged", true),
        }
        if target == Target::Node && self.sees_files() {
            let mut mounts = container.list("volumeMounts").to_vec();
            mounts.push(json!({"name": "host-root", "mountPath": "/host"}));
            container.set("volumeMounts", mounts);
        }
    }

    /// What the Pod around it is given.
    pub fn apply_to_pod(self, pod: &mut Value, target: Target) {
        match target {
            Target::Copy if self != Profile::Legacy => pod.set_default("spec.shareProcessNamespace", true),
            Target::Node => {
                if self.sees_files() {
                    pod.set("spec.volumes", json!([{"name": "host-root", "hostPath": {"path": "/"}}]));
                }
                if !matches!(self, Profile::Baseline | Profile::Restricted) {
                    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
                        pod.set(&format!("spec.{namespace}"), true);
                    }
                }
            }
            _ => {}
        }
    }
}

fn add_capabilities(container: &mut Value, names: &[&str]) {
    let mut added = container.list("securityContext.capabilities.add").to_vec();
    added.extend(names.iter().map(|name| json!(name)));
    container.set("securityContext.capabilities.add", added);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_add_to_what_is_there() {
        let mut container = json!({"securityContext": {"runAsUser": 1, "capabilities": {"add": ["NET_RAW"]}}});
        Profile::NetAdmin.apply_to_container(&mut container, Target::Copy);
        assert_eq!(
            container,
            json!({"securityContext": {"runAsUser": 1, "capabilities": {"add": ["NET_RAW", "NET_ADMIN", "NET_RAW"]}}})
        );
        Profile::SysAdmin.apply_to_container(&mut container, Target::Node);
        assert!(container.flag("securityContext.privileged") && container.list("volumeMounts").len() == 1);
        Profile::Baseline.apply_to_container(&mut container, Target::Copy);
        assert!(!container.has("securityContext"));
        let mut pod = json!({});
        Profile::Restricted.apply_to_pod(&mut pod, Target::Node);
        assert_eq!(pod, json!({}));
        assert!(Profile::parse("all").is_err());
    }
}
