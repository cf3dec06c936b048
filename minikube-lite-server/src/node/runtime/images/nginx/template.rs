//! Texts with variables: `$host`, `${host}`.

/// A text whose variables are filled in for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    pub fn parse(text: &str) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            parts.push(Part::Text(before.to_string()));
            let (name, left) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                Some(found) => found,
                None => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            parts.push(if name.is_empty() { Part::Text("$".into()) } else { Part::Variable(name.to_string()) });
            rest = left;
        }
        parts.push(Part::Text(rest.to_string()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Template(parts)
    }

    /// The text with what `variable` gives for each variable.
    pub fn fill(&self, mut variable: impl FnMut(&str) -> String) -> String {
        self.0.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => text.push_str(&variable(name)),
            }
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let fill = |text: &str| Template::parse(text).fill(|name| format!("<{name}>"));
        assert_eq!(fill("a $b-${c}d $"), "a <b>-<c>d $");
        assert_eq!(fill("$a$b"), "<a><b>");
        assert_eq!(fill("${a"), "${a");
        assert_eq!(fill(""), "");
    }
}
