//! What is particular to a kind; everything else is generic.

use super::Registry;
use shared_types::json::Value;
use shared_types::kinds::Kind;
use shared_types::status::Status;
use shared_types::validation::ErrorList;

/// The part of an object that a write goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object itself; a `status` in it is ignored where the kind has a status subresource.
    Main,
    /// The `status` subresource.
    Status,
    /// Any other subresource that writes to the object (`resize`, `ephemeralcontainers`, `finalize`, `scale`).
    Other(&'static str),
}

/// The rules of one kind. Objects that come here have been decoded against their schema, so that every field has its
/// type; see [`Registry`] for the order in which the methods are called.
pub trait Strategy: Send + Sync {
    /// Fills in defaults (before admission, on create, on update and on objects in patches).
    fn default(&self, _object: &mut Value) {}

    /// The admission plug-ins of a real cluster that change or refuse new objects of the kind, such as ServiceAccount
    /// for Pods.
    fn admit(&self, _registry: &Registry, _object: &mut Value) -> Result<(), Status> {
        Ok(())
    }

    /// Sets what the user may not: clears status, computes derived fields.
    fn prepare_for_create(&self, _object: &mut Value) {}

    /// All that is wrong with a new object, apart from its metadata.
    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Takes over from `old` what a write to `part` may not change. The registry itself has put back system metadata
    /// and, where the kind has a status subresource, the part (`spec` or `status`) that the write does not concern.
    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _part: Part) {}

    /// All that is wrong with a changed object, apart from its metadata.
    fn validate_update(&self, object: &Value, _old: &Value, _part: Part) -> ErrorList {
        self.validate(object)
    }

    /// Warnings for the client, on create (`old` is `None`) and update.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// What is wrong with a name; `prefix` when it is a generateName. Most kinds use DNS-1123 subdomains.
    fn validate_name(&self, name: &str, prefix: bool) -> Vec<String> {
        super::metadata::dns_subdomain_name(name, prefix)
    }

    /// Values of the field selectors that the kind supports beside `metadata.name` and `metadata.namespace`.
    fn selectable_fields(&self) -> &'static [&'static str] {
        &[]
    }
    /// The value of one of [`Strategy::selectable_fields`].
    fn field_value<'a>(&self, object: &'a Value, field: &str) -> std::borrow::Cow<'a, str> {
        std::borrow::Cow::Borrowed(shared_types::fields::Fields::text(object, field))
    }

    /// What is said of a field selector that the kind does not support.
    fn unknown_field_message(&self, _kind: &Kind, field: &str) -> String {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }

    /// Whether a change of the object's metadata alone has nothing to do with the rest of it: then `validate_update` and
    /// `changes_generation` see objects that have only metadata, `default`, `prepare_for_update` and `allocate` are not
    /// called, and no selectable field is of the metadata.
    fn metadata_stands_alone(&self) -> bool {
        false
    }

    /// Whether `metadata.generation` counts changes of the object's desired state. Such kinds start at 1.
    fn has_generation(&self) -> bool {
        false
    }
    /// Whether an update of the object, for a kind with a generation, is one of its desired state.
    fn changes_generation(&self, object: &Value, old: &Value) -> bool {
        object.get("spec") != old.get("spec")
    }
    /// Whether a PUT to a missing name creates it.
    fn allows_create_on_update(&self) -> bool {
        false
    }
    /// Whether a PUT may come without resourceVersion.
    fn allows_unconditional_update(&self) -> bool {
        true
    }
    /// Whether DELETE answers with the deleted object instead of a `Status`.
    fn returns_deleted_object(&self) -> bool {
        false
    }
    /// How long a deletion waits for the object's node to confirm, in seconds. `None`: not at all. `requested` is the
    /// client's `gracePeriodSeconds`.
    fn grace_period(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether something other than `metadata.finalizers` keeps an object that is being deleted.
    fn is_held(&self, _object: &Value) -> bool {
        false
    }

    /// Refuses deletions, as admission plug-ins do.
    fn admit_deletion(&self, _name: &str) -> Result<(), Status> {
        Ok(())
    }
    /// Marks an object whose deletion begins and has to wait, beside its metadata.
    fn begin_deletion(&self, _object: &mut Value) {}

    /// Takes what must be unique in the cluster (ClusterIPs, NodePorts) for a new or changed object and writes it into
    /// it. Called last before the object is stored.
    fn allocate(&self, _registry: &Registry, _object: &mut Value, _old: Option<&Value>) -> Result<(), Status> {
        Ok(())
    }
    /// Gives back what `object` held and `kept` (its successor, if any) does not. Also called when storing fails, with
    /// the roles exchanged.
    fn release(&self, _registry: &Registry, _object: &Value, _kept: Option<&Value>) {}
}

/// The strategy of a kind.
pub fn of(kind: &'static Kind) -> &'static dyn Strategy {
    use super::config_map::ConfigMap;
    use super::endpoint_slice::EndpointSlice;
    use super::endpoints::Endpoints;
    use super::event::Event;
    use super::horizontal_pod_autoscaler::HorizontalPodAutoscaler;
    use super::lease::Lease;
    use super::limit_range::LimitRange;
    use super::namespace::Namespace;
    use super::node::Node;
    use super::resource_quota::ResourceQuota;
    use super::role::Role;
    use super::role_binding::RoleBinding;
    use super::secret::Secret;
    use super::service::Service;
    use super::service_account::ServiceAccount;

    const RBAC: &str = "rbac.authorization.k8s.io";
    struct Plain;
    impl Strategy for Plain {}
    match (kind.group, kind.kind) {
        ("", "Pod") => &super::pod::Pod,
        ("apps", "Deployment") => &super::deployment::Deployment,
        ("apps", "ReplicaSet") => &super::replica_set::ReplicaSet,
        ("", "ConfigMap") => &ConfigMap,
        ("", "Endpoints") => &Endpoints,
        ("" | "events.k8s.io", "Event") => &Event,
        ("", "LimitRange") => &LimitRange,
        ("", "Namespace") => &Namespace,
        ("", "Node") => &Node,
        ("", "ResourceQuota") => &ResourceQuota,
        ("", "Secret") => &Secret,
        ("", "ServiceAccount") => &ServiceAccount,
        ("", "Service") => &Service,
        ("autoscaling", "HorizontalPodAutoscaler") => &HorizontalPodAutoscaler,
        ("coordination.k8s.io", "Lease") => &Lease,
        ("discovery.k8s.io", "EndpointSlice") => &EndpointSlice,
        (RBAC, "ClusterRole") => &Role { cluster: true },
        (RBAC, "ClusterRoleBinding") => &RoleBinding { cluster: true },
        (RBAC, "Role") => &Role { cluster: false },
        (RBAC, "RoleBinding") => &RoleBinding { cluster: false },
        _ => &Plain,
    }
}
