use super::*;
use crate::json::json;
use crate::schema::{Field, Struct};
use proptest::prelude::*;
use std::sync::LazyLock;

fn field(name: &str, ty: Type, merge: Merge) -> Field {
    Field { name: name.into(), go_type: String::new(), ty, pointer: true, omitempty: true, merge, number: [0, 0] }
}

fn keyed(key: &str) -> Merge {
    Merge { patch_merge: true, patch_merge_key: Some(key.into()), ..Merge::default() }
}

/// A type with a field of each way of merging.
fn ty() -> &'static Struct {
    static TYPE: LazyLock<&'static Struct> = LazyLock::new(|| {
        let leak =
            |name: &str, fields| -> &'static Struct { Box::leak(Box::new(Struct::new(name.into(), fields, false))) };
        let plain = Merge::default;
        let list = |ty| Type::List(Box::new(ty));
        let env = leak("Env", vec![field("name", Type::String, plain()), field("value", Type::String, plain())]);
        let container = leak(
            "Container",
            vec![
                field("name", Type::String, plain()),
                field("image", Type::String, plain()),
                field("args", list(Type::String), plain()),
                field("env", list(Type::Struct(env)), keyed("name")),
            ],
        );
        leak(
            "Spec",
            vec![
                field("containers", list(Type::Struct(container)), keyed("name")),
                field("finalizers", list(Type::String), Merge { patch_merge: true, ..plain() }),
                field("labels", Type::Map(Box::new(Type::String)), plain()),
                field("strategy", Type::Struct(env), Merge { patch_retain_keys: true, ..plain() }),
                field("volumes", list(Type::Struct(env)), Merge { patch_retain_keys: true, ..keyed("name") }),
            ],
        )
    });
    &TYPE
}

fn patched(mut object: Value, mut patch: Value) -> Result<Value, Error> {
    apply(ty(), &mut object, &mut patch)?;
    Ok(object)
}

fn two() -> Value {
    json!({"containers": [
        {"name": "main", "image": "m:1", "args": ["a"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "side", "image": "s:1"},
    ]})
}

#[test]
fn lists_merge_by_key_and_take_the_order_of_the_patch() {
    let patch = json!({"containers": [
        {"name": "main", "args": ["b"], "env": [{"name": "C", "value": "3"}, {"name": "A", "$patch": "delete"}]},
        {"name": "new", "image": "n:1"},
    ]});
    let expected = json!({"containers": [
        {"name": "main", "image": "m:1", "args": ["b"], "env": [{"name": "C", "value": "3"}, {"name": "B", "value": "2"}]},
        {"name": "new", "image": "n:1"},
        {"name": "side", "image": "s:1"},
    ]});
    assert_eq!(patched(two(), patch), Ok(expected));
}

#[test]
fn directives_are_obeyed() {
    let order = json!({"$setElementOrder/containers": [{"name": "new"}, {"name": "main"}],
        "containers": [{"name": "new", "image": "n:1"}]});
    let names = |object: Value| -> Vec<String> {
        let items = object["containers"].as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap().into()).collect()
    };
    assert_eq!(names(patched(two(), order).unwrap()), ["new", "main", "side"]);
    let replace = json!({"containers": [{"$patch": "replace"}, {"name": "only"}]});
    assert_eq!(patched(two(), replace), Ok(json!({"containers": [{"name": "only"}]})));
    let labels = json!({"labels": {"a": "1"}});
    assert_eq!(
        patched(labels.clone(), json!({"labels": {"$patch": "replace", "b": "2"}})),
        Ok(json!({"labels": {"b": "2"}}))
    );
    assert_eq!(patched(labels, json!({"labels": {"$patch": "delete"}})), Ok(json!({"labels": {}})));
    assert_eq!(
        patched(
            json!({"strategy": {"name": "x", "value": "y"}}),
            json!({"strategy": {"$retainKeys": ["name"], "name": "z"}})
        ),
        Ok(json!({"strategy": {"name": "z"}}))
    );
    assert_eq!(
        patched(json!({"finalizers": ["a", "b", "c"]}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]})),
        Ok(json!({"finalizers": ["a", "c"]}))
    );
    assert_eq!(
        patched(json!({"finalizers": ["a", "b"]}), json!({"finalizers": ["b", "c"]})),
        Ok(json!({"finalizers": ["a", "b", "c"]}))
    );
}

#[test]
fn errors_read_as_kubernetes_writes_them() {
    let error = |patch| patched(two(), patch).unwrap_err();
    assert_eq!(
        error(json!({"containers": [{"image": "noname"}]})).to_string(),
        "map: map[image:noname] does not contain declared merge key: name"
    );
    assert_eq!(
        error(json!({"containers": [{"name": "x", "$patch": "jump"}]})).to_string(),
        "unknown patch type: jump in map: map[$patch:jump name:x]"
    );
    assert_eq!(
        error(json!({"$retainKeys": ["labels"], "containers": []})),
        Error::Unprocessable("patch content doesn't match retainKeys list")
    );
    assert_eq!(
        error(json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]})).to_string(),
        "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"
    );
}

