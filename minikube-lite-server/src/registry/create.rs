//! Creating objects.

use super::{
    Expect, Part, Registry, WriteError, WriteOptions, Written, encode, event, failed, key, metadata, strategy_of,
};
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::kinds::{self, Kind};
use shared_types::status::{Status, StatusCause};
use shared_types::time::format_time;

/// How often a taken generated name is replaced by another.
const NAME_ATTEMPTS: usize = 8;

impl Registry {
    /// Creates an object in `namespace` (`""` for cluster-scoped kinds).
    ///
    /// # Errors
    /// `BadRequest`, `NotFound` (the namespace), `Forbidden` (admission), `Invalid`, `AlreadyExists`.
    pub async fn create(
        &self,
        kind: &'static Kind,
        namespace: &str,
        object: Value,
        options: WriteOptions,
    ) -> Result<Written, Status> {
        let mut object = event::to_stored(kind, object);
        let kind = event::stored_kind(kind);
        let strategy = strategy_of(kind);
        if !kind.namespaced {
            object.remove("metadata.namespace");
        } else if object.namespace().is_empty() {
            object.set("metadata.namespace", namespace);
        } else if object.namespace() != namespace {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(why));
        }
        object.set("apiVersion", kind.api_version());
        object.set("kind", kind.kind);
        let requested_version = object.remove("metadata.resourceVersion").filter(|v| v != "" && v != "0");
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            object.remove(&format!("metadata.{field}"));
        }

        strategy.default(&mut object);
        // What admission adds is nobody's.
        if !options.applied {
            self.track_managed_fields(kind, None, &mut object, &options, Part::Main);
        }
        self.check_namespace(kind, namespace, object.name())?;
        strategy.admit(self, &mut object)?;

        let base = object.text("metadata.generateName").to_string();
        let generated = object.name().is_empty() && !base.is_empty();
        if generated {
            object.set("metadata.name", self.generated_name(&base));
        }
        // The UID derives from the final name: of objects made at the same time with one base, either may come first.
        let uid = self.environment.uid(&format!("{}/{namespace}/{}", kind.plural, object.name()));
        object.set("metadata.uid", uid);
        object.set("metadata.creationTimestamp", format_time(self.environment.now()));
        if strategy.has_generation() {
            object.set("metadata.generation", 1);
        } else {
            object.remove("metadata.generation");
        }
        strategy.prepare_for_create(&mut object);
        let mut errors = metadata::validate(&object, kind, strategy, generated);
        errors.extend(strategy.validate(&object));
        if !errors.is_empty() {
            let name = if generated { "" } else { object.name() };
            return Err(Status::invalid(kind.kind, kind.group, name, &errors));
        }
        let warnings = strategy.warnings(&object, None);
        if requested_version.is_some() {
            return Err(Status::failure(500, "", "resourceVersion should not be set on objects to be created"));
        }
        if kind.kind == "Pod" {
            self.check_limits(&object)?;
        }
        self.charge_quotas(kind, &object, None, options.dry_run).await?;
        if options.dry_run {
            if self.store.get(kind.plural, &key(kind, namespace, object.name())).is_some() {
                return Err(self.taken(kind, &object));
            }
            strategy.allocate(self, &mut object, None)?;
            strategy.release(self, &object, None);
            let entry = Self::uncommitted(kind, &object, encode(kind, &object)?, 0);
            return Ok(Written { entry, created: true, warnings });
        }
        strategy.allocate(self, &mut object, None)?;
        object.set("metadata.resourceVersion", "0");
        let mut attempts = 0;
        loop {
            let bytes = encode(kind, &object)?;
            match self.commit(kind, &object, bytes, Expect::Absent, false).await {
                Ok(entry) => return Ok(Written { entry, created: true, warnings }),
                Err(WriteError::Conflict) if generated && attempts < NAME_ATTEMPTS => {
                    attempts += 1;
                    object.set("metadata.name", self.generated_name(&base));
                }
                Err(problem) => {
                    strategy.release(self, &object, None);
                    return Err(match problem {
                        WriteError::Conflict => self.taken(kind, &object),
                        WriteError::Failed(why) => failed(why),
                    });
                }
            }
        }
    }

    /// The error for a name that another object has.
    fn taken(&self, kind: &'static Kind, object: &Value) -> Status {
        let mut status = Status::already_exists(kind.plural, kind.group, object.name());
        let other = self.get(kind, object.namespace(), object.name()).and_then(|entry| entry.object());
        if other.is_ok_and(|other| other.is_terminating()) {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
    }

    /// `base` with five random letters, cut so that the whole has at most 63 (apimachinery's SimpleNameGenerator).
    fn generated_name(&self, base: &str) -> String {
        let base: String = base.chars().take(58).collect();
        let suffix = self.environment.name_suffix(&base, 5);
        base + &suffix
    }

    /// The NamespaceLifecycle admission plug-in: nothing is made in a namespace that is not there or is going away.
    fn check_namespace(&self, kind: &'static Kind, namespace: &str, name: &str) -> Result<(), Status> {
        if !kind.namespaced {
            return Ok(());
        }
        // Validation sees to it that this is the phase of those, and only those, that are being deleted.
        let entry = self.get(kinds::named("Namespace"), "", namespace)?;
        if entry.attributes.field(0) != "Terminating" {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Status::forbidden(kind.plural, kind.group, name, &why);
        if let Some(details) = &mut status.details {
            details.causes = vec![StatusCause {
                reason: "NamespaceTerminating".into(),
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".into(),
            }];
        }
        Err(status)
    }
}
