//! Reads the tables of types.
//!
//! A table describes one API package. `package` names it, `version` is the `apiVersion` of its kinds, `alias` declares
//! named types (`alias string Protocol RestartPolicy`), and then come the types, a line per field in the order of the Go
//! struct, which is the order in which Kubernetes writes them:
//!
//! ```text
//! kind Service                                    # has kind and apiVersion
//!   metadata!  meta/v1.ObjectMeta                 # ! : written even when empty
//!   ports      []ServicePort  map(port, protocol=TCP) patch(port)
//!   replicas   *int32                             # a pointer: zero is not the same as absent
//!   selector   map[string]string  atomic
//! ```
//!
//! After the type: `map(keys)`, `set` or `atomic` is the list type (`key=VALUE` gives what an absent key stands for; on
//! maps and structs `atomic` is the map type), `patch` or `patch(key)` the strategic merge patch, with `retainKeys` in
//! it or alone. `atomic` after a struct's name holds wherever the struct is used.
//!
//! Fields are numbered from 1 for protobuf; `@20` at the end of a line gives another number, `@2.5` number 5 in the
//! message that is number 2 (a struct that Go embeds), `@0` none.

use super::{Field, ListType, MAX_FIELDS, Merge, Struct, Type};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLES: &[&str] = &[
    include_str!("meta_v1.types"),
    include_str!("apidiscovery_v2.types"),
    include_str!("core_v1.types"),
    include_str!("apps_v1.types"),
    include_str!("authentication_v1.types"),
    include_str!("authorization_v1.types"),
    include_str!("autoscaling_v1.types"),
    include_str!("autoscaling_v2.types"),
    include_str!("batch_v1.types"),
    include_str!("coordination_v1.types"),
    include_str!("discovery_v1.types"),
    include_str!("events_v1.types"),
    include_str!("networking_v1.types"),
    include_str!("policy_v1.types"),
    include_str!("rbac_v1.types"),
    include_str!("scheduling_v1.types"),
    include_str!("storage_v1.types"),
];

/// All types.
pub(super) struct Types {
    /// By name: `core/v1.PodSpec`.
    by_name: HashMap<String, &'static Struct>,
    /// The names of kinds by `apiVersion` and kind.
    kinds: HashMap<&'static str, HashMap<&'static str, &'static Struct>>,
}

impl Types {
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&'static Struct> {
        self.kinds.get(api_version)?.get(kind).copied()
    }

    pub(super) fn named(&self, name: &str) -> Option<&'static Struct> {
        self.by_name.get(name).copied()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Struct> {
        self.by_name.values().copied()
    }
}

/// The types, read on first use.
pub(super) fn types() -> &'static Types {
    static TYPES: LazyLock<Types> =
        LazyLock::new(|| read(TABLES).expect("the tables are part of the program, and a test reads them"));
    &TYPES
}

/// A type as the table gives it.
struct Block {
    package: &'static str,
    version: &'static str,
    name: &'static str,
    is_kind: bool,
    atomic: bool,
    lines: Vec<&'static str>,
}

/// Types under construction: a struct is built after those that it refers to.
struct Builder {
    blocks: HashMap<String, Block>,
    /// The type that a named type stands for, by full name.
    aliases: HashMap<String, &'static str>,
    built: HashMap<String, &'static Struct>,
}

