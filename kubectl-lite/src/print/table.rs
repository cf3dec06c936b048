//! Tables: the server's (`meta.k8s.io/v1 Table`), and the layout that all of kubectl's share.

use crate::errors::CommandError;
use serde::Deserialize;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};
use std::borrow::Cow;
use std::io::Write;

/// Three blanks part the columns, and none is narrower than this with them.
const PADDING: usize = 3;
const NARROWEST: usize = 6;

/// The cells of many rows, one after the other in a single text: a list of 20,000 Pods has to be held until its last
/// cell is known, because the longest one decides how wide a column is.
#[derive(Debug, Default)]
pub struct Cells {
    text: String,
    /// Where each cell ends in the text.
    ends: Vec<usize>,
    /// Where each row ends among the cells.
    rows: Vec<usize>,
}

impl Cells {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = impl AsRef<str>>) {
        for cell in row {
            self.text.push_str(cell.as_ref());
            self.ends.push(self.text.len());
        }
        self.rows.push(self.ends.len());
    }
    /// The rows, each as its cells.
    pub fn rows(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = &str>> {
        let begin = |ends: &[usize], index: usize| index.checked_sub(1).map_or(0, |before| ends[before]);
        (0..self.rows.len()).map(move |row| {
            (begin(&self.rows, row)..self.rows[row])
                .map(move |cell| &self.text[begin(&self.ends, cell)..self.ends[cell]])
        })
    }
}

/// Rows that are laid out together. Widths are remembered from one [`Layout::write`] to the next, so that what a watch
/// adds stands under what came before.
pub struct Layout {
    cells: Cells,
    widths: Vec<usize>,
    padding: usize,
    narrowest: usize,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { cells: Cells::default(), widths: Vec::new(), padding: PADDING, narrowest: NARROWEST }
    }
}

