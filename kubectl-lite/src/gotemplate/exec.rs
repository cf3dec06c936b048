//! A template applied to data.

use super::functions;
use super::node::{Branch, Call, Command, Constant, Node, Operand, Pipe, Pos, Term};
use super::parse::Templates;
use super::value::{Datum, Kind};
use shared_types::go_quote::quote;
use shared_types::json::Value;
use std::fmt::Display;

/// Templates call each other no deeper than this.
const MAX_CALLS: usize = 200;

/// How a list of nodes ended.
enum Flow {
    On,
    Break,
    Continue,
    /// With the message.
    Failed(String),
}

type Result<T> = std::result::Result<T, String>;

pub(super) struct Executor<'t, 'd> {
    pub name: &'t str,
    pub text: &'t str,
    pub templates: &'t Templates,
    /// Fields that are absent are errors.
    pub strict: bool,
    pub out: String,
    /// The template that runs, and how deep it lies in others.
    running: &'t str,
    calls: usize,
    variables: Vec<(&'t str, Datum<'d>)>,
    /// What messages point at.
    place: (Pos, Option<&'t dyn Display>),
}

/// Applies the template `name`. What has been written before an error counts.
pub(super) fn execute(
    name: &str,
    text: &str,
    templates: &Templates,
    strict: bool,
    data: &Value,
) -> (String, Result<()>) {
    let dot = Datum::new(data);
    let mut executor = Executor {
        name,
        text,
        templates,
        strict,
        out: String::new(),
        running: name,
        calls: 0,
        variables: vec![("$", dot.clone())],
        place: (0, None),
    };
    let result = match templates.get(name) {
        Some(nodes) => match executor.list(&dot, nodes) {
            Flow::Failed(message) => Err(message),
            _ => Ok(()),
        },
        None => Ok(()),
    };
    (executor.out, result)
}

impl<'t, 'd> Executor<'t, 'd> {
    fn at(&mut self, pos: Pos, node: &'t dyn Display) {
        self.place = (pos, Some(node));
    }

    fn error(&self, message: impl Display) -> String {
        let before = &self.text[..self.place.0.min(self.text.len())];
        let line = 1 + before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        match self.place.1 {
            None => format!("template: {}: {message}", self.name),
            Some(node) => format!(
                "template: {}:{line}:{column}: executing {} at <{node}>: {message}",
                self.name,
                quote(self.running)
            ),
        }
    }

    fn list(&mut self, dot: &Datum<'d>, nodes: &'t [Node]) -> Flow {
        for node in nodes {
            match self.node(dot, node) {
                Flow::On => {}
                other => return other,
            }
        }
        Flow::On
    }

    fn node(&mut self, dot: &Datum<'d>, node: &'t Node) -> Flow {
        match node {
            Node::Text(text) => {
                self.out.push_str(text);
                Flow::On
            }
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
            Node::Action(pipe) => match self.pipe(dot, pipe) {
                Err(message) => Flow::Failed(message),
                Ok(value) => {
                    if pipe.variables.is_empty() {
                        self.print(&value);
                    }
                    Flow::On
                }
            },
            Node::If(branch) => self.branch(dot, branch, false),
            Node::With(branch) => self.branch(dot, branch, true),
            Node::Range(branch) => self.range(dot, branch),
            Node::Template(call) => match self.call_template(dot, call) {
                Ok(()) => Flow::On,
                Err(message) => Flow::Failed(message),
            },
        }
    }

    fn print(&mut self, value: &Datum<'d>) {
        match value.kind {
            Kind::Missing => self.out.push_str("<no value>"),
            _ => self.out.push_str(&value.to_string()),
        }
    }

