//! Go templates: actions whose operands mostly have the types that their functions want.

use crate::{chance, compare_templates, pick};
use fastrand::Rng;

/// A string.
fn text(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(..if depth == 0 { 4 } else { 10 }) {
        0 => pick(rng, &["\"x\"", "\"a<b>&'c'\"", "`raw \"text\"`", "\"é\\t\\u00e9\\\"\"", "\"\""]).into(),
        1..=3 => pick(rng, &[".kind", ".spec.s", ".spec.uni", ".metadata.name", ".spec.es", "$.spec.b64"]).into(),
        4 => format!("({} {})", pick(rng, &["html", "js", "urlquery", "print"]), any(rng, depth - 1)),
        5 => format!(
            "(printf {} {})",
            pick(rng, &["\"%s\"", "\"%q\"", "\"%10s|\"", "\"%-6.2s|\"", "\"%x\""]),
            text(rng, depth - 1)
        ),
        6 => format!("(printf {} {})", pick(rng, &["\"%v\"", "\"%+v\"", "\"%T\"", "\"<%v>%%\""]), any(rng, depth - 1)),
        7 => "(index .metadata.labels \"a.b/c\")".into(),
        8 => format!("(slice {} 0 1)", pick(rng, &[".kind", ".spec.b64", "\"word\""])),
        _ => format!("(println {} {})", text(rng, depth - 1), any(rng, depth - 1)),
    }
}

/// A number as JSON has it, which Go reads as a float.
fn float(rng: &mut Rng) -> String {
    pick(rng, &[".spec.i", ".spec.neg", ".spec.f", ".spec.big", ".spec.fbig", ".spec.z", "2.5", "(index .spec.nums 1)"])
        .into()
}

/// An integer.
fn int(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(..4) {
        0 => rng.i64(-3..100).to_string(),
        1 if depth > 0 => format!("(len {})", text(rng, depth - 1)),
        2 => format!("(len {})", list(rng)),
        _ => pick(rng, &["'a'", "0x1F", "1_000", "0b11", "0o17"]).into(),
    }
}

fn list(rng: &mut Rng) -> String {
    pick(rng, &[".spec.nums", ".spec.items", ".spec.el", "(index .spec.items 0).c", "(slice .spec.nums 1)"]).into()
}

fn map(rng: &mut Rng) -> String {
    pick(rng, &[".metadata.labels", ".spec.em", ".spec.deep", ".spec.deep.x.yy", "(index .spec.items 1)"]).into()
}

/// A comparison or another condition.
fn condition(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(..if depth == 0 { 2 } else { 9 }) {
        0 => pick(rng, &[".spec.t", ".spec.fa", "true", "false", ".spec.nul", ".nosuch"]).into(),
        1 => any(rng, 0),
        2 => format!("({} {} {})", compare(rng), float(rng), float(rng)),
        3 => format!("({} {} {})", compare(rng), int(rng, depth - 1), int(rng, depth - 1)),
        4 => format!("({} {} {})", compare(rng), text(rng, depth - 1), text(rng, depth - 1)),
        5 => format!("(eq {} {} {})", text(rng, depth - 1), text(rng, depth - 1), text(rng, depth - 1)),
        6 => format!("(not {})", condition(rng, depth - 1)),
        _ => format!("({} {} {})", pick(rng, &["and", "or"]), condition(rng, depth - 1), condition(rng, depth - 1)),
    }
}

fn compare(rng: &mut Rng) -> &'static str {
    pick(rng, &["eq", "ne", "lt", "le", "gt", "ge"])
}

/// Anything.
fn any(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(..7) {
        0 => text(rng, depth),
        1 => float(rng),
        2 => int(rng, depth),
        3 => list(rng),
        4 => map(rng),
        5 if depth > 0 => condition(rng, depth - 1),
        _ => pick(rng, &[".spec.t", ".spec.deep.x.yy.z", ".nosuch", ".spec.deep.nosuch", "true"]).into(),
    }
}

