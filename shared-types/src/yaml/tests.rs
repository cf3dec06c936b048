use super::*;
use crate::json::json;

fn read(text: &str) -> Value {
    parse_document(text).expect("the text is YAML").value
}
fn refused(text: &str) -> String {
    parse_document(text).expect_err("the text is not YAML").bare().to_string()
}

#[test]
fn reads_blocks_flows_and_scalars() {
    let text = "a:\n- x\n- - 1\n  - 2\n- k: v\n  l: {m: [n2, 'it''s', \"\\x41\\u00e9\\n\"]}\nb: >\n  a\n  b\n\n  c\n   d\n  e\n\nc: |+\n  x\n\n\nd: |2-\n    y\n  z\ne: a b\n  c d\n\n  e\nf:\n";
    let expected = json!({
        "a": ["x", [1, 2], {"k": "v", "l": {"m": ["n2", "it's", "Aé\n"]}}],
        "b": "a b\nc\n d\ne\n", "c": "x\n\n\n", "d": "  y\nz", "e": "a b c d\ne", "f": null,
    });
    assert_eq!(read(text), expected);
    assert_eq!(read("'a\n  b\n\n  c'"), json!("a b\nc"));
    assert_eq!(read("\"a\\\n   b\""), json!("ab"));
    assert_eq!(
        read("{a: {}, b: [], image: nginx:1.28, ? c : d, e}"),
        json!({"a": {}, "b": [], "image": "nginx:1.28", "c": "d", "e": null})
    );
    assert_eq!(read("{\"a\":1,\"b\":[\"c\"]}"), json!({"a": 1, "b": ["c"]}));
    assert_eq!(read("- a\n# note\n-\n- b # note\n"), json!(["a", null, "b"]));
    assert_eq!(read("[a: b, c]"), json!([{"a": "b"}, "c"]));
}

#[test]
fn types_follow_yaml_1_1() {
    assert_eq!(
        read("[y, No, on, yEs, ~, 0777, 0x1F, 1_000, 1e3, .5, 1.0, 089, 1:20, 2001-01-01]"),
        json!([true, false, true, "yEs", null, 511, 31, 1000, 1000, 0.5, 1, 89, "1:20", "2001-01-01"])
    );
    assert_eq!(read("{n: 1, 1: one, 1.5: f, 0x10: hex}"), json!({"false": 1, "1": "one", "1.5": "f", "16": "hex"}));
    assert_eq!(read("[!!str 5, !!int '7', !foo bar, !!binary aGVsbG8=, ! 5]"), json!(["5", 7, "bar", "hello", "5"]));
    assert_eq!(refused("!!int x"), "yaml: cannot decode !!str `x` as a !!int");
    assert_eq!(refused("{a: .inf}"), "json: unsupported value: +Inf");
    assert_eq!(refused("{~: x}"), "unsupported map key of type: %!s(<nil>), key: <nil>, value: \"x\"");
}

