//! Listing and watching: selectors, pages, consistent snapshots.

use super::attributes::label_sketch;
use super::{Attributes, Entry, Event, ListOptions, Match, Registry, key, prefix, strategy_of};
use crate::store::{self, Scan};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use shared_types::kinds::Kind;
use shared_types::selector::{FieldSelector, LabelSelector};
use shared_types::status::{Status, StatusCause, StatusDetails};
use std::borrow::Cow;
use std::sync::Arc;

/// A page of a list.
#[derive(Debug)]
pub struct Listing {
    pub entries: Vec<Arc<Entry>>,
    pub revision: u64,
    /// Where the next page begins, if there is one.
    pub continue_token: Option<String>,
    /// How many objects come after this page, where that is known without looking at them.
    pub remaining: Option<usize>,
}

/// The inside of a continue token.
#[derive(Serialize, Deserialize)]
struct Token {
    v: String,
    rv: i64,
    /// The last key of the page before, relative to what is listed, and a NUL.
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// Which objects of a kind a list or watch concerns.
pub struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    selectable: &'static [&'static str],
}

impl Selection {
    /// Selects by labels and fields.
    ///
    /// # Errors
    /// `BadRequest` for a field that the kind does not support.
    pub fn new(kind: &'static Kind, labels: &LabelSelector, fields: &FieldSelector) -> Result<Selection, Status> {
        let selectable = strategy_of(kind).selectable_fields();
        for term in &fields.terms {
            let field = term.field.as_str();
            let known = selectable.contains(&field)
                || field == "metadata.name"
                || (field == "metadata.namespace" && (kind.namespaced || kind.kind == "Node"));
            if !known {
                return Err(Status::bad_request(strategy_of(kind).unknown_field_message(kind, field)));
            }
        }
        Ok(Selection { labels: labels.clone(), fields: fields.clone(), selectable })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// The bits that the sketch of every object has that is selected.
    fn sketch(&self) -> u64 {
        let wanted = self.labels.requirements.iter().filter_map(|requirement| requirement.only_label());
        wanted.fold(0, |sketch, (key, value)| sketch | label_sketch(key, value))
    }

    pub fn matches(&self, entry: &Entry) -> bool {
        self.labels.matches(&entry.attributes)
            && (self.fields.is_everything()
                || self.fields.matches(|field| match field {
                    "metadata.name" => Cow::Borrowed(entry.name()),
                    "metadata.namespace" => Cow::Borrowed(entry.namespace()),
                    other => {
                        let index = self.selectable.iter().position(|known| *known == other);
                        Cow::Borrowed(index.map_or("", |index| entry.attributes.field(index)))
                    }
                }))
    }
}

/// A stream of a kind's committed writes.
pub struct Watch {
    inner: store::Watcher<Attributes>,
}

impl Watch {
    /// The next events, at least one; waits for them.
    ///
    /// # Errors
    /// `Expired` when the watch has fallen behind the history that is kept.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, Status> {
        let seen = self.inner.seen();
        self.inner.next().await.map_err(|compacted| too_old(seen, compacted.oldest))
    }
    /// The revision up to which events have been handed out.
    pub fn seen(&self) -> u64 {
        self.inner.seen()
    }
}

fn too_old(asked: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}

impl Registry {
    /// All objects of a kind in a namespace (`""`: in all), and the revision as of which that is so.
    pub fn snapshot(&self, kind: &'static Kind, namespace: &str) -> (Vec<Arc<Entry>>, u64) {
        match self.store.list(kind.plural, Scan { prefix: &prefix(kind, namespace), ..Scan::default() }, |_| true) {
            Ok(page) => (page.entries, page.revision),
            Err(_) => unreachable!("the present is never compacted"),
        }
    }

