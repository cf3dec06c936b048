//! Objects of kinds that have no description of their own: all their fields, with titles made from their names.

use super::metadata::{labels_and_annotations, name_and_namespace};
use super::report::Report;
use crate::go_format;
use shared_types::fields::Fields;
use shared_types::json::{Object, Value};

/// Fields that are shown above, or not at all.
const SKIPPED: [&str; 5] =
    [".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];

const ACRONYMS: [&str; 4] = ["API", "URL", "UID", "GUID"];

pub fn describe(report: &mut Report, object: &Value) {
    name_and_namespace(report, object);
    labels_and_annotations(report, object);
    fields(report, 0, object.map(""), "");
}

fn fields(report: &mut Report, level: usize, object: &Object, above: &str) {
    for (name, value) in object {
        let path = format!("{above}.{name}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        match value {
            Value::Object(inner) => {
                report.heading(level, title(name));
                fields(report, level + 1, inner, &path);
            }
            Value::Array(items) => {
                report.heading(level, title(name));
                for item in items {
                    match item {
                        Value::Object(inner) => fields(report, level + 1, inner, &path),
                        item => report.line(level + 1, go_format::plain(item)),
                    }
                }
            }
            scalar => report.field(level, title(name), go_format::plain(scalar)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`. Names that hold more than letters and dashes stay as they are.
fn title(name: &str) -> String {
    if name.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return name.to_string();
    }
    let word = |word: &String| {
        let upper = word.to_uppercase();
        if ACRONYMS.contains(&upper.as_str()) {
            upper
        } else if word.chars().all(|c| !c.is_uppercase()) {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
        } else {
            word.clone()
        }
    };
    words(name).iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The words of a camel-case name: `podIPs` has `pod`, `I`, `Ps`; `clusterIPFamily` has `cluster`, `IP`, `Family`.
fn words(name: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Lower,
        Upper,
        Other,
    }
    let class = |c: char| {
        if c.is_lowercase() {
            Class::Lower
        } else if c.is_uppercase() {
            Class::Upper
        } else {
            Class::Other
        }
    };
    let mut words: Vec<(Class, String)> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some((last, word)) if *last == class(c) => word.push(c),
            _ => words.push((class(c), c.to_string())),
        }
    }
    // The last capital belongs to the small letters after it.
    for index in 1..words.len() {
        if words[index - 1].0 == Class::Upper
            && words[index].0 == Class::Lower
            && let Some(capital) = words[index - 1].1.pop()
        {
            words[index].1.insert(0, capital);
        }
    }
    words.into_iter().map(|(_, word)| word).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn titles_are_made_from_names() {
        let cases = [
            ("apiVersion", "API Version"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("kind", "Kind"),
            ("a.b/c", "a.b/c"),
            ("HTTPPort", "HTTP Port"),
        ];
        for (name, expected) in cases {
            assert_eq!(title(name), expected);
        }
    }

    #[test]
    fn all_fields_are_shown() {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "l", "namespace": "n", "uid": "u", "managedFields": [], "finalizers": ["a"]},
            "spec": {"leaseDurationSeconds": 40}});
        let mut report = Report::default();
        describe(&mut report, &lease);
        let expected = "\
Name:         l
Namespace:    n
Labels:       <none>
Annotations:  <none>
API Version:  coordination.k8s.io/v1
Kind:         Lease
Metadata:
  Finalizers:
    a
  UID:  u
Spec:
  Lease Duration Seconds:  40
";
        assert_eq!(report.finish(), expected);
    }
}
