//! Reading only some fields of an object's JSON text, for those who need few: what is left out is skipped, not built.

use crate::json::{Value, parse_masked};

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
    /// When the text is not JSON, as far as it is read: what is left out is passed over.
    pub fn read(&self, json: &[u8]) -> serde_json::Result<Value> {
        parse_masked(json, self)
    }

    /// What is to be read of a field: nothing, or what the mask has below it.
    pub(crate) fn field(&self, name: &str) -> Option<&Mask> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, mask)| mask)
    }

    /// Whether a value is read whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

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
