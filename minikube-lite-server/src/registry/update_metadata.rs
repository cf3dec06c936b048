//! Changing nothing but an object's metadata, as labelling and annotating do: the rest of the object is not read, and its
//! text stays as it is.

use super::update::{Change, set_generation};
use super::{Entry, Expect, Part, Registry, WriteOptions, Written, key, metadata, strategy_of};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds::Kind;
use shared_types::patch::apply::keep_times_if_unchanged;
use shared_types::schema;

impl Registry {
    /// Changes the metadata of an object to what `change` makes of an object that has nothing else. `None`, with nothing
    /// done, where that is not all there is to it, or not good: then [`Registry::update`] does it, or says what is wrong.
    pub(super) async fn update_metadata(
        &self,
        kind: &'static Kind,
        namespace: &str,
        name: &str,
        change: Change<'_>,
        options: &WriteOptions,
    ) -> Option<Written> {
        let strategy = strategy_of(kind);
        if options.dry_run || options.applied || !strategy.metadata_stands_alone() {
            return None;
        }
        let entry = self.store.get(kind.plural, &key(kind, namespace, name))?;
        let (before, old, after) = split(&entry)?;
        let old = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": old});
        let mut new = change(&old).ok()?;
        let others = new.as_object()?.keys().any(|field| old.get(field).is_none());
        if others || new.has("metadata.resourceVersion") || old.is_terminating() {
            return None;
        }
        metadata::keep_system_fields(&mut new, &old);
        self.track_managed_fields(kind, Some(&old), &mut new, options, Part::Main);
        set_generation(strategy, &mut new, &old, Part::Main);
        let errors = [metadata::validate_update(&new, &old), strategy.validate_update(&new, &old, Part::Main)];
        if errors.iter().any(|errors| !errors.is_empty()) {
            return None;
        }
        let warnings = strategy.warnings(&new, Some(&old));
        new.set("metadata.resourceVersion", old.text("metadata.resourceVersion"));
        keep_times_if_unchanged(&old, &mut new);

        let ty = schema::of_kind(&kind.api_version(), kind.kind)?.field("metadata")?.ty.as_struct()?;
        let mut bytes = Vec::with_capacity(entry.bytes.len() + 256);
        bytes.extend_from_slice(before);
        schema::encode_into(ty, new.at("metadata"), &mut bytes);
        bytes.extend_from_slice(after);
        if bytes == entry.bytes {
            return Some(Written { entry, created: false, warnings });
        }
        let attributes = entry.attributes.with_labels(new.map("metadata.labels"));
        let expect = Expect::Revision(entry.revision);
        let entry = self.commit_with(kind, &new, bytes, expect, false, attributes).await.ok()?;
        Some(Written { entry, created: false, warnings })
    }
}

