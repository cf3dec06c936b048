//! Prometheus' text format, as far as counters need it
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

/// One number that a server tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    /// The value of a label; `""` where it is absent.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }
}

/// The samples of a document. Lines that cannot be read are left out.
pub fn parse(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_string(), labels, value })
}

/// `a="b",c="d"} REST`.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((name.trim().to_string(), value));
        rest = &quoted[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read() {
        let text = "# HELP x what it is\n# TYPE x counter\nx{a=\"1\",b=\"q\\\"\\\\\\n,}\"} 3 1700000000\ny 4.5\nbroken{a= 1\n\n";
        let samples = parse(text);
        assert_eq!(samples.len(), 2);
        assert_eq!((samples[0].label("a"), samples[0].label("b"), samples[0].label("c")), ("1", "q\"\\\n,}", ""));
        assert_eq!((samples[0].value, samples[1].name.as_str(), samples[1].value), (3.0, "y", 4.5));
    }
}