/// A pipeline as it stands inside an action.
fn pipeline(rng: &mut Rng) -> String {
    let begin = any(rng, 2);
    let begin = begin
        .strip_prefix('(')
        .and_then(|b| b.strip_suffix(')'))
        .filter(|b| !b.contains([')', '(']))
        .map_or(begin.clone(), String::from);
    match rng.u32(..6) {
        0 => format!("{begin} | printf {}", pick(rng, &["\"%v\"", "\"[%v]\"", "\"%T\"", "\"%q\""])),
        1 => format!(
            "{begin} | {} | {}",
            pick(rng, &["print", "html", "js"]),
            pick(rng, &["len", "printf \"%q\"", "urlquery"])
        ),
        _ => begin,
    }
}

/// Text and actions.
fn block(rng: &mut Rng, depth: u32) -> String {
    (0..rng.u32(1..=2)).map(|_| action(rng, depth)).collect()
}

fn action(rng: &mut Rng, depth: u32) -> String {
    let (open, close) = (pick(rng, &["{{", "{{", "{{", "{{- ", " {{"]), pick(rng, &["}}", "}}", "}}", " -}} "]));
    match rng.u32(..if depth == 0 { 4 } else { 12 }) {
        0..=2 => format!("{open}{}{close}", pipeline(rng)),
        3 => pick(rng, &["text", " \n", "{{/* nothing */}}", "é", "{{- /* less */ -}}"]).into(),
        4 => format!("{open}if {}{close}{}{{{{end}}}}", condition(rng, 2), block(rng, depth - 1)),
        5 => format!(
            "{{{{if {}}}}}{}{{{{else if {}}}}}{}{{{{else}}}}{}{{{{end}}}}",
            condition(rng, 1),
            block(rng, depth - 1),
            condition(rng, 1),
            block(rng, depth - 1),
            block(rng, depth - 1)
        ),
        6 => {
            let element = pick(rng, &["{{.}}", "{{$.kind}}", "{{printf \"%v\" .}},", "{{with .}}{{.}}{{end}}"]);
            format!(
                "{open}range {}{close}{element}{{{{else}}}}none{{{{end}}}}",
                if chance(rng, 70) { list(rng) } else { map(rng) }
            )
        }
        7 => {
            let over = if rng.bool() { list(rng) } else { map(rng) };
            let stop = pick(rng, &["", "{{if $v}}{{continue}}{{end}}", "{{if $k}}{{break}}{{end}}"]);
            format!("{{{{range $k, $v := {over}}}}}{stop}{{{{$k}}}}={{{{$v}}}};{{{{end}}}}")
        }
        8 => format!("{{{{with {}}}}}{{{{.}}}}{{{{else}}}}{}{{{{end}}}}", any(rng, 1), block(rng, depth - 1)),
        9 => {
            let value = any(rng, 1);
            format!(
                "{{{{$x := {value}}}}}{{{{if {}}}}}{{{{$x = {}}}}}{{{{end}}}}{{{{$x}}}}",
                condition(rng, 1),
                any(rng, 1)
            )
        }
        10 => format!(
            "{{{{range $i, $item := .spec.items}}}}{{{{$i}}}}{{{{$item.name}}}}{{{{len .c}}}}{{{{range .c}}}}{{{{.i}}}}{{{{end}}}}{}{{{{end}}}}",
            pick(rng, &["", "{{if eq $item.name \"a\"}}!{{end}}"])
        ),
        _ => format!("{{{{block \"b{}\" {}}}}}<{{{{.}}}}>{{{{end}}}}", rng.u32(..1_000_000), any(rng, 1)),
    }
}

#[test]
fn go_templates() {
    let mut rng = Rng::with_seed(2);
    let templates: Vec<String> = (0..600).map(|_| block(&mut rng, 2)).collect();
    compare_templates("go-template", "\n", &templates);
}
