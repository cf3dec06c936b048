//! The variables of a shell.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest value, in bytes.
pub const LONGEST: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug, Default)]
struct Variable {
    /// `None`: only marked (`export X`, `local X`).
    value: Option<Arc<str>>,
    exported: bool,
    read_only: bool,
}

/// The variables, and what the functions that run have hidden of them.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    all: BTreeMap<String, Variable>,
    /// For each function that runs, the variables that are local in it as they were before.
    hidden: Vec<Vec<(String, Option<Variable>)>>,
}

impl Variables {
    /// The variables of an environment.
    pub fn from_env(env: BTreeMap<String, String>) -> Variables {
        let variable = |value: String| Variable { value: Some(value.into()), exported: true, read_only: false };
        Variables { all: env.into_iter().map(|(name, value)| (name, variable(value))).collect(), hidden: Vec::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        self.all.get(name)?.value.as_ref()
    }

    /// Sets a variable; `false` when it is read-only.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let variable = self.all.entry(name.into()).or_default();
        if !variable.read_only {
            variable.value = Some(value.into());
        }
        !variable.read_only
    }

    pub fn is_read_only(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|variable| variable.read_only)
    }

    /// `false` when it is read-only.
    pub fn unset(&mut self, name: &str) -> bool {
        let removed = !self.is_read_only(name);
        if removed {
            self.all.remove(name);
        }
        removed
    }

    pub fn export(&mut self, name: &str, exported: bool) {
        self.all.entry(name.into()).or_default().exported = exported;
    }

    pub fn make_read_only(&mut self, name: &str) {
        self.all.entry(name.into()).or_default().read_only = true;
    }

    /// The environment of a program.
    pub fn env(&self) -> BTreeMap<String, String> {
        let exported = self.all.iter().filter(|(_, variable)| variable.exported);
        exported.filter_map(|(name, variable)| Some((name.clone(), variable.value.as_ref()?.to_string()))).collect()
    }

    /// Names and values, and whether each is exported.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.all
            .iter()
            .filter_map(|(name, variable)| Some((name.as_str(), variable.value.as_deref()?, variable.exported)))
    }

    /// A function begins.
    pub fn enter(&mut self) {
        self.hidden.push(Vec::new());
    }

    /// The function ends: what was local is as it was before.
    pub fn leave(&mut self) {
        for (name, before) in self.hidden.pop().unwrap_or_default().into_iter().rev() {
            match before {
                Some(variable) => self.all.insert(name, variable),
                None => self.all.remove(&name),
            };
        }
    }

    /// Makes a variable local to the function that runs. `false` outside of functions.
    pub fn make_local(&mut self, name: &str) -> bool {
        let Some(hidden) = self.hidden.last_mut() else { return false };
        hidden.push((name.into(), self.all.get(name).cloned()));
        true
    }
}
