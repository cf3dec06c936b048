//! What a command is given: streams, global flags, and through them the kubeconfig, the namespace and the client.

use crate::cli::Globals;
use crate::client::access::{self, Access};
use crate::client::assumed::Assumed;
use crate::client::kubeconfig::{self, Kubeconfig};
use crate::client::{Client, Resource, RestMapper, credentials, discovery};
use crate::errors::CommandError;
use crate::kuberc::PluginPolicy;
use crate::streams::Streams;
use shared_types::fields::Fields;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;

/// The surroundings of one run of a command. Everything below is made when it is first asked for.
pub struct Context<'a> {
    pub streams: &'a Streams,
    pub globals: Globals,
    plugins: PluginPolicy,
    kubeconfig: OnceCell<Kubeconfig>,
    client: OnceCell<Client<'a>>,
    mapper: OnceCell<RestMapper>,
}

impl<'a> Context<'a> {
    pub fn new(streams: &'a Streams, globals: Globals, plugins: PluginPolicy) -> Context<'a> {
        let (kubeconfig, client, mapper) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Context { streams, globals, plugins, kubeconfig, client, mapper }
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

    /// The client for the chosen context.
    pub fn client(&self) -> Result<&Client<'a>, CommandError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut access = Access::resolve(self.kubeconfig()?, &self.globals)?;
        if access.is_anonymous() {
            access.basic = Some(credentials::ask(self.streams)?);
        }
        if let Some(exec) = &access.exec {
            let refused =
                |why| CommandError::Raw(format!("Unable to connect to the server: getting credentials: {why}"));
            self.plugins.check(exec.text("command")).map_err(refused)?;
        }
        let client = Client::new(access, self.streams, self.globals.verbosity)?
            .matching_version(self.globals.match_server_version);
        Ok(self.client.get_or_init(|| client))
    }

    /// `--warnings-as-errors`: fails if the server has warned.
    pub fn check_warnings(&self) -> Result<(), CommandError> {
        let count = self.client.get().map_or(0, Client::warnings);
        match count {
            _ if !self.globals.warnings_as_errors => Ok(()),
            0 => Ok(()),
            1 => Err(CommandError::message("1 warning received")),
            many => Err(CommandError::message(format!("{many} warnings received"))),
        }
    }

    /// The namespace to work in, and whether `--namespace` asked for it.
    pub fn namespace(&self) -> Result<(String, bool), CommandError> {
        match &self.globals.namespace {
            Some(namespace) if !namespace.is_empty() => Ok((namespace.clone(), true)),
            _ => Ok((access::namespace(self.kubeconfig()?, &self.globals)?, false)),
        }
    }

    /// The mapping from names to resources.
    pub fn mapper(&self) -> Result<&RestMapper, CommandError> {
        if let Some(mapper) = self.mapper.get() {
            return Ok(mapper);
        }
        let folder = match &self.globals.cache_dir {
            Some(folder) => Some(PathBuf::from(folder)),
            None => home().map(|home| home.join(".kube/cache")),
        };
        let host = self.client()?.access().host();
        let file = folder.map(|folder| discovery::cache_file(&folder, host));
        Ok(self.mapper.get_or_init(|| RestMapper::new(file)))
    }

    /// Remembers what is taken for granted without asking the server, unless it is known from before.
    pub fn assume(&self, assumed: Assumed) -> Result<(), CommandError> {
        if matches!(assumed, Assumed::Schemas { .. }) || !self.mapper()?.is_known() {
            self.client()?.assume(assumed, self.mapper()?.mark());
        }
        Ok(())
    }

    /// [`Context::resource`] where kubectl asks discovery for it, and gives up after having asked so often.
    pub async fn discovered(&self, typed: &str, tries: usize) -> Result<Rc<Resource>, CommandError> {
        self.assume(Assumed::Resources { tries })?;
        self.resource(typed).await
    }

    /// The resource that is meant by what somebody typed.
    pub async fn resource(&self, typed: &str) -> Result<Rc<Resource>, CommandError> {
        self.mapper()?.resource(self.client()?, typed).await
    }
}

/// The user's home folder.
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|path| !path.as_os_str().is_empty())
}
