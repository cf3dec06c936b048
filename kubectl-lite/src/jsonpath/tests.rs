use super::*;
use shared_types::json::json;

fn data() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"name": "a", "n": 1, "f": 0.5, "ok": true, "labels": {"x.y/z": "1", "app": "w<b>"}, "c": [{"i": "p"}, {"i": "q"}]},
            {"name": "b", "n": 20, "f": 2.5, "ok": false, "labels": {}, "c": [{"i": "r"}], "extra": null},
        ],
    })
}
fn fill(template: &str) -> String {
    let path = JsonPath::parse(template).map(|path| path.allow_missing(true));
    path.and_then(|path| path.fill(&data())).unwrap_or_else(|why| format!("! {why}"))
}

#[test]
fn paths_lead_to_values() {
    for (template, expected) in [
        ("{.kind}", "List"),
        ("kind", "kind"),
        ("{.items[*].name}", "a b"),
        ("{.items[0].labels}", r#"{"app":"w\u003cb\u003e","x.y/z":"1"}"#),
        ("{.items[0].labels.x\\.y/z}", "1"),
        ("{.items[0].labels['x\\.y/z']}", "1"),
        ("{['kind','none']}", "List"),
        ("{.items[-1].name} {.items[0:2].name} {.items[::2].name} {.items[1:].n} {.items[:1].n}", "b a b a 20 1"),
        ("{.items[0,1].name}", "a b"),
        ("{.items[5:5]}", ""),
        ("{..i}", "p q r"),
        ("{.items[0].c}", r#"[{"i":"p"},{"i":"q"}]"#),
        ("{.items[0].*}", r#"[{"i":"p"},{"i":"q"}] 0.5 {"app":"w\u003cb\u003e","x.y/z":"1"} 1 a true"#),
        ("{.items[1].extra}|{.none.deep}|", "null||"),
        ("{range .items[1].extra}[{@}]{end}", "[<no value>]"),
        ("{'it\\'s'}{\"\\t\"}{1}{-2.50}{true}", "it's\t1-2.5true"),
        ("{$.kind}{@.kind}", "ListList"),
        ("{.items[0]['name', 'n']}", "a 1"),
    ] {
        assert_eq!(fill(template), expected, "{template}");
    }
}

#[test]
fn ranges_repeat() {
    for (template, expected) in [
        ("{range .items[*]}{.name}:{range .c[*]}{.i},{end};{end}.", "a:p,q,;b:r,;."),
        ("{range .none[*]}x{end}y", "y"),
        ("{range .items[*]}{.name}", "ab"),
        ("{range .items[*]}{range .none}{.x}{end}{.n} {end}", "1 20 "),
        ("{end}", "! not in range, nothing to end"),
    ] {
        assert_eq!(fill(template), expected, "{template}");
    }
}

#[test]
fn filters_choose() {
    for (filter, expected) in [
        ("@.name==\"b\"", "b"),
        ("@.name!='b'", "a"),
        ("@.n>=1", "a b"),
        ("@.n<20", "a"),
        ("@.f > 1.0", "b"),
        ("@.ok==true", "a"),
        ("@.labels.app", "a"),
        ("@.c[1].i==\"q\"", "! array index out of bounds: index 1, length 1"),
        ("@.c[1]", "a b"),
        ("@.none==\"x\"", ""),
        ("@.n==\"1\"", "! incompatible types for comparison"),
        ("@.n==1.0", "! incompatible types for comparison"),
        ("@.ok<true", "! invalid type for comparison"),
        ("@.c[*].i==\"p\"", "! can only compare one element at a time"),
        ("@.n=>1", "! unrecognized filter operator =>"),
        ("@.name==\"b\" && @.n==1", "! unrecognized character in action: U+0026 '&'"),
    ] {
        assert_eq!(fill(&format!("{{.items[?({filter})].name}}")), expected, "{filter}");
    }
    assert_eq!(
        fill("{.items[0].labels[?(@.x)]}"),
        "! map[app:w<b> x.y/z:1] is not array or slice and cannot be filtered"
    );
}

#[test]
fn mistakes_are_told() {
    for (template, expected) in [
        ("{.a", "unclosed action"),
        ("{.a[x", "unterminated array"),
        ("{.a[x]}", "invalid array index x"),
        ("{.a[\"x\"]}", "invalid array index \"x\""),
        ("{.a[?(@.x}", "unterminated filter"),
        ("{.a[?(@.x)}", "unclosed array expect ]"),
        ("{\"a}", "unterminated quoted string"),
        ("{\"\\q\"}", "unquote string \"\\q\" error invalid syntax"),
        ("{....a}", "invalid multiple recursive descent"),
        ("{.a/}", ""),
        ("{#}", "unrecognized character in action: U+0023 '#'"),
        ("{word}", "unrecognized identifier word"),
        ("{.items[7].name}", "array index out of bounds: index 7, length 2"),
        ("{.items.name[0]}", ""),
        ("{.kind[0]}", "string is not array or slice"),
        ("{.items[1:0]}", "starting index 1 is greater than ending index 0"),
        ("{.items[0:2:0]}", "step must be > 0"),
    ] {
        assert_eq!(fill(template).trim_start_matches("! "), expected, "{template}");
    }
    let strict = JsonPath::parse("{.none}").expect("a path");
    assert_eq!(strict.fill(&data()), Err("none is not found".into()));
}

#[test]
fn braces_may_be_left_out() {
    for path in ["a.b", ".a.b", "{a.b}", "{.a.b}"] {
        assert_eq!(relaxed(path).as_deref(), Ok("{.a.b}"));
    }
    assert!(relaxed("{a}{b}").is_err() && relaxed(".").is_err());
}
