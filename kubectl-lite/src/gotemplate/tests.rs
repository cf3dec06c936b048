use super::*;
use shared_types::json::json;

fn fill(template: &str) -> String {
    let data = json!({
        "kind": "Foo",
        "labels": {"app": "web", "a.b/c": "d"},
        "items": [{"name": "a", "c": ["p", "q"]}, {"name": "b", "c": []}],
        "nums": [1, 2, 3], "i": 42, "f": 2.5, "big": 12345678.5, "t": true, "nul": null, "s": "a<b>'c\"", "b64": "aGVsbG8=",
    });
    match Template::parse(template, true).map(|template| template.fill(&data)) {
        Ok((out, Ok(()))) => out,
        Ok((out, Err(why))) => format!("{out}! {why}"),
        Err(why) => format!("!! {why}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(fill(template), *expected, "{template}");
    }
}

#[test]
fn fields_and_variables() {
    check(&[
        (
            "{{.kind}} {{$.kind}} {{.labels}} {{.i}} {{.f}} {{.big}}",
            "Foo Foo map[a.b/c:d app:web] 42 2.5 1.23456785e+07",
        ),
        ("{{.nope}} {{.nope.deep}} {{.nul}}", "<no value> <no value> <no value>"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32"),
        ("{{(index .items 0).name}}{{$x := .labels}}{{$x.app}}", "aweb"),
        ("a {{- .kind -}} b {{/* note */ -}}  c", "aFoob c"),
        ("{{'a'}} {{0x1F}} {{017}} {{1e3}} {{`raw\\n`}} {{\"q\\t\\u00e9\"}}", "97 31 15 1000 raw\\n q\té"),
    ]);
}

#[test]
fn blocks() {
    check(&[
        ("{{range .items}}{{.name}}{{range .c}}{{.}}{{else}}-{{end}};{{end}}", "apq;b-;"),
        (
            "{{range $i, $e := .nums}}{{if $i}},{{end}}{{$e}}{{end}} {{range $k, $v := .labels}}{{$k}}={{$v}} {{end}}",
            "1,2,3 a.b/c=d app=web ",
        ),
        (
            "{{range .nums}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}{{range 3}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}",
            "130",
        ),
        ("{{if .nul}}a{{else if not .t}}b{{else}}c{{end}}{{with .i}}{{.}}{{else}}x{{end}}", "c42"),
        ("{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .kind}}{{block \"b\" .i}}<{{.}}>{{end}}", "[Foo]<42>"),
        ("{{define \"t\"}}{{template \"t\"}}{{end}}{{with 1}}{{end}}x", "x"),
    ]);
    assert!(
        fill("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}").contains("exceeded maximum template depth")
    );
}

#[test]
fn functions() {
    check(&[
        (
            "{{len .items}} {{len .kind}} {{index .labels \"a.b/c\"}} {{index .items 0 \"c\" 1}} {{slice .kind 1 2}}",
            "2 3 d q o",
        ),
        ("{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{not nil}} {{and .t .nope}}", "0 x true <no value>"),
        (
            "{{eq 1 2 1}} {{eq .i 42}} {{eq .nul nil}} {{eq .nope 1}} {{ne 1 2}} {{lt \"a\" \"b\"}} {{ge 2 3}}",
            "true true true false true true false",
        ),
        ("{{print 1 2 \"a\" \"b\" 3 nil}} {{println .kind 1}}", "1 2ab3 <nil> Foo 1\n"),
        ("{{html .s}} {{js .s}} {{urlquery \"a b/é\"}}", "a&lt;b&gt;&#39;c&#34; a\\u003Cb\\u003E\\'c\\\" a+b%2F%C3%A9"),
        (
            "{{.b64 | base64decode}} {{exists .labels \"app\"}} {{exists .items 5}} {{.kind | printf \"%q\" | len}}",
            "hello true false 5",
        ),
    ]);
}

#[test]
fn printf_follows_fmt() {
    check(&[
        (
            "{{printf \"%5d|%-5d|%05d|%+d|%x|%#x|%o|%b|%c|%q|%U\" 1 2 3 4 255 255 8 5 65 65 65}}",
            "    1|2    |00003|+4|ff|0xff|10|101|A|'A'|U+0041",
        ),
        (
            "{{printf \"%10s|%-4s|%.2s|%q|% x\" \"a\" \"b\" \"cde\" \"g\\n\" \"hi\"}}",
            "         a|b   |cd|\"g\\n\"|68 69",
        ),
        ("{{printf \"%.2f %8.3f %e %g %v\" 1.5 1.5 1.5 1e30 1e6}}", "1.50    1.500 1.500000e+00 1e+30 1e+06"),
        (
            "{{printf \"%v %v %#v %T %T\" .nul .items .nums .i 1}}",
            "<nil> [map[c:[p q] name:a] map[c:[] name:b]] []interface {}{1, 2, 3} int64 int",
        ),
        ("{{printf \"%d %s %d\" \"a\" 1 nil}}", "%!d(string=a) %!s(int=1) %!d(<nil>)"),
        (
            "{{printf \"%d\"}} {{printf \"%d\" 1 2}} {{printf \"%\"}} {{printf \"100%%\"}}",
            "%!d(MISSING) 1%!(EXTRA int=2) %!(NOVERB) 100%",
        ),
        ("{{printf \"%*d|%[2]d %[1]d\" 5 1}}", "    1|1 5"),
    ]);
}

#[test]
fn mistakes_while_running() {
    let at = |place: &str, node: &str, why: &str| {
        format!("! template: output:{place}: executing \"output\" at <{node}>: {why}")
    };
    for (template, expected) in [
        ("{{.kind.x}}", at("1:7", ".kind.x", "can't evaluate field x in type interface {}")),
        ("{{.nul.x}}", at("1:6", ".nul.x", "nil pointer evaluating interface {}.x")),
        (
            "{{len .nope}}",
            at("1:2", "len .nope", "error calling len: reflect: call of reflect.Value.Type on zero Value"),
        ),
        ("{{index .items 5}}", at("1:2", "index .items 5", "error calling index: index out of range: 5")),
        (
            "{{eq 1 \"a\"}}",
            at("1:2", "eq 1 \"a\"", "error calling eq: incompatible types for comparison: int and string"),
        ),
        ("{{lt .t true}}", at("1:2", "lt .t true", "error calling lt: invalid type for comparison")),
        ("{{len 1 2}}", at("1:2", "len", "wrong number of args for len: want 1 got 2")),
        ("{{range .kind}}{{end}}", at("1:8", ".kind", "range can't iterate over Foo")),
        ("{{template \"none\"}}", at("1:11", "{{template \"none\"}}", "template \"none\" not defined")),
        ("{{printf .i}}", at("1:9", ".i", "wrong type for value; expected string; got int64")),
        ("{{\"a\" 1}}", at("1:2", "\"a\"", "can't give argument to non-function \"a\"")),
    ] {
        assert_eq!(fill(template), expected, "{template}");
    }
    let strict = Template::parse("a{{.nope}}", false).expect("a template");
    let (out, result) = strict.fill(&json!({}));
    assert_eq!(out, "a");
    assert!(result.is_err_and(|why| why.ends_with("map has no entry for key \"nope\"")));
}

#[test]
fn mistakes_of_form() {
    for (template, expected) in [
        ("{{.kind", "1: unclosed action"),
        ("a\n{{oops}}", "2: function \"oops\" not defined"),
        ("{{if .kind}}", "1: unexpected EOF"),
        ("{{.kind}}{{end}}", "1: unexpected {{end}}"),
        ("{{}}", "1: missing value for command"),
        ("{{$x}}", "1: undefined variable \"$x\""),
        ("{{.kind | 1}}", "1: non executable command in pipeline stage 2"),
        ("{{\"a}}", "1: unterminated quoted string"),
        ("{{(.kind}}", "1: unclosed left paren"),
        ("{{1a}}", "1: bad number syntax: \"1a\""),
        ("{{break}}", "1: {{break}} outside {{range}}"),
        ("{{/* a", "1: unclosed comment"),
    ] {
        assert_eq!(fill(template), format!("!! template: output:{expected}"), "{template}");
    }
    let deep = "(".repeat(100_000);
    assert!(fill(&format!("{{{{{deep}")).starts_with("!! "));
}