/// The text before an object's metadata, the metadata, and the text after it.
fn split(entry: &Entry) -> Option<(&[u8], Value, &[u8])> {
    const FIELD: &[u8] = b"\"metadata\":";
    // Only kind and apiVersion come before it.
    let start = memchr::memmem::find(&entry.bytes, FIELD)? + FIELD.len();
    let (before, rest) = entry.bytes.split_at(start);
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
    let metadata = values.next()?.ok()?;
    Some((before, metadata, &rest[values.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::registry::{Settings, Store, attributes_of_bytes};
    use crate::store::MemoryEngine;
    use shared_types::kinds;
    use shared_types::patch::merge;
    use shared_types::status::Status;

    async fn registry() -> Registry {
        let store = Store::open(MemoryEngine::default(), attributes_of_bytes).unwrap();
        let settings = Settings { service_cluster_ip_range: "10.96.0.0/12".into() };
        let registry = Registry::new(store, Environment::new(Some(3)), settings).unwrap();
        let spec = json!({"containers": [{"name": "web", "image": "nginx"}]});
        for (kind, namespace, object) in [
            ("Namespace", "", json!({"metadata": {"name": "ns"}})),
            ("ServiceAccount", "ns", json!({"metadata": {"name": "default"}})),
            ("Pod", "ns", json!({"metadata": {"name": "pod", "labels": {"app": "a"}}, "spec": spec})),
        ] {
            let options = WriteOptions { manager: "maker".into(), ..WriteOptions::default() };
            registry.create(kinds::named(kind), namespace, object, options).await.unwrap();
        }
        registry
    }

    /// The Pod's text after a merge patch, but for times; and its labels, as selectors see them.
    async fn patched(registry: &Registry, patch: &Value, metadata_only: bool) -> Result<(String, Value), Status> {
        let options = WriteOptions { manager: "patcher".into(), metadata_only, ..WriteOptions::default() };
        let mut change = |pod: &Value| {
            let mut pod = pod.clone();
            pod.remove("metadata.resourceVersion");
            merge::apply(&mut pod, patch);
            Ok(pod)
        };
        let written = registry.update(kinds::named("Pod"), Part::Main, "ns", "pod", &mut change, options).await?;
        let text = String::from_utf8_lossy(&written.entry.bytes).into_owned();
        let times = regex_lite::Regex::new(r#""(time|creationTimestamp|lastTransitionTime)":"[^"]*""#).unwrap();
        let labels = written.entry.attributes.labels().collect();
        Ok((times.replace_all(&text, "").into_owned(), labels))
    }

    #[tokio::test]
    async fn the_short_way_ends_where_the_long_way_ends() {
        let (short, long) = (registry().await, registry().await);
        for metadata in [
            json!({"labels": {"app": "b", "tier": "front"}}),
            json!({"annotations": {"a": "1", "metadata": "\"metadata\":{}"}}),
            json!({"annotations": {"a": "1"}}),
            json!({"annotations": {"a": null}, "labels": null}),
            json!({"finalizers": ["example.com/one"]}),
            json!({"uid": "another"}),
            json!({"name": "another"}),
            json!({"labels": {"not good": "x"}}),
            json!({"annotations": {"kubernetes.io/config.mirror": "x"}}),
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}]}),
            json!({"resourceVersion": "1"}),
            json!({"managedFields": [{}]}),
            json!({"labels": {"app": "c"}}),
            json!({"generateName": "x", "deletionTimestamp": "2020-01-01T00:00:00Z", "generation": 7}),
        ] {
            let patch = json!({"metadata": metadata});
            match (patched(&short, &patch, true).await, patched(&long, &patch, false).await) {
                (Ok(short), Ok(long)) => assert_eq!(short, long, "{patch}"),
                (Err(short), Err(long)) => assert_eq!(short.message, long.message, "{patch}"),
                (short, long) => panic!("{patch}: {short:?}, {long:?}"),
            }
        }
    }

    #[tokio::test]
    async fn what_is_more_than_metadata_goes_the_long_way() {
        let registry = registry().await;
        let options = WriteOptions { metadata_only: true, ..WriteOptions::default() };
        let pod = kinds::named("Pod");
        let mut alone = |pod: &Value| Ok(pod.clone());
        assert!(registry.update_metadata(pod, "ns", "pod", &mut alone, &options).await.is_none(), "a precondition");
        let mut more = |_: &Value| Ok(json!({"metadata": {"name": "pod", "namespace": "ns"}, "spec": {}}));
        assert!(registry.update_metadata(pod, "ns", "pod", &mut more, &options).await.is_none());
        let mut labels = |_: &Value| Ok(json!({"metadata": {"name": "pod", "namespace": "ns", "labels": {"a": "b"}}}));
        let written = registry.update_metadata(pod, "ns", "pod", &mut labels, &options).await.unwrap();
        let object = written.object().unwrap();
        assert_eq!((object.text("metadata.labels.a"), object.list("spec.containers").len()), ("b", 1));
    }
}
