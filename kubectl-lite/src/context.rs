//! What a command is given: streams, global flags, and through them the kubeconfig, the namespace and the client.

use crate::cli::Globals;
use crate::client::kubeconfig::{self, Kubeconfig};
use crate::errors::CommandError;
use crate::streams::Streams;
use std::cell::OnceCell;
use std::path::PathBuf;

/// The surroundings of one run of a command. Everything below is made when it is first asked for.
pub struct Context<'a> {
    pub streams: &'a Streams,
    pub globals: Globals,
    kubeconfig: OnceCell<Kubeconfig>,
}

impl<'a> Context<'a> {
    pub fn new(streams: &'a Streams, globals: Globals) -> Context<'a> {
        Context { streams, globals, kubeconfig: OnceCell::new() }
    }

    /// The kubeconfig: `--kubeconfig`, else the files of `$KUBECONFIG` merged, else `~/.kube/config`, else the one that
    /// a server of ours wrote into its default data folder.
    pub fn kubeconfig(&self) -> Result<&Kubeconfig, CommandError> {
        if let Some(config) = self.kubeconfig.get() {
            return Ok(config);
        }
        let config = kubeconfig::load(&kubeconfig::paths(self.globals.kubeconfig.as_deref()))?;
        Ok(self.kubeconfig.get_or_init(|| config))
    }
}

/// The user's home folder.
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|path| !path.as_os_str().is_empty())
}