#[test]
fn obeyed_directives_leave_the_patch() {
    let mut patch = json!({"labels": {"a": "b"}, "$setElementOrder/containers": [{"name": "main"}],
        "containers": [{"name": "main", "image": "m:2"}]});
    apply(ty(), &mut two(), &mut patch).unwrap();
    assert_eq!(patch, json!({"labels": {"a": "b"}}));
}

#[test]
fn three_ways_delete_only_what_was_applied_before() {
    let item = |image: &str| json!({"name": "main", "image": image});
    let original = json!({"containers": [item("1"), {"name": "old"}], "labels": {"gone": "x", "kept": "y"}});
    let modified = json!({"containers": [item("2")], "labels": {"kept": "y"}});
    let current = json!({"containers": [item("1"), {"name": "old"}, {"name": "injected"}],
        "labels": {"gone": "x", "kept": "y", "theirs": "z"}});
    let patch = three_way_diff(ty(), &original, &modified, &current).unwrap();
    assert_eq!(
        patch,
        json!({
            "$setElementOrder/containers": [{"name": "main"}],
            "containers": [item("2"), {"$patch": "delete", "name": "old"}],
            "labels": {"gone": null},
        })
    );
    assert_eq!(
        patched(current, patch),
        Ok(json!({"containers": [item("2"), {"name": "injected"}], "labels": {"kept": "y", "theirs": "z"}}))
    );
}

#[test]
fn retained_keys_are_named_where_the_api_asks_for_it() {
    let [old, new] = [json!({"strategy": {"name": "a", "value": "b"}}), json!({"strategy": {"name": "c"}})];
    let patch = two_way_diff(ty(), &old, &new).unwrap();
    assert_eq!(patch, json!({"strategy": {"$retainKeys": ["name"], "name": "c", "value": null}}));
    assert_eq!(patched(old, patch), Ok(new));
}

/// Objects of the type above.
fn object() -> impl Strategy<Value = Value> {
    fn maybe(name: &'static str, value: BoxedStrategy<Value>) -> BoxedStrategy<Vec<(String, Value)>> {
        prop::option::of(value).prop_map(move |v| v.into_iter().map(|v| (name.to_string(), v)).collect()).boxed()
    }
    let text = || "[a-c]".prop_map(Value::from).boxed();
    let texts = || prop::collection::vec("[a-c]", 0..3).prop_map(Value::from).boxed();
    let set = || prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..4).prop_shuffle().prop_map(Value::from).boxed();
    let items = |fields: BoxedStrategy<Vec<Vec<(String, Value)>>>| {
        prop::sample::subsequence(vec!["a", "b", "c"], 1..4)
            .prop_shuffle()
            .prop_flat_map(move |names| {
                let items = names.into_iter().map(|name| {
                    fields.clone().prop_map(move |fields| {
                        let name = ("name".to_string(), Value::from(name));
                        fields.into_iter().flatten().chain([name]).collect::<Value>()
                    })
                });
                items.collect::<Vec<_>>().prop_map(Value::from)
            })
            .boxed()
    };
    let env = items(maybe("value", text()).prop_map(|value| vec![value]).boxed());
    let container = (maybe("image", text()), maybe("args", texts()), maybe("env", env.clone()));
    let containers = items(container.prop_map(|(a, b, c)| vec![a, b, c]).boxed());
    let labels = prop::collection::btree_map("[a-c]", "[a-c]", 0..3).prop_map(|labels| json!(labels)).boxed();
    let strategy = maybe("value", text()).prop_map(|v| v.into_iter().chain([("name".into(), "x".into())]).collect());
    (
        maybe("containers", containers),
        maybe("finalizers", set()),
        maybe("labels", labels),
        maybe("strategy", strategy.boxed()),
        maybe("volumes", env),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

/// Anything at all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), "[a-c]|name|delete|replace".prop_map(Value::from), Just(Value::from(1))];
    let name = "name|\\$patch|containers|\\$setElementOrder/containers|\\$retainKeys|labels|finalizers|env|\\$deleteFromPrimitiveList/finalizers";
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec((name, inner.clone()), 0..4).prop_map(|members| members.into_iter().collect()),
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn applying_a_diff_gives_the_modified_object(original in object(), modified in object()) {
        let patch = two_way_diff(ty(), &original, &modified).unwrap();
        let once = patched(original, patch.clone()).unwrap();
        prop_assert_eq!(&once, &modified);
        prop_assert_eq!(patched(once, patch).unwrap(), modified);
    }

    #[test]
    fn three_ways_agree_with_two_where_nobody_else_wrote(original in object(), modified in object()) {
        let patch = three_way_diff(ty(), &original, &modified, &original).unwrap();
        prop_assert_eq!(patched(original, patch).unwrap(), modified);
    }

    #[test]
    fn no_input_is_too_strange(object in anything(), patch in anything(), other in anything()) {
        let _ = patched(object.clone(), patch.clone());
        let _ = two_way_diff(ty(), &object, &patch);
        let _ = three_way_diff(ty(), &object, &patch, &other);
    }
}
