//! Indenting JSON without parsing it into a tree, so that the order of fields stays.

/// Compact JSON, indented by two spaces as Go's `MarshalIndent` does.
pub fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut at = 0;
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * 2, b' ');
    };
    while at < json.len() {
        let byte = json[at];
        match byte {
            b'"' => {
                let start = at;
                at += 1;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                out.extend_from_slice(&json[start..json.len().min(at + 1)]);
            }
            b'{' | b'[' => {
                out.push(byte);
                // Empty ones stay on one line.
                if json.get(at + 1).is_some_and(|next| *next == byte + 2) {
                    out.push(byte + 2);
                    at += 1;
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\t' | b'\r' => {}
            other => out.push(other),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn indents_like_go() {
        let json = br#"{"a":{},"b":[],"c":[1,{"d":"x, {\"y\"}: z\\"}]}"#;
        let expected = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x, {\\\"y\\\"}: z\\\\\"\n    }\n  ]\n}";
        assert_eq!(String::from_utf8(super::indent(json)).unwrap(), expected);
    }
}
