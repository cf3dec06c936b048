//! `kubectl config view`.

use super::open;
use crate::client::kubeconfig::{LISTS, os_error, stanza};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::print::{Order, PrintFlags};
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::Value;

#[derive(clap::Args)]
pub struct View {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
    /// Put the contents of certificate files in place of their names
    #[arg(long)]
    flatten: bool,
    /// Show all files as one
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    merge: bool,
    /// Only what the current context needs
    #[arg(long)]
    minify: bool,
    /// Show secrets too
    #[arg(long)]
    raw: bool,
}

impl Command for View {
    async fn run(mut self, cx: &Context<'_>) -> Result<(), CommandError> {
        if !self.args.is_empty() {
            let message = format!("unexpected arguments: [{}]", self.args.join(" "));
            return Err(CommandError::usage("config view", message));
        }
        let config = open(cx)?;
        let mut document = if self.flatten { config.document.clone() } else { config.as_written() };
        if self.minify {
            minify(&mut document, cx.globals.context.as_deref())?;
        }
        if self.flatten {
            flatten(&mut document)?;
        }
        if !self.raw {
            redact(&mut document);
        }
        if !self.print.is_set() {
            self.print.output = Some("yaml".into());
        }
        let mut printer = self.print.for_format(Order::Sorted)?;
        printer.print(&document, &mut *cx.streams.out().writer())
    }
}

/// Keeps what one context needs.
fn minify(document: &mut Value, context: Option<&str>) -> Result<(), CommandError> {
    let name = context.unwrap_or(document.text("current-context")).to_string();
    if name.is_empty() {
        return Err(CommandError::message("current-context must exist in order to minify"));
    }
    let missing = |what: &str, name: &str| CommandError::message(format!("cannot locate {what} {name}"));
    let chosen = stanza(document, "contexts", &name).ok_or_else(|| missing("context", &name))?.clone();
    let mut keep = vec![("contexts", name.clone())];
    for (list, what, field) in [("clusters", "cluster", "cluster"), ("users", "user", "user")] {
        let wanted = chosen.text(field);
        if !wanted.is_empty() {
            stanza(document, list, wanted).ok_or_else(|| missing(what, wanted))?;
        }
        keep.push((list, wanted.to_string()));
    }
    for (list, name) in keep {
        let kept: Vec<Value> = document.list(list).iter().filter(|e| e.text("name") == name).cloned().collect();
        document.set(list, if kept.is_empty() { Value::Null } else { kept.into() });
    }
    document.set("current-context", name);
    Ok(())
}

/// Puts the contents of files in place of their names.
fn flatten(document: &mut Value) -> Result<(), CommandError> {
    let fields = [("clusters", "certificate-authority"), ("users", "client-certificate"), ("users", "client-key")];
    for (list, field) in fields {
        let data = format!("{field}-data");
        for stanza in stanzas(document, list) {
            let path = stanza.text(field).to_string();
            if path.is_empty() {
                continue;
            }
            if !stanza.text(&data).is_empty() {
                return Err(CommandError::message("cannot have values for both path and contents"));
            }
            let bytes = std::fs::read(&path)
                .map_err(|error| CommandError::message(format!("open {path}: {}", os_error(&error))))?;
            stanza.remove(field);
            stanza.set(&data, base64::engine::general_purpose::STANDARD.encode(bytes));
        }
    }
    Ok(())
}

/// Hides secrets and long data.
fn redact(document: &mut Value) {
    let mut hide = |list: &str, field: &str, sign: &str| {
        for stanza in stanzas(document, list) {
            if !stanza.text(field).is_empty() {
                stanza.set(field, sign);
            }
        }
    };
    hide("clusters", "certificate-authority-data", "DATA+OMITTED");
    hide("users", "client-certificate-data", "DATA+OMITTED");
    hide("users", "client-key-data", "DATA+OMITTED");
    hide("users", "token", "REDACTED");
    hide("users", "password", "REDACTED");
}

fn stanzas<'a>(document: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let field = LISTS.iter().find(|(key, _)| *key == list).map_or("", |(_, field)| field);
    document.list_mut(list).iter_mut().map(move |entry| entry.at_mut(field))
}