#[test]
fn aliases_and_merges() {
    assert_eq!(
        read("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\nf:\n  b: 9\n  <<: [*x, {b: 3, g: 4}]\n"),
        json!({"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}, "f": {"b": 9, "g": 4}})
    );
    assert_eq!(refused("a: *nope"), "yaml: unknown anchor 'nope' referenced");
    assert_eq!(refused("a: &a [*a]"), "yaml: anchor 'a' value contains itself");
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..10 {
        let last = format!("*a{},", level - 1).repeat(9);
        laughs.push_str(&format!("a{level}: &a{level} [{last}]\n"));
    }
    assert_eq!(refused(&laughs), "yaml: document contains excessive aliasing");
}

#[test]
fn problems_are_told_with_their_line() {
    for (text, problem) in [
        ("a: b: c\n", "mapping values are not allowed in this context"),
        ("k: C\n  a: v1\n", "line 2: mapping values are not allowed in this context"),
        ("a:\n\tb: c\n", "line 2: found character that cannot start any token"),
        ("a: 1\nb: [c, d\n", "line 2: did not find expected ',' or ']'"),
        ("a: 1\nb: {c: d\n", "line 2: did not find expected ',' or '}'"),
        ("a: 1\nb: 'c\n", "line 3: found unexpected end of stream"),
        ("a: 1\nb: \"\\q\"\n", "line 2: found unknown escape character"),
        ("a:\n- b\nc\n", "line 4: could not find expected ':'"),
        ("a:\n  - b\n c\n", "line 2: did not find expected key"),
        ("a: {b: 1}\n c: x\n", "line 1: did not find expected key"),
        ("a: 1\nb: |x\n  c\n", "line 2: did not find expected comment or line break"),
        ("%YAML 1.2\n---\na: b\n", "found incompatible YAML document"),
        ("a: b\u{1}c\n", "control characters are not allowed"),
    ] {
        assert_eq!(refused(text), format!("yaml: {problem}"), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&deep).contains("exceeded max depth"));
    let deep: String = (0..3000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(refused(&deep).contains("exceeded max depth"));
}

#[test]
fn a_strict_reader_lists_duplicates() {
    let document = parse_document("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").expect("duplicates are no syntax error");
    assert_eq!(document.value, json!({"a": 3, "b": {"c": 2}}));
    let error = document.strict_error().expect("two keys stand twice");
    let text =
        "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map";
    assert_eq!(error.bare(), text);
    assert_eq!(parse_document("a: 1").expect("YAML").strict_error(), None);
}

#[test]
fn documents_are_split_at_their_separators() {
    let text = "# head\n---\na: 1\n--- # next\n\n---\nb: |\n  ---\n---\n";
    assert_eq!(from_yaml(text).expect("YAML"), [json!({"a": 1}), json!({"b": "---\n"})]);
    assert_eq!(from_yaml("").expect("YAML"), Vec::<Value>::new());
    assert_eq!(
        from_yaml("a: 1\n---\nb: c: d\n").expect_err("not YAML").to_string(),
        "error converting YAML to JSON: yaml: mapping values are not allowed in this context"
    );
}

#[test]
fn writes_the_style_of_kubernetes() {
    let value = json!({
        "list": [[1, 2], [[3]], [], {}, {"a": 1, "b": [1]}, [{"a": 1}]],
        "map": {"c": {}, "d": [], "e": null, "f": [null, true, 1.5, 1e30]},
        "k10": "", "k2": "yes", "K": "1", "n": "~", "a\"b": "- a", "a: b": "it's #1", "q": "'a'",
        "text": "a\nb\n", "strip": "a\n b", "keep": "a\n\n", "indented": " a\n", "only": "\n",
        "odd": "a \nb", "tab": "a\tb", "emoji": "😀", "umlaut": "über", "time": "2001-01-01T00:00:00Z",
    });
    let text = "\
K: \"1\"
a\"b: '- a'
'a: b': 'it''s #1'
emoji: \"\\U0001F600\"
indented: |2
   a
k2: \"yes\"
k10: \"\"
keep: |+
  a

list:
- - 1
  - 2
- - - 3
- []
- {}
- a: 1
  b:
  - 1
- - a: 1
map:
  c: {}
  d: []
  e: null
  f:
  - null
  - true
  - 1.5
  - 1e+30
\"n\": \"~\"
odd: \"a \\nb\"
only: |2+

q: '''a'''
strip: |-
  a
   b
tab: \"a\\tb\"
text: |
  a
  b
time: \"2001-01-01T00:00:00Z\"
umlaut: über
";
    assert_eq!(to_yaml(&value), text);
    assert_eq!(read(text), value);
}

#[test]
fn long_text_is_folded_and_long_keys_are_marked() {
    let word = "x".repeat(30);
    let value =
        json!({"m": {"plain": format!("{word} {word} {word} {word}"), "quoted": format!("# {word} {word} {word} y")}});
    let text = format!("m:\n  plain: {word} {word} {word}\n    {word}\n  quoted: '# {word} {word} {word}\n    y'\n");
    assert_eq!(to_yaml(&value), text);
    let key = "k".repeat(129);
    assert_eq!(to_yaml(&json!({ (key.clone()): {"a\nb": 1} })), format!("? {key}\n: ? |-\n    a\n    b\n  : 1\n"));
}

#[test]
fn any_keys_can_be_sorted() {
    let keys = [
        "-a",
        "0x1",
        "1.5",
        "1_0",
        "12e3",
        "1a",
        "089",
        "0777",
        "2001-01-01",
        "a",
        "a.",
        "b",
        "yes",
        "x.y",
        "00",
        "01",
    ];
    let value = Value::Object(keys.iter().map(|key| (key.to_string(), Value::from(1))).collect());
    assert_eq!(read(&to_yaml(&value)), value);
}
