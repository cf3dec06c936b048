//! Runs awk programs.

use super::parse::{Expr, Statement};
use crate::node::runtime::budget::Budget;
use crate::node::runtime::process::Process;
use crate::node::runtime::tools::{Failure, printf, regex};
use futures_util::future::BoxFuture;
use regex_lite::Regex;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The longest text, in bytes, and the most elements of all arrays.
const LONGEST: usize = 4 * 1024 * 1024;
const ELEMENTS: usize = 200_000;
/// How much output is collected before it is written.
const OUTPUT: usize = 8 * 1024;

/// A value: a number, a text, or a text that came from outside and counts as a number where it looks like one.
#[derive(Clone, Debug)]
pub enum Value {
    Number(f64),
    Text(String),
    Input(String),
}

/// What comes after a statement.
pub enum Flow {
    On,
    Break,
    Continue,
    Next,
    Exit(i32),
}

pub struct Machine {
    variables: HashMap<String, Value>,
    arrays: HashMap<String, BTreeMap<String, Value>>,
    elements: usize,
    /// `$0`, and the others after it.
    fields: Vec<Value>,
    regexes: HashMap<String, Regex>,
    budget: Budget,
    pub output: String,
}

impl Value {
    fn number(&self) -> f64 {
        match self {
            Value::Number(number) => *number,
            Value::Text(text) | Value::Input(text) => leading_number(text),
        }
    }
    fn text(&self) -> String {
        match self {
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e16 => format!("{number:.0}"),
            Value::Number(number) => six_digits(*number),
            Value::Text(text) | Value::Input(text) => text.clone(),
        }
    }
    /// As a number, where it is one or looks like one.
    fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
            Value::Input(text) => text.trim().parse().ok().filter(|_| !text.contains(['n', 'N'])),
        }
    }
    fn is_true(&self) -> bool {
        match (self.as_number(), self) {
            (Some(number), _) => number != 0.0,
            (None, Value::Text(text) | Value::Input(text)) => !text.is_empty(),
            (None, Value::Number(_)) => false,
        }
    }
}

