//! Taking in what has happened meanwhile.

use super::PodState;
use crate::node::kubelet::container::{After, State};
use crate::node::kubelet::news::{ContainerNews, News};
use crate::node::kubelet::node::Node;
use crate::node::runtime::container::Ended;
use jiff::{SignedDuration, Timestamp};
use shared_types::json::Value;
use std::sync::Arc;

/// The pause after which the API is asked again for what it could not give.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(1);

impl PodState {
    /// Takes in news. [`PodState::advance`] is to be called afterwards.
    pub fn receive(&mut self, news: News, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        match news {
            News::Mounted(made) => self.mounted(made, now),
            News::Reread(sources) => self.update_volumes(&sources, pod, node, now),
            News::Container { name, event } => {
                if let Some(at) = self.containers.iter().position(|container| container.name == name) {
                    self.receive_of(at, event, pod, node, now);
                }
            }
        }
    }

    fn receive_of(&mut self, at: usize, news: ContainerNews, pod: &Arc<Value>, node: &mut Node, now: Timestamp) {
        let number = self.containers[at].restarts;
        match news {
            ContainerNews::Read(read) => {
                self.containers[at].is_reading = false;
                if self.ending.is_some() || self.is_finished() {
                    return;
                }
                match read {
                    Ok(sources) => self.start(at, &sources, pod, node, now),
                    Err(why) => {
                        tracing::warn!(pod = self.name, why, "ConfigMaps and Secrets could not be read");
                        if let State::Starting { at } = &mut self.containers[at].state {
                            *at = now + READ_AGAIN;
                        }
                    }
                }
            }
            ContainerNews::Hooked { run, result } if run == number => self.hooked(at, result, pod, node, now),
            ContainerNews::NotPrepared { run } if run == number => {
                self.say(true, "FailedPreStopHook", at, "PreStopHook failed".into());
            }
            ContainerNews::Probed { run, finding } if run == number => self.probed(at, finding, pod, node, now),
            ContainerNews::Ended { run, ended } if run == number => self.ended(at, ended, now),
            // Of an earlier run.
            _ => {}
        }
    }

    /// A container has ended.
    fn ended(&mut self, at: usize, ended: Ended, now: Timestamp) {
        let container = &mut self.containers[at];
        if container.end(ended).is_none() {
            return;
        }
        if let Some(sandbox) = &self.sandbox {
            sandbox.ended(&container.name);
        }
        self.dirty = true;
        let after = container.stopping.take();
        if self.ending.is_some() || self.is_stopping() {
            return;
        }
        match after {
            Some(After::NewImage) => {
                // The new image may have to be pulled, and is started without a pause.
                let container = &mut self.containers[at];
                if let State::Terminated { how, .. } = &container.state {
                    container.last = Some(how.clone());
                }
                container.restarts = container.restarts.saturating_add(1);
                container.state = State::Blocked;
            }
            Some(After::Nothing) => {}
            after => self.consider_restart(at, after.is_some(), now),
        }
    }
}