    fn branch(&mut self, dot: &Datum<'d>, branch: &'t Branch, with: bool) -> Flow {
        let scope = self.variables.len();
        let flow = match self.pipe(dot, &branch.pipe) {
            Err(message) => Flow::Failed(message),
            Ok(value) if value.is_true() => self.list(if with { &value } else { dot }, &branch.body),
            Ok(_) => self.list(dot, &branch.otherwise),
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(&mut self, dot: &Datum<'d>, branch: &'t Branch) -> Flow {
        let scope = self.variables.len();
        let value = match self.pipe(dot, &branch.pipe) {
            Err(message) => return Flow::Failed(message),
            Ok(value) => value,
        };
        let inner = self.variables.len();
        let steps: Vec<(Datum<'d>, Datum<'d>)> = match (&value.kind, value.as_int()) {
            (Kind::Missing | Kind::Nil, _) => Vec::new(),
            (_, Some(count)) => (0..count).map(|n| (Datum::int(n), Datum::int(n))).collect(),
            (Kind::Json(json), _) => match json.as_ref() {
                Value::Array(items) => {
                    (0..items.len()).filter_map(|n| Some((Datum::int(n as i64), value.child(|v| v.get(n))?))).collect()
                }
                Value::Object(map) => map
                    .keys()
                    .filter_map(|key| Some((Datum::owned(key.as_str()), value.child(|v| v.get(key))?)))
                    .collect(),
                _ => return Flow::Failed(self.error(format!("range can't iterate over {value}"))),
            },
            _ => return Flow::Failed(self.error(format!("range can't iterate over {value}"))),
        };
        let flow =
            if steps.is_empty() { self.list(dot, &branch.otherwise) } else { self.iterate(branch, steps, inner) };
        self.variables.truncate(scope);
        flow
    }

    fn iterate(&mut self, branch: &'t Branch, steps: Vec<(Datum<'d>, Datum<'d>)>, scope: usize) -> Flow {
        for (key, element) in steps {
            self.variables.truncate(scope);
            let values = match branch.pipe.variables.as_slice() {
                [] => Vec::new(),
                [only] => vec![(only, element.clone())],
                [first, second, ..] => vec![(first, key), (second, element.clone())],
            };
            for (name, value) in values {
                self.set_variable(name, value);
            }
            match self.list(&element, &branch.body) {
                Flow::Break => break,
                Flow::Failed(message) => return Flow::Failed(message),
                Flow::On | Flow::Continue => {}
            }
        }
        Flow::On
    }

    /// Gives the innermost variable of a name another value, if there is one.
    fn set_variable(&mut self, name: &str, value: Datum<'d>) -> bool {
        match self.variables.iter_mut().rev().find(|variable| variable.0 == name) {
            Some(variable) => variable.1 = value,
            None => return false,
        }
        true
    }

    fn call_template(&mut self, dot: &Datum<'d>, call: &'t Call) -> Result<()> {
        self.at(call.pos, call);
        let Some(nodes) = self.templates.get(&call.name) else {
            return Err(self.error(format!("template {} not defined", quote(&call.name))));
        };
        if self.calls == MAX_CALLS {
            return Err(self.error(format!("exceeded maximum template depth ({MAX_CALLS})")));
        }
        let dot = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Datum::MISSING,
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let running = std::mem::replace(&mut self.running, &call.name);
        self.calls += 1;
        let flow = self.list(&dot, nodes);
        self.calls -= 1;
        if let Flow::Failed(message) = flow {
            return Err(message);
        }
        self.running = running;
        self.variables = outer;
        Ok(())
    }

    fn pipe(&mut self, dot: &Datum<'d>, pipe: &'t Pipe) -> Result<Datum<'d>> {
        self.at(pipe.pos, pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?.unboxed());
        }
        let value = value.unwrap_or(Datum::MISSING);
        for name in &pipe.variables {
            if pipe.assigns {
                if !self.set_variable(name, value.clone()) {
                    return Err(self.error(format!("undefined variable: {name}")));
                }
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// `last` is what the command before it in the pipeline gave.
    fn command(&mut self, dot: &Datum<'d>, command: &'t Command, last: Option<Datum<'d>>) -> Result<Datum<'d>> {
        let first = &command.operands[0];
        let has_arguments = command.operands.len() > 1 || last.is_some();
        match &first.term {
            Term::Function(name) => {
                self.at(first.pos, first);
                return self.call(dot, name, command, &command.operands[1..], last);
            }
            Term::Field(_) | Term::Chain(..) => return self.fields(dot, first, has_arguments),
            Term::Variable(names) if names.len() > 1 => return self.fields(dot, first, has_arguments),
            _ => {}
        }
        if !matches!(first.term, Term::Pipe(_)) {
            self.at(first.pos, first);
        }
        if has_arguments {
            return Err(self.error(format!("can't give argument to non-function {first}")));
        }
        match &first.term {
            Term::Nil => Err(self.error("nil is not a command")),
            _ => self.operand(dot, first),
        }
    }

    /// An operand as an argument, or alone.
    fn operand(&mut self, dot: &Datum<'d>, operand: &'t Operand) -> Result<Datum<'d>> {
        self.at(operand.pos, operand);
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Datum::MISSING),
            Term::Field(_) | Term::Chain(..) => self.fields(dot, operand, false),
            Term::Variable(names) if names.len() > 1 => self.fields(dot, operand, false),
            Term::Variable(names) => Ok(self.variable(&names[0])),
            Term::Pipe(pipe) => self.pipe(dot, pipe),
            Term::Function(name) => self.call(dot, name, operand, &[], None),
            Term::Constant(Constant::Int(value), _) => Ok(Datum::int(*value)),
            Term::Constant(Constant::TooLarge, text) => Err(self.error(format!("{text} overflows int"))),
            Term::Constant(Constant::Value(value), _) => Ok(Datum::owned(value.clone())),
        }
    }

    fn variable(&self, name: &str) -> Datum<'d> {
        let known = self.variables.iter().rev().find(|variable| variable.0 == name);
        known.map_or(Datum::MISSING, |variable| variable.1.clone())
    }

