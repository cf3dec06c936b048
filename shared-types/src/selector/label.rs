//! Label selectors, in text form (`app in (a,b),!tier`) and as the API's `LabelSelector` object (apimachinery `labels`).

use crate::fields::Fields;
use crate::json::{Object, Value};
use crate::names;
use crate::validation::{ErrorList, FieldError, Path};
use std::collections::BTreeSet;
use std::fmt;

/// Requirements on labels, all of which must hold. Without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Sorted by key.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    /// Sorted; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    NotEquals,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Reads the text form. The error is Kubernetes' own message, such as
    /// `unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt`.
    pub fn parse(text: &str) -> Result<LabelSelector, String> {
        let mut requirements = Parser { tokens: scan(text), position: 0 }.parse()?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(LabelSelector { requirements })
    }
    /// Reads a `meta/v1.LabelSelector` object (`matchLabels`, `matchExpressions`). `null` selects nothing: `None`.
    pub fn from_object(selector: &Value) -> Result<Option<LabelSelector>, String> {
        if selector.is_null() {
            return Ok(None);
        }
        let mut requirements = Vec::new();
        for (key, value) in selector.map("matchLabels") {
            let values = vec![value.as_str().unwrap_or("").to_string()];
            requirements.push(Requirement::new(key.clone().into(), Operator::Equals, values)?);
        }
        for expression in selector.list("matchExpressions") {
            let operator = match expression.text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            let values = expression.list("values").iter().filter_map(Value::as_str).map(String::from).collect();
            requirements.push(Requirement::new(expression.text("key").into(), operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Some(LabelSelector { requirements }))
    }
    /// A selector that requires each of `labels`, as a Service's `spec.selector` does.
    pub fn from_labels(labels: &Object) -> LabelSelector {
        let requirements = labels
            .iter()
            .map(|(key, value)| Requirement {
                key: key.clone().into(),
                operator: Operator::Equals,
                values: vec![value.as_str().unwrap_or("").to_string()],
            })
            .collect();
        LabelSelector { requirements }
    }
    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}

/// Labels, wherever they are kept.
pub trait Labels {
    /// The value of a label, if it is there.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Object {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

/// The canonical form.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl Requirement {
    /// A requirement that has been checked. The error is Kubernetes' own message.
    pub fn new(key: String, operator: Operator, mut values: Vec<String>) -> Result<Requirement, String> {
        let mut errors = ErrorList::new();
        errors.extend(check_key(&key, &Path::new("key")));
        let path = Path::new("values");
        let mut bad_values = |why| errors.push(FieldError::invalid(&path, values.clone(), why));
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                bad_values("for 'in', 'notin' operators, values set can't be empty");
            }
            Operator::Equals | Operator::NotEquals if values.len() != 1 => {
                bad_values("exact-match compatibility requires one single value");
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                bad_values("values set must be empty for exists and does not exist");
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.len() != 1 {
                    bad_values("for 'Gt', 'Lt' operators, exactly one value is required");
                }
                for (i, value) in values.iter().enumerate().filter(|(_, value)| value.parse::<i64>().is_err()) {
                    let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                    errors.push(FieldError::invalid(&path.index(i), value.as_str(), why));
                }
            }
            _ => {}
        }
        for (i, value) in values.iter().enumerate() {
            let wrong = names::is_valid_label_value(value);
            if !wrong.is_empty() {
                errors.push(FieldError::invalid(&path.index(i).key(&key), value.as_str(), wrong.join("; ")));
            }
        }
        match errors.as_slice() {
            [] => {
                values.sort();
                Ok(Requirement { key, operator, values })
            }
            [error] => Err(error.to_string()),
            many => Err(format!("[{}]", many.iter().map(FieldError::to_string).collect::<Vec<_>>().join(", "))),
        }
    }

    /// The one label, as key and value, that meets the requirement, if there is only one.
    pub fn only_label(&self) -> Option<(&str, &str)> {
        match (self.operator, &self.values[..]) {
            (Operator::In | Operator::Equals, [value]) => Some((&self.key, value)),
            _ => None,
        }
    }

    /// Whether `labels` meet the requirement. A label that is absent is not in any set, and differs from any value.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        let label = labels.label(&self.key);
        let among = |label: &str| self.values.iter().any(|value| value == label);
        let compared = |holds: fn(i64, i64) -> bool| {
            let number = label.and_then(|label| label.parse().ok());
            let bound = self.values.first().and_then(|value| value.parse().ok());
            number.zip(bound).is_some_and(|(number, bound)| holds(number, bound))
        };
        match self.operator {
            Operator::In | Operator::Equals => label.is_some_and(among),
            Operator::NotIn | Operator::NotEquals => !label.is_some_and(among),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => compared(|number, bound| number > bound),
            Operator::LessThan => compared(|number, bound| number < bound),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

fn check_key(key: &str, path: &Path) -> Option<FieldError> {
    let wrong = names::is_qualified_name(key);
    (!wrong.is_empty()).then(|| FieldError::invalid(path, key, wrong.join("; ")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Identifier,
    Open,
    Close,
    Comma,
    Not,
    Equals,
    NotEquals,
    In,
    NotIn,
    Greater,
    Less,
    End,
}

/// The tokens of a selector, of which the last is [`Token::End`].
fn scan(text: &str) -> Vec<(Token, &str)> {
    let is_special = |c: char| "=!(),><".contains(c);
    let is_space = |c: char| " \t\r\n".contains(c);
    // A NUL ends the text, as it does for Kubernetes' lexer.
    let mut rest = text.split('\0').next().unwrap_or("");
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_space);
        let length = match rest.chars().next() {
            None => break,
            Some(c) if is_special(c) => {
                if rest.starts_with("==") || rest.starts_with("!=") {
                    2
                } else {
                    1
                }
            }
            Some(_) => rest.find(|c| is_special(c) || is_space(c)).unwrap_or(rest.len()),
        };
        let (literal, after) = rest.split_at(length);
        let token = match literal {
            "(" => Token::Open,
            ")" => Token::Close,
            "," => Token::Comma,
            "!" => Token::Not,
            "=" | "==" => Token::Equals,
            "!=" => Token::NotEquals,
            ">" => Token::Greater,
            "<" => Token::Less,
            "in" => Token::In,
            "notin" => Token::NotIn,
            _ => Token::Identifier,
        };
        tokens.push((token, literal));
        rest = after;
    }
    tokens.push((Token::End, ""));
    tokens
}

struct Parser<'a> {
    tokens: Vec<(Token, &'a str)>,
    position: usize,
}

impl<'a> Parser<'a> {
    fn peek_word(&self) -> (Token, &'a str) {
        self.tokens.get(self.position).copied().unwrap_or((Token::End, ""))
    }
    /// The next token where a key or value may stand: there `in` and `notin` are ordinary words.
    fn peek(&self) -> (Token, &'a str) {
        match self.peek_word() {
            (Token::In | Token::NotIn, literal) => (Token::Identifier, literal),
            other => other,
        }
    }
    fn next(&mut self) -> (Token, &'a str) {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn parse(mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                (Token::End, _) => return Ok(requirements),
                (Token::Identifier | Token::Not, _) => {}
                (_, literal) => return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'")),
            }
            requirements.push(self.requirement().map_err(|error| format!("unable to parse requirement: {error}"))?);
            match self.next() {
                (Token::End, _) => return Ok(requirements),
                (Token::Comma, _) => match self.peek() {
                    (Token::Identifier | Token::Not, _) => {}
                    (_, literal) => return Err(format!("found '{literal}', expected: identifier after ','")),
                },
                (_, literal) => return Err(format!("found '{literal}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.next();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(error) = check_key(key, &Path::new("<nil>")) {
            return Err(error.to_string());
        }
        let key = key.to_string();
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let (token, literal) = self.peek_word();
        self.position += 1;
        let operator = match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            _ => return Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        Requirement::new(key, operator, values)
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            (Token::Identifier, literal) => Ok(literal.into()),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }

    /// The values in parentheses. A comma without a value beside it stands for the empty value.
    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            (Token::Open, _) => {}
            (_, literal) => return Err(format!("found '{literal}' expected: '('")),
        }
        let mut values = BTreeSet::new();
        match self.peek() {
            (Token::Close, _) => {
                self.position += 1;
                return Ok(Vec::new());
            }
            (Token::Identifier | Token::Comma, _) => {}
            (_, literal) => return Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
        loop {
            match self.next() {
                (Token::Identifier, literal) => {
                    values.insert(literal.to_string());
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => break,
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.peek().0 {
                        Token::Close => {
                            values.insert(String::new());
                            break;
                        }
                        Token::Comma => {
                            self.position += 1;
                            values.insert(String::new());
                        }
                        _ => {}
                    }
                }
                (_, literal) => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
        self.position += 1;
        Ok(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn parse(text: &str) -> LabelSelector {
        LabelSelector::parse(text).expect(text)
    }
    fn error(text: &str) -> String {
        LabelSelector::parse(text).expect_err(text)
    }

    #[test]
    fn prints_the_canonical_form() {
        let cases = [
            ("", ""),
            ("b,a", "a,b"),
            ("x in (c,a,b)", "x in (a,b,c)"),
            ("x notin (a)", "x notin (a)"),
            ("x=a", "x=a"),
            ("x==a", "x=a"),
            ("x!=a,! y", "x!=a,!y"),
            ("x>1,y<2", "x>1,y<2"),
            ("x=", "x="),
            ("x in (,)", "x in ()"),
            ("x in (a,,b)", "x in (,a,b)"),
            ("in in (in,notin)", "in in (in,notin)"),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(given).to_string(), expected, "{given}");
        }
    }

    #[test]
    fn errors_are_kubernetes_own() {
        assert_eq!(error("a b"), "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
        assert_eq!(error("n in 1"), "unable to parse requirement: found '1' expected: '('");
        assert_eq!(
            error("n>x"),
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an \
             integer"
        );
        assert_eq!(error("=x"), "found '=', expected: !, identifier, or 'end of string'");
        assert_eq!(error("app=web!"), "found '!', expected: ',' or 'end of string'");
        assert_eq!(error(","), "found ',', expected: !, identifier, or 'end of string'");
        assert_eq!(error("a,"), "found '', expected: identifier after ','");
        assert_eq!(
            error("a in ()"),
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
        );
        assert_eq!(error("a in (b"), "unable to parse requirement: found '', expected: ',' or ')'");
        assert!(
            error("a/b/c")
                .starts_with("unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key")
        );
        assert!(
            error("a=-").starts_with("unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label")
        );
    }

    #[test]
    fn matches_as_documented() {
        let labels = json!({"app": "web", "n": "5"});
        let labels = labels.as_object().unwrap();
        for text in ["", "app", "app=web", "app in (db,web)", "tier!=x", "tier notin (x)", "!tier", "n>4", "n<6"] {
            assert!(parse(text).matches(labels), "{text}");
        }
        for text in ["!app", "app=db", "app!=web", "tier", "tier=", "n>5", "app>1", "tier<1", "app,app=db"] {
            assert!(!parse(text).matches(labels), "{text}");
        }
    }

    #[test]
    fn reads_selector_objects() {
        assert_eq!(LabelSelector::from_object(&Value::Null), Ok(None));
        let selector = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "Exists"}]});
        let selector = LabelSelector::from_object(&selector).unwrap().unwrap();
        assert_eq!(selector.to_string(), "a in (x,y),b=1,c");
        let bad = json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]});
        assert_eq!(LabelSelector::from_object(&bad).unwrap_err(), "\"Gt\" is not a valid label selector operator");
        let labels = json!({"b": "1", "a": "2"});
        assert_eq!(LabelSelector::from_labels(labels.as_object().unwrap()).to_string(), "a=2,b=1");
    }
}
