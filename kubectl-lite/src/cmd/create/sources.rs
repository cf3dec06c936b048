//! `--from-file`, `--from-literal` and `--from-env-file`: what config maps and secrets are filled with.

use crate::client::kubeconfig::os_error;
use crate::errors::CommandError;
use shared_types::go_quote::quote;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(clap::Args, Debug, Default)]
pub struct Sources {
    /// FILE, KEY=FILE or a folder; may be repeated
    #[arg(long)]
    pub from_file: Vec<String>,
    /// KEY=VALUE; may be repeated
    #[arg(long)]
    pub from_literal: Vec<String>,
    /// File of KEY=VALUE lines; may be repeated
    #[arg(long)]
    pub from_env_file: Vec<String>,
    /// Add a hash of the contents to the name
    #[arg(long)]
    pub append_hash: bool,
}

/// The words of a kind about its keys.
pub struct Words {
    /// A key that is none: the key, and why.
    pub wrong_key: fn(&str, &str) -> String,
    /// A key that stands twice.
    pub twice: fn(key: &str, name: &str) -> String,
}

impl Sources {
    /// The contents by key, for the object `name`.
    ///
    /// # Errors
    /// A file cannot be read, a key is none or stands twice, or sources are mixed that exclude each other.
    pub fn read(&self, name: &str, words: &Words) -> Result<BTreeMap<String, Vec<u8>>, CommandError> {
        let fail = |text: String| CommandError::message(text);
        let others = !self.from_file.is_empty() || !self.from_literal.is_empty();
        if others && !self.from_env_file.is_empty() {
            return Err(fail("from-env-file cannot be combined with from-file or from-literal".into()));
        }
        let mut data = BTreeMap::new();
        let mut add = |key: &str, value: Vec<u8>| {
            if let Some(why) = key_problem(key) {
                return Err(fail((words.wrong_key)(key, &why)));
            }
            match data.insert(key.to_string(), value) {
                Some(_) => Err(fail((words.twice)(key, name))),
                None => Ok(()),
            }
        };
        for source in self.from_literal.iter().filter(|source| !source.is_empty()) {
            let (key, value) = literal(source)?;
            add(key, value.into())?;
        }
        for source in self.from_file.iter().filter(|source| !source.is_empty()) {
            let (key, path) = file(source)?;
            let path = Path::new(path);
            let about = |error: &std::io::Error| fail(format!("error reading {}: {}", path.display(), os_error(error)));
            if path.metadata().map_err(|error| about(&error))?.is_dir() {
                if source.contains('=') {
                    return Err(fail("cannot give a key name for a directory path".into()));
                }
                for path in plain_files(path).map_err(|error| fail(os_error(&error)))? {
                    let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    add(&key, std::fs::read(&path).map_err(|error| about(&error))?)?;
                }
            } else {
                add(key, std::fs::read(path).map_err(|error| about(&error))?)?;
            }
        }
        for path in &self.from_env_file {
            let bytes =
                std::fs::read(path).map_err(|error| fail(format!("error reading {path}: {}", os_error(&error))))?;
            for (key, value) in env_file(path, &bytes)? {
                add(&key, value.into_bytes())?;
            }
        }
        Ok(data)
    }
}

/// `key=value`.
fn literal(source: &str) -> Result<(&str, &str), CommandError> {
    source
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| CommandError::message(format!("invalid literal source {source}, expected key=value")))
}

/// `path` or `key=path`. Without a key it is the file's name.
fn file(source: &str) -> Result<(&str, &str), CommandError> {
    let fail = |text: String| Err(CommandError::message(text));
    match source.split_once('=') {
        None => {
            let path = source.trim_end_matches('/');
            Ok((path.rsplit('/').next().unwrap_or(path), source))
        }
        Some((_, path)) if path.contains('=') => fail("key names or file paths cannot contain '='".into()),
        Some(("", path)) => fail(format!("key name for file path {path} missing")),
        Some((key, "")) => fail(format!("file path for key name {key} missing")),
        Some(pair) => Ok(pair),
    }
}

/// The files in a folder, sorted; not what lies deeper.
fn plain_files(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// `KEY=VALUE` lines; a `KEY` alone takes its value from this program's environment.
fn env_file(path: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, CommandError> {
    let mut pairs = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(CommandError::message(format!(
                "env file {path} contains invalid utf8 bytes at line {}: {}",
                number + 1,
                quote(&String::from_utf8_lossy(line))
            )));
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, value.to_string()),
            None => (line, std::env::var(line).unwrap_or_default()),
        };
        if let Some(why) = env_name_problem(key) {
            return Err(CommandError::message(format!("{} is not a valid key name: {why}", quote(key))));
        }
        pairs.push((key.to_string(), value));
    }
    Ok(pairs)
}

/// Why `key` cannot name a piece of a config map.
fn key_problem(key: &str) -> Option<String> {
    if key.len() > 253 {
        return Some("must be no more than 253 characters".into());
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Some(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
             'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .into(),
        );
    }
    dots_problem(key)
}

fn env_name_problem(name: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if name.is_empty() || !name.bytes().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must \
             not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation \
             is '[-._a-zA-Z][-._a-zA-Z0-9]*')"
                .into(),
        );
    }
    dots_problem(name)
}

fn dots_problem(name: &str) -> Option<String> {
    match name {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        name if name.starts_with("..") => Some("must not start with '..'".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_taken_apart() {
        assert_eq!(literal("a='x=y'").unwrap(), ("a", "'x=y'"));
        assert_eq!(literal("=a").unwrap_err().text(), "invalid literal source =a, expected key=value");
        assert_eq!(file("conf/a.txt").unwrap(), ("a.txt", "conf/a.txt"));
        assert_eq!(file("k=p").unwrap(), ("k", "p"));
        assert_eq!(file("a=b=c").unwrap_err().text(), "key names or file paths cannot contain '='");
        let pairs = env_file("f", b"# c\n A=1\r\nB=x=y\n\n").unwrap();
        assert_eq!(pairs, [("A".into(), "1".into()), ("B".into(), "x=y".into())]);
        assert!(env_file("f", b"export A=1").is_err());
        assert_eq!(key_problem("..a").as_deref(), Some("must not start with '..'"));
    }
}
