//! The parameters of a Redis server, from its file and its options.

use super::resp;
use super::store;
use crate::node::runtime::process::Process;
use std::collections::BTreeMap;

/// Parameters by name. Those that the simulation does not act on are kept, so that `CONFIG GET` shows them.
pub struct Config(BTreeMap<String, String>);

impl Default for Config {
    fn default() -> Config {
        let known = [
            ("appendonly", "no"),
            ("bind", "* -::*"),
            ("databases", "16"),
            ("dir", "/data"),
            ("maxclients", "10000"),
            ("maxmemory", "0"),
            ("maxmemory-policy", "noeviction"),
            ("port", "6379"),
            ("requirepass", ""),
            ("save", "3600 1 300 100 60 10000"),
            ("timeout", "0"),
        ];
        Config(known.map(|(name, value)| (name.to_string(), value.to_string())).into())
    }
}

impl Config {
    /// Reads `redis-server [FILE] [--parameter value ...]`.
    ///
    /// # Errors
    /// What the server says of a mistake.
    pub async fn of(process: &Process) -> Result<Config, String> {
        let mut config = Config::default();
        let mut args = process.args();
        if let Some((path, rest)) = args.split_first().filter(|(first, _)| !first.starts_with('-')) {
            let unreadable = || format!("Fatal error, can't open config file '{path}': No such file or directory");
            let content = process.world.files().read(&process.path(path)).map_err(|_| unreadable())?;
            for (number, line) in String::from_utf8_lossy(&content).lines().enumerate() {
                config.directive(line).map_err(|message| {
                    format!("Reading the configuration file, at line {}\n>>> '{line}'\n{message}", number + 1)
                })?;
            }
            args = rest;
        }
        let mut words = args.iter().peekable();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("Bad directive: {word}"))?;
            let mut values = Vec::new();
            while let Some(value) = words.next_if(|word| !word.starts_with("--")) {
                values.push(value.as_str());
            }
            config.set(name, &values.join(" "))?;
        }
        Ok(config)
    }

    fn directive(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let words = resp::words(line.as_bytes()).ok_or("Unbalanced quotes in configuration line")?;
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        match words.split_first() {
            Some((name, values)) if !values.is_empty() => self.set(name, &values.join(" ")),
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// When the value does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.to_ascii_lowercase();
        let value = match name.as_str() {
            "port" => value.parse::<u16>().map_err(|_| "argument must be between 0 and 65535 inclusive")?.to_string(),
            "maxmemory" => memory(value).ok_or("argument must be a memory value")?.to_string(),
            _ => value.to_string(),
        };
        self.0.insert(name, value);
        Ok(())
    }

    /// The value of a parameter; empty without.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The port to listen on.
    pub fn port(&self) -> u16 {
        self.get("port").parse().unwrap_or(6379)
    }

    /// The parameters whose names fit a pattern.
    pub fn find(&self, pattern: &[u8]) -> Vec<(String, String)> {
        let fits = |name: &str| store::glob(pattern, name.as_bytes());
        self.0.iter().filter(|(name, _)| fits(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// Bytes of `100mb`, `1gb`, `1k` (1000), ...
fn memory(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    text[..split].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_from_lines() {
        let mut config = Config::default();
        for line in ["# comment", "", "maxmemory 2mb", "maxmemory-policy allkeys-lru", "save \"\"", "port 6380"] {
            config.directive(line).unwrap();
        }
        assert_eq!(config.get("maxmemory"), "2097152");
        assert_eq!(config.port(), 6380);
        assert_eq!(config.get("save"), "");
        let found = config.find(b"maxmemory*");
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["maxmemory", "maxmemory-policy"]);
        for bad in ["port x", "maxmemory lots", "port", "save \"1"] {
            assert!(config.directive(bad).is_err(), "{bad}");
        }
    }
}