fn read(tables: &[&'static str]) -> Result<Types, String> {
    let mut builder = Builder { blocks: HashMap::new(), aliases: HashMap::new(), built: HashMap::new() };
    for table in tables {
        builder.index(table)?;
    }
    let mut kinds: HashMap<_, HashMap<_, _>> = HashMap::new();
    let names: Vec<String> = builder.blocks.keys().cloned().collect();
    for name in names {
        let built = builder.build(&name, 0)?;
        let block = &builder.blocks[&name];
        if block.is_kind {
            kinds.entry(block.version).or_default().insert(block.name, built);
        }
    }
    Ok(Types { by_name: builder.built, kinds })
}

impl Builder {
    /// Splits a table into its types.
    fn index(&mut self, table: &'static str) -> Result<(), String> {
        let (mut package, mut version) = ("", "");
        let mut current: Option<Block> = None;
        for line in table.lines() {
            let line = line.split('#').next().unwrap_or_default().trim_end();
            if line.is_empty() {
                continue;
            }
            if line.starts_with(' ') {
                current.as_mut().ok_or_else(|| format!("a field outside a type: {line}"))?.lines.push(line);
                continue;
            }
            if let Some(block) = current.take() {
                self.add(block);
            }
            let words: Vec<&'static str> = line.split_whitespace().collect();
            match words[..] {
                ["package", name] => package = name,
                ["version", name] => version = name,
                ["alias", target, ref names @ ..] => {
                    self.aliases.extend(names.iter().map(|name| (qualified(package, name), target)));
                }
                [what @ ("kind" | "struct"), name, ref rest @ ..] => {
                    let atomic = rest == ["atomic"];
                    current =
                        Some(Block { package, version, name, is_kind: what == "kind", atomic, lines: Vec::new() });
                }
                _ => return Err(format!("not understood: {line}")),
            }
        }
        if let Some(block) = current.take() {
            self.add(block);
        }
        Ok(())
    }

    fn add(&mut self, block: Block) {
        self.blocks.insert(format!("{}.{}", block.package, block.name), block);
    }

    fn build(&mut self, name: &str, depth: usize) -> Result<&'static Struct, String> {
        if let Some(built) = self.built.get(name) {
            return Ok(built);
        }
        if depth > 32 {
            return Err(format!("{name} contains itself"));
        }
        let block = self.blocks.get(name).ok_or_else(|| format!("no type {name}"))?;
        let (package, is_kind, atomic, lines) = (block.package, block.is_kind, block.atomic, block.lines.clone());
        let mut fields = Vec::with_capacity(lines.len() + 2);
        if is_kind {
            fields.extend(["kind", "apiVersion"].map(type_meta));
        }
        for (index, line) in lines.into_iter().enumerate() {
            fields.push(self.field(package, line, index as u32 + 1, depth)?);
        }
        if fields.len() > MAX_FIELDS {
            return Err(format!("{name} has too many fields"));
        }
        let built: &'static Struct = Box::leak(Box::new(Struct::new(name.to_owned(), fields, atomic)));
        self.built.insert(name.to_owned(), built);
        Ok(built)
    }

    /// Reads a field's line, the `place`th of its type.
    fn field(&mut self, package: &str, line: &'static str, place: u32, depth: usize) -> Result<Field, String> {
        let not_understood = || format!("not understood: {line}");
        let (line, number) = match line.split_once('@') {
            None => (line, [place, 0]),
            Some((line, number)) => {
                let (outer, inner) = number.split_once('.').unwrap_or((number, "0"));
                let parse = |text: &str| text.trim().parse().map_err(|_| not_understood());
                (line, [parse(outer)?, parse(inner)?])
            }
        };
        let mut words = line.trim().splitn(2, ' ');
        let name = words.next().unwrap_or_default();
        let rest = words.next().unwrap_or_default().trim_start();
        let (ty, marks) = rest.trim_end().split_once(' ').unwrap_or((rest.trim_end(), ""));
        let (name, omitempty) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
        let (ty, pointer) = ty.strip_prefix('*').map_or((ty, false), |ty| (ty, true));
        let (ty, go_type) = self.ty(package, ty, depth)?;
        let mut merge = merge(marks, &ty).ok_or_else(not_understood)?;
        merge.atomic |= matches!(&ty, Type::Struct(s) if s.atomic);
        Ok(Field { name: name.to_owned(), ty, go_type, pointer, omitempty, merge, number })
    }

    /// A type, and what Go calls it.
    fn ty(&mut self, package: &str, text: &str, depth: usize) -> Result<(Type, String), String> {
        if let Some(element) = text.strip_prefix("[]") {
            let (element, go) = self.ty(package, element, depth)?;
            return Ok((Type::List(Box::new(element)), format!("[]{go}")));
        }
        if let Some(element) = text.strip_prefix("map[string]") {
            let (element, go) = self.ty(package, element, depth)?;
            return Ok((Type::Map(Box::new(element)), format!("map[string]{go}")));
        }
        let simple = match text {
            "string" => Some(Type::String),
            "bool" => Some(Type::Bool),
            "int32" => Some(Type::Int32),
            "int64" => Some(Type::Int64),
            "float64" => Some(Type::Float64),
            "bytes" => Some(Type::Bytes),
            "any" => Some(Type::Any),
            "Quantity" => Some(Type::Quantity),
            "IntOrString" => Some(Type::IntOrString),
            "Time" => Some(Type::Time),
            "MicroTime" => Some(Type::MicroTime),
            _ => None,
        };
        if let Some(ty) = simple {
            let go = ty.go_name();
            return Ok((ty, go));
        }
        let full = qualified(package, text);
        let go = full.rsplit('/').next().unwrap_or(&full).to_owned();
        match self.aliases.get(&full).copied() {
            Some(target) => Ok((self.ty(package, target, depth)?.0, go)),
            None => Ok((Type::Struct(self.build(&full, depth + 1)?), go)),
        }
    }
}

