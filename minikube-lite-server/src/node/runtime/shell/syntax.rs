//! What a script says, as a tree.

use std::sync::{Arc, OnceLock};

/// A command, shared by the tasks that run parts of it.
pub type Node = Arc<Command>;

#[derive(Debug)]
pub enum Command {
    Simple(Simple),
    /// Several commands, each of which may run in the background.
    List(Vec<(Node, Execution)>),
    /// The first, and then each one as the one before succeeded or failed.
    AndOr(Node, Vec<(Connector, Node)>),
    Pipeline(Vec<Node>),
    Not(Node),
    /// A compound command with redirections.
    Redirected(Node, Vec<Redirect>),
    Subshell(Node),
    If {
        arms: Vec<(Node, Node)>,
        otherwise: Option<Node>,
    },
    While {
        condition: Node,
        until: bool,
        body: Node,
    },
    For {
        variable: String,
        /// `None`: the positional parameters.
        items: Option<Vec<Word>>,
        body: Node,
    },
    Case {
        word: Word,
        arms: Vec<Arm>,
    },
    Function(String, Node),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    Foreground,
    Background,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    And,
    Or,
}

/// A command of words.
#[derive(Debug, Default)]
pub struct Simple {
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    /// Where it is in the script, from 1.
    pub line: usize,
}

/// One arm of a `case`.
#[derive(Debug)]
pub struct Arm {
    pub patterns: Vec<Word>,
    pub body: Node,
    /// Ends in `;&`: the next arm runs too.
    pub falls_through: bool,
}

#[derive(Debug)]
pub struct Redirect {
    /// The file descriptor that is redirected.
    pub fd: usize,
    pub target: Target,
}

#[derive(Debug)]
pub enum Target {
    /// `< word`
    Read(Word),
    /// `> word`
    Write(Word),
    /// `>> word`
    Append(Word),
    /// `<& word`, `>& word`
    Duplicate(Word),
    /// `&> word`: both standard output and standard error; `&>> word` appends.
    Both(Word, bool),
    /// `<< word`: the text, once it has been read.
    Here(Arc<OnceLock<Word>>),
}

/// A word: its parts in order.
pub type Word = Vec<Part>;

#[derive(Debug)]
pub enum Part {
    /// Text in which `*`, `?` and `[` are patterns.
    Text(String),
    /// Text that stands for itself.
    Quoted(String),
    Parameter {
        name: String,
        operation: Operation,
        quoted: bool,
    },
    Substitution {
        command: Node,
        quoted: bool,
    },
    Arithmetic {
        expression: Word,
        quoted: bool,
    },
}

/// What `${name...}` does with a value.
#[derive(Debug)]
pub enum Operation {
    Get,
    /// `${#name}`
    Length,
    /// `:-`, `:=`, `:?`, `:+`; without the colon only an unset parameter counts.
    Default {
        kind: char,
        or_empty: bool,
        word: Word,
    },
    /// `#`, `##`, `%`, `%%`
    Trim {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
    /// `/pattern/text`, `//pattern/text`
    Replace {
        all: bool,
        pattern: Word,
        text: Word,
    },
    /// `:offset` and `:offset:length`
    Substring {
        offset: Word,
        length: Option<Word>,
    },
}