impl Layout {
    pub fn new() -> Layout {
        Layout::default()
    }
    /// A layout with another distance between columns, which may then be as narrow as they are.
    pub fn with_padding(padding: usize) -> Layout {
        Layout { padding, narrowest: 0, ..Layout::default() }
    }
    /// Adds a row. The last cell is written as it is; those before it are padded.
    pub fn row(&mut self, row: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut row = row.into_iter().peekable();
        let mut index = 0;
        self.cells.push(std::iter::from_fn(|| {
            let cell = row.next()?;
            if row.peek().is_some() {
                let width = (cell.as_ref().chars().count() + self.padding).max(self.narrowest);
                match self.widths.get_mut(index) {
                    Some(known) => *known = width.max(*known),
                    None => self.widths.push(width),
                }
                index += 1;
            }
            Some(cell)
        }));
    }
    /// Writes the rows that have been added.
    pub fn write(&mut self, out: &mut dyn Write) -> Result<(), CommandError> {
        for row in std::mem::take(&mut self.cells).rows() {
            let last = row.len().saturating_sub(1);
            for (index, cell) in row.enumerate() {
                match self.widths.get(index) {
                    Some(width) if index < last => write!(out, "{cell:<width$}")?,
                    _ => out.write_all(cell.as_bytes())?,
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
    /// Forgets the widths: the next rows are a table of their own.
    pub fn reset(&mut self) {
        self.widths.clear();
    }
}

/// A `meta.k8s.io/v1 Table`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Table {
    pub kind: String,
    pub metadata: ListMeta,
    /// `null` after the first event of a watch.
    #[serde(deserialize_with = "null_as_empty")]
    pub column_definitions: Vec<Column>,
    #[serde(deserialize_with = "null_as_empty")]
    pub rows: Vec<Row>,
}

fn null_as_empty<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    pub resource_version: String,
    pub r#continue: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    pub name: String,
    pub r#type: String,
    pub format: String,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Row {
    pub cells: Vec<Value>,
    /// The object (or its metadata), where it was asked for.
    pub object: Value,
}

/// How a server's table is shown.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    pub no_headers: bool,
    pub wide: bool,
    pub with_namespace: bool,
    /// `pod` or `deployment.apps` before names; empty for none.
    pub kind: String,
    pub show_labels: bool,
    /// `-L`: a column for each.
    pub label_columns: Vec<String>,
}

impl TableOptions {
    /// Whether rows must come with their objects' metadata.
    pub fn needs_metadata(&self) -> bool {
        self.with_namespace || self.show_labels || !self.label_columns.is_empty()
    }

    /// The header, unless none is wanted.
    pub fn header(&self, columns: &[Column], layout: &mut Layout) {
        if self.no_headers {
            return;
        }
        let mut cells = Vec::new();
        if self.with_namespace {
            cells.push("NAMESPACE".to_string());
        }
        cells.extend(self.shown(columns).map(|(_, column)| column.name.to_uppercase()));
        // The last part of a label's key names its column.
        cells.extend(self.label_columns.iter().map(|key| key.rsplit('/').next().unwrap_or(key).to_uppercase()));
        if self.show_labels {
            cells.push("LABELS".to_string());
        }
        layout.row(cells);
    }

    /// The cells of one row, without the kind before the name.
    pub fn cells(&self, columns: &[Column], row: &Row) -> Vec<String> {
        let mut cells = Vec::new();
        if self.with_namespace {
            cells.push(row.object.namespace().to_string());
        }
        cells.extend(self.shown(columns).map(|(index, _)| row.cells.get(index).map(cell_text).unwrap_or_default()));
        let labels = row.object.map("metadata.labels");
        cells.extend(
            self.label_columns
                .iter()
                .map(|key| labels.get(key).and_then(Value::as_str).unwrap_or_default().to_string()),
        );
        if self.show_labels {
            cells.push(labels_text(labels));
        }
        cells
    }

    /// Adds rows that [`TableOptions::cells`] made.
    pub fn rows(&self, columns: &[Column], rows: &Cells, layout: &mut Layout) {
        let names = self.shown(columns).position(|(_, column)| column.format == "name");
        let names = names.filter(|_| !self.kind.is_empty()).map(|index| index + usize::from(self.with_namespace));
        for row in rows.rows() {
            layout.row(row.enumerate().map(|(index, cell)| match names {
                Some(name) if name == index => Cow::Owned(format!("{}/{cell}", self.kind)),
                _ => Cow::Borrowed(cell),
            }));
        }
    }

    fn shown<'t>(&self, columns: &'t [Column]) -> impl Iterator<Item = (usize, &'t Column)> {
        let wide = self.wide;
        columns.iter().enumerate().filter(move |(_, column)| wide || column.priority == 0)
    }
}

/// `a=b,c=d`, or `<none>`.
pub fn labels_text(labels: &Object) -> String {
    if labels.is_empty() {
        return "<none>".to_string();
    }
    let pairs: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.join(",")
}

/// A cell as it is shown: one line of text without control characters.
fn cell_text(cell: &Value) -> String {
    let text = match cell {
        Value::Null => "<none>".to_string(),
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    };
    let text = match text.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", &text[..end]),
        None => text,
    };
    if text.contains('\u{1b}') { text.replace('\u{1b}', "^[") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::{from_value, json};

    fn written(layout: &mut Layout) -> String {
        let mut out = Vec::new();
        layout.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_three_apart_and_six_wide_at_least() {
        let mut layout = Layout::new();
        for row in [["N", "NAMES", "LAST"], ["a", "b", "c"]] {
            layout.row(row);
        }
        assert_eq!(written(&mut layout), "N     NAMES   LAST\na     b       c\n");
        layout.row(["d", "e", ""]);
        assert_eq!(written(&mut layout), "d     e       \n", "widths are remembered");
        layout.reset();
        layout.row(["only"]);
        assert_eq!(written(&mut layout), "only\n");
    }

    #[test]
    fn the_servers_columns_are_chosen_by_priority() {
        let columns: Vec<Column> = from_value(&json!([
            {"name": "Name", "format": "name"}, {"name": "Age"}, {"name": "IP", "priority": 1}]))
        .unwrap();
        let row: Row = from_value(&json!({"cells": ["web", 3, null],
            "object": {"metadata": {"namespace": "n", "labels": {"app": "w", "tier": "x"}}}}))
        .unwrap();
        let mut layout = Layout::new();
        let show = |options: &TableOptions, layout: &mut Layout| {
            options.header(&columns, layout);
            let mut cells = Cells::default();
            cells.push(options.cells(&columns, &row));
            options.rows(&columns, &cells, layout);
        };
        let wide = TableOptions { wide: true, with_namespace: true, show_labels: true, ..TableOptions::default() };
        show(&wide, &mut layout);
        assert_eq!(
            written(&mut layout),
            "NAMESPACE   NAME   AGE   IP       LABELS\nn           web    3     <none>   app=w,tier=x\n"
        );
        let plain = TableOptions {
            kind: "pod".into(),
            label_columns: vec!["example.com/tier".into(), "app".into()],
            ..TableOptions::default()
        };
        layout.reset();
        show(&plain, &mut layout);
        assert_eq!(written(&mut layout), "NAME      AGE   TIER   APP\npod/web   3            w\n");
    }
}
