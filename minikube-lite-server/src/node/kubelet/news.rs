//! What comes back into the kubelet's loop from what it has set going.

use super::config::sources::{SourceKind, Sources};
use super::config::volumes::{Failures, PodVolumes};
use super::probe::Finding;
use crate::node::runtime::container::Ended;
use shared_types::json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A message to the kubelet's loop.
pub enum Message {
    /// Something has happened to a Pod.
    Pod {
        uid: Arc<str>,
        news: News,
        /// The Pod as it was when this was set going, where nothing of it can have become too old.
        pod: Option<Arc<Value>>,
    },
    /// A ConfigMap or Secret has changed, or is gone.
    Source { kind: SourceKind, namespace: Arc<str>, name: Arc<str> },
}

/// What has happened to a Pod.
pub enum News {
    /// Its volumes have been made, or not.
    Mounted(Result<PodVolumes, Failures>),
    /// The ConfigMaps and Secrets that its volumes are made of have been read again.
    Reread(Sources),
    /// Something happened to a container.
    Container { name: String, event: ContainerNews },
}

/// What has happened to a container. Most of it is about the run with this number.
pub enum ContainerNews {
    /// What its variables are taken from has been read; the error is the API's.
    Read(Result<Sources, String>),
    /// Its postStart hook has ended; the error is why it failed.
    Hooked {
        run: u32,
        result: Result<(), String>,
    },
    /// Its preStop hook has failed.
    NotPrepared {
        run: u32,
    },
    Probed {
        run: u32,
        finding: Finding,
    },
    Ended {
        run: u32,
        ended: Ended,
    },
}

/// Where news of one Pod go.
#[derive(Clone)]
pub struct Reporter {
    pub uid: Arc<str>,
    pub messages: mpsc::UnboundedSender<Message>,
}

impl Reporter {
    pub fn tell(&self, news: News) {
        self.tell_of(news, None);
    }
    /// Tells news together with the Pod that they are about.
    pub fn tell_of(&self, news: News, pod: Option<Arc<Value>>) {
        // Without a loop nobody needs to know.
        let _ = self.messages.send(Message::Pod { uid: self.uid.clone(), news, pod });
    }
    pub fn tell_of_container(&self, name: &str, event: ContainerNews) {
        self.tell(News::Container { name: name.to_string(), event });
    }
}
