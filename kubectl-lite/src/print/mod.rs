//! Writing objects: one file per output format.

mod custom_columns;
pub mod go_template;
pub mod json;
pub mod jsonpath;
mod kyaml;
pub mod name;
pub mod table;
mod yaml;

use crate::client::kubeconfig::os_error;
use crate::errors::CommandError;
use custom_columns::CustomColumnsPrinter;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::io::Write;

/// Writes objects one after the other. A `List` comes as one object.
pub trait Printer {
    /// # Errors
    /// The template does not fit the object, or the writer fails.
    fn print(&mut self, object: &Value, out: &mut dyn Write) -> Result<(), CommandError>;
}

/// The flags that choose an output format.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PrintFlags {
    /// Output format
    #[arg(long, short)]
    pub output: Option<String>,
    /// The template (or its file) for a template format
    #[arg(long)]
    pub template: Option<String>,
    /// Fields that a template asks for may be missing
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub allow_missing_template_keys: bool,
    /// Show managedFields in JSON and YAML
    #[arg(long)]
    pub show_managed_fields: bool,
}

/// In which order a JSON printer writes fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name: objects as the server gave them.
    #[default]
    Sorted,
    /// As the types declare them: objects that kubectl made itself.
    Declared,
}

/// The formats that every command has.
const FORMATS: &str =
    "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml";
/// The formats of `get`.
const ALL_FORMATS: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,\
                           jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml";

impl PrintFlags {
    /// Whether a format was asked for.
    pub fn is_set(&self) -> bool {
        self.format().is_some()
    }
    /// The format that was asked for; `--template` alone is `go-template`.
    pub fn format(&self) -> Option<&str> {
        match self.output.as_deref() {
            None | Some("") => self.template.as_deref().filter(|t| !t.is_empty()).map(|_| "go-template"),
            format => format,
        }
    }
    /// Whether only names are to be printed.
    pub fn is_name(&self) -> bool {
        self.format() == Some("name")
    }
    /// The object as it is shown: as JSON and YAML without `managedFields`, unless they are wanted.
    pub fn shown(&self, mut object: Value) -> Value {
        if !self.show_managed_fields && matches!(self.format(), Some("json" | "yaml" | "kyaml")) {
            object.remove("metadata.managedFields");
        }
        object
    }
    /// The printer of a command that says what it did unless a format is asked for.
    pub fn reporter(&self, operation: &str, order: Order) -> Result<Box<dyn Printer>, CommandError> {
        match self.format() {
            None => Ok(Box::new(name::NamePrinter { operation: operation.to_string() })),
            Some(format) => self.printer(format, order, FORMATS),
        }
    }
    /// Whether [`PrintFlags::reporter`] will have a printer; for commands that say so before they do anything.
    ///
    /// # Errors
    /// There is none for the format.
    pub fn check(&self) -> Result<(), CommandError> {
        self.reporter("", Order::Sorted).map(drop)
    }
    /// The printer of `get`, for any format but the tables.
    pub fn for_get(&self, no_headers: bool) -> Result<Box<dyn Printer>, CommandError> {
        let format = self.format().unwrap_or_default();
        let (name, spec) = format.split_once('=').unwrap_or((format, ""));
        match name {
            "custom-columns" => Ok(Box::new(CustomColumnsPrinter::from_spec(spec, no_headers)?)),
            "custom-columns-file" if spec.is_empty() => {
                Err(CommandError::message("custom-columns-file format specified but no template file given"))
            }
            "custom-columns-file" => {
                Ok(Box::new(CustomColumnsPrinter::from_template(&read(spec, "template")?, no_headers)?))
            }
            _ => self.printer(format, Order::Sorted, ALL_FORMATS),
        }
    }
    /// The printer for one of the formats that every command has.
    pub fn for_format(&self, order: Order) -> Result<Box<dyn Printer>, CommandError> {
        self.printer(self.format().unwrap_or_default(), order, FORMATS)
    }

    fn printer(&self, format: &str, order: Order, allowed: &str) -> Result<Box<dyn Printer>, CommandError> {
        let (name, inline) = match format.split_once('=') {
            Some((name, template)) => (name, Some(template)),
            None => (format, None),
        };
        let unknown = || {
            CommandError::message(format!(
                "unable to match a printer suitable for the output format {format:?}, allowed formats are: {allowed}"
            ))
        };
        let lower = name.to_lowercase();
        if !allowed.split(',').any(|known| known == lower) {
            return Err(unknown());
        }
        let template = inline.or(self.template.as_deref()).unwrap_or_default();
        match lower.as_str() {
            "name" if inline.is_none() => Ok(Box::new(name::NamePrinter { operation: String::new() })),
            "json" if inline.is_none() => Ok(Box::new(json::JsonPrinter { order })),
            "kyaml" if inline.is_none() => Ok(Box::new(kyaml::KyamlPrinter { order })),
            "yaml" if inline.is_none() => Ok(Box::<yaml::YamlPrinter>::default()),
            "jsonpath" | "jsonpath-as-json" | "jsonpath-file" => {
                let template = required(template)?;
                let template =
                    if lower == "jsonpath-file" { read(template, "--template")? } else { template.to_string() };
                let as_json = lower == "jsonpath-as-json";
                Ok(Box::new(jsonpath::JsonPathPrinter::new(&template, self.allow_missing_template_keys, as_json)?))
            }
            "go-template" | "template" | "go-template-file" | "templatefile" => {
                let template = required(template)?;
                let template =
                    if lower.ends_with("file") { read(template, "--template")? } else { template.to_string() };
                Ok(Box::new(go_template::GoTemplatePrinter::new(&template, self.allow_missing_template_keys)?))
            }
            _ => Err(unknown()),
        }
    }
}

fn required(template: &str) -> Result<&str, CommandError> {
    if template.is_empty() {
        return Err(CommandError::message("template format specified but no template given"));
    }
    Ok(template)
}

/// The template in a file.
fn read(path: &str, what: &str) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| {
        let done = if error.kind() == std::io::ErrorKind::IsADirectory { "read" } else { "open" };
        CommandError::message(format!("error reading {what} {path}, {done} {path}: {}\n", os_error(&error)))
    })
}
