//! `-o custom-columns` and `-o custom-columns-file`.

use super::Printer;
use super::table::Layout;
use crate::errors::CommandError;
use crate::go_format::plain;
use crate::jsonpath::{JsonPath, relaxed};
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::io::Write;

/// Writes a table with one column per header and path.
pub struct CustomColumnsPrinter {
    columns: Vec<Column>,
    layout: Layout,
    no_headers: bool,
    /// Whether lists, and whether single objects, have had their header.
    headed: Option<bool>,
}

struct Column {
    header: String,
    path: String,
}

impl Column {
    fn new(header: &str, path: &str) -> Result<Column, CommandError> {
        Ok(Column { header: header.into(), path: relaxed(path)? })
    }
}

impl CustomColumnsPrinter {
    /// A printer for `HEADER:PATH,HEADER:PATH`.
    ///
    /// # Errors
    /// The text has another form.
    pub fn from_spec(spec: &str, no_headers: bool) -> Result<CustomColumnsPrinter, CommandError> {
        if spec.is_empty() {
            return Err(CommandError::message("custom-columns format specified but no custom columns given"));
        }
        let columns = spec.split(',').map(|part| match part.split_once(':') {
            Some((header, path)) => Column::new(header, path),
            None => Err(CommandError::message(format!(
                "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
            ))),
        });
        Ok(CustomColumnsPrinter::over(columns.collect::<Result<_, _>>()?, no_headers))
    }

    /// A printer for a text of two lines: the headers, and below them the paths.
    ///
    /// # Errors
    /// The text has another form.
    pub fn from_template(text: &str, no_headers: bool) -> Result<CustomColumnsPrinter, CommandError> {
        let mut lines = text.lines();
        let mut line = |name: &str| {
            lines.next().map(|line| line.split_whitespace().collect::<Vec<_>>()).ok_or_else(|| {
                CommandError::message(format!(
                    "invalid template, missing {name} line. Expected format is one line of space separated headers, one \
                     line of space separated column specs."
                ))
            })
        };
        let (headers, paths) = (line("header")?, line("spec")?);
        if headers.len() != paths.len() {
            return Err(CommandError::message(format!(
                "number of headers ({}) and field specifications ({}) don't match",
                headers.len(),
                paths.len()
            )));
        }
        let columns = headers.into_iter().zip(paths).map(|(header, path)| Column::new(header, path));
        Ok(CustomColumnsPrinter::over(columns.collect::<Result<_, _>>()?, no_headers))
    }

    fn over(columns: Vec<Column>, no_headers: bool) -> CustomColumnsPrinter {
        CustomColumnsPrinter { columns, layout: Layout::new(), no_headers, headed: None }
    }

    fn rows(&mut self, object: &Value) -> Result<(), CommandError> {
        let paths = self.columns.iter().map(|column| Ok(JsonPath::parse(&column.path)?.allow_missing(true)));
        let paths: Vec<JsonPath> = paths.collect::<Result<_, String>>()?;
        let is_list = object.at("items").is_array();
        let items = if is_list { object.list("items") } else { std::slice::from_ref(object) };
        for item in items {
            let cells = paths.iter().map(|path| {
                let found = path.find(item)?;
                if found.first().is_none_or(Vec::is_empty) {
                    return Ok("<none>".to_string());
                }
                Ok(found.into_iter().flatten().map(plain).collect::<Vec<_>>().join(","))
            });
            self.layout.row(cells.collect::<Result<Vec<_>, String>>()?);
        }
        Ok(())
    }
}

impl Printer for CustomColumnsPrinter {
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
        let is_list = object.at("items").is_array();
        if !self.no_headers && self.headed != Some(is_list) {
            self.headed = Some(is_list);
            self.layout.row(self.columns.iter().map(|column| &column.header));
        }
        // What is there is shown even if a path turns out to be none.
        let rows = self.rows(object);
        self.layout.write(out)?;
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn print(printer: Result<CustomColumnsPrinter, CommandError>) -> String {
        let pods = json!({"items": [{"n": "a", "c": [{"i": 1}, {"i": 2.5}], "l": {"x": "y"}}, {"n": "b"}]});
        let mut out = Vec::new();
        match printer.and_then(|mut printer| printer.print(&pods, &mut out)) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => String::from_utf8(out).unwrap() + &error.text(),
        }
    }

    #[test]
    fn columns_come_from_paths() {
        let spec = CustomColumnsPrinter::from_spec("NAME:.n,I:{.c[*].i},L:l", false);
        assert_eq!(print(spec), "NAME   I        L\na      1,2.5    map[x:y]\nb      <none>   <none>\n");
        assert_eq!(print(CustomColumnsPrinter::from_spec("N:n", true)), "a\nb\n");
        assert_eq!(
            print(CustomColumnsPrinter::from_template("A  B\nn .c[0].i\n", false)),
            "A     B\na     1\nb     <none>\n"
        );
    }

    #[test]
    fn mistakes_are_told() {
        let spec = |text| print(CustomColumnsPrinter::from_spec(text, false));
        assert_eq!(spec("N"), "unexpected custom-columns spec: N, expected <header>:<json-path-expr>");
        assert_eq!(spec("A:.n[x"), "A\nunterminated array");
        let file = |text| print(CustomColumnsPrinter::from_template(text, false));
        assert_eq!(file("A B\nn"), "number of headers (2) and field specifications (1) don't match");
        assert!(file("").starts_with("invalid template, missing header line."));
    }
}
