//! `replacements`: a value of one object put into others.

use super::patch::Selector;
use super::resource::Resource;
use super::{Kustomization, Result};
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::yaml;

pub(super) fn run(kustomization: &Kustomization, resources: &mut [Resource]) -> Result<()> {
    for entry in kustomization.document.list("replacements") {
        match entry.text("path") {
            "" => replace(entry, resources)?,
            path => {
                let documents =
                    yaml::from_yaml(&kustomization.file(path)?).map_err(|error| error.bare().to_string())?;
                for document in documents {
                    let many = document.as_array().cloned().unwrap_or_else(|| vec![document.clone()]);
                    many.iter().try_for_each(|entry| replace(entry, resources))?;
                }
            }
        }
    }
    Ok(())
}

fn replace(entry: &Value, resources: &mut [Resource]) -> Result<()> {
    let value = source(entry.at("source"), resources)?;
    for target in entry.list("targets") {
        let select = Selector::new(target.at("select"))?;
        let rejects: Vec<Selector> = target.list("reject").iter().map(Selector::new).collect::<Result<_>>()?;
        let paths: Vec<&str> = match target.list("fieldPaths") {
            [] => vec!["metadata.name"],
            paths => paths.iter().filter_map(Value::as_str).collect(),
        };
        for resource in resources.iter_mut() {
            if !select.takes(resource) || rejects.iter().any(|reject| reject.takes(resource)) {
                continue;
            }
            for path in &paths {
                let options = target.at("options");
                let found = put(&mut resource.object, &steps(path), &value, options)?;
                if !found {
                    return Err(format!("unable to find field {path:?} in replacement target"));
                }
            }
        }
    }
    Ok(())
}

fn source(source: &Value, resources: &[Resource]) -> Result<Value> {
    let selector = Selector::new(source)?;
    let mut found = resources.iter().filter(|resource| selector.takes(resource));
    let Some(resource) = found.next() else { return Err(format!("nothing selected by {source}")) };
    if found.next().is_some() {
        return Err(format!("multiple matches for selector {source}"));
    }
    let path = match source.text("fieldPath") {
        "" => "metadata.name",
        path => path,
    };
    let mut value = &resource.object;
    for step in steps(path) {
        value = match child(value, &step) {
            Some(inner) => inner,
            None => return Err(format!("fieldPath `{path}` is missing for replacement source {}", resource.id())),
        };
    }
    let delimiter = source.text("options.delimiter");
    if delimiter.is_empty() {
        return Ok(value.clone());
    }
    let text = value.as_str().unwrap_or("");
    let index = source.int("options.index").unwrap_or(0);
    let part = usize::try_from(index).ok().and_then(|index| text.split(delimiter).nth(index));
    part.map(Value::from).ok_or_else(|| format!("options.index {index} is out of bounds for value {text}"))
}

/// A step of a path: a field, a position, `[name=value]` or `*`.
type Step = String;

/// Takes a path apart at its dots; one behind a backslash, or inside of brackets, is part of a name.
fn steps(path: &str) -> Vec<Step> {
    let (mut steps, mut step, mut depth) = (Vec::new(), String::new(), 0);
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => step.extend(characters.next()),
            '.' if depth == 0 => steps.push(std::mem::take(&mut step)),
            _ => {
                depth += i32::from(c == '[') - i32::from(c == ']');
                step.push(c);
            }
        }
    }
    steps.push(step);
    steps
}

fn condition(step: &str) -> Option<(&str, &str)> {
    step.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

fn holds(item: &Value, key: &str, wanted: &str) -> bool {
    match item.at(key) {
        Value::String(text) => text == wanted,
        Value::Null => false,
        other => format!("{other}") == wanted,
    }
}

fn child<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    if let Some((key, wanted)) = condition(step) {
        return value.as_array()?.iter().find(|item| holds(item, key, wanted));
    }
    match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    }
}

/// Writes a value at a path; `false` where there is no such place.
fn put(target: &mut Value, steps: &[Step], value: &Value, options: &Value) -> Result<bool> {
    let Some((step, rest)) = steps.split_first() else {
        *target = joined(target, value, options)?;
        return Ok(true);
    };
    let create = options.flag("create");
    if let Some((key, wanted)) = condition(step) {
        if create && target.is_null() {
            *target = json!([]);
        }
        let Some(items) = target.as_array_mut() else { return Ok(false) };
        if create && !items.iter().any(|item| holds(item, key, wanted)) {
            items.push(json!({ key: wanted }));
        }
        let mut found = false;
        for item in items.iter_mut().filter(|item| holds(item, key, wanted)) {
            found |= put(item, rest, value, options)?;
        }
        return Ok(found);
    }
    match target {
        Value::Array(items) if step == "*" => {
            let mut found = false;
            for item in items {
                found |= put(item, rest, value, options)?;
            }
            Ok(found)
        }
        Value::Array(items) => match step.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
            Some(item) => put(item, rest, value, options),
            None => Ok(false),
        },
        other => {
            if !create && other.get(step).is_none() {
                return Ok(false);
            }
            let inner = other.map_mut("").entry(step).or_insert(Value::Null);
            put(inner, rest, value, options)
        }
    }
}

/// The value, or with a delimiter the old text with one part replaced.
fn joined(old: &Value, value: &Value, options: &Value) -> Result<Value> {
    let delimiter = options.text("delimiter");
    if delimiter.is_empty() {
        return Ok(value.clone());
    }
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    let mut parts: Vec<String> = old.as_str().unwrap_or("").split(delimiter).map(String::from).collect();
    match options.int("index").unwrap_or(0) {
        index if index < 0 => parts.insert(0, text),
        index => match parts.get_mut(index as usize) {
            Some(part) => *part = text,
            None => parts.push(text),
        },
    }
    Ok(parts.join(delimiter).into())
}
