//! Tokens to a tree of nodes.

use super::YamlError;
use super::scan::{Kind, Mark, Scanner};
use std::collections::HashMap;

/// Where a node lies in [`Tree::nodes`].
pub(super) type Id = usize;

#[derive(Debug)]
pub(super) enum Node {
    /// `plain`: without quotes and without a tag that makes it a string.
    Scalar {
        text: String,
        tag: String,
        plain: bool,
    },
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    Alias(Id),
}

/// One document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    /// The line of each node, from 0.
    pub lines: Vec<usize>,
    /// The name of each node that has an anchor.
    pub names: HashMap<Id, String>,
}

type Result<T> = std::result::Result<T, YamlError>;

pub(super) struct Parser {
    scanner: Scanner,
    tree: Tree,
    anchors: HashMap<String, Id>,
    handles: HashMap<String, String>,
}

impl Parser {
    /// Reads the first document. `None` where the text holds none.
    pub fn document(text: &str) -> Result<Option<(Tree, Id)>> {
        let mut parser = Parser {
            scanner: Scanner::new(text)?,
            tree: Tree::default(),
            anchors: HashMap::new(),
            handles: HashMap::from([("!".into(), "!".into()), ("!!".into(), "tag:yaml.org,2002:".into())]),
        };
        while *parser.peek()? == Kind::DocumentEnd {
            parser.scanner.next()?;
        }
        if *parser.peek()? == Kind::StreamEnd {
            return Ok(None);
        }
        parser.directives()?;
        let root = match parser.peek()? {
            Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd
            | Kind::VersionDirective(..)
            | Kind::TagDirective(..) => {
                let mark = parser.mark()?;
                parser.empty(mark)
            }
            _ => parser.node(true, false)?,
        };
        parser.peek()?;
        Ok(Some((parser.tree, root)))
    }

    fn directives(&mut self) -> Result<()> {
        let (mut any, mut versioned) = (false, false);
        loop {
            let mark = self.mark()?;
            match self.peek()?.clone() {
                Kind::VersionDirective(..) if versioned => {
                    return Err(error(mark, Mark::default(), "found duplicate %YAML directive"));
                }
                Kind::VersionDirective(1, 1) => versioned = true,
                Kind::VersionDirective(..) => {
                    return Err(error(mark, Mark::default(), "found incompatible YAML document"));
                }
                Kind::TagDirective(handle, prefix) => {
                    self.handles.insert(handle, prefix);
                }
                Kind::DocumentStart => {
                    self.scanner.next()?;
                    return Ok(());
                }
                _ if any => return Err(error(mark, Mark::default(), "did not find expected <document start>")),
                _ => return Ok(()),
            }
            any = true;
            self.scanner.next()?;
        }
    }

