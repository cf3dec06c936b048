//! The type of every field of every kind: field names in the order in which Kubernetes writes them, which empty fields are
//! left out, list types and their keys, merge keys of strategic merge patch.
//!
//! The tables are text (`*.types` beside this file), parsed once on first use. [`decode`] reads JSON against a type;
//! [`encode`] writes an object in Kubernetes' field order.

mod decode;
mod encode;
mod parse;
mod protobuf;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;
mod timestamp;

pub use decode::{Decoded, decode, decode_value};
pub(crate) use encode::is_empty;
pub use encode::{encode, encode_into};
pub use protobuf::{Envelope, decode_protobuf};
pub use syntax::json_syntax_error;

/// A struct type of the API, such as `PodSpec`.
#[derive(Debug)]
pub struct Struct {
    /// The Go package and name: `core/v1.PodSpec`, `meta/v1.ObjectMeta`, `apps/v1.DeploymentSpec`.
    pub name: String,
    /// In the order in which Kubernetes writes them.
    pub fields: Vec<Field>,
    /// The struct is replaced as a whole wherever it is used (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Where the fields are in `fields`, by a hash of their names ([`slot_of`]); [`FREE`] where none is.
    slots: Vec<u8>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    /// What Go calls the type, a pointer's target that is: `int32`, `[]v1.Container`, `v1.RestartPolicy`.
    pub go_type: String,
    /// A pointer (or a list or map whose emptiness matters): a present zero value is written. Without it, a zero value
    /// is left out when `omitempty` holds.
    pub pointer: bool,
    /// Left out when empty (Go's `omitempty`; `omitzero` counts too).
    pub omitempty: bool,
    /// How server-side apply and strategic merge patch treat the field.
    pub merge: Merge,
    /// The field's number in the protobuf encoding, and within the message of that number where Go embeds the struct
    /// that has the field; 0 stands for none.
    pub number: [u32; 2],
}

/// The type of a value.
#[derive(Clone, Debug)]
pub enum Type {
    String,
    Bool,
    Int32,
    Int64,
    Float64,
    /// `resource.Quantity`: kept as its canonical string.
    Quantity,
    /// An integer or a string.
    IntOrString,
    /// `metav1.Time`.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    /// `[]byte`: base64.
    Bytes,
    /// Anything: `RawExtension`, `FieldsV1`.
    Any,
    Struct(&'static Struct),
    List(Box<Type>),
    /// With string keys.
    Map(Box<Type>),
}

impl Type {
    /// What Go calls the type: `int32`, `[]v1.Container`, `map[string]string`. A field's own name for it
    /// ([`Field::go_type`]) may be more precise.
    pub fn go_name(&self) -> String {
        match self {
            Type::String => "string".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::Int32 => "int32".to_owned(),
            Type::Int64 => "int64".to_owned(),
            Type::Float64 => "float64".to_owned(),
            Type::Quantity => "resource.Quantity".to_owned(),
            Type::IntOrString => "intstr.IntOrString".to_owned(),
            Type::Time => "v1.Time".to_owned(),
            Type::MicroTime => "v1.MicroTime".to_owned(),
            Type::Bytes => "[]uint8".to_owned(),
            Type::Any => "runtime.RawExtension".to_owned(),
            Type::Struct(ty) => ty.name.rsplit('/').next().unwrap_or(&ty.name).to_owned(),
            Type::List(element) => format!("[]{}", element.go_name()),
            Type::Map(element) => format!("map[string]{}", element.go_name()),
        }
    }

    /// The struct that the type is.
    pub fn as_struct(&self) -> Option<&'static Struct> {
        match self {
            Type::Struct(ty) => Some(ty),
            _ => None,
        }
    }

    /// The type of the elements of a list or map.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::List(element) | Type::Map(element) => Some(element),
            _ => None,
        }
    }
}

/// How lists, maps and structs are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merge {
    /// `x-kubernetes-list-type`, `x-kubernetes-map-type`; absent where the API declares none (a list is then atomic, a
    /// map or struct granular).
    pub list_type: Option<ListType>,
    /// `x-kubernetes-list-map-keys`, in order.
    pub list_map_keys: Vec<String>,
    /// Values that absent list map keys take (`protocol` of a container port defaults to `TCP`).
    pub key_defaults: Vec<(String, String)>,
    /// The whole map or struct is atomic (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// `x-kubernetes-patch-merge-key`.
    pub patch_merge_key: Option<String>,
    /// `x-kubernetes-patch-strategy` contains `merge`.
    pub patch_merge: bool,
    /// `x-kubernetes-patch-strategy` contains `retainKeys`.
    pub patch_retain_keys: bool,
}

/// No type has more fields.
const MAX_FIELDS: usize = 64;

/// A slot that no field has.
const FREE: u8 = u8::MAX;

/// Where to look for the field called `name` first, of `slots` (a power of two).
fn slot_of(name: &str, slots: usize) -> usize {
    let bytes = name.as_bytes();
    let at = |i: usize| bytes.get(i).copied().map_or(0, usize::from);
    let length = bytes.len();
    let hash = length + 31 * at(0) + 17 * at(length / 2) + 7 * at(length.saturating_sub(1)) + 3 * at(length / 4);
    hash & (slots - 1)
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    Atomic,
    Set,
    Map,
}

impl Struct {
    /// A type of at most [`MAX_FIELDS`] fields.
    pub(crate) fn new(name: String, fields: Vec<Field>, atomic: bool) -> Struct {
        let mut slots = vec![FREE; (fields.len() * 4).next_power_of_two()];
        for (i, field) in fields.iter().enumerate() {
            let mut slot = slot_of(&field.name, slots.len());
            while slots[slot] != FREE {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = i as u8;
        }
        Struct { name, fields, atomic, slots }
    }

    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.index(name).map(|i| &self.fields[i])
    }

    /// The position in `fields` of the field called `name`.
    fn index(&self, name: &str) -> Option<usize> {
        let mut slot = slot_of(name, self.slots.len());
        while self.slots[slot] != FREE {
            let index = usize::from(self.slots[slot]);
            if self.fields[index].name == name {
                return Some(index);
            }
            slot = (slot + 1) % self.slots.len();
        }
        None
    }

    /// The field at a dotted path, through lists and structs: `spec.containers.ports`.
    pub fn at(&self, path: &str) -> Option<&Field> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let field = self.field(first)?;
        let Some(rest) = rest else { return Some(field) };
        let mut ty = &field.ty;
        while let Type::List(element) = ty {
            ty = element;
        }
        ty.as_struct()?.at(rest)
    }

    /// The Go name without its package: `PodSpec`.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// The type of objects of a kind, by `apiVersion` and kind: `("apps/v1", "Deployment")`. `None` for kinds that the
/// tables don't have.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Struct> {
    parse::types().of_kind(api_version, kind)
}

/// The struct type called `name` (`core/v1.PodSpec`).
pub fn named(name: &str) -> Option<&'static Struct> {
    parse::types().named(name)
}
