//! A tree of nodes to JSON.

use super::parse::{Id, Node, Tree};
use super::resolve::{Scalar, resolve};
use super::{Duplicate, YamlError};
use crate::json::{CompactString, Object, Value};
use crate::number::format_general;
use base64::Engine;
use std::collections::HashSet;

type Result<T> = std::result::Result<T, YamlError>;

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

pub(super) struct Decoder<'a> {
    tree: &'a Tree,
    pub duplicates: Vec<Duplicate>,
    /// The anchored nodes that are being expanded through an alias.
    expanding: HashSet<Id>,
    /// Nodes decoded, and how many of them inside an alias: the measure against documents that blow up.
    decoded: u64,
    aliased: u64,
}

impl<'a> Decoder<'a> {
    pub fn new(tree: &'a Tree) -> Decoder<'a> {
        Decoder { tree, duplicates: Vec::new(), expanding: HashSet::new(), decoded: 0, aliased: 0 }
    }

    pub fn value(&mut self, id: Id) -> Result<Value> {
        self.decoded += 1;
        self.aliased += u64::from(!self.expanding.is_empty());
        if self.aliased > 100
            && self.decoded > 1000
            && self.aliased as f64 / self.decoded as f64 > allowed_alias_share(self.decoded)
        {
            return Err(YamlError::syntax("document contains excessive aliasing"));
        }
        match &self.tree.nodes[id] {
            Node::Alias(target) => {
                let target = *target;
                self.enter(target)?;
                let value = self.value(target);
                self.expanding.remove(&target);
                value
            }
            Node::Sequence(items) => items.iter().map(|item| self.value(*item)).collect(),
            Node::Mapping(pairs) => self.mapping(pairs),
            Node::Scalar { text, tag, plain } => scalar(text, tag, *plain),
        }
    }

    fn enter(&mut self, target: Id) -> Result<()> {
        if self.expanding.insert(target) {
            return Ok(());
        }
        let name = self.tree.names.get(&target).map_or("", String::as_str);
        Err(YamlError::syntax(&format!("anchor '{name}' value contains itself")))
    }

    fn mapping(&mut self, pairs: &'a [(Id, Id)]) -> Result<Value> {
        let mut fields = Vec::new();
        let mut own = HashSet::new();
        for (key, value) in pairs {
            if self.is_merge(*key) {
                self.merge(*value, &mut fields, &own)?;
                continue;
            }
            let key_value = self.value(*key)?;
            if key_value.is_object() || key_value.is_array() {
                return Err(YamlError::syntax(&format!("invalid map key: {}", go_syntax(&key_value))));
            }
            let decoded = self.value(*value)?;
            let name = match &key_value {
                Value::String(text) => text.clone(),
                Value::Number(number) => match number.as_f64() {
                    Some(float) if number.is_f64() => format_general(f64::from(float as f32), true).into(),
                    _ => number.to_string().into(),
                },
                Value::Bool(flag) => flag.to_string().into(),
                _ => {
                    let value = go_syntax(&decoded);
                    let text = format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}");
                    return Err(YamlError::conversion(&text));
                }
            };
            if !own.insert(name.clone()) {
                self.duplicates.push(Duplicate { line: self.tree.lines[*value] + 1, key: go_syntax(&key_value) });
            }
            fields.push((name, decoded));
        }
        Ok(Value::Object(Object::from_unsorted(fields)))
    }

    fn is_merge(&self, key: Id) -> bool {
        matches!(&self.tree.nodes[key], Node::Scalar { text, tag, plain } if text == "<<"
            && ((*plain && tag.is_empty()) || tag.strip_prefix(TAG_PREFIX) == Some("merge")))
    }

    /// `<<`: the keys of another mapping, or of several, the first of which wins. Keys of the mapping itself win over all.
    fn merge(
        &mut self,
        source: Id,
        fields: &mut Vec<(CompactString, Value)>,
        own: &HashSet<CompactString>,
    ) -> Result<()> {
        let refused = || YamlError::syntax("map merge requires map or sequence of maps as the value");
        let sources = match &self.tree.nodes[source] {
            Node::Sequence(items) => items.iter().rev().copied().collect(),
            _ => vec![source],
        };
        for source in sources {
            let target = match &self.tree.nodes[source] {
                Node::Alias(target) => *target,
                _ => source,
            };
            if !matches!(self.tree.nodes[target], Node::Mapping(_)) {
                return Err(refused());
            }
            let Value::Object(merged) = self.value(source)? else { return Err(refused()) };
            for (key, value) in merged {
                if !own.contains(&key) {
                    fields.push((key, value));
                }
            }
        }
        Ok(())
    }
}

/// Nearly everything may come from aliases in a small document, a tenth of it in a large one.
fn allowed_alias_share(decoded: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let size = (decoded as f64).clamp(LOW, HIGH);
    0.99 - 0.89 * (size - LOW) / (HIGH - LOW)
}

fn scalar(text: &str, tag: &str, plain: bool) -> Result<Value> {
    let tag = tag.strip_prefix(TAG_PREFIX).map(|short| format!("!!{short}")).unwrap_or_else(|| tag.to_string());
    if tag.is_empty() && !plain {
        return Ok(Value::String(text.into()));
    }
    let refused = |found: &str| YamlError::syntax(&format!("cannot decode {found} `{text}` as a {tag}"));
    let resolved = resolve(text);
    let found = match resolved {
        Scalar::Null => "!!null",
        Scalar::Bool(_) => "!!bool",
        Scalar::Int(_) | Scalar::Uint(_) => "!!int",
        Scalar::Float(_) => "!!float",
        Scalar::Timestamp => "!!timestamp",
        Scalar::Text => "!!str",
    };
    match tag.as_str() {
        "" => {}
        "!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp" if tag == found => {}
        "!!float" if found == "!!int" => {}
        "!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp" => return Err(refused(found)),
        "!!binary" => {
            let packed: String = text.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(packed)
                .map_err(|_| YamlError::syntax("!!binary value contains invalid base64 data"))?;
            return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned().into()));
        }
        _ => return Ok(Value::String(text.into())),
    }
    Ok(match resolved {
        Scalar::Null => Value::Null,
        Scalar::Bool(flag) => flag.into(),
        Scalar::Int(int) => int.into(),
        // Beyond 64 bits with a sign, numbers are floating-point ones everywhere in Kubernetes.
        Scalar::Uint(int) => (int as f64).into(),
        // JSON does not tell 1.0 from 1.
        Scalar::Float(float) if float.fract() == 0.0 && float.abs() < 9e18 => (float as i64).into(),
        Scalar::Float(float) if float.is_finite() => float.into(),
        Scalar::Float(float) => {
            let name = if float.is_nan() { "NaN" } else { ["-Inf", "+Inf"][usize::from(float > 0.0)] };
            return Err(YamlError::conversion(&format!("json: unsupported value: {name}")));
        }
        Scalar::Timestamp | Scalar::Text => Value::String(text.into()),
    })
}

/// A value as Go's `%#v` writes what YAML was decoded to; messages quote keys so.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key:?}:{}", go_syntax(value))).collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}
