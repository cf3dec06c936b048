//! `kubectl events`.

use super::Command;
use crate::cli::go_flags;
use crate::client::Request;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::table::Layout;
use crate::print::{Order, PrintFlags};
use crate::resource::set_list_item_kind;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::time;

#[derive(clap::Args)]
pub struct Events {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    /// Look into all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    #[arg(long, default_value_t = 500, value_parser = go_flags::int::<i64>, hide = true)]
    chunk_size: i64,
    /// Only Events about TYPE/NAME
    #[arg(long = "for", default_value = "")]
    about: String,
    /// Leave out the header
    #[arg(long)]
    no_headers: bool,
    /// Normal, Warning
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// Go on watching
    #[arg(long, short)]
    watch: bool,
}

impl Command for Events {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        for wanted in &self.types {
            if !["Normal", "Warning"].iter().any(|known| known.eq_ignore_ascii_case(wanted)) {
                return Err(CommandError::message("valid --types are Normal or Warning"));
            }
        }
        let namespace = if self.all_namespaces { String::new() } else { cx.namespace()?.0 };
        let resource = cx.resource("events").await?;
        let mut request =
            Request::get(resource.collection(&namespace)).query("fieldSelector", self.selector(cx).await?);
        let client = cx.client()?;
        let list = client.typed(request.clone()).await;
        let mut list = list.map_err(|error| match error {
            CommandError::Api { mut status, doing } if status.reason == "NotFound" => {
                status.message = format!("Unable to list \"events\": {}", status.message);
                CommandError::Api { status, doing }
            }
            error => error,
        })?;
        set_list_item_kind(&mut list);
        let mut events: Vec<Value> = list.list("items").iter().filter(|e| self.fits(e)).cloned().collect();
        events.sort_by_key(last_seen);
        let mut layout = Layout::new();
        if self.print.is_set() {
            let mut printer = self.print.for_format(Order::Sorted)?;
            let all = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": events});
            printer.print(&all, &mut *cx.streams.out().writer())?;
        } else if events.is_empty() && !self.watch {
            match namespace.as_str() {
                "" => writeln!(cx.streams.err(), "No events found.")?,
                namespace => writeln!(cx.streams.err(), "No events found in {namespace} namespace.")?,
            }
        } else {
            self.header(&mut layout);
            for event in &events {
                layout.row(self.row(event));
            }
            layout.write(&mut *cx.streams.out().writer())?;
        }
        if !self.watch {
            return Ok(());
        }
        cx.streams.out().flush()?;
        let version = list.text("metadata.resourceVersion").to_string();
        request = request.query("watch", "true").query("resourceVersion", version);
        let mut watch = client.watch(request).await?;
        while let Some(event) = watch.next().await? {
            let object = event.at("object");
            if matches!(event.text("type"), "ADDED" | "MODIFIED") && self.fits(object) {
                layout.row(self.row(object));
                layout.write(&mut *cx.streams.out().writer())?;
                cx.streams.out().flush()?;
            }
        }
        Ok(())
    }
}

impl Events {
    /// The field selector for `--for`.
    async fn selector(&self, cx: &Context<'_>) -> Result<String, CommandError> {
        if self.about.is_empty() {
            return Ok(String::new());
        }
        let Some((typed, name)) = self.about.split_once('/').filter(|(t, n)| !t.is_empty() && !n.is_empty()) else {
            return Err(CommandError::message("--for must be in resource/name form"));
        };
        if name.contains('/') {
            return Err(CommandError::message("arguments in resource/name form may not have more than one slash"));
        }
        let resource = cx.discovered(typed, 2).await.map_err(CommandError::without_prefix)?;
        Ok(format!(
            "involvedObject.apiVersion={},involvedObject.kind={},involvedObject.name={name}",
            resource.api_version(),
            resource.kind
        ))
    }

    fn fits(&self, event: &Value) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(event.text("type")))
    }

    fn header(&self, layout: &mut Layout) {
        if self.no_headers {
            return;
        }
        let namespace = self.all_namespaces.then_some("NAMESPACE");
        let columns = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        layout.row(namespace.into_iter().chain(columns));
    }

    fn row(&self, event: &Value) -> Vec<String> {
        let object = event.at("involvedObject");
        let mut row = Vec::new();
        if self.all_namespaces {
            row.push(event.namespace().to_string());
        }
        row.extend([
            interval(event),
            event.text("type").to_string(),
            event.text("reason").to_string(),
            format!("{}/{}", object.text("kind"), object.text("name")),
            event.text("message").trim().to_string(),
        ]);
        row
    }
}

/// The field that says when the Event was last seen.
fn last_seen(event: &Value) -> String {
    let fields = ["series.lastObservedTime", "lastTimestamp", "eventTime", "metadata.creationTimestamp"];
    fields.iter().map(|f| event.text(f)).find(|t| !t.is_empty()).unwrap_or_default().to_string()
}

/// How long ago: once, or the last time with how often and since when.
fn interval(event: &Value) -> String {
    let first =
        [event.text("firstTimestamp"), event.text("eventTime")].into_iter().find(|t| !t.is_empty()).unwrap_or("");
    let count = event.int("series.count").or_else(|| event.int("count")).unwrap_or(1);
    let last = [event.text("series.lastObservedTime"), event.text("lastTimestamp")]
        .into_iter()
        .find(|t| !t.is_empty())
        .unwrap_or(first);
    if count > 1 {
        return format!("{} (x{count} over {})", since(last), since(first));
    }
    since(if last.is_empty() { first } else { last })
}

fn since(text: &str) -> String {
    match time::parse_time(text) {
        Some(then) => time::human_duration(jiff::Timestamp::now().duration_since(then)),
        None => "<unknown>".to_string(),
    }
}
