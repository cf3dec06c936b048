//! `kubectl config set` and `unset`: one value by its path, such as `clusters.home.server`.

use super::{open, single, unexpected};
use crate::cli::go_flags;
use crate::client::kubeconfig::{Kubeconfig, edit, remove_stanza, stanza, stanza_mut};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use base64::Engine as _;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// The values that can be set, and their kinds.
const FIELDS: [(&str, &[(&str, Kind)]); 3] = [
    (
        "clusters",
        &[
            ("server", Kind::Text),
            ("tls-server-name", Kind::Text),
            ("insecure-skip-tls-verify", Kind::Flag),
            ("certificate-authority", Kind::Text),
            ("certificate-authority-data", Kind::Bytes),
            ("proxy-url", Kind::Text),
            ("disable-compression", Kind::Flag),
        ],
    ),
    ("contexts", &[("cluster", Kind::Text), ("user", Kind::Text), ("namespace", Kind::Text)]),
    (
        "users",
        &[
            ("client-certificate", Kind::Text),
            ("client-certificate-data", Kind::Bytes),
            ("client-key", Kind::Text),
            ("client-key-data", Kind::Bytes),
            ("token", Kind::Text),
            ("tokenFile", Kind::Text),
            ("act-as", Kind::Text),
            ("act-as-uid", Kind::Text),
            ("username", Kind::Text),
            ("password", Kind::Text),
            ("auth-provider.name", Kind::Text),
            ("exec.command", Kind::Text),
            ("exec.apiVersion", Kind::Text),
            ("exec.interactiveMode", Kind::Text),
            ("exec.installHint", Kind::Text),
            ("exec.provideClusterInfo", Kind::Flag),
        ],
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Flag,
    Bytes,
}

/// What a path leads to.
enum Target<'a> {
    CurrentContext,
    List(&'static str),
    Stanza(&'static str, &'a str),
    /// The list, the stanza's name, the field.
    Field(&'static str, &'a str, &'a str, Kind),
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Result<Target<'a>, CommandError> {
        if path == "current-context" {
            return Ok(Target::CurrentContext);
        }
        let wrong = || CommandError::message(format!("unable to parse {path} after [] at api.Config"));
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let (list, fields) = FIELDS.iter().find(|(list, _)| *list == first).ok_or_else(wrong)?;
        if rest.is_empty() {
            return Ok(Target::List(list));
        }
        // A name may contain dots: the field is what fits at the end.
        for (field, kind) in *fields {
            let name = rest.strip_suffix(field).and_then(|head| head.strip_suffix('.'));
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                return Ok(Target::Field(list, name, field, *kind));
            }
        }
        if let Some((name, key)) = rest.split_once(".auth-provider.config.").filter(|_| *list == "users") {
            return Ok(Target::Field(list, name, &rest[rest.len() - key.len() - 21..], Kind::Text));
        }
        Ok(Target::Stanza(list, rest))
    }
}

#[derive(clap::Args)]
pub struct Set {
    /// PROPERTY VALUE
    args: Vec<String>,
    /// Take the value of a field that holds bytes as it is, instead of as base64
    #[arg(long)]
    set_raw_bytes: bool,
}

impl Command for Set {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let [path, text] = self.args.as_slice() else { return Err(unexpected(&self.args)) };
        let config = open(cx)?;
        match Target::parse(path)? {
            Target::CurrentContext => config.set_current_context(text)?,
            Target::List(_) | Target::Stanza(..) => {
                return Err(CommandError::message(format!("can't set a map to a value: {path}")));
            }
            Target::Field(list, name, field, kind) => {
                let value = self.value(text, kind)?;
                edit(&config.file_of(list, name), |document| stanza_mut(document, list, name).set(field, value))?;
            }
        }
        Ok(writeln!(cx.streams.out(), "Property {path:?} set.")?)
    }
}

impl Set {
    fn value(&self, text: &str, kind: Kind) -> Result<Value, CommandError> {
        let base64 = &base64::engine::general_purpose::STANDARD;
        Ok(match kind {
            Kind::Text => text.into(),
            Kind::Flag => go_flags::boolean(text)?.into(),
            Kind::Bytes if self.set_raw_bytes => base64.encode(text).into(),
            Kind::Bytes => {
                base64.decode(text).map_err(|error| {
                    let at = match error {
                        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                            text.len() / 4 * 4
                        }
                    };
                    CommandError::message(format!("error decoding input value: illegal base64 data at input byte {at}"))
                })?;
                text.into()
            }
        })
    }
}

#[derive(clap::Args)]
pub struct Unset {
    /// PROPERTY
    args: Vec<String>,
}

impl Command for Unset {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let path = single(&self.args)?;
        let config = open(cx)?;
        match Target::parse(path)? {
            Target::CurrentContext => config.set_current_context("")?,
            Target::List(list) => clear_list(&config, list)?,
            Target::Stanza(list, name) if config.stanza(list, name).is_none() => {}
            Target::Stanza(list, name) => {
                edit(&config.file_of(list, name), |document| remove_stanza(document, list, name))?;
            }
            Target::Field(list, name, field, _) => {
                if config.stanza(list, name).is_some() {
                    edit(&config.file_of(list, name), |document| {
                        stanza_mut(document, list, name).remove(field);
                    })?;
                }
            }
        }
        Ok(writeln!(cx.streams.out(), "Property {path:?} unset.")?)
    }
}

/// Empties a list in every file that has something in it.
fn clear_list(config: &Kubeconfig, list: &str) -> Result<(), CommandError> {
    for name in config.names(list) {
        let file = config.file_of(list, name);
        edit(&file, |document| {
            if stanza(document, list, name).is_some() {
                document.set(list, Value::Null);
            }
        })?;
    }
    Ok(())
}
