//! What is taken for granted without discovery, for the sake of speed, is looked up after all once a request fails:
//! kubectl asks discovery first, and what it meets there is what it tells.

use super::discovery;
use super::failure::is_considered;
use super::transport::{Client, Request};
use crate::errors::CommandError;
use crate::klog;
use std::path::PathBuf;

/// What kubectl would have learnt from the server before its first request.
#[derive(Debug)]
pub enum Assumed {
    /// Which resources are meant; kubectl gives up after having asked this often.
    Resources { tries: usize },
    /// That objects of the file are of kinds that the server has.
    Kinds { file: String },
    /// The same, and what such objects must look like.
    Schemas { file: String },
}

impl Client<'_> {
    /// Remembers what is taken for granted. What came first counts, until a request succeeds; `mark` is the file that
    /// then tells that the server is known.
    pub fn assume(&self, assumed: Assumed, mark: Option<PathBuf>) {
        self.assumed.borrow_mut().get_or_insert((assumed, mark));
    }

    /// A request has succeeded, and with it what was assumed.
    pub(super) fn confirm(&self) {
        if let Some((_, Some(mark))) = self.assumed.take() {
            // Without the mark, what fails next is looked up once more.
            let _ = mark.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(mark, "");
        }
    }

    /// What is to be told about a request that has failed.
    pub(super) async fn failure(&self, error: CommandError) -> CommandError {
        let assumed = self.assumed.take();
        if let Some((assumed, _)) = assumed.filter(|_| !is_considered(&error)) {
            // Discovery asks by the same client, hence the box.
            match Box::pin(self.look_up(&assumed)).await {
                Ok(()) | Err(CommandError::Exit(_)) => {}
                Err(found) => return found,
            }
        }
        self.tell_cut_off(&error).err().unwrap_or(error)
    }

    /// Makes sure of what was assumed where nothing else is asked of the server.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn look_up_assumed(&self) -> Result<(), CommandError> {
        let Some((assumed, mark)) = self.assumed.take() else { return Ok(()) };
        self.look_up(&assumed).await?;
        *self.assumed.borrow_mut() = Some((assumed, mark));
        self.confirm();
        Ok(())
    }

    async fn look_up(&self, assumed: &Assumed) -> Result<(), CommandError> {
        if let Assumed::Schemas { file } = assumed {
            return self.openapi().await.map_err(|error| CommandError::Undiscovered {
                error: Box::new(CommandError::message(format!(
                    "error validating {file:?}: error validating data: failed to download openapi: {}; if you choose \
                     to ignore these errors, turn validation off with --validate=false",
                    error.text()
                ))),
                unrecognized: None,
            });
        }
        match discovery::fetch(self, None).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.tell(assumed, error)?),
        }
    }

    /// What is to be told about discovery that has failed.
    pub(super) async fn undiscovered(&self, error: CommandError) -> CommandError {
        let assumed = self.assumed.take().map_or(Assumed::Resources { tries: 1 }, |(assumed, _)| assumed);
        if matches!(assumed, Assumed::Schemas { .. })
            && let Err(found) = self.look_up(&assumed).await
        {
            return found;
        }
        self.tell(&assumed, error).unwrap_or_else(|failed| failed)
    }

    /// Tells, as often as kubectl does, that discovery has failed.
    fn tell(&self, assumed: &Assumed, error: CommandError) -> Result<CommandError, CommandError> {
        let (tries, unrecognized) = match assumed {
            Assumed::Resources { tries } => (*tries, None),
            Assumed::Kinds { file } | Assumed::Schemas { file } => (1, Some(file.clone())),
        };
        for _ in 0..tries {
            self.tell_cut_off(&error)?;
            let why = format!("couldn't get current server API group list: {}", error.text());
            klog::error(self.streams(), "memcache.go:265", "Unhandled Error", &why)?;
        }
        Ok(CommandError::Undiscovered { error: Box::new(error), unrecognized })
    }

    /// Whether the server tells about its types: by OpenAPI v3, else v2.
    async fn openapi(&self) -> Result<(), CommandError> {
        let ask = async |path: &str| {
            let answer = self.attempt(&Request::get(path).bare().query("timeout", self.patience())).await;
            if let Err(error) = &answer {
                self.tell_cut_off(error)?;
            }
            answer
        };
        if ask("/openapi/v3").await.is_ok_and(|answer| answer.body.starts_with(b"{")) {
            return Ok(());
        }
        let answer = ask("/openapi/v2").await?;
        if answer.body.starts_with(b"{") {
            return Ok(());
        }
        Err(CommandError::message("proto: cannot parse invalid wire-format data"))
    }
}
