//! The tables of `get`.

use super::Get;
use crate::client::failure::{decode, decode_as};
use crate::client::{Request, Resource};
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::table::{Cells, Column, Layout, Row, Table, TableOptions};
use crate::resource::Target;
use crate::sort_by::sort_by;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::time;
use std::rc::Rc;

/// Asks for a table, and takes objects from those who have none.
pub const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// What one target gave.
struct Part {
    resource: Rc<Resource>,
    options: TableOptions,
    columns: Vec<Column>,
    cells: Cells,
    /// Rows that are still to be sorted; without `--sort-by` only their cells are kept.
    unsorted: Vec<Row>,
}

pub async fn run(get: &Get, cx: &Context<'_>) -> Result<(), CommandError> {
    let builder = get.builder(cx)?;
    let targets = builder.targets().await?;
    let options = get.table_options();
    let mut parts: Vec<Part> = Vec::new();
    let mut errors = Vec::new();
    let mut namespaced = !get.all_namespaces;
    for target in targets {
        let (request, resource, named) = match target {
            Err(error) => {
                errors.push(error);
                continue;
            }
            Ok(Target::Named(info) | Target::Object(info)) => {
                (get.object_request(&info), info.resource.clone(), Some(info))
            }
            Ok(Target::Collection { resource, namespace }) => {
                (builder.list_request(&resource, &namespace), resource, None)
            }
        };
        namespaced &= resource.namespaced;
        let request = get.as_table(request, &options);
        let mut part = Part::new(resource.clone(), options.clone());
        let sorted = get.sort_field().is_some();
        let result = match named {
            Some(info) if info.stands_for_itself() => {
                part.add(generic(vec![info.object]), sorted);
                Ok(())
            }
            Some(info) => info
                .read(cx, request)
                .await
                .and_then(|answer| read(answer.object()?))
                .map(|table| part.add(table, sorted)),
            None => {
                builder
                    .pages(request, &resource, |body| {
                        let table = read(body)?;
                        let token = table.metadata.r#continue.clone();
                        part.add(table, sorted);
                        Ok(token)
                    })
                    .await
            }
        };
        match result {
            Ok(()) => parts.push(part),
            Err(error) if get.ignores(&error) => {}
            Err(error) => errors.push(error),
        }
    }
    if let Some(field) = get.sort_field() {
        let single = parts.len() == 1;
        for part in &mut parts {
            match part.sort(field, single) {
                // A single table that cannot be sorted counts as empty, unless it has but one row.
                Err(_) if single => {}
                sorted => sorted?,
            }
        }
    }
    let printed = print(get, cx, parts)?;
    if !printed && !get.ignore_not_found && errors.is_empty() {
        if namespaced {
            writeln!(cx.streams.err(), "No resources found in {} namespace.", cx.namespace()?.0)?;
        } else {
            writeln!(cx.streams.err(), "No resources found")?;
        }
    }
    builder.failed(errors)
}

/// Prints the parts, one below the other; gives whether there was anything to print.
fn print(get: &Get, cx: &Context<'_>, parts: Vec<Part>) -> Result<bool, CommandError> {
    let several = parts.windows(2).any(|pair| pair[0].resource != pair[1].resource);
    let mut layout = Layout::new();
    let mut last: Option<Rc<Resource>> = None;
    let mut printed = false;
    for mut part in parts.into_iter().filter(|part| !part.cells.is_empty()) {
        if get.show_kind || several {
            part.options.kind = part.resource.group_kind_lower();
        }
        if last.is_none_or(|resource| resource != part.resource) {
            layout.write(&mut *cx.streams.out().writer())?;
            layout.reset();
            if printed && !get.no_headers {
                writeln!(cx.streams.out())?;
            }
            part.options.header(&part.columns, &mut layout);
        }
        part.options.rows(&part.columns, &part.cells, &mut layout);
        last = Some(part.resource);
        printed = true;
    }
    layout.write(&mut *cx.streams.out().writer())?;
    Ok(printed)
}

/// Reads an answer as a table; objects of a server that makes none get the columns that all objects have.
pub fn read(body: &[u8]) -> Result<Table, CommandError> {
    let table: Table = decode_as(body)?;
    if table.kind == "Table" {
        return Ok(table);
    }
    let mut object = decode(body)?;
    let objects = match object.remove("items") {
        Some(Value::Array(items)) => items,
        _ => vec![std::mem::take(&mut object)],
    };
    let mut plain = generic(objects);
    plain.metadata = table.metadata;
    Ok(plain)
}

/// A table with name and age alone.
pub fn generic(objects: Vec<Value>) -> Table {
    let column = |name: &str, format: &str| Column { name: name.into(), format: format.into(), ..Column::default() };
    let rows = objects
        .into_iter()
        .map(|object| {
            let age = time::parse_time(object.text("metadata.creationTimestamp"))
                .map_or("<unknown>".to_string(), |then| {
                    time::human_duration(jiff::Timestamp::now().duration_since(then))
                });
            Row { cells: vec![object.name().into(), age.into()], object }
        })
        .collect();
    Table {
        kind: "Table".into(),
        column_definitions: vec![column("Name", "name"), column("Age", "")],
        rows,
        ..Table::default()
    }
}

impl Part {
    fn new(resource: Rc<Resource>, options: TableOptions) -> Part {
        let with_namespace = options.with_namespace && resource.namespaced;
        let options = TableOptions { with_namespace, ..options };
        Part { resource, options, columns: Vec::new(), cells: Cells::default(), unsorted: Vec::new() }
    }

    fn add(&mut self, table: Table, to_be_sorted: bool) {
        if !table.column_definitions.is_empty() {
            self.columns = table.column_definitions;
        }
        if to_be_sorted {
            self.unsorted.extend(table.rows);
        } else {
            self.keep(table.rows);
        }
    }

    fn sort(&mut self, field: &str, single: bool) -> Result<(), CommandError> {
        let mut rows = std::mem::take(&mut self.unsorted);
        if rows.len() > 1 || !single {
            sort_by(&mut rows, field, |row| &row.object)?;
        }
        self.keep(rows);
        Ok(())
    }

    fn keep(&mut self, rows: Vec<Row>) {
        for row in rows {
            self.cells.push(self.options.cells(&self.columns, &row));
        }
    }
}

impl Get {
    /// How tables are shown, but for the kind before names.
    pub fn table_options(&self) -> TableOptions {
        TableOptions {
            no_headers: self.no_headers,
            wide: self.print.format() == Some("wide"),
            with_namespace: self.all_namespaces,
            show_labels: self.show_labels,
            label_columns: self.label_columns.clone(),
            ..TableOptions::default()
        }
    }

    /// `request` for a table; rows bring along only what is needed of their objects.
    pub fn as_table(&self, request: Request, options: &TableOptions) -> Request {
        if !self.server_print {
            return request;
        }
        let include = if self.sort_field().is_some() {
            "Object"
        } else if options.needs_metadata() {
            ""
        } else {
            "None"
        };
        request.accept(AS_TABLE).query("includeObject", include)
    }
}
