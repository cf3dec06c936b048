//! What holds of patches for all objects of a type: objects are made up from the schema.

use super::apply::{FieldSet, Write, apply, compare, field_set, update_managed_fields};
use super::strategic;
use crate::fields::Fields;
use crate::json::{Object, Value, json};
use crate::schema::{self, Field, ListType, Merge, Struct, Type};
use proptest::prelude::*;

/// Objects of type `ty` with a few of its fields.
fn object(ty: &'static Struct, depth: usize) -> BoxedStrategy<Value> {
    let fields: Vec<&'static Field> = ty.fields.iter().filter(|field| depth > 0 || is_scalar(&field.ty)).collect();
    let most = fields.len().min(4);
    prop::sample::subsequence(fields, 0..=most)
        .prop_flat_map(move |fields| {
            let members = fields.into_iter().map(|field| {
                let value = value(&field.ty, Some(&field.merge), depth.saturating_sub(1));
                value.prop_map(|value| (field.name.clone(), value)).boxed()
            });
            members.collect::<Vec<_>>().prop_map(|members| members.into_iter().collect::<Value>())
        })
        .boxed()
}

fn is_scalar(ty: &Type) -> bool {
    !matches!(ty, Type::Struct(_) | Type::List(_) | Type::Map(_))
}

fn value(ty: &'static Type, merge: Option<&'static Merge>, depth: usize) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::Int32 | Type::Int64 | Type::Float64 => (0..4).prop_map(Value::from).boxed(),
        Type::Time | Type::MicroTime => Just("2026-01-01T00:00:00Z".into()).boxed(),
        Type::Quantity => "[1-4]".prop_map(Value::from).boxed(),
        Type::Bytes => Just("YWJj".into()).boxed(),
        Type::Struct(ty) => object(ty, depth),
        Type::Map(values) => {
            let members = prop::collection::btree_map("[a-c]", value(values, None, depth), 0..3);
            members.prop_map(|members| json!(members)).boxed()
        }
        Type::List(item) => {
            let items = prop::collection::vec(value(item, None, depth), 0..4);
            items.prop_map(move |items| with_identities(items, item, merge)).boxed()
        }
        _ => "[a-c]".prop_map(Value::from).boxed(),
    }
}

/// A list in which every item has its keys, and no two the same.
fn with_identities(items: Vec<Value>, item: &'static Type, merge: Option<&'static Merge>) -> Value {
    let Some(merge) = merge else { return items.into() };
    let patch_keys = merge.patch_merge_key.iter();
    let keys: Vec<&String> = merge.list_map_keys.iter().chain(patch_keys).collect();
    let set = merge.patch_merge || merge.list_type == Some(ListType::Set);
    let mut kept: Vec<Value> = Vec::new();
    for (index, mut new) in items.into_iter().enumerate() {
        if let (Value::Object(new), Some(ty)) = (&mut new, item.as_struct()) {
            for field in keys.iter().filter_map(|key| ty.field(key)) {
                let string = matches!(field.ty, Type::String);
                new.insert(field.name.clone(), if string { format!("key{index}").into() } else { index.into() });
            }
        }
        if !(set && kept.contains(&new)) {
            kept.push(new);
        }
    }
    kept.into()
}

fn deployments() -> &'static Struct {
    schema::of_kind("apps/v1", "Deployment").unwrap()
}

/// Deployments and Services, as a client writes them.
fn any_object() -> impl Strategy<Value = (&'static Struct, Value, Value)> {
    let pair = |api_version: &'static str, kind: &'static str| {
        let ty = schema::of_kind(api_version, kind).unwrap();
        let one = move || {
            object(ty, 5).prop_map(move |mut object| {
                object.set("apiVersion", api_version);
                object.set("kind", kind);
                object.remove("metadata");
                object
            })
        };
        (one(), one()).prop_map(move |(one, other)| (ty, one, other))
    };
    prop_oneof![pair("apps/v1", "Deployment"), pair("v1", "Service"), pair("v1", "Pod"), pair("v1", "ServiceAccount")]
}

fn write<'a>(manager: &'a str, object: &'a Value, reset: &'a FieldSet) -> Write<'a> {
    Write { manager, api_version: object.text("apiVersion"), subresource: "", reset, time: "2026-01-01T00:00:00Z" }
}

/// All that anybody manages.
fn managed(object: &Value) -> FieldSet {
    let mut all = FieldSet::default();
    for entry in object.list("metadata.managedFields") {
        all.insert_all(&FieldSet::from_fields_v1(entry.at("fieldsV1")).unwrap());
    }
    all
}

