//! Reading and writing nested fields of an object by dotted path: `pod.text("status.podIP")`.
//!
//! Objects are [`crate::json::Value`]s throughout the project: the API machinery is generic over kinds, and [`crate::schema`]
//! has checked the types of all fields before any of this code sees an object. A missing field therefore reads as the
//! empty value of the type that is asked for. Keys that contain dots (labels, annotations, data) are reached through
//! [`Fields::map`].

use crate::json::{Object, Value};

static NULL: Value = Value::Null;

/// Access to nested fields by dotted path. Paths name fields of objects only, never list indexes.
pub trait Fields {
    /// The field at `path`, or `Null` where any part of the path is absent.
    fn at(&self, path: &str) -> &Value;
    /// The field at `path` for writing, made (with the objects above it) where it is absent. Anything on the way that is
    /// not an object is replaced by one.
    fn at_mut(&mut self, path: &str) -> &mut Value;
    /// Takes the field at `path` out. The objects above it stay, even when empty.
    fn remove(&mut self, path: &str) -> Option<Value>;

    /// The string at `path`; `""` where it is absent.
    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or("")
    }
    /// The integer at `path`.
    fn int(&self, path: &str) -> Option<i64> {
        self.at(path).as_i64()
    }
    /// The boolean at `path`; `false` where it is absent.
    fn flag(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or(false)
    }
    /// The list at `path`; empty where it is absent.
    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }
    /// The object at `path`; empty where it is absent.
    fn map(&self, path: &str) -> &Object {
        static EMPTY: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        self.at(path).as_object().unwrap_or(&EMPTY)
    }
    /// Whether the field at `path` is present and not `null`.
    fn has(&self, path: &str) -> bool {
        !self.at(path).is_null()
    }
    /// Writes the field at `path`, making the objects above it.
    fn set(&mut self, path: &str, value: impl Into<Value>)
    where
        Self: Sized,
    {
        *self.at_mut(path) = value.into();
    }
    /// Writes the field at `path` unless it is present and not `null`: what API defaulting does for pointers and lists.
    fn set_default(&mut self, path: &str, value: impl Into<Value>)
    where
        Self: Sized,
    {
        if !self.has(path) {
            self.set(path, value);
        }
    }
    /// The list at `path` for writing; empty where it is absent (and then nothing is made).
    fn list_mut(&mut self, path: &str) -> &mut [Value]
    where
        Self: Sized,
    {
        if !self.has(path) {
            return &mut [];
        }
        self.at_mut(path).as_array_mut().map_or(&mut [], Vec::as_mut_slice)
    }
    /// The object at `path` for writing, made where it is absent.
    fn map_mut(&mut self, path: &str) -> &mut Object {
        let value = self.at_mut(path);
        if !value.is_object() {
            *value = Value::Object(Object::new());
        }
        match value {
            Value::Object(map) => map,
            _ => unreachable!("made an object above"),
        }
    }

    /// `metadata.name`.
    fn name(&self) -> &str {
        self.text("metadata.name")
    }
    /// `metadata.namespace`; `""` for cluster-scoped objects.
    fn namespace(&self) -> &str {
        self.text("metadata.namespace")
    }
    /// `metadata.uid`.
    fn uid(&self) -> &str {
        self.text("metadata.uid")
    }
    /// The label `key`, if the object has it.
    fn label(&self, key: &str) -> Option<&str> {
        self.map("metadata.labels").get(key).and_then(Value::as_str)
    }
    /// The annotation `key`, if the object has it.
    fn annotation(&self, key: &str) -> Option<&str> {
        self.map("metadata.annotations").get(key).and_then(Value::as_str)
    }
    /// Whether deletion of the object has been asked for (`metadata.deletionTimestamp` is set).
    fn is_terminating(&self) -> bool {
        self.has("metadata.deletionTimestamp")
    }
    /// The owner reference that is marked as controller, if any.
    fn controller_ref(&self) -> Option<&Value> {
        self.list("metadata.ownerReferences").iter().find(|owner| owner.flag("controller"))
    }
}

/// The first part of a path, and the rest of it. Paths are short, and this runs many times for every request: quicker than
/// `split_once`.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'.') {
        Some(dot) => (&path[..dot], Some(&path[dot + 1..])),
        None => (path, None),
    }
}

impl Fields for Value {
    fn at(&self, path: &str) -> &Value {
        let mut value = self;
        let mut rest = Some(path).filter(|path| !path.is_empty());
        while let Some(path) = rest {
            let (part, deeper) = split(path);
            match value.as_object().and_then(|object| object.get(part)) {
                Some(inner) => value = inner,
                None => return &NULL,
            }
            rest = deeper;
        }
        value
    }

    fn at_mut(&mut self, path: &str) -> &mut Value {
        let mut value = self;
        let mut rest = Some(path).filter(|path| !path.is_empty());
        while let Some(path) = rest {
            let (part, deeper) = split(path);
            value = value.map_mut("").entry(part).or_insert(Value::Null);
            rest = deeper;
        }
        value
    }

    fn remove(&mut self, path: &str) -> Option<Value> {
        match path.rsplit_once('.') {
            None => self.as_object_mut()?.remove(path),
            Some((parent, last)) => {
                let mut value = self;
                for part in parent.split('.') {
                    value = value.get_mut(part)?;
                }
                value.as_object_mut()?.remove(last)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn absent_fields_read_as_empty() {
        let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c"}]}});
        assert_eq!(pod.name(), "web");
        assert_eq!(pod.text("status.podIP"), "");
        assert_eq!(pod.list("spec.containers").len(), 1);
        assert!(pod.map("metadata.labels").is_empty());
        assert!(!pod.has("metadata.name.deeper"));
    }

    #[test]
    fn writing_makes_the_way() {
        let mut pod = json!({});
        pod.set("status.phase", "Pending");
        pod.set_default("status.phase", "Running");
        pod.map_mut("metadata.labels").insert("a.b/c", "d".into());
        assert_eq!(pod, json!({"status": {"phase": "Pending"}, "metadata": {"labels": {"a.b/c": "d"}}}));
        assert_eq!(pod.remove("status.phase"), Some("Pending".into()));
        assert_eq!(pod.remove("spec.nothing"), None);
        assert!(pod.list_mut("spec.containers").is_empty());
        assert!(!pod.has("spec"));
    }
}
