//! Seeing to the image of a container before it starts.

use super::{PodState, spec_of};
use crate::node::kubelet::container::State;
use crate::node::kubelet::node::Node;
use crate::node::runtime::Reference;
use jiff::{SignedDuration, Timestamp};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::time::Duration;

impl PodState {
    /// Sees to the container's image.
    pub(super) fn prepare(&mut self, at: usize, pod: &Value, node: &mut Node, now: Timestamp) {
        let spec = spec_of(pod, &self.containers[at]);
        let (image, policy) = (spec.text("image").to_string(), spec.text("imagePullPolicy"));
        self.containers[at].image.clone_from(&image);
        self.dirty = true;
        let reference = match Reference::parse(&image) {
            Ok(reference) => reference,
            Err(message) => {
                self.say(true, "InspectFailed", at, message.clone());
                self.say(true, "Failed", at, "Error: InvalidImageName".into());
                self.containers[at].state = State::Error { reason: "InvalidImageName", message, retry: None };
                return;
            }
        };
        let present = node.images.contains(&reference.full());
        if present && policy != "Always" {
            let message =
                format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
            self.say(false, "Pulled", at, message);
            self.containers[at].state = State::Starting { at: now + start_time(node, &reference) };
        } else if policy == "Never" {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.say(true, "ErrImageNeverPull", at, message.clone());
            self.say(true, "Failed", at, "Error: ErrImageNeverPull".into());
            let reason = "ErrImageNeverPull";
            self.containers[at].state = State::Error { reason, message, retry: None };
        } else {
            self.say(false, "Pulling", at, format!("Pulling image \"{image}\""));
            // An image that is there is only checked for news.
            let time = if present { node.latencies.pull / 10 } else { node.latencies.pull };
            self.containers[at].state = State::Pulling { until: now + time, began: now };
        }
    }

    pub(super) fn finish_pull(&mut self, at: usize, node: &mut Node, began: Timestamp, now: Timestamp) {
        let image = self.containers[at].image.clone();
        let Ok(reference) = Reference::parse(&image) else { return };
        self.dirty = true;
        match node.context.images.resolve(&reference) {
            Ok(()) => {
                node.images.insert(reference.full());
                let took =
                    format!("{:?}", Duration::from_millis(now.duration_since(began).as_millis().unsigned_abs() as u64));
                let size = reference.size();
                let message = format!(
                    "Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {size} bytes."
                );
                self.say(false, "Pulled", at, message);
                // The pauses after failed pulls do not count for the container.
                self.containers[at].backoff = Default::default();
                self.containers[at].state = State::Starting { at: now + start_time(node, &reference) };
            }
            Err(why) => {
                let backoff = &mut self.containers[at].backoff;
                // The first attempt is followed by a pause, too.
                let delay = match backoff.next(now) {
                    SignedDuration::ZERO => backoff.next(now),
                    delay => delay,
                };
                self.say(true, "Failed", at, format!("Failed to pull image \"{image}\": {why}"));
                self.say(true, "Failed", at, "Error: ErrImagePull".into());
                self.say(false, "BackOff", at, format!("Back-off pulling image \"{image}\""));
                self.say(true, "Failed", at, "Error: ImagePullBackOff".into());
                let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
                let retry = Some(now + delay);
                self.containers[at].state = State::Error { reason: "ImagePullBackOff", message, retry };
            }
        }
    }
}

/// How long a container of the image takes to start.
fn start_time(node: &Node, reference: &Reference) -> SignedDuration {
    let own = SignedDuration::try_from(node.context.images.find(reference).start_delay).unwrap_or_default();
    node.latencies.start.saturating_add(own)
}
