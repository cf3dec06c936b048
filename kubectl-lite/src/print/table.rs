//! Tables: the server's (`meta.k8s.io/v1 Table`), and the layout that all of kubectl's share.

use crate::errors::CommandError;
use serde::Deserialize;
use serde_json::Value;
use shared_types::fields::Fields;
use std::io::Write;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::width::MinWidth;
use tabled::settings::{Modify, Padding, Style};

/// Three blanks part the columns, and none is narrower than this with them.
const PADDING: usize = 3;
const NARROWEST: usize = 6;

/// Rows that are laid out together. Widths are remembered from one [`Layout::write`] to the next, so that what a watch
/// adds stands under what came before.
pub struct Layout {
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
    padding: usize,
    narrowest: usize,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { rows: Vec::new(), widths: Vec::new(), padding: PADDING, narrowest: NARROWEST }
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
    pub fn row(&mut self, cells: Vec<String>) {
        for (index, cell) in cells.iter().take(cells.len().saturating_sub(1)).enumerate() {
            let width = (cell.chars().count() + self.padding).max(self.narrowest);
            match self.widths.get_mut(index) {
                Some(known) => *known = width.max(*known),
                None => self.widths.push(width),
            }
        }
        self.rows.push(cells);
    }
    /// Writes the rows that have been added.
    pub fn write(&mut self, out: &mut dyn Write) -> Result<(), CommandError> {
        let rows = std::mem::take(&mut self.rows);
        let mut lasts = Vec::with_capacity(rows.len());
        let mut padded = Builder::with_capacity(rows.len(), self.widths.len());
        for mut row in rows {
            lasts.push(row.pop().unwrap_or_default());
            padded.push_record(row);
        }
        if self.widths.is_empty() {
            for last in lasts {
                writeln!(out, "{last}")?;
            }
            return Ok(());
        }
        let mut table = padded.build();
        table.with(Style::empty()).with(Padding::zero());
        for (index, width) in self.widths.iter().enumerate() {
            table.with(Modify::new(Columns::new(index..=index)).with(MinWidth::new(*width)));
        }
        for (line, last) in table.to_string().lines().zip(lasts) {
            writeln!(out, "{line}{last}")?;
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

    /// One row.
    pub fn row(&self, columns: &[Column], row: &Row, layout: &mut Layout) {
        let mut cells = Vec::new();
        if self.with_namespace {
            cells.push(row.object.namespace().to_string());
        }
        for (index, column) in self.shown(columns) {
            let text = row.cells.get(index).map(cell_text).unwrap_or_default();
            if !self.kind.is_empty() && column.format == "name" {
                cells.push(format!("{}/{text}", self.kind));
            } else {
                cells.push(text);
            }
        }
        let labels = row.object.map("metadata.labels");
        cells.extend(
            self.label_columns
                .iter()
                .map(|key| labels.get(key).and_then(Value::as_str).unwrap_or_default().to_string()),
        );
        if self.show_labels {
            cells.push(labels_text(labels));
        }
        layout.row(cells);
    }

    fn shown<'t>(&self, columns: &'t [Column]) -> impl Iterator<Item = (usize, &'t Column)> {
        let wide = self.wide;
        columns.iter().enumerate().filter(move |(_, column)| wide || column.priority == 0)
    }
}

/// `a=b,c=d`, or `<none>`.
pub fn labels_text(labels: &shared_types::fields::Object) -> String {
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
        Value::String(text) => text.clone(),
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
    use serde_json::json;

    fn written(layout: &mut Layout) -> String {
        let mut out = Vec::new();
        layout.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_three_apart_and_six_wide_at_least() {
        let mut layout = Layout::new();
        for row in [["N", "NAMES", "LAST"], ["a", "b", "c"]] {
            layout.row(row.iter().map(ToString::to_string).collect());
        }
        assert_eq!(written(&mut layout), "N     NAMES   LAST\na     b       c\n");
        layout.row(vec!["d".into(), "e".into(), String::new()]);
        assert_eq!(written(&mut layout), "d     e       \n", "widths are remembered");
        layout.reset();
        layout.row(vec!["only".into()]);
        assert_eq!(written(&mut layout), "only\n");
    }

    #[test]
    fn the_servers_columns_are_chosen_by_priority() {
        let columns: Vec<Column> = serde_json::from_value(json!([
            {"name": "Name", "format": "name"}, {"name": "Age"}, {"name": "IP", "priority": 1}]))
        .unwrap();
        let row: Row = serde_json::from_value(json!({"cells": ["web", 3, null],
            "object": {"metadata": {"namespace": "n", "labels": {"app": "w", "tier": "x"}}}}))
        .unwrap();
        let mut layout = Layout::new();
        let wide = TableOptions { wide: true, with_namespace: true, show_labels: true, ..TableOptions::default() };
        wide.header(&columns, &mut layout);
        wide.row(&columns, &row, &mut layout);
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
        plain.header(&columns, &mut layout);
        plain.row(&columns, &row, &mut layout);
        assert_eq!(written(&mut layout), "NAME      AGE   TIER   APP\npod/web   3            w\n");
    }
}
