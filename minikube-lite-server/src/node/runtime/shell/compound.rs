//! Reads compound commands: `if`, `while`, `for`, `case`.

use super::parse::{Parser, Result, is_blank, is_meta};
use super::syntax::{Arm, Command, Node};
use super::words::is_name;
use std::sync::Arc;

impl Parser {
    pub(super) fn body(&mut self) -> Result<Node> {
        self.expect("do")?;
        let body = self.list(&["done"], false)?;
        self.expect("done")?;
        Ok(body)
    }

    pub(super) fn conditional(&mut self) -> Result<Node> {
        self.expect("if")?;
        let (mut arms, mut otherwise) = (Vec::new(), None);
        loop {
            let condition = self.list(&["then"], false)?;
            self.expect("then")?;
            arms.push((condition, self.list(&["fi", "elif", "else"], false)?));
            if self.eat_reserved("elif") {
                continue;
            }
            if self.eat_reserved("else") {
                otherwise = Some(self.list(&["fi"], false)?);
            }
            self.expect("fi")?;
            return Ok(Arc::new(Command::If { arms, otherwise }));
        }
    }

    pub(super) fn iteration(&mut self) -> Result<Node> {
        self.expect("for")?;
        let Some(variable) = self.plain_word()?.filter(|name| is_name(name)) else { return self.unexpected(None) };
        self.newlines()?;
        let mut items = None;
        if self.starts_with("in") && self.chars.get(self.at + 2).is_none_or(|c| is_blank(*c) || is_meta(*c)) {
            self.at += 2;
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) => words.push(word),
                    None => break,
                }
            }
            items = Some(words);
        }
        if !self.eat_operator(";") {
            self.blanks();
        }
        self.newlines()?;
        Ok(Arc::new(Command::For { variable, items, body: self.body()? }))
    }

    pub(super) fn case(&mut self) -> Result<Node> {
        self.expect("case")?;
        self.blanks();
        let Some(word) = self.word()? else { return self.unexpected(None) };
        self.newlines()?;
        if self.plain_word()?.as_deref() != Some("in") {
            return self.unexpected(Some("in"));
        }
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.eat_reserved("esac") {
                return Ok(Arc::new(Command::Case { word, arms }));
            }
            self.eat_operator("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(pattern) => patterns.push(pattern),
                    None => return self.unexpected(Some("esac")),
                }
                if !self.eat_operator("|") {
                    break;
                }
            }
            if !self.eat_operator(")") {
                return self.unexpected(Some(")"));
            }
            let body = self.list(&["esac", ";;", ";&"], false)?;
            let falls_through = self.eat_operator(";&");
            if !falls_through {
                self.eat_operator(";;");
            }
            arms.push(Arm { patterns, body, falls_through });
        }
    }
}