    fn peek(&mut self) -> Result<&Kind> {
        Ok(&self.scanner.peek()?.kind)
    }
    fn mark(&mut self) -> Result<Mark> {
        Ok(self.scanner.peek()?.start)
    }
    /// Takes the next token if it is `kind`.
    fn take(&mut self, kind: &Kind) -> Result<bool> {
        let found = self.peek()? == kind;
        if found {
            self.scanner.next()?;
        }
        Ok(found)
    }
    fn add(&mut self, node: Node, mark: Mark) -> Id {
        self.tree.nodes.push(node);
        self.tree.lines.push(mark.line);
        self.tree.nodes.len() - 1
    }
    fn empty(&mut self, mark: Mark) -> Id {
        self.add(Node::Scalar { text: String::new(), tag: String::new(), plain: true }, mark)
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<Id> {
        let start = self.mark()?;
        if let Kind::Alias(name) = self.peek()?.clone() {
            self.scanner.next()?;
            let Some(target) = self.anchors.get(&name).copied() else {
                return Err(YamlError::syntax(&format!("unknown anchor '{name}' referenced")));
            };
            return Ok(self.add(Node::Alias(target), start));
        }
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.peek()?.clone() {
                Kind::Anchor(name) if anchor.is_none() => anchor = Some(name),
                Kind::Tag(handle, suffix) if tag.is_none() => {
                    tag = Some(match handle.as_str() {
                        "" => suffix,
                        _ => match self.handles.get(&handle) {
                            Some(prefix) => format!("{prefix}{suffix}"),
                            None => return Err(error(self.mark()?, start, "found undefined tag handle")),
                        },
                    });
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        // The place comes first, so that an alias inside the node finds it.
        let id = self.empty(start);
        if let Some(name) = &anchor {
            self.anchors.insert(name.clone(), id);
            self.tree.names.insert(id, name.clone());
        }
        let has_properties = anchor.is_some() || tag.is_some();
        let here = self.mark()?;
        let node = match self.peek()?.clone() {
            Kind::BlockEntry if indentless => Node::Sequence(self.indentless_sequence()?),
            Kind::Scalar(text, plain) => {
                self.scanner.next()?;
                let plain = plain && tag.as_deref() != Some("!");
                Node::Scalar { text, tag: tag.filter(|t| t != "!").unwrap_or_default(), plain }
            }
            Kind::FlowSequenceStart => Node::Sequence(self.flow_sequence()?),
            Kind::FlowMappingStart => Node::Mapping(self.flow_mapping()?),
            Kind::BlockSequenceStart if block => Node::Sequence(self.block_sequence()?),
            Kind::BlockMappingStart if block => Node::Mapping(self.block_mapping()?),
            _ if has_properties => {
                Node::Scalar { text: String::new(), plain: tag.is_none(), tag: tag.unwrap_or_default() }
            }
            _ => return Err(error(here, start, "did not find expected node content")),
        };
        self.tree.nodes[id] = node;
        Ok(id)
    }

    /// The node that follows an indicator, empty where one of `ends` comes instead.
    fn node_unless(&mut self, block: bool, indentless: bool, ends: &[Kind]) -> Result<Id> {
        let mark = self.mark()?;
        if ends.contains(self.peek()?) { Ok(self.empty(mark)) } else { self.node(block, indentless) }
    }

    fn block_sequence(&mut self) -> Result<Vec<Id>> {
        let start = self.scanner.next()?.start;
        let mut items = Vec::new();
        loop {
            if self.take(&Kind::BlockEntry)? {
                items.push(self.node_unless(true, false, &[Kind::BlockEntry, Kind::BlockEnd])?);
            } else if self.take(&Kind::BlockEnd)? {
                return Ok(items);
            } else {
                return Err(error(self.mark()?, start, "did not find expected '-' indicator"));
            }
        }
    }

    fn indentless_sequence(&mut self) -> Result<Vec<Id>> {
        let mut items = Vec::new();
        while self.take(&Kind::BlockEntry)? {
            items.push(self.node_unless(true, false, &[Kind::BlockEntry, Kind::Key, Kind::Value, Kind::BlockEnd])?);
        }
        Ok(items)
    }

    fn block_mapping(&mut self) -> Result<Vec<(Id, Id)>> {
        let ends = [Kind::Key, Kind::Value, Kind::BlockEnd];
        let start = self.scanner.next()?.start;
        let mut pairs = Vec::new();
        loop {
            let mark = self.mark()?;
            let key = if self.take(&Kind::Key)? {
                self.node_unless(true, true, &ends)?
            } else if *self.peek()? == Kind::Value {
                self.empty(mark)
            } else if self.take(&Kind::BlockEnd)? {
                return Ok(pairs);
            } else {
                return Err(error(mark, start, "did not find expected key"));
            };
            let mark = self.mark()?;
            let value = if self.take(&Kind::Value)? { self.node_unless(true, true, &ends)? } else { self.empty(mark) };
            pairs.push((key, value));
        }
    }

    fn flow_sequence(&mut self) -> Result<Vec<Id>> {
        let start = self.scanner.next()?.start;
        let mut items = Vec::new();
        while !self.take(&Kind::FlowSequenceEnd)? {
            if !items.is_empty() {
                if !self.take(&Kind::FlowEntry)? {
                    return Err(error(self.mark()?, start, "did not find expected ',' or ']'"));
                }
                if self.take(&Kind::FlowSequenceEnd)? {
                    break;
                }
            }
            let mark = self.mark()?;
            let item = if self.take(&Kind::Key)? {
                // `[a: b]` holds a mapping of one pair.
                let key = self.node_unless(false, false, &[Kind::Value, Kind::FlowEntry, Kind::FlowSequenceEnd])?;
                let value = self.flow_value(&Kind::FlowSequenceEnd)?;
                self.add(Node::Mapping(vec![(key, value)]), mark)
            } else {
                self.node(false, false)?
            };
            items.push(item);
        }
        Ok(items)
    }

    fn flow_value(&mut self, end: &Kind) -> Result<Id> {
        let mark = self.mark()?;
        if self.take(&Kind::Value)? {
            self.node_unless(false, false, &[Kind::FlowEntry, end.clone()])
        } else {
            Ok(self.empty(mark))
        }
    }

    fn flow_mapping(&mut self) -> Result<Vec<(Id, Id)>> {
        let start = self.scanner.next()?.start;
        let mut pairs = Vec::new();
        while !self.take(&Kind::FlowMappingEnd)? {
            if !pairs.is_empty() {
                if !self.take(&Kind::FlowEntry)? {
                    return Err(error(self.mark()?, start, "did not find expected ',' or '}'"));
                }
                if self.take(&Kind::FlowMappingEnd)? {
                    break;
                }
            }
            let key = if self.take(&Kind::Key)? {
                self.node_unless(false, false, &[Kind::Value, Kind::FlowEntry, Kind::FlowMappingEnd])?
            } else {
                self.node_unless(false, false, &[Kind::Value])?
            };
            let value = self.flow_value(&Kind::FlowMappingEnd)?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

/// The parser counts its lines from 0 in messages, and leaves out the first.
fn error(problem: Mark, context: Mark, text: &str) -> YamlError {
    YamlError::at(if problem.line != 0 { problem.line } else { context.line }, text)
}
