//! `kubectl kuberc view`.

use super::{file, write};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use crate::kuberc::{self, Defaults, Opt, Preference};
use crate::print::{Order, PrintFlags, json};
use std::io::Read as _;

#[derive(clap::Args)]
pub struct View {
    #[arg(hide = true)]
    args: Vec<String>,
    #[command(flatten)]
    print: PrintFlags,
}

impl Command for View {
    async fn run(mut self, cx: &Context<'_>) -> Result<(), CommandError> {
        let path = file()?;
        let Some(mut preference) = kuberc::read_file(&path)? else {
            write!(
                cx.streams.out(),
                "kuberc file not found at {}\nWould you like to generate a default kuberc file with recommended options? \
                 (y/N): ",
                path.display()
            )?;
            cx.streams.out().flush()?;
            if !matches!(answer(cx)?.as_str(), "y" | "Y") {
                return Ok(());
            }
            write(&path, &recommended())?;
            return Ok(writeln!(cx.streams.out(), "Updated {}", path.display())?);
        };
        preference.defaults.get_or_insert_default();
        preference.aliases.get_or_insert_default();
        let failed = |error: serde_json::Error| CommandError::message(error.to_string());
        if !self.print.is_set() {
            self.print.output = Some("yaml".into());
        }
        if self.print.format() == Some("json") {
            let compact = serde_json::to_vec(&preference).map_err(failed)?;
            return Ok(writeln!(cx.streams.out(), "{}", json::indented(&compact))?);
        }
        let mut printer = self.print.for_format(Order::Declared)?;
        let document = shared_types::json::to_value(&preference).map_err(failed)?;
        printer.print(&document, &mut *cx.streams.out().writer())
    }
}

/// A line of standard input.
fn answer(cx: &Context<'_>) -> Result<String, CommandError> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    // Byte by byte, so that what comes after the line is left to others.
    while cx.streams.input().read(&mut byte)? > 0 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_string())
}

/// What kubectl's authors recommend: server-side apply, and asking before anything is deleted.
fn recommended() -> Preference {
    let on = |command: &str, flag: &str| Defaults {
        command: command.into(),
        options: Some(vec![Opt { name: flag.into(), default: "true".into() }]),
    };
    Preference::new(vec![on("apply", "server-side"), on("delete", "interactive")])
}