fn data(mut object: Value) -> Value {
    object.remove("metadata");
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_strategic_diff_makes_the_modified_object((ty, original, modified) in any_object()) {
        let patch = strategic::two_way_diff(ty, &original, &modified).unwrap();
        let mut object = original.clone();
        strategic::apply(ty, &mut object, &mut patch.clone()).unwrap();
        prop_assert_eq!(&object, &modified);
        let patch = strategic::three_way_diff(ty, &original, &modified, &original).unwrap();
        let mut object = original;
        strategic::apply(ty, &mut object, &mut patch.clone()).unwrap();
        prop_assert_eq!(object, modified);
    }

    #[test]
    fn applying_again_changes_nothing((ty, one, other) in any_object()) {
        let reset = FieldSet::default();
        let first = apply(ty, None, &one, &write("one", &one, &reset), false).unwrap();
        prop_assert_eq!(data(first.clone()), one.clone());
        // What nobody manages belongs to before the first apply.
        if !first.has("metadata.managedFields") {
            return Ok(());
        }
        let later = Write { time: "2026-01-01T00:00:01Z", ..write("one", &one, &reset) };
        prop_assert_eq!(&apply(ty, Some(&first), &one, &later, false).unwrap(), &first);
        let both = apply(ty, Some(&first), &other, &write("other", &other, &reset), true).unwrap();
        let again = apply(ty, Some(&both), &other, &Write { manager: "other", ..later }, false).unwrap();
        prop_assert_eq!(again, both);
    }

    #[test]
    fn what_is_applied_is_managed_and_what_is_dropped_is_gone((ty, one, other) in any_object()) {
        let reset = FieldSet::default();
        let first = apply(ty, None, &one, &write("me", &one, &reset), false).unwrap();
        // What nobody manages belongs to before the first apply.
        if !first.has("metadata.managedFields") {
            return Ok(());
        }
        let second = apply(ty, Some(&first), &other, &write("me", &other, &reset), false).unwrap();
        let mut wanted = field_set(ty, &other).unwrap();
        wanted.remove_all(&FieldSet::of(&["apiVersion", "kind"]));
        prop_assert_eq!(managed(&second).paths(), wanted.paths());
        let mut left = field_set(ty, &data(second)).unwrap();
        left.remove_all(&wanted);
        left.remove_all(&FieldSet::of(&["apiVersion", "kind"]));
        prop_assert_eq!(left.paths(), Vec::<String>::new());
    }

    #[test]
    fn updates_leave_no_field_to_two_managers((ty, one, other) in any_object()) {
        let [one, other] = [one, other].map(|object| schema::decode_value(ty, object).unwrap().object);
        let reset = FieldSet::default();
        let mut first = one.clone();
        update_managed_fields(ty, None, &mut first, &write("one", &one, &reset));
        // An object whose fields nobody manages is not tracked.
        if !first.has("metadata.managedFields") {
            return Ok(());
        }
        let mut second = other.clone();
        update_managed_fields(ty, Some(&first), &mut second, &write("other", &other, &reset));
        let changed = compare(ty, &one, &other);
        let entries = second.list("metadata.managedFields");
        let sets: Vec<FieldSet> =
            entries.iter().map(|entry| FieldSet::from_fields_v1(entry.at("fieldsV1")).unwrap()).collect();
        if let [a, b] = sets.as_slice() {
            prop_assert!(a.intersection(b).is_empty());
        }
        prop_assert!(managed(&second).intersection(&changed.removed).is_empty());
        let mut unmanaged = changed.changed;
        unmanaged.remove_all(&managed(&second));
        prop_assert!(unmanaged.is_empty(), "{:?}", unmanaged.paths());
    }

    #[test]
    fn no_configuration_is_too_strange(
        members in prop::collection::btree_map("metadata|spec|template|ports|containers|managedFields|x", any_json(), 0..4),
        live in any_json(),
    ) {
        let ty = deployments();
        let mut config = Value::Object(members.into_iter().collect::<Object>());
        config.set("apiVersion", "apps/v1");
        let mut live = json!({"spec": live});
        let reset = FieldSet::of(&["status"]);
        let _ = apply(ty, Some(&live), &config, &write("kubectl", &config, &reset), true);
        let old = live.clone();
        live.set("spec.template", config.at("template").clone());
        update_managed_fields(ty, Some(&old), &mut live, &write("x", &config, &reset));
        update_managed_fields(ty, None, &mut config.clone(), &write("x", &config, &reset));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), "[a-c]".prop_map(Value::from), Just(Value::from(1))];
    let name = "spec|template|containers|ports|name|env|containerPort|volumes|metadata|labels|finalizers|managedFields";
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::btree_map(name, inner.clone(), 0..4).prop_map(|members| json!(members)),
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}
