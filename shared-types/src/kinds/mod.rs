//! The table of kinds: the one place that knows which kinds exist.
//!
//! Routes, discovery documents, OpenAPI, the RESTMapper, short names and categories all derive from [`KINDS`]. Adding a
//! kind is a row in [`table`], its types in `schema/`, a strategy and its printer columns in the server.

mod table;

pub use table::KINDS;

/// One kind of object and the resource it is served as.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; `""` is the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// The resource: lower case plural (`endpointslices`).
    pub plural: &'static str,
    pub singular: &'static str,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub namespaced: bool,
    pub verbs: &'static [&'static str],
    pub subresources: &'static [Subresource],
}

/// A subresource of a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Subresource {
    pub name: &'static str,
    /// Group, version and kind of what is sent to it and comes from it, where that is not the parent's.
    pub gvk: Option<(&'static str, &'static str, &'static str)>,
    pub verbs: &'static [&'static str],
}

impl Kind {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }
    /// `deployments.apps`, or `pods` in the core group.
    pub fn group_resource(&self) -> String {
        crate::status::qualified(self.plural, self.group)
    }
    /// The kind of its lists: `PodList`.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }
    /// Whether objects of the kind are kept (reviews, for one, are only answered).
    pub fn is_stored(&self) -> bool {
        self.verbs.contains(&"get")
    }
    /// Whether there can be objects of the kind, so that their type is described.
    pub fn is_described(&self) -> bool {
        self.verbs.contains(&"create")
    }
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
    /// The path prefix of its group and version: `/api/v1` or `/apis/apps/v1`.
    pub fn api_path(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

/// The kind with this `apiVersion` (`apps/v1`) and kind name.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = split_api_version(api_version);
    KINDS.iter().find(|k| k.kind == kind && k.group == group && k.version == version)
}

/// The kind served as the resource `plural` in `group` and `version`.
pub fn by_resource(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.plural == plural && k.group == group && k.version == version)
}

/// The kind of the core or any other group with this kind name; for code that names a kind that is known to exist.
///
/// # Panics
/// If no such kind is in the table: a mistake in this program, found by the first test that runs the code.
pub fn named(kind: &str) -> &'static Kind {
    KINDS.iter().find(|k| k.kind == kind).unwrap_or_else(|| panic!("no kind {kind} in the table of kinds"))
}

/// Splits `apps/v1` into group and version; `v1` has the empty group.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
