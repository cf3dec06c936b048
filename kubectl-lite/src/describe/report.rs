//! The text of a description: lines of cells that are laid out in columns.

use crate::go_format;
use shared_types::json::Value;
use std::borrow::Cow;
use std::fmt::{Display, Write};

/// Spaces between a column's widest cell and the next column.
const PADDING: usize = 2;

/// A description that is being written. Cells end with a tab, but for the last of a line. Cells that stand under each
/// other in neighbouring lines are one column; a line without the cell ends the column.
#[derive(Default)]
pub struct Report {
    text: String,
}

impl Report {
    /// Adds text as it is: for lines that are written in parts.
    pub fn raw(&mut self, text: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{text}");
    }
    /// Adds a line, two spaces further in for each level.
    pub fn line(&mut self, level: usize, text: impl Display) {
        self.raw(format_args!("{:1$}{text}\n", "", 2 * level));
    }
    /// `NAME:` and a value.
    pub fn field(&mut self, level: usize, name: impl Display, value: impl Display) {
        self.line(level, format_args!("{name}:\t{value}"));
    }
    /// [`Report::field`] for a text that may be empty, and then is left out.
    pub fn field_if(&mut self, level: usize, name: &str, value: &str) {
        if !value.is_empty() {
            self.field(level, name, value);
        }
    }
    /// `NAME:` with lines below it.
    pub fn heading(&mut self, level: usize, name: impl Display) {
        self.line(level, format_args!("{name}:"));
    }
    /// Cells of a table.
    pub fn row<T: AsRef<str>>(&mut self, level: usize, cells: &[T]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        self.line(level, cells.join("\t"));
    }
    /// The names of a table's columns, underlined.
    pub fn header(&mut self, level: usize, names: &[&str]) {
        self.row(level, names);
        let rules: Vec<String> = names.iter().map(|name| "-".repeat(name.len())).collect();
        self.row(level, &rules);
    }
    /// A value of several lines beside its title; `<none>` where there is none.
    pub fn lines(&mut self, level: usize, title: &str, lines: &[String]) {
        self.raw(format_args!("{:1$}{title}:\t", "", 2 * level));
        match lines {
            [] => self.raw("<none>\n"),
            lines => self.raw(format_args!("{}\n", lines.join("\n\t"))),
        }
    }
    /// The text with its tabs as they are.
    pub fn unaligned(self) -> String {
        self.text
    }
    /// The finished text. What would control a terminal is made visible.
    pub fn finish(self) -> String {
        let text = self.text.replace('\u{1b}', "^[").replace('\r', "\\r").replace('\u{b}', "\t").replace('\u{c}', "\n");
        align(&text)
    }
}

/// Lays out columns as Go's `text/tabwriter` does without a minimal width.
fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let columns = lines.iter().map(|cells| cells.len() - 1).max().unwrap_or(0);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let length = lines[start..].iter().take_while(|cells| cells.len() - 1 > column).count();
            let run = start..start + length;
            let widest = lines[run.clone()].iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
            for line in &mut widths[run] {
                line[column] = widest + PADDING;
            }
            start += length + 1;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (index, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
    }
    out
}

/// A scalar as text: strings as they are, an absent value as nothing.
pub fn scalar(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(go_format::plain(other)),
    }
}

/// The strings of a list, joined.
pub fn joined(list: &[Value], separator: &str) -> String {
    list.iter().map(scalar).collect::<Vec<_>>().join(separator)
}

/// `text`, or `otherwise` where it is empty.
pub fn or<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_ends_where_a_line_lacks_it() {
        assert_eq!(align("a\tb\nccc\td\nno column\nx\ty\tz\nlong\tyy\tz\n"), {
            "a    b\nccc  d\nno column\nx     y   z\nlong  yy  z\n"
        });
        assert_eq!(align("Port:\t<unset>\t80/TCP\nIP:\t10\n"), "Port:  <unset>  80/TCP\nIP:    10\n");
        assert_eq!(align("é\tb\nab\tc"), "é   b\nab  c", "characters count, not bytes");
        assert_eq!(align("\t\tb\n\n"), "    b\n\n", "columns of nothing keep their padding");
    }

    #[test]
    fn values_of_several_lines_stand_under_each_other() {
        let mut report = Report::default();
        report.field(0, "Name", "x");
        report.lines(0, "Labels", &["a=b".into(), "c=d\u{1b}[0m".into()]);
        report.lines(1, "Annotations", &[]);
        let expected = "\
Name:           x
Labels:         a=b
                c=d^[[0m
  Annotations:  <none>
";
        assert_eq!(report.finish(), expected);
    }
}