/// The full name of a type that `package` calls `name`.
fn qualified(package: &str, name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{package}.{name}") }
}

fn type_meta(name: &str) -> Field {
    Field {
        name: name.to_owned(),
        ty: Type::String,
        go_type: "string".to_owned(),
        pointer: false,
        omitempty: true,
        merge: Merge::default(),
        number: [0, 0],
    }
}

/// Reads the marks after a field's type. `None`: not understood.
fn merge(marks: &str, ty: &Type) -> Option<Merge> {
    let mut merge = Merge::default();
    // Marks are apart by blanks, of which there may be more inside parentheses.
    let mut rest = marks.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '(']).unwrap_or(rest.len());
        let (mark, after) = rest.split_at(end);
        let (arguments, after) = match after.strip_prefix('(') {
            Some(inner) => inner.split_once(')')?,
            None => ("", after),
        };
        let arguments = arguments.split(',').map(str::trim).filter(|a| !a.is_empty());
        match mark {
            "map" => {
                merge.list_type = Some(ListType::Map);
                for argument in arguments {
                    let (key, default) = argument.split_once('=').unwrap_or((argument, ""));
                    merge.list_map_keys.push(key.to_owned());
                    if !default.is_empty() {
                        merge.key_defaults.push((key.to_owned(), default.to_owned()));
                    }
                }
            }
            "set" => merge.list_type = Some(ListType::Set),
            "atomic" if matches!(ty, Type::List(_)) => merge.list_type = Some(ListType::Atomic),
            "atomic" => merge.atomic = true,
            "patch" => {
                merge.patch_merge = true;
                for argument in arguments {
                    match argument {
                        "retainKeys" => merge.patch_retain_keys = true,
                        key => merge.patch_merge_key = Some(key.to_owned()),
                    }
                }
            }
            "retainKeys" => merge.patch_retain_keys = true,
            _ => return None,
        }
        rest = after.trim_start();
    }
    Some(merge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_read() {
        let types = read(TABLES).unwrap();
        assert!(types.by_name.len() > 300);
        let pod = types.of_kind("v1", "Pod").unwrap();
        assert_eq!(pod.name, "core/v1.Pod");
        let names: Vec<&str> = pod.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["kind", "apiVersion", "metadata", "spec", "status"]);
        assert!(types.of_kind("v1", "PodSpec").is_none());
        assert_eq!(types.named("meta/v1.ObjectMeta").unwrap().fields[0].name, "name");
    }

    #[test]
    fn marks_are_read() {
        let ports = types().named("core/v1.ServiceSpec").unwrap().field("ports").unwrap();
        assert_eq!(ports.go_type, "[]v1.ServicePort");
        assert_eq!(ports.merge.list_map_keys, ["port", "protocol"]);
        assert_eq!(ports.merge.key_defaults, [("protocol".to_owned(), "TCP".to_owned())]);
        assert_eq!(ports.merge.patch_merge_key.as_deref(), Some("port"));
        let volumes = types().named("core/v1.PodSpec").unwrap().field("volumes").unwrap();
        assert!(volumes.merge.patch_merge && volumes.merge.patch_retain_keys);
        let strategy = types().named("apps/v1.DeploymentSpec").unwrap().field("strategy").unwrap();
        assert!(strategy.merge.patch_retain_keys && !strategy.merge.patch_merge && !strategy.omitempty);
        let selector = types().named("apps/v1.DeploymentSpec").unwrap().field("selector").unwrap();
        assert!(selector.merge.atomic && selector.pointer && !selector.omitempty);
    }

    #[test]
    fn a_broken_table_is_an_error() {
        for (table, error) in [
            ("  name string", "a field outside a type"),
            ("package p/v1\nstruct A\n  b B", "no type p/v1.B"),
            ("package p/v1\nstruct A\n  a *A", "contains itself"),
            ("package p/v1\nstruct A\n  b string colour", "not understood"),
            ("nonsense", "not understood"),
        ] {
            let got = read(&[table]).err().unwrap_or_default();
            assert!(got.contains(error), "{table}: {got}");
        }
    }
}