    fn fields(&mut self, dot: &Datum<'d>, operand: &'t Operand, has_arguments: bool) -> Result<Datum<'d>> {
        self.at(operand.pos, operand);
        let (mut value, names) = match &operand.term {
            Term::Variable(names) => (self.variable(&names[0]), &names[1..]),
            Term::Chain(inner, names) => {
                if matches!(inner.term, Term::Nil) {
                    return Err(self.error(format!("indirection through explicit nil in {operand}")));
                }
                (self.operand(dot, inner)?, names.as_slice())
            }
            Term::Field(names) => (dot.clone(), names.as_slice()),
            _ => return Ok(dot.clone()),
        };
        for (number, name) in names.iter().enumerate() {
            value = self.field(&value, name, has_arguments && number + 1 == names.len())?;
        }
        Ok(value)
    }

    fn field(&mut self, value: &Datum<'d>, name: &str, has_arguments: bool) -> Result<Datum<'d>> {
        match &value.kind {
            Kind::Missing if self.strict => Err(self.error(format!("nil data; no entry for key {}", quote(name)))),
            Kind::Missing => Ok(Datum::MISSING),
            Kind::Nil => Err(self.error(format!("nil pointer evaluating interface {{}}.{name}"))),
            Kind::Json(json) if json.is_object() => {
                if has_arguments {
                    return Err(self.error(format!("{name} is not a method but has arguments")));
                }
                match value.child(|v| v.get(name)) {
                    Some(found) => Ok(found),
                    None if self.strict => Err(self.error(format!("map has no entry for key {}", quote(name)))),
                    None => Ok(Datum::MISSING),
                }
            }
            _ => Err(self.error(format!("can't evaluate field {name} in type {}", value.type_name()))),
        }
    }

    fn call(
        &mut self,
        dot: &Datum<'d>,
        name: &str,
        node: &'t (impl Display + Positioned),
        operands: &'t [Operand],
        last: Option<Datum<'d>>,
    ) -> Result<Datum<'d>> {
        let count = operands.len() + usize::from(last.is_some());
        let arity = functions::arity(name);
        if count < arity.least || arity.most.is_some_and(|most| count > most) {
            let want = if arity.most.is_none() { "at least " } else { "" };
            let message = format!("wrong number of args for {name}: want {want}{} got {count}", arity.least);
            return Err(self.error(message));
        }
        if matches!(name, "and" | "or") {
            // Arguments behind the one that decides are not looked at.
            let mut value = Datum::MISSING;
            for operand in operands {
                value = self.operand(dot, operand)?.unboxed();
                if value.is_true() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut arguments = Vec::with_capacity(count);
        for (number, operand) in operands.iter().enumerate() {
            let value = self.operand(dot, operand)?;
            arguments.push(self.checked(name, number, value, Some(operand))?);
        }
        if let Some(last) = last {
            arguments.push(self.checked(name, operands.len(), last, None)?);
        }
        let result = match (name, arguments.first()) {
            // Data holds no functions that could be called.
            ("call", Some(callee)) if callee.is_nothing() => Err("call of nil".to_string()),
            ("call", Some(callee)) => {
                let shown = operands.first().map(ToString::to_string).unwrap_or_default();
                Err(format!("non-function {shown} of type {}", callee.inner_type_name()))
            }
            _ => functions::call(name, arguments),
        };
        result.map_err(|why| {
            self.at(node.position(), node);
            self.error(format!("error calling {name}: {why}"))
        })
    }

    /// An argument, where the function asks for a string there.
    fn checked(&self, name: &str, number: usize, value: Datum<'d>, operand: Option<&Operand>) -> Result<Datum<'d>> {
        if !functions::takes_string(name, number) || value.text().is_some() {
            return Ok(value);
        }
        Err(self.error(match (operand.map(|operand| &operand.term), &value.kind) {
            (Some(Term::Nil), _) => "cannot assign nil to string".to_string(),
            (Some(Term::Constant(_, text)), _) => format!("expected string; found {text}"),
            (_, Kind::Missing | Kind::Nil) if !value.boxed => "invalid value; expected string".to_string(),
            (_, Kind::Nil) => "wrong type for value; expected string; got interface {}".to_string(),
            _ => format!("wrong type for value; expected string; got {}", value.inner_type_name()),
        }))
    }
}

/// A node that knows where it begins.
trait Positioned {
    fn position(&self) -> Pos;
}
impl Positioned for Command {
    fn position(&self) -> Pos {
        self.pos
    }
}
impl Positioned for Operand {
    fn position(&self) -> Pos {
        self.pos
    }
}