    /// Lists objects.
    ///
    /// # Errors
    /// `BadRequest` (selectors, continue token), `Expired`, `Timeout` (a revision that has not happened).
    pub fn list(&self, kind: &'static Kind, namespace: &str, options: &ListOptions) -> Result<Listing, Status> {
        let selection = Selection::new(kind, &options.labels, &options.fields)?;
        let namespace = match options.fields.exact("metadata.namespace") {
            Some(wanted) if namespace.is_empty() && kind.namespaced => wanted,
            _ => namespace,
        };
        let prefix = prefix(kind, namespace);
        let token = options.continue_token.as_deref().map(decode_token).transpose()?;
        let mut after = None;
        let mut at = None;
        if let Some(token) = &token {
            // Revision -1 asks for whatever is current: what an expired list can be continued with.
            at = u64::try_from(token.rv).ok();
            after = Some(format!("{prefix}{}", token.start.trim_end_matches('\0')));
        } else if let Some((revision, wanted)) = options.resource_version {
            let current = self.revision_of(kind);
            if revision > current {
                return Err(too_large(revision, current));
            }
            at = (wanted == Some(Match::Exact)).then_some(revision);
        }
        // One object's key is a prefix of few others.
        let prefix = match options.fields.exact("metadata.name") {
            Some(name) if token.is_none() && (!kind.namespaced || !namespace.is_empty()) => key(kind, namespace, name),
            _ => prefix,
        };
        let everything = selection.is_everything();
        let select = |entry: &Entry| everything || selection.matches(entry);
        let (after, limit, sketch) = (after.as_deref(), options.limit, selection.sketch());
        let scan = Scan { prefix: &prefix, after, limit, at, sketch };
        let page = self.store.list(kind.plural, scan, select);
        let page = page.map_err(|compacted| match token {
            Some(token) => expired_token(&token),
            None => too_old(at.unwrap_or(0), compacted.oldest),
        })?;
        let more = page.remaining > 0;
        let continue_token = match page.entries.last() {
            Some(last) if more => {
                let start = format!("{}\0", &last.key[prefix.len()..]);
                Some(encode_token(page.revision as i64, start))
            }
            _ => None,
        };
        let remaining = (more && everything).then_some(page.remaining);
        Ok(Listing { entries: page.entries, revision: page.revision, continue_token, remaining })
    }

    /// Writes to objects of a kind in a namespace (`""`: in all) after `revision`.
    ///
    /// # Errors
    /// `Expired`.
    pub fn watch(&self, kind: &'static Kind, namespace: &str, revision: u64) -> Result<Watch, Status> {
        let inner = self.store.watch(kind.plural, &prefix(kind, namespace), revision);
        Ok(Watch { inner: inner.map_err(|compacted| too_old(revision, compacted.oldest))? })
    }
}

/// Base64 as Go reads it, which does not mind stray bits at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

fn encode_token(rv: i64, start: String) -> String {
    let token = Token { v: TOKEN_VERSION.into(), rv, start };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn decode_token(text: &str) -> Result<Token, Status> {
    let invalid =
        |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = LENIENT.decode(text.trim_end_matches('=')).map_err(|problem| match problem {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
            invalid(format!("illegal base64 data at input byte {at}"))
        }
        _ => invalid(format!("illegal base64 data at input byte {}", text.len().saturating_sub(1))),
    })?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|problem| match bytes.first() {
        None => invalid("unexpected end of JSON input".into()),
        Some(b'{') => invalid(problem.to_string()),
        Some(byte) if byte.is_ascii_graphic() => {
            invalid(format!("invalid character '{}' looking for beginning of value", *byte as char))
        }
        Some(byte) => invalid(format!("invalid character '\\u{byte:04x}' looking for beginning of value")),
    })?;
    if token.v != TOKEN_VERSION {
        return Err(invalid(
            "server does not recognize this encoded version \"\"".replace("\"\"", &format!("{:?}", token.v)),
        ));
    }
    if token.rv == 0 {
        return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into()));
    }
    if token.start.is_empty() || token.start.contains("..") {
        return Err(invalid("encoded start key empty (version meta.k8s.io/v1)".into()));
    }
    Ok(token)
}

fn expired_token(token: &Token) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.metadata.insert("continue", encode_token(-1, token.start.clone()).into());
    status
}

fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let mut status = Status::failure(504, "Timeout", message);
    status.details = Some(Box::new(StatusDetails {
        causes: vec![StatusCause {
            reason: "ResourceVersionTooLarge".into(),
            message: "Too large resource version".into(),
            ..StatusCause::default()
        }],
        retry_after_seconds: 1,
        ..StatusDetails::default()
    }));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sketched;
    use shared_types::json::json;

    #[test]
    fn what_is_selected_has_all_bits_of_its_selector() {
        for n in 0..200 {
            let labels = json!({"app": format!("a{}", n % 7), "n": n.to_string()});
            let attributes = Attributes::default().with_labels(labels.as_object().unwrap());
            for text in [format!("n={n}"), format!("app=a{},n in ({n})", n % 7), format!("app,n!={}", n + 1)] {
                let labels = LabelSelector::parse(&text).unwrap();
                assert!(labels.matches(&attributes));
                let selection = Selection { labels, fields: FieldSelector::default(), selectable: &[] };
                assert_eq!(selection.sketch() & !attributes.sketch(), 0, "{text}");
            }
        }
    }
}
