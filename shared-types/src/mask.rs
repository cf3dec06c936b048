//! Reading only some fields of an object's JSON text, for those who need few: what is left out is skipped, not built.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The fields to read, as a tree. Lists are passed through: a field below a list is read of every item.
#[derive(Debug, Default)]
pub struct Mask {
    fields: Vec<(&'static str, Mask)>,
}

impl Mask {
    /// A mask of dotted paths: `["metadata.name", "spec.containers.ports"]`. What a path ends at is read whole.
    pub fn new(paths: &[&'static str]) -> Mask {
        let mut mask = Mask::default();
        for path in paths {
            let mut node = &mut mask;
            for part in path.split('.') {
                let at = node.fields.iter().position(|(name, _)| *name == part).unwrap_or_else(|| {
                    node.fields.push((part, Mask::default()));
                    node.fields.len() - 1
                });
                node = &mut node.fields[at].1;
            }
        }
        mask
    }

    /// Reads the fields from an object's text.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn read(&self, json: &[u8]) -> Result<Value, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = Node(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }

    fn field(&self, name: &str) -> Option<&Mask> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, mask)| mask)
    }
}

/// A place in the mask that has fields below it.
#[derive(Clone, Copy)]
struct Node<'m>(&'m Mask);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(Key(name)) = map.next_key()? {
            match self.0.field(&name) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(leaf) if leaf.fields.is_empty() => drop(object.insert(name.into_owned(), map.next_value()?)),
                Some(inner) => drop(object.insert(name.into_owned(), map.next_value_seed(Node(inner))?)),
            }
        }
        Ok(Value::Object(object))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }
    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// A key, borrowed from the text where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_asked_for_is_read() {
        let pod = json!({
            "metadata": {"name": "web", "labels": {"a": "b"}, "managedFields": [{"manager": "x"}]},
            "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}, {"name": "d"}], "nodeName": null},
            "status": {"phase": "Running"},
        });
        let mask = Mask::new(&["metadata.name", "metadata.labels", "spec.containers.ports", "spec.nodeName"]);
        let part = mask.read(pod.to_string().as_bytes()).unwrap();
        let expected = json!({
            "metadata": {"name": "web", "labels": {"a": "b"}},
            "spec": {"containers": [{"ports": [{"containerPort": 80}]}, {}], "nodeName": null},
        });
        assert_eq!(part, expected);
    }

    #[test]
    fn a_field_of_another_type_is_taken_as_it_is_and_bad_text_refused() {
        let mask = Mask::new(&["a.b", "c\"d"]);
        assert_eq!(
            mask.read(br#"{"a": [1, -2, 2.5, "x", true], "c\"d": 1}"#).unwrap(),
            json!({"a": [1, -2, 2.5, "x", true], "c\"d": 1})
        );
        assert!(mask.read(b"{\"a\": {\"b\": 1}").is_err());
        assert!(mask.read(b"{} x").is_err());
    }
}
