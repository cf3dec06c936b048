//! `kubectl describe`.

use super::Command;
use crate::cli::go_flags;
use crate::context::Context;
use crate::describe::Describer;
use crate::errors::CommandError;
use crate::resource::{Builder, Filenames};

#[derive(clap::Args)]
pub struct Describe {
    /// TYPE [NAME-PREFIX], TYPE/NAME..., TYPE -l SELECTOR
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// How many objects to ask for at a time; 0 asks for all at once
    #[arg(long, default_value_t = 500, value_parser = go_flags::int::<i64>)]
    chunk_size: i64,
    /// Label selector, such as app=web,tier!=cache
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Show Events: by default those of a single object that is named in full or found by type or selector
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_flags::boolean)]
    show_events: Option<bool>,
}

impl Command for Describe {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.args.is_empty() && self.files.is_empty() {
            return Err(CommandError::message(
                "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of \
                 supported resources.\n",
            ));
        }
        let builder = Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .all_namespaces(self.all_namespaces)
            .label_selector(&self.selector)
            .chunk(self.chunk_size)
            .nameless()
            .everything(true);
        let mut found = Vec::new();
        let mut errors = Vec::new();
        for info in builder.infos(true).await? {
            match info {
                Ok(info) => found.push(info),
                Err(error) => errors.push(error),
            }
        }
        if errors.iter().any(CommandError::is_not_found)
            && errors.len() == 1
            && let [typed, prefix] = self.args.as_slice()
        {
            return self.matching(cx, typed, prefix, errors.remove(0)).await;
        }
        if found.is_empty() && errors.is_empty() {
            if self.all_namespaces {
                writeln!(cx.streams.err(), "No resources found")?;
            } else {
                writeln!(cx.streams.err(), "No resources found in {} namespace.", cx.namespace()?.0)?;
            }
        }
        let undescribed = errors.is_empty();
        let show_events = self.show_events.unwrap_or(found.len() == 1);
        let describer = Describer { cx, show_events, chunk: self.chunk_size };
        for (index, info) in found.iter().enumerate() {
            let described = match info.check_name() {
                Ok(()) => describer.describe(info).await,
                Err(error) => Err(error),
            };
            match described {
                Ok(text) => {
                    let apart = if index == 0 { "" } else { "\n\n" };
                    write!(cx.streams.out(), "{apart}{text}")?;
                }
                Err(error) => errors.push(error),
            }
        }
        if undescribed { CommandError::all(errors) } else { builder.failed(errors) }
    }
}

impl Describe {
    /// Describes all objects of a type whose names begin with `prefix`; fails with `error` where there are none.
    async fn matching(
        &self,
        cx: &Context<'_>,
        typed: &str,
        prefix: &str,
        error: CommandError,
    ) -> Result<(), CommandError> {
        let describer = Describer { cx, show_events: self.show_events.unwrap_or(false), chunk: self.chunk_size };
        let builder = Builder::new(cx)?.arguments(&[typed.to_string()]).chunk(self.chunk_size).everything(true);
        let mut error = Some(error);
        for info in builder.single_type().all(true).await? {
            if info.name.starts_with(prefix) {
                error = None;
                writeln!(cx.streams.out(), "{}", describer.describe(&info).await?)?;
            }
        }
        error.map_or(Ok(()), Err)
    }
}
