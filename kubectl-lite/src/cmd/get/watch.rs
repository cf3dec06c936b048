//! `get --watch`.

use super::Get;
use super::tables::{self, generic};
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::Printer;
use crate::print::table::{Layout, Table, TableOptions};
use crate::resource::Target;
use serde_json::{Value, json};
use shared_types::fields::Fields;
use shared_types::status::Status;
use std::rc::Rc;

/// Where what is seen goes.
enum Sink {
    Table { options: TableOptions, layout: Layout, begun: bool },
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
        Sink::Table { options: options.clone(), layout: Layout::new(), begun: false }
    } else {
        Sink::Objects(get.print.for_get()?)
    };
    let asked = |request: Request| if get.is_human() { get.as_table(request, &options) } else { request };
    let count = targets.len();
    for target in targets {
        let (request, again, resource) = match target {
            Target::Named(info) | Target::Object(info) => {
                let field = format!("metadata.name={}", info.name);
                let again = Request::get(info.resource.collection(&info.namespace)).query("fieldSelector", field);
                (get.object_request(&info), again, info.resource)
            }
            Target::Collection { resource, namespace } => {
                let list = builder.list_request(&resource, &namespace);
                (list.clone(), list, resource)
            }
        };
        let answer = cx.client()?.json(asked(request)).await.map_err(|e| if named { e } else { builder.explain(&resource, e) });
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
    if let Sink::Table { options, .. } = &mut sink {
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
            return Err(serde_json::from_value::<Status>(object).unwrap_or_default().into());
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
            Sink::Table { options, layout, begun } => {
                let table = if object.text("kind") == "Table" {
                    serde_json::from_value(object).map_err(|e| CommandError::message(e.to_string()))?
                } else {
                    generic(items(object))
                };
                Self::show_table(get, cx, table, event, options, layout, begun)
            }
            Sink::Objects(printer) => {
                for mut item in items(object) {
                    if !get.print.show_managed_fields {
                        item.remove("metadata.managedFields");
                    }
                    if get.output_watch_events {
                        item = json!({"type": event, "object": item});
                    }
                    printer.print(&item, &mut *cx.streams.out().writer())?;
                }
                Ok(())
            }
        }
    }

    fn show_table(
        get: &Get,
        cx: &Context<'_>,
        mut table: Table,
        event: &str,
        options: &TableOptions,
        layout: &mut Layout,
        begun: &mut bool,
    ) -> Result<(), CommandError> {
        if table.rows.is_empty() {
            return Ok(());
        }
        if get.output_watch_events {
            let column = tables::read(b"{}").map(|t| t.column_definitions).unwrap_or_default().into_iter().next();
            let column = crate::print::table::Column { name: "Event".into(), format: String::new(), ..column.unwrap_or_default() };
            table.column_definitions.insert(0, column);
            for row in &mut table.rows {
                row.cells.insert(0, format!("{event:<8}").into());
            }
        }
        if !*begun {
            options.header(&table.column_definitions, layout);
            *begun = true;
        }
        for row in &table.rows {
            options.row(&table.column_definitions, row, layout);
        }
        layout.write(&mut *cx.streams.out().writer())
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
