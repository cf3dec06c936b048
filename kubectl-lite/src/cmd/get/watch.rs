//! `get --watch`.

use super::Get;
use super::tables::generic;
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::Printer;
use crate::print::table::{Cells, Column, Layout, Table, TableOptions};
use crate::resource::Target;
use shared_types::fields::Fields;
use shared_types::json::{Value, from_value, json};
use shared_types::status::Status;
use std::rc::Rc;

/// The table so far.
#[derive(Default)]
struct Shown {
    options: TableOptions,
    layout: Layout,
    begun: bool,
    /// The server names the columns only once.
    columns: Vec<Column>,
}

/// Where what is seen goes.
enum Sink {
    Table(Shown),
    Objects(Box<dyn Printer>),
}

pub async fn run(get: &Get, cx: &Context<'_>) -> Result<(), CommandError> {
    if get.sort_field().is_some() {
        writeln!(cx.streams.err(), "warning: --watch requested, --sort-by will be ignored for watch events received")?;
    }
    let builder = get.builder(cx)?.single_type();
    let targets: Vec<Target> = builder.targets().await?.into_iter().collect::<Result<_, _>>()?;
    let mut watched: Option<(Rc<Resource>, Request)> = None;
    let mut first = Vec::new();
    let named = targets.iter().all(|t| !matches!(t, Target::Collection { .. }));
    let options = get.table_options();
    let mut sink = if get.is_human() {
        Sink::Table(Shown { options: options.clone(), ..Shown::default() })
    } else {
        Sink::Objects(get.print.for_get(get.no_headers)?)
    };
    let asked = |request: Request| if get.is_human() { get.as_table(request, &options) } else { request };
    let count = targets.len();
    for target in targets {
        let (request, again, resource, info) = match target {
            Target::Named(info) | Target::Object(info) => {
                let field = format!("metadata.name={}", info.name);
                let again = Request::get(info.resource.collection(&info.namespace)).query("fieldSelector", field);
                (get.object_request(&info), again, info.resource.clone(), Some(info))
            }
            Target::Collection { resource, namespace } => {
                let list = builder.list_request(&resource, &namespace);
                (list.clone(), list, resource, None)
            }
        };
        let answer = match info {
            Some(info) => info.read(cx, asked(request)).await.and_then(|answer| answer.json()),
            None => cx.client()?.json(asked(request)).await.map_err(|error| builder.explain(&resource, error)),
        };
        match answer {
            Ok(answer) => first.push(answer),
            Err(error) if get.ignores(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        watched = Some((resource, again));
    }
    if count > 1 {
        return Err(CommandError::message(
            "watch is only supported on individual resources and resource collections - more than 1 resource was found",
        ));
    }
    let (Some((resource, request)), Some(answer)) = (watched, first.pop()) else { return Ok(()) };
    if let Sink::Table(Shown { options, .. }) = &mut sink {
        options.with_namespace &= resource.namespaced;
        if get.show_kind {
            options.kind = resource.group_kind_lower();
        }
    }
    // A watch that begins at a list tells only what comes after; one on a single object first tells the object again.
    let version = if named { "0".to_string() } else { answer.text("metadata.resourceVersion").to_string() };
    if !get.watch_only {
        sink.show(get, cx, answer, "ADDED")?;
        cx.streams.out().flush()?;
    }
    let request = asked(request).query("watch", "true").query("resourceVersion", version);
    let mut events = cx.client()?.watch(request).await?;
    let mut silent = named;
    while let Some(mut event) = events.next().await? {
        let object = event.remove("object").unwrap_or_default();
        let kind = event.text("type").to_string();
        if kind == "ERROR" {
            return Err(from_value::<Status>(&object).unwrap_or_default().into());
        }
        if kind != "BOOKMARK" && !silent {
            sink.show(get, cx, object, &kind)?;
            cx.streams.out().flush()?;
        }
        silent = false;
    }
    Ok(())
}

impl Sink {
    /// Shows an object, a list of them, or a table.
    fn show(&mut self, get: &Get, cx: &Context<'_>, object: Value, event: &str) -> Result<(), CommandError> {
        match self {
            Sink::Table(shown) => {
                let table = if object.text("kind") == "Table" {
                    from_value(&object).map_err(|e| CommandError::message(e.to_string()))?
                } else {
                    generic(items(object))
                };
                shown.add(get, table, event);
                shown.layout.write(&mut *cx.streams.out().writer())
            }
            Sink::Objects(printer) => {
                for item in items(object) {
                    let mut item = get.print.shown(item);
                    if get.output_watch_events {
                        item = json!({"type": event, "object": item});
                    }
                    printer.print(&item, &mut *cx.streams.out().writer())?;
                }
                Ok(())
            }
        }
    }
}

impl Shown {
    fn add(&mut self, get: &Get, table: Table, event: &str) {
        let events = get.output_watch_events;
        if !table.column_definitions.is_empty() {
            self.columns = table.column_definitions;
            if events {
                self.columns.insert(0, Column { name: "Event".into(), ..Column::default() });
            }
        }
        let mut cells = Cells::default();
        for mut row in table.rows {
            if events {
                row.cells.insert(0, format!("{event:<8}").into());
            }
            cells.push(self.options.cells(&self.columns, &row));
        }
        if !self.begun && !cells.is_empty() {
            self.options.header(&self.columns, &mut self.layout);
            self.begun = true;
        }
        self.options.rows(&self.columns, &cells, &mut self.layout);
    }
}

/// The items of a list, each with its kind; or the one object that it is.
fn items(mut object: Value) -> Vec<Value> {
    if !object.at("items").is_array() {
        return vec![object];
    }
    crate::resource::set_list_item_kind(&mut object);
    match object.remove("items") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
