//! Who manages which fields (KEP-555): what every write records, whichever verb it comes by.

use super::{Part, Registry, WriteOptions};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::patch::apply::{self, FieldSet, Write};
use shared_types::schema::{self, Struct};
use shared_types::status::Status;
use shared_types::time::format_time;
use std::sync::LazyLock;

/// Fields that a write to a part never changes, so that nobody comes to manage them by it.
fn reset(kind: &Kind, part: Part) -> &'static FieldSet {
    static NONE: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&[]));
    static STATUS: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&["status"]));
    static SPEC: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&["spec"]));
    static SPEC_AND_LABELS: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&["spec", "metadata.labels"]));
    match part {
        Part::Status if kind.group == "apps" => &SPEC_AND_LABELS,
        Part::Status => &SPEC,
        _ if kind.subresource("status").is_some() => &STATUS,
        _ => &NONE,
    }
}

impl Part {
    /// The subresource as managed fields name it; `""` for the object itself.
    fn subresource(self) -> &'static str {
        match self {
            // These write the object on behalf of its own manager.
            Part::Main | Part::Other("finalize") => "",
            Part::Status => "status",
            Part::Other(name) => name,
        }
    }
}

/// Records a write to the scale. A `Scale` does not tell no replicas from none given, and so nobody manages them.
fn track_scale(ty: &'static Struct, old: Option<&Value>, new: &mut Value, write: &Write) {
    let none = |object: &Value| object.int("spec.replicas") == Some(0);
    let mut old = old.cloned();
    if let Some(old) = old.as_mut().filter(|old| none(old)) {
        old.remove("spec.replicas");
    }
    let replicas = none(new).then(|| new.remove("spec.replicas")).flatten();
    apply::update_managed_fields(ty, old.as_ref(), new, write);
    apply::set_field_apart(new, &["f:spec", "f:replicas"]);
    if let Some(replicas) = replicas {
        new.set("spec.replicas", replicas);
    }
}

impl Registry {
    /// Records a write other than apply in the object's `metadata.managedFields`.
    pub(super) fn track_managed_fields(
        &self,
        kind: &'static Kind,
        old: Option<&Value>,
        new: &mut Value,
        options: &WriteOptions,
        part: Part,
    ) {
        let api_version = kind.api_version();
        let Some(ty) = schema::of_kind(&api_version, kind.kind) else { return };
        let write = Write {
            manager: &options.manager,
            api_version: &api_version,
            subresource: part.subresource(),
            reset: reset(kind, part),
            time: &format_time(self.environment.now()),
        };
        if part == Part::Other("scale") {
            return track_scale(ty, old, new, &write);
        }
        apply::update_managed_fields(ty, old, new, &write);
    }

    /// The object that a server-side apply of `config` makes of `live`, with its managed fields; its types have yet to be
    /// checked.
    ///
    /// # Errors
    /// `Conflict` with other managers, `BadRequest`, or 500 for a configuration that does not fit the schema.
    pub fn apply(
        &self,
        kind: &'static Kind,
        part: Part,
        live: Option<&Value>,
        config: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, Status> {
        let api_version = kind.api_version();
        let ty = schema::of_kind(&api_version, kind.kind)
            .ok_or_else(|| Status::internal(format!("kind {} has no schema", kind.kind)))?;
        let write = Write {
            manager,
            api_version: &api_version,
            subresource: part.subresource(),
            reset: reset(kind, part),
            time: &format_time(self.environment.now()),
        };
        Ok(apply::apply(ty, live, config, &write, force)?)
    }
}