/// `%.6g`
fn six_digits(number: f64) -> String {
    if !number.is_finite() {
        return format!("{number}").to_lowercase();
    }
    let exponent = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    if !(-4..6).contains(&exponent) {
        let text = format!("{number:.5e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let exponent: i32 = exponent.parse().unwrap_or(0);
        return format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let text = format!("{number:.*}", usize::try_from(5 - exponent).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let is_part = |(at, c): &(usize, char)| c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '-' | '+'));
    let length = text.char_indices().take_while(is_part).count();
    text[..length].parse().unwrap_or(0.0)
}

type Result<T> = std::result::Result<T, String>;

impl Machine {
    pub fn new(budget: Budget, env: &BTreeMap<String, String>) -> Machine {
        let variables = [("FS", " "), ("OFS", " "), ("ORS", "\n"), ("SUBSEP", "\x1c")];
        let environ = env.iter().map(|(name, value)| (name.clone(), Value::Input(value.clone()))).collect();
        Machine {
            variables: variables
                .iter()
                .map(|(name, value)| (name.to_string(), Value::Text(value.to_string())))
                .collect(),
            arrays: [("ENVIRON".to_string(), environ)].into(),
            elements: 0,
            fields: vec![Value::Input(String::new())],
            regexes: HashMap::new(),
            budget,
            output: String::new(),
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), Value::Input(value.into()));
    }

    /// Takes the next line.
    pub fn record(&mut self, line: &str) {
        let number = self.variable("NR").number() + 1.0;
        self.variables.insert("NR".into(), Value::Number(number));
        self.variables.insert("FNR".into(), Value::Number(number));
        self.split_record(line);
    }

    fn split_record(&mut self, line: &str) {
        let separator = self.variable("FS").text();
        self.fields.clear();
        self.fields.push(Value::Input(line.into()));
        let parts = self.split(line, &separator);
        self.fields.extend(parts.into_iter().map(Value::Input));
    }

    fn split(&mut self, text: &str, separator: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut chars = separator.chars();
        match (chars.next(), chars.next()) {
            (None, _) => text.chars().map(String::from).collect(),
            (Some(' '), None) => text.split_whitespace().map(String::from).collect(),
            (Some(c), None) if c != '|' || separator == "|" => text.split(c).map(String::from).collect(),
            _ => match self.regex(separator) {
                Ok(regex) => regex.split(text).map(String::from).collect(),
                Err(_) => text.split(separator).map(String::from).collect(),
            },
        }
    }

    fn regex(&mut self, pattern: &str) -> Result<Regex> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = regex::compile(&[pattern], &regex::Syntax { extended: true, ..Default::default() })?;
        if self.regexes.len() < 100 {
            self.regexes.insert(pattern.into(), regex.clone());
        }
        Ok(regex)
    }

    fn variable(&self, name: &str) -> Value {
        if name == "NF" {
            return Value::Number((self.fields.len() - 1) as f64);
        }
        self.variables.get(name).cloned().unwrap_or(Value::Input(String::new()))
    }

    pub fn is_true(&mut self, condition: &Expr) -> Result<bool> {
        Ok(self.value(condition)?.is_true())
    }

    /// Runs a statement; output is written as it grows.
    pub fn run<'a>(
        &'a mut self,
        process: &'a Process,
        statement: &'a Statement,
    ) -> BoxFuture<'a, std::result::Result<Flow, Failure>> {
        Box::pin(async move {
            self.budget.clone().spend().await;
            if self.output.len() > OUTPUT {
                process.print(std::mem::take(&mut self.output)).await?;
            }
            match statement {
                Statement::Print(arguments) => {
                    let values = match arguments.is_empty() {
                        true => vec![self.fields[0].text()],
                        false => arguments.iter().map(|one| Ok(self.value(one)?.text())).collect::<Result<Vec<_>>>()?,
                    };
                    self.output += &values.join(&self.variable("OFS").text());
                    self.output += &self.variable("ORS").text();
                }
                Statement::Printf(arguments) => {
                    let text = self.formatted(arguments)?;
                    self.output += &text;
                }
                Statement::Value(expression) => drop(self.value(expression)?),
                Statement::If(condition, yes, no) => {
                    if self.is_true(condition)? {
                        return self.run(process, yes).await;
                    } else if let Some(no) = no {
                        return self.run(process, no).await;
                    }
                }
                Statement::While(condition, body) => {
                    while self.is_true(condition)? {
                        match self.run(process, body).await? {
                            Flow::Break => break,
                            Flow::On | Flow::Continue => {}
                            flow => return Ok(flow),
                        }
                    }
                }
                Statement::For(first, condition, step, body) => {
                    self.run(process, first).await?;
                    loop {
                        if let Some(condition) = condition
                            && !self.is_true(condition)?
                        {
                            break;
                        }
                        match self.run(process, body).await? {
                            Flow::Break => break,
                            Flow::On | Flow::Continue => {}
                            flow => return Ok(flow),
                        }
                        self.run(process, step).await?;
                    }
                }
                Statement::ForIn(variable, array, body) => {
                    let keys: Vec<String> =
                        self.arrays.get(array).map(|array| array.keys().cloned().collect()).unwrap_or_default();
                    for key in keys {
                        self.set(variable, &key);
                        match self.run(process, body).await? {
                            Flow::Break => break,
                            Flow::On | Flow::Continue => {}
                            flow => return Ok(flow),
                        }
                    }
                }
                Statement::Block(statements) => {
                    for statement in statements {
                        match self.run(process, statement).await? {
                            Flow::On => {}
                            flow => return Ok(flow),
                        }
                    }
                }
                Statement::Delete(array, keys) => {
                    let key = self.key(keys)?;
                    if let Some(array) = self.arrays.get_mut(array) {
                        if keys.is_empty() {
                            array.clear();
                        } else {
                            array.remove(&key);
                        }
                    }
                }
                Statement::Next => return Ok(Flow::Next),
                Statement::Break => return Ok(Flow::Break),
                Statement::Continue => return Ok(Flow::Continue),
                Statement::Exit(code) => {
                    let code = code.as_ref().map(|code| self.value(code)).transpose()?;
                    return Ok(Flow::Exit(code.map_or(0, |code| code.number() as i32 & 0xff)));
                }
            }
            Ok(Flow::On)
        })
    }

    fn formatted(&mut self, arguments: &[Expr]) -> Result<String> {
        let values = arguments.iter().map(|one| Ok(self.value(one)?.text())).collect::<Result<Vec<_>>>()?;
        let Some((format, values)) = values.split_first() else { return Ok(String::new()) };
        // As awk takes numbers: what stands after one does not count, and integers are cut.
        let mut kinds = format.split('%').skip(1).filter(|part| !part.is_empty());
        let values: Vec<String> = values
            .iter()
            .map(|value| match kinds.next().and_then(|part| part.chars().find(char::is_ascii_alphabetic)) {
                Some('d' | 'i' | 'x' | 'X' | 'o' | 'u') => format!("{:.0}", leading_number(value).trunc()),
                Some('f' | 'e' | 'g') => leading_number(value).to_string(),
                _ => value.clone(),
            })
            .collect();
        Ok(String::from_utf8_lossy(&printf::format(format, &values).text).into_owned())
    }

    fn key(&mut self, keys: &[Expr]) -> Result<String> {
        let keys = keys.iter().map(|key| Ok(self.value(key)?.text())).collect::<Result<Vec<_>>>()?;
        Ok(keys.join(&self.variable("SUBSEP").text()))
    }

    fn assign(&mut self, target: &Expr, value: Value) -> Result<Value> {
        if let Value::Text(text) | Value::Input(text) = &value
            && text.len() > LONGEST
        {
            return Err("out of memory".into());
        }
        match target {
            Expr::Variable(name) if name == "NF" => {
                self.fields.resize((value.number().clamp(0.0, 10_000.0) as usize) + 1, Value::Input(String::new()));
                self.join_record();
            }
            Expr::Variable(name) => drop(self.variables.insert(name.clone(), value.clone())),
            Expr::Element(array, keys) => {
                let key = self.key(keys)?;
                if self.elements >= ELEMENTS {
                    return Err("out of memory".into());
                }
                let before = self.arrays.entry(array.clone()).or_default().insert(key, value.clone());
                self.elements += usize::from(before.is_none());
            }
            Expr::Field(index) => {
                let index = self.value(index)?.number().clamp(0.0, 10_000.0) as usize;
                if index == 0 {
                    self.split_record(&value.text());
                } else {
                    if index >= self.fields.len() {
                        self.fields.resize(index + 1, Value::Input(String::new()));
                    }
                    self.fields[index] = value.clone();
                    self.join_record();
                }
            }
            _ => return Err("cannot assign".into()),
        }
        Ok(value)
    }

    fn join_record(&mut self) {
        let fields: Vec<String> = self.fields.iter().skip(1).map(Value::text).collect();
        self.fields[0] = Value::Input(fields.join(&self.variable("OFS").text()));
    }

    fn value(&mut self, expression: &Expr) -> Result<Value> {
        let truth = |truth: bool| Value::Number(f64::from(u8::from(truth)));
        Ok(match expression {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Regex(pattern) => {
                let line = self.fields[0].text();
                truth(self.regex(pattern)?.is_match(&line))
            }
            Expr::Variable(name) => self.variable(name),
            Expr::Element(array, keys) => {
                let key = self.key(keys)?;
                self.arrays.get(array).and_then(|array| array.get(&key)).cloned().unwrap_or(Value::Input(String::new()))
            }
            Expr::Field(index) => {
                let index = self.value(index)?.number();
                if index < 0.0 {
                    return Err("access to negative field".into());
                }
                self.fields.get(index as usize).cloned().unwrap_or(Value::Input(String::new()))
            }
            Expr::Assign(target, binary, right) => {
                let right = self.value(right)?;
                let value = match binary {
                    None => right,
                    Some(sign) => Value::Number(calculate(sign, self.value(target)?.number(), right.number())?),
                };
                self.assign(target, value)?
            }
            Expr::Step(target, step, after) => {
                let before = self.value(target)?.number();
                self.assign(target, Value::Number(before + step))?;
                Value::Number(if *after { before } else { before + step })
            }
            Expr::Unary('!', operand) => truth(!self.value(operand)?.is_true()),
            Expr::Unary('-', operand) => Value::Number(-self.value(operand)?.number()),
            Expr::Unary(_, operand) => Value::Number(self.value(operand)?.number()),
            Expr::Binary("&&", left, right) => truth(self.is_true(left)? && self.is_true(right)?),
            Expr::Binary("||", left, right) => truth(self.is_true(left)? || self.is_true(right)?),
            Expr::Binary(sign @ ("~" | "!~"), left, right) => {
                let text = self.value(left)?.text();
                let pattern = self.pattern(right)?;
                truth(self.regex(&pattern)?.is_match(&text) == (*sign == "~"))
            }
            Expr::Binary(" ", left, right) => {
                let text = self.value(left)?.text() + &self.value(right)?.text();
                if text.len() > LONGEST {
                    return Err("out of memory".into());
                }
                Value::Text(text)
            }
            Expr::Binary(sign, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                let order = match (left.as_number(), right.as_number()) {
                    (Some(left), Some(right)) => left.partial_cmp(&right),
                    _ => Some(left.text().cmp(&right.text())),
                };
                match *sign {
                    "==" => truth(order == Some(Ordering::Equal)),
                    "!=" => truth(order != Some(Ordering::Equal)),
                    "<" => truth(order == Some(Ordering::Less)),
                    ">" => truth(order == Some(Ordering::Greater)),
                    "<=" => truth(order.is_some_and(Ordering::is_le)),
                    ">=" => truth(order.is_some_and(Ordering::is_ge)),
                    sign => Value::Number(calculate(sign, left.number(), right.number())?),
                }
            }
            Expr::Conditional(condition, yes, no) => {
                if self.is_true(condition)? {
                    self.value(yes)?
                } else {
                    self.value(no)?
                }
            }
            Expr::In(keys, array) => {
                let key = self.key(keys)?;
                truth(self.arrays.get(array).is_some_and(|array| array.contains_key(&key)))
            }
            Expr::Call(name, arguments) => self.call(name, arguments)?,
        })
    }

    /// A pattern: a regular expression as it is, or the text of anything else.
    fn pattern(&mut self, expression: &Expr) -> Result<String> {
        match expression {
            Expr::Regex(pattern) => Ok(pattern.clone()),
            other => Ok(self.value(other)?.text()),
        }
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) -> Result<Value> {
        let missing = || format!("{name}: missing argument");
        let whole = Expr::Field(Box::new(Expr::Number(0.0)));
        if let ("length", [Expr::Variable(array)]) = (name, arguments)
            && let Some(array) = self.arrays.get(array)
        {
            return Ok(Value::Number(array.len() as f64));
        }
        match name {
            "sub" | "gsub" => {
                let [pattern, replacement, ..] = arguments else { return Err(missing()) };
                let target = arguments.get(2).unwrap_or(&whole);
                let (pattern, replacement) = (self.pattern(pattern)?, self.value(replacement)?.text());
                let (regex, text) = (self.regex(&pattern)?, self.value(target)?.text());
                let (mut result, mut end, mut count) = (String::new(), 0, 0.0);
                for found in regex.find_iter(&text) {
                    result += &text[end..found.start()];
                    result += &replacement.replace("\\&", "\0").replace('&', found.as_str()).replace('\0', "&");
                    end = found.end();
                    count += 1.0;
                    if name == "sub" || result.len() > LONGEST {
                        break;
                    }
                }
                if count > 0.0 {
                    result += &text[end..];
                    self.assign(target, Value::Text(result))?;
                }
                return Ok(Value::Number(count));
            }
            "split" => {
                let [text, Expr::Variable(array), separator @ ..] = arguments else { return Err(missing()) };
                let text = self.value(text)?.text();
                let separator = match separator.first() {
                    Some(separator) => self.pattern(separator)?,
                    None => self.variable("FS").text(),
                };
                let parts = self.split(&text, &separator);
                let count = parts.len();
                let parts =
                    parts.into_iter().enumerate().map(|(index, part)| ((index + 1).to_string(), Value::Input(part)));
                self.arrays.insert(array.clone(), parts.collect());
                return Ok(Value::Number(count as f64));
            }
            "match" => {
                let [text, pattern] = arguments else { return Err(missing()) };
                let (text, pattern) = (self.value(text)?.text(), self.pattern(pattern)?);
                let found =
                    self.regex(&pattern)?.find(&text).map(|found| (found.start(), found.as_str().chars().count()));
                let (start, length) = found
                    .map_or((0.0, -1.0), |(start, length)| (text[..start].chars().count() as f64 + 1.0, length as f64));
                self.variables.insert("RSTART".into(), Value::Number(start));
                self.variables.insert("RLENGTH".into(), Value::Number(length));
                return Ok(Value::Number(start));
            }
            "sprintf" => return Ok(Value::Text(self.formatted(arguments)?)),
            _ => {}
        }
        let values = arguments.iter().map(|one| self.value(one)).collect::<Result<Vec<_>>>()?;
        let first = match values.first() {
            Some(value) => value.clone(),
            None if name == "length" => self.fields[0].clone(),
            None => Value::Input(String::new()),
        };
        let number = |index: usize| values.get(index).map(Value::number);
        Ok(match name {
            "length" => Value::Number(first.text().chars().count() as f64),
            "toupper" => Value::Text(first.text().to_uppercase()),
            "tolower" => Value::Text(first.text().to_lowercase()),
            "int" => Value::Number(first.number().trunc()),
            "sqrt" => Value::Number(first.number().sqrt()),
            "exp" => Value::Number(first.number().exp()),
            "log" => Value::Number(first.number().ln()),
            "index" => {
                let (text, part) = (first.text(), values.get(1).ok_or_else(missing)?.text());
                Value::Number(text.find(&part).map_or(0.0, |at| text[..at].chars().count() as f64 + 1.0))
            }
            "substr" => {
                let start = number(1).ok_or_else(missing)?.round();
                let end = number(2).map_or(f64::INFINITY, |length| start + length.round());
                let chars = first.text();
                let chars =
                    chars.chars().enumerate().filter(|(index, _)| (start..end).contains(&(*index as f64 + 1.0)));
                Value::Text(chars.map(|(_, c)| c).collect())
            }
            other => return Err(format!("function {other} is not supported")),
        })
    }
}

fn calculate(sign: &str, left: f64, right: f64) -> Result<f64> {
    Ok(match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "^" => left.powf(right),
        _ if right == 0.0 => return Err("division by zero".into()),
        "/" => left / right,
        _ => left % right,
    })
}
