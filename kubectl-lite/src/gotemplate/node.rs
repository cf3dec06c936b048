//! The tree of a template. Nodes print as they were written; messages quote them.

use shared_types::go_quote::quote;
use shared_types::json::Value;
use std::fmt;

/// Where a node begins in the text, in bytes.
pub(super) type Pos = usize;

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
    Template(Call),
}

/// `{{if}}`, `{{with}}` and `{{range}}`.
#[derive(Debug)]
pub(super) struct Branch {
    pub pipe: Pipe,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `{{template "name" pipe}}`.
#[derive(Debug)]
pub(super) struct Call {
    pub pos: Pos,
    pub name: String,
    pub pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub pos: Pos,
    /// Variables that take the value.
    pub variables: Vec<String>,
    /// The variables exist already.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// An operand, or a function with its arguments. The first is the function.
#[derive(Debug)]
pub(super) struct Command {
    pub pos: Pos,
    pub operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub pos: Pos,
    pub term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Field(Vec<String>),
    /// The first is the variable's name, with its dollar.
    Variable(Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
    /// Fields of what another operand gives.
    Chain(Box<Operand>, Vec<String>),
    /// A constant, and how it was written.
    Constant(Constant, String),
}

#[derive(Clone, Debug)]
pub(super) enum Constant {
    Int(i64),
    /// A whole number that no `int` holds.
    TooLarge,
    Value(Value),
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            join(f, &self.variables, ", ")?;
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        join(f, &self.commands, " | ")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.operands, " ")
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Term::Variable(names) => join(f, names, "."),
            Term::Function(name) => f.write_str(name),
            Term::Pipe(pipe) => write!(f, "({pipe})"),
            Term::Chain(operand, names) => {
                write!(f, "{operand}")?;
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            Term::Constant(_, text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}
