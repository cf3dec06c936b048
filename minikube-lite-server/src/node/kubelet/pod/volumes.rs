//! Making the volumes of a Pod, and keeping them up to date.

use super::PodState;
use crate::node::kubelet::config::downward::Downward;
use crate::node::kubelet::config::sources::{self, SourceKind, Sources};
use crate::node::kubelet::config::volumes::{Failures, Makings, PodVolumes};
use crate::node::kubelet::news::News;
use crate::node::kubelet::node::Node;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::sync::Arc;

/// What a kubelet takes to begin with a Pod: what is not there before is not complained about.
const PATIENCE: SignedDuration = SignedDuration::from_millis(500);
/// The pauses between attempts: the first, and the longest.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_millis(500), SignedDuration::from_secs(122));

/// Where the volumes of a Pod are in their life.
pub(super) enum Volumes {
    /// To be made at this moment, after so many failures.
    Wanted {
        at: Timestamp,
        failures: u32,
    },
    Making {
        failures: u32,
    },
    Made(Box<PodVolumes>),
}

impl Volumes {
    pub fn are_being_made(&self) -> bool {
        matches!(self, Volumes::Making { failures: 0 })
    }
    /// When they are to be made.
    pub fn next_change(&self) -> Option<Timestamp> {
        match self {
            Volumes::Wanted { at, .. } => Some(*at),
            _ => None,
        }
    }
}

impl PodState {
    /// What the Pod can be told about itself.
    pub(super) fn downward<'a>(&self, pod: &'a Value, node: &'a Node) -> Downward<'a> {
        Downward { pod, pod_ip: self.ip, node_name: &node.name, node_ip: node.ip }
    }

    /// Whether the volumes are there. If not, sees that they are made when that is due.
    pub(super) fn has_volumes(&mut self, pod: &Arc<Value>, node: &Node, now: Timestamp) -> bool {
        let failures = match &self.volumes {
            Volumes::Made(_) => return true,
            Volumes::Making { .. } => return false,
            Volumes::Wanted { at, .. } if *at > now => return false,
            Volumes::Wanted { failures, .. } => *failures,
        };
        let Some(ip) = self.ip else { return false };
        self.volumes = Volumes::Making { failures };
        let (context, reporter, pod) = (node.context.clone(), self.reporter.clone(), pod.clone());
        let (node_name, node_ip, host_paths) = (node.name.clone(), node.ip, node.host_paths.clone());
        let hostname = self.hostname.clone();
        tokio::spawn(async move {
            let wanted = sources::of_volumes(&pod);
            let made = match Sources::read(&context.client, pod.namespace(), wanted).await {
                Ok(sources) => {
                    let makings = Makings {
                        downward: Downward { pod: &pod, pod_ip: Some(ip), node_name: &node_name, node_ip },
                        sources: &sources,
                        tokens: &context.tokens,
                        host_paths: &host_paths,
                        now: context.client.environment().now(),
                    };
                    PodVolumes::make(&makings, ip, &hostname)
                }
                Err(status) => {
                    let volumes = pod.list("spec.volumes").iter().map(|volume| volume.text("name").to_string());
                    Err(volumes.map(|name| (name, status.message.clone())).collect())
                }
            };
            // Nothing of the Pod has been acted upon until then.
            let pod = made.is_ok().then_some(pod);
            reporter.tell_of(News::Mounted(made), pod);
        });
        false
    }

    /// The volumes have been made, or not.
    pub(super) fn mounted(&mut self, made: Result<PodVolumes, Failures>, now: Timestamp) {
        let before = match &self.volumes {
            Volumes::Making { failures } => *failures,
            _ => 0,
        };
        match made {
            Ok(volumes) => self.volumes = Volumes::Made(Box::new(volumes)),
            Err(failed) => {
                let patient = now.duration_since(self.start_time) < PATIENCE;
                if !patient {
                    for (name, why) in failed {
                        let message = format!("MountVolume.SetUp failed for volume \"{name}\" : {why}");
                        self.say_of_pod(true, "FailedMount", message);
                    }
                }
                let failures = if patient { before } else { before.saturating_add(1) };
                let pause = if patient { PATIENCE } else { PAUSES.0 * (1 << before.min(10)) };
                self.volumes = Volumes::Wanted { at: now + pause.min(PAUSES.1), failures };
            }
        }
    }

    /// A ConfigMap or Secret has changed: volumes that are made of it are brought up to date, and what waits for it is
    /// tried again. Gives whether there is anything to do for the Pod.
    pub fn source_changed(&mut self, kind: SourceKind, name: &str, node: &Node, now: Timestamp) -> bool {
        match &mut self.volumes {
            Volumes::Made(volumes) => {
                if volumes.sources.contains(&(kind, name.to_string())) {
                    self.reread(node);
                }
            }
            Volumes::Wanted { at, .. } => *at = now,
            Volumes::Making { .. } => {}
        }
        let mut waits = self.volumes.next_change().is_some();
        for container in &mut self.containers {
            waits |= container.retry_configuration(now);
        }
        waits
    }

    /// Whether the files of its volumes tell of labels or annotations.
    pub fn tells_metadata(&self) -> bool {
        matches!(&self.volumes, Volumes::Made(volumes) if volumes.tells_metadata)
    }

    /// Reads what the volumes are made of again.
    pub fn reread(&self, node: &Node) {
        let Volumes::Made(volumes) = &self.volumes else { return };
        let (context, reporter) = (node.context.clone(), self.reporter.clone());
        let (wanted, namespace) = (volumes.sources.clone(), self.namespace.clone());
        tokio::spawn(async move {
            if let Ok(sources) = Sources::read(&context.client, &namespace, wanted).await {
                reporter.tell(News::Reread(sources));
            }
        });
    }

    /// Brings the volumes up to date.
    pub(super) fn update_volumes(&mut self, sources: &Sources, pod: &Value, node: &Node, now: Timestamp) {
        let downward = self.downward(pod, node);
        let Volumes::Made(volumes) = &mut self.volumes else { return };
        let (tokens, host_paths) = (&node.context.tokens, &node.host_paths);
        volumes.update(&Makings { downward, sources, tokens, host_paths, now });
    }
}
