//! `kubectl get`.

mod tables;
mod watch;

use super::Command;
use crate::client::Request;
use crate::client::failure::decode;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::PrintFlags;
use crate::resource::{Builder, Filenames, Info, Target, set_list_item_kind};
use crate::sort_by::sort_by;
use shared_types::fields::Fields;
use shared_types::go_quote::quote;
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Get {
    /// TYPE [NAME...], TYPE/NAME..., TYPE,TYPE
    args: Vec<String>,
    #[command(flatten)]
    files: Filenames,
    #[command(flatten)]
    print: PrintFlags,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// How many objects to ask for at a time; 0 asks for all at once
    #[arg(long, default_value_t = 500, value_parser = crate::cli::go_flags::int::<i64>)]
    chunk_size: i64,
    /// Field selector, such as status.phase=Running
    #[arg(long, default_value = "")]
    field_selector: String,
    /// Objects that do not exist are no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Labels to show as columns
    #[arg(long, short = 'L', value_delimiter = ',')]
    label_columns: Vec<String>,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// Show what happened to each object that is watched
    #[arg(long)]
    output_watch_events: bool,
    /// A path to ask the server for, instead of resources
    #[arg(long)]
    raw: Option<String>,
    /// Label selector, such as app=web,tier!=cache
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
    /// Let the server make the table
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    server_print: bool,
    /// Show the kind before each name
    #[arg(long)]
    show_kind: bool,
    /// Show labels in a last column
    #[arg(long)]
    show_labels: bool,
    /// JSONPath of the field to sort by
    #[arg(long)]
    sort_by: Option<String>,
    /// status, scale, ...
    #[arg(long, default_value = "")]
    subresource: String,
    /// Go on watching after listing
    #[arg(long, short = 'w')]
    watch: bool,
    /// Watch without listing first
    #[arg(long)]
    watch_only: bool,
}

impl Command for Get {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        if let Some(path) = self.raw.as_ref().filter(|path| !path.is_empty()) {
            return self.raw(cx, path).await;
        }
        self.check(cx)?;
        if self.watch || self.watch_only {
            return watch::run(&self, cx).await;
        }
        if self.is_human() {
            return tables::run(&self, cx).await;
        }
        self.print_objects(cx).await
    }
}

impl Get {
    fn check(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        if self.args.is_empty() && self.files.is_empty() {
            writeln!(
                cx.streams.err(),
                "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of \
                 supported resources.\n"
            )?;
            return Err(CommandError::usage(
                "get",
                "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that \
                 resource (e.g. kubectl explain pods).",
            ));
        }
        let format = self.print.output.as_deref().unwrap_or_default();
        if self.show_labels && !["", "wide"].contains(&format) {
            return Err(CommandError::message(format!("--show-labels option cannot be used with {format} printer")));
        }
        if self.output_watch_events && !(self.watch || self.watch_only) {
            return Err(CommandError::usage(
                "get",
                "--output-watch-events option can only be used with --watch or --watch-only",
            ));
        }
        Ok(())
    }

    /// Whether a table is wanted.
    fn is_human(&self) -> bool {
        matches!(self.print.format(), None | Some("wide"))
    }

    fn sort_field(&self) -> Option<&str> {
        self.sort_by.as_deref().filter(|field| !field.is_empty())
    }

    fn builder<'c, 'a>(&self, cx: &'c Context<'a>) -> Result<Builder<'c, 'a>, CommandError> {
        // Sorting takes all there is.
        let chunk = if self.sort_field().is_some() { 0 } else { self.chunk_size };
        Ok(Builder::new(cx)?
            .files(&self.files)
            .arguments(&self.args)
            .all_namespaces(self.all_namespaces)
            .label_selector(&self.selector)
            .field_selector(&self.field_selector)
            .subresource(&self.subresource)
            .chunk(chunk)
            .everything(true))
    }

    /// The request for one object.
    fn object_request(&self, info: &Info) -> Request {
        let path = info.path();
        if self.subresource.is_empty() {
            Request::get(path)
        } else {
            Request::get(format!("{path}/{}", self.subresource))
        }
    }

    /// Whether `error` is of no interest because of `--ignore-not-found`.
    fn ignores(&self, error: &CommandError) -> bool {
        self.ignore_not_found && error.is_not_found()
    }

    async fn raw(&self, cx: &Context<'_>, path: &str) -> Result<(), CommandError> {
        if self.watch || self.watch_only || !self.selector.is_empty() {
            return Err(CommandError::usage(
                "get",
                "--raw may not be specified with other flags that filter the server request or alter the output",
            ));
        }
        if !self.args.is_empty() {
            return Err(CommandError::message("arguments may not be passed when --raw is specified"));
        }
        if !path.starts_with('/') && !path.contains("://") {
            let path = quote(path);
            return Err(CommandError::message(format!(
                "--raw must be a valid URL path: parse {path}: invalid URI for request"
            )));
        }
        let client = cx.client()?;
        let mut answer = client.stream(Request::get(path).absolute(), client.access().timeout).await?;
        while let Some(piece) = answer.piece().await? {
            cx.streams.out().write_all(&piece)?;
        }
        Ok(())
    }

    /// Prints objects in any format but the tables: one by itself where one was named, else all as one list.
    async fn print_objects(&self, cx: &Context<'_>) -> Result<(), CommandError> {
        let builder = self.builder(cx)?;
        let targets = builder.targets().await?;
        let single = matches!(targets.as_slice(), [Ok(Target::Named(_) | Target::Object(_))]);
        let mut errors = Vec::new();
        let mut items: Vec<Value> = Vec::new();
        for target in targets {
            let result = match target {
                Err(error) => Err(error),
                Ok(Target::Object(info)) if info.stands_for_itself() => {
                    items.push(info.object);
                    Ok(())
                }
                Ok(Target::Named(info) | Target::Object(info)) => info
                    .read(cx, self.object_request(&info))
                    .await
                    .and_then(|a| a.json())
                    .map(|object| items.push(object)),
                Ok(Target::Collection { resource, namespace }) => {
                    builder
                        .pages(builder.list_request(&resource, &namespace), &resource, |body| {
                            let mut list = decode(body)?;
                            set_list_item_kind(&mut list);
                            if let Some(Value::Array(page)) = list.remove("items") {
                                items.extend(page);
                            }
                            Ok(list.text("metadata.continue").to_string())
                        })
                        .await
                }
            };
            match result {
                Err(error) if !self.ignores(&error) => errors.push(error),
                _ => {}
            }
        }
        let undiscovered = errors.iter().any(|error| matches!(error, CommandError::Undiscovered { .. }));
        if items.is_empty() && (single || undiscovered) {
            return builder.failed(errors);
        }
        // A format that cannot be used is told after what keeps objects from being found.
        let mut printer = self.print.for_get(self.no_headers)?;
        items = items.into_iter().map(|item| self.print.shown(item)).collect();
        if let Some(field) = self.sort_field() {
            sort_by(&mut items, field, |item| item)?;
        }
        let object = if single {
            items.remove(0)
        } else {
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
        };
        printer.print(&object, &mut *cx.streams.out().writer())?;
        CommandError::all(errors)
    }
}
