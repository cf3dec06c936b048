//! The data of a Redis server and the commands on it.

use super::resp::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The most data a server keeps, in bytes of keys and values.
const MOST: usize = 16 << 20;

const SYNTAX: &str = "ERR syntax error";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// Keys and their values.
#[derive(Default)]
pub struct Store {
    entries: HashMap<Vec<u8>, Entry>,
    /// Bytes of keys and values.
    used: usize,
}

struct Entry {
    data: Data,
    /// When it is gone, in milliseconds of Unix time.
    expires: Option<i64>,
}

/// The fields of a hash and their values.
type Fields = BTreeMap<Vec<u8>, Vec<u8>>;

enum Data {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    Hash(Fields),
}

impl Data {
    fn kind(&self) -> &'static str {
        match self {
            Data::Text(_) => "string",
            Data::List(_) => "list",
            Data::Hash(_) => "hash",
        }
    }
    fn size(&self) -> usize {
        match self {
            Data::Text(text) => text.len(),
            Data::List(list) => list.iter().map(Vec::len).sum(),
            Data::Hash(hash) => hash.iter().map(|(field, value)| field.len() + value.len()).sum(),
        }
    }
}

/// A command's answer, or the text of its error.
type Answer = Result<Value, String>;

impl Store {
    /// How many keys there are at `now` (milliseconds of Unix time).
    pub fn len(&mut self, now: i64) -> usize {
        let gone = |entry: &Entry| entry.expires.is_some_and(|at| at <= now);
        self.entries.retain(|_, entry| !gone(entry));
        self.entries.len()
    }

    /// How many keys have an end.
    pub fn expiring(&self) -> usize {
        self.entries.values().filter(|entry| entry.expires.is_some()).count()
    }

    /// Bytes of keys and values.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Runs a command whose name is given in upper case. `None`: it is no command on data.
    pub fn run(&mut self, name: &str, args: &[Vec<u8>], now: i64) -> Option<Value> {
        let wrong = || Err(format!("ERR wrong number of arguments for '{}' command", name.to_ascii_lowercase()));
        let grows = matches!(
            name,
            "SET" | "SETNX" | "SETEX" | "PSETEX" | "MSET" | "APPEND" | "GETSET" | "LPUSH" | "RPUSH" | "HSET"
        );
        if grows && self.used > MOST {
            return Some(Value::error("OOM command not allowed when used memory > 'maxmemory'."));
        }
        let answer = match (name, args) {
            ("GET", [key]) => self.text(key, now).map(|text| bulk_or_nil(text.cloned())),
            ("STRLEN", [key]) => self.text(key, now).map(|text| count(text.map_or(0, |text| text.len()))),
            ("MGET", [_, ..]) => Ok(Value::Array(
                args.iter().map(|key| bulk_or_nil(self.text(key, now).ok().flatten().cloned())).collect(),
            )),
            ("SET", [key, value, options @ ..]) => self.set(key, value, options, now),
            ("SETNX", [key, value]) => Ok(Value::Integer(i64::from(
                self.entry(key, now).is_none() && {
                    self.insert(key, Data::Text(value.clone()), None);
                    true
                },
            ))),
            ("SETEX" | "PSETEX", [key, time, value]) => expiry(time, if name == "SETEX" { 1000 } else { 1 }, now, name)
                .map(|at| {
                    self.insert(key, Data::Text(value.clone()), Some(at));
                    Value::ok()
                }),
            ("MSET", [_, _, ..]) if args.len().is_multiple_of(2) => {
                for pair in args.chunks_exact(2) {
                    self.insert(&pair[0], Data::Text(pair[1].clone()), None);
                }
                Ok(Value::ok())
            }
            ("GETSET", [key, value]) => self.text(key, now).map(|text| text.cloned()).map(|old| {
                self.insert(key, Data::Text(value.clone()), None);
                bulk_or_nil(old)
            }),
            ("GETDEL", [key]) => self.text(key, now).map(|text| text.cloned()).map(|old| {
                self.remove(key);
                bulk_or_nil(old)
            }),
            ("APPEND", [key, value]) => {
                self.text(key, now).map(|text| text.cloned().unwrap_or_default()).map(|mut t| {
                    t.extend_from_slice(value);
                    let length = t.len();
                    let expires = self.entry(key, now).and_then(|entry| entry.expires);
                    self.insert(key, Data::Text(t), expires);
                    count(length)
                })
            }
            ("INCR", [key]) => self.add(key, 1, now),
            ("DECR", [key]) => self.add(key, -1, now),
            ("INCRBY", [key, by]) => integer(by).and_then(|by| self.add(key, by, now)),
            ("DECRBY", [key, by]) => {
                integer(by).and_then(|by| self.add(key, by.checked_neg().ok_or(NOT_AN_INTEGER)?, now))
            }
            ("DEL" | "UNLINK", [_, ..]) => {
                Ok(count(args.iter().filter(|key| self.entry(key, now).is_some() && self.remove(key)).count()))
            }
            ("EXISTS" | "TOUCH", [_, ..]) => {
                Ok(count(args.iter().filter(|key| self.entry(key, now).is_some()).count()))
            }
            ("TYPE", [key]) => {
                Ok(Value::Simple(self.entry(key, now).map_or("none", |entry| entry.data.kind()).to_string()))
            }
            ("KEYS", [pattern]) => {
                self.len(now);
                let keys = self.entries.keys().filter(|key| glob(pattern, key));
                Ok(Value::Array(keys.map(|key| Value::bulk(key.clone())).collect()))
            }
            ("SCAN", [_, ..]) => {
                self.len(now);
                let keys = self.entries.keys().map(|key| Value::bulk(key.clone())).collect();
                Ok(Value::Array(vec![Value::bulk("0"), Value::Array(keys)]))
            }
            ("DBSIZE", []) => Ok(count(self.len(now))),
            ("FLUSHALL" | "FLUSHDB", [] | [_]) => {
                *self = Store::default();
                Ok(Value::ok())
            }
            ("TTL" | "PTTL", [key]) => Ok(Value::Integer(match self.entry(key, now).map(|entry| entry.expires) {
                None => -2,
                Some(None) => -1,
                Some(Some(at)) if name == "TTL" => (at - now + 500) / 1000,
                Some(Some(at)) => at - now,
            })),
            ("EXPIRE" | "PEXPIRE", [key, time]) => integer(time).map(|time| {
                let at = now.saturating_add(time.saturating_mul(if name == "EXPIRE" { 1000 } else { 1 }));
                Value::Integer(i64::from(self.entry(key, now).map(|entry| entry.expires = Some(at)).is_some()))
            }),
            ("PERSIST", [key]) => {
                Ok(Value::Integer(i64::from(self.entry(key, now).and_then(|entry| entry.expires.take()).is_some())))
            }
            ("LPUSH" | "RPUSH", [key, values @ ..]) if !values.is_empty() => {
                self.push(key, values, name == "LPUSH", now)
            }
            ("LPOP" | "RPOP", [key]) => self.pop(key, name == "LPOP", now),
            ("LLEN", [key]) => self.list(key, now).map(|list| count(list.map_or(0, |list| list.len()))),
            ("LRANGE", [key, first, last]) => integer(first).and_then(|first| {
                let last = integer(last)?;
                let list = self.list(key, now)?;
                let length = list.as_ref().map_or(0, |list| list.len());
                let at = |index: i64| if index < 0 { index + length as i64 } else { index };
                let first = usize::try_from(at(first)).unwrap_or(0);
                let taken = usize::try_from(at(last) + 1).unwrap_or(0).saturating_sub(first);
                let values = list.into_iter().flat_map(|list| list.iter()).skip(first).take(taken);
                Ok(Value::Array(values.map(|value| Value::bulk(value.clone())).collect()))
            }),
            ("HSET" | "HMSET", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
                self.set_fields(key, pairs, now).map(|new| if name == "HSET" { count(new) } else { Value::ok() })
            }
            ("HGET", [key, field]) => {
                self.hash(key, now).map(|hash| bulk_or_nil(hash.and_then(|hash| hash.get(field).cloned())))
            }
            ("HGETALL", [key]) => self.hash(key, now).map(|hash| {
                let pairs = hash.into_iter().flat_map(|hash| hash.iter());
                let both = pairs.flat_map(|(field, value)| [Value::bulk(field.clone()), Value::bulk(value.clone())]);
                Value::Array(both.collect())
            }),
            ("HLEN", [key]) => self.hash(key, now).map(|hash| count(hash.map_or(0, |hash| hash.len()))),
            ("HDEL", [key, fields @ ..]) if !fields.is_empty() => self.remove_fields(key, fields, now),
            _ if COMMANDS.contains(&name) => wrong(),
            _ => return None,
        };
        Some(answer.unwrap_or_else(Value::Error))
    }

    fn entry(&mut self, key: &[u8], now: i64) -> Option<&mut Entry> {
        if self.entries.get(key)?.expires.is_some_and(|at| at <= now) {
            self.remove(key);
        }
        self.entries.get_mut(key)
    }

    fn text(&mut self, key: &[u8], now: i64) -> Result<Option<&mut Vec<u8>>, String> {
        match self.entry(key, now).map(|entry| &mut entry.data) {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }
    fn list(&mut self, key: &[u8], now: i64) -> Result<Option<&mut VecDeque<Vec<u8>>>, String> {
        match self.entry(key, now).map(|entry| &mut entry.data) {
            None => Ok(None),
            Some(Data::List(list)) => Ok(Some(list)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }
    fn hash(&mut self, key: &[u8], now: i64) -> Result<Option<&mut Fields>, String> {
        match self.entry(key, now).map(|entry| &mut entry.data) {
            None => Ok(None),
            Some(Data::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }

    fn insert(&mut self, key: &[u8], data: Data, expires: Option<i64>) {
        self.remove(key);
        self.used += key.len() + data.size();
        self.entries.insert(key.to_vec(), Entry { data, expires });
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.entries.remove(key);
        self.used -= removed.as_ref().map_or(0, |entry| key.len() + entry.data.size());
        removed.is_some()
    }

    /// Removes a list or hash that has become empty.
    fn prune(&mut self, key: &[u8], now: i64) {
        let is_empty = |entry: &mut Entry| match &entry.data {
            Data::Text(_) => false,
            Data::List(list) => list.is_empty(),
            Data::Hash(hash) => hash.is_empty(),
        };
        if self.entry(key, now).is_some_and(is_empty) {
            self.remove(key);
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8], mut options: &[Vec<u8>], now: i64) -> Answer {
        let (mut expires, mut only, mut get, mut keep) = (None, None, false, false);
        while let Some((option, rest)) = options.split_first() {
            options = rest;
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => only = Some(false),
                b"XX" => only = Some(true),
                b"GET" => get = true,
                b"KEEPTTL" => keep = true,
                unit @ (b"EX" | b"PX") => {
                    let (time, rest) = options.split_first().ok_or(SYNTAX)?;
                    options = rest;
                    expires = Some(expiry(time, if unit == b"EX" { 1000 } else { 1 }, now, "SET")?);
                }
                _ => return Err(SYNTAX.into()),
            }
        }
        let old = if get { self.text(key, now)?.cloned() } else { None };
        let found = self.entry(key, now).map(|entry| entry.expires);
        let done = only.is_none_or(|present| present == found.is_some());
        if done {
            self.insert(key, Data::Text(value.to_vec()), if keep { found.flatten() } else { expires });
        }
        Ok(match (get, done) {
            (true, _) => bulk_or_nil(old),
            (false, true) => Value::ok(),
            (false, false) => Value::Nil,
        })
    }

    fn add(&mut self, key: &[u8], by: i64, now: i64) -> Answer {
        let old = self.text(key, now)?.map_or(Ok(0), |text| integer(text))?;
        let new = old.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
        let expires = self.entry(key, now).and_then(|entry| entry.expires);
        self.insert(key, Data::Text(new.to_string().into_bytes()), expires);
        Ok(Value::Integer(new))
    }

    fn push(&mut self, key: &[u8], values: &[Vec<u8>], front: bool, now: i64) -> Answer {
        if self.list(key, now)?.is_none() {
            self.insert(key, Data::List(VecDeque::new()), None);
        }
        self.used += values.iter().map(Vec::len).sum::<usize>();
        let Some(list) = self.list(key, now)? else { return Ok(Value::Integer(0)) };
        for value in values {
            if front { list.push_front(value.clone()) } else { list.push_back(value.clone()) }
        }
        Ok(count(list.len()))
    }

    fn pop(&mut self, key: &[u8], front: bool, now: i64) -> Answer {
        let Some(list) = self.list(key, now)? else { return Ok(Value::Nil) };
        let taken = if front { list.pop_front() } else { list.pop_back() };
        self.used -= taken.as_ref().map_or(0, Vec::len);
        self.prune(key, now);
        Ok(bulk_or_nil(taken))
    }

    fn remove_fields(&mut self, key: &[u8], fields: &[Vec<u8>], now: i64) -> Answer {
        let Some(hash) = self.hash(key, now)? else { return Ok(count(0)) };
        let taken = fields.iter().filter_map(|field| hash.remove_entry(field));
        let sizes: Vec<usize> = taken.map(|(field, value)| field.len() + value.len()).collect();
        self.used -= sizes.iter().sum::<usize>();
        self.prune(key, now);
        Ok(count(sizes.len()))
    }

    /// How many of the fields are new.
    fn set_fields(&mut self, key: &[u8], pairs: &[Vec<u8>], now: i64) -> Result<usize, String> {
        let (mut hash, expires) = match self.hash(key, now)? {
            Some(hash) => (std::mem::take(hash), self.entry(key, now).and_then(|entry| entry.expires)),
            None => (BTreeMap::new(), None),
        };
        self.used -= hash.iter().map(|(field, value)| field.len() + value.len()).sum::<usize>();
        let pairs = pairs.chunks_exact(2);
        let new = pairs.filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none()).count();
        self.insert(key, Data::Hash(hash), expires);
        Ok(new)
    }
}

/// The commands on data.
const COMMANDS: &[&str] = &[
    "APPEND", "DBSIZE", "DECR", "DECRBY", "DEL", "EXISTS", "EXPIRE", "FLUSHALL", "FLUSHDB", "GET", "GETDEL", "GETSET",
    "HDEL", "HGET", "HGETALL", "HLEN", "HMSET", "HSET", "INCR", "INCRBY", "KEYS", "LLEN", "LPOP", "LPUSH", "LRANGE",
    "MGET", "MSET", "PERSIST", "PEXPIRE", "PSETEX", "PTTL", "RPOP", "RPUSH", "SCAN", "SET", "SETEX", "SETNX", "STRLEN",
    "TOUCH", "TTL", "TYPE", "UNLINK",
];

fn bulk_or_nil(text: Option<Vec<u8>>) -> Value {
    text.map_or(Value::Nil, Value::Bulk)
}
fn count(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
fn integer(text: &[u8]) -> Result<i64, String> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| NOT_AN_INTEGER.to_string())
}

/// When something ends that lives for `time` units of `unit` milliseconds.
fn expiry(time: &[u8], unit: i64, now: i64, command: &str) -> Result<i64, String> {
    let time = integer(time)?.checked_mul(unit).filter(|time| *time > 0).and_then(|time| now.checked_add(time));
    time.ok_or_else(|| format!("ERR invalid expire time in '{}' command", command.to_ascii_lowercase()))
}

/// Whether a name fits a pattern of `*`, `?`, `[a-z]` and `\x`.
pub fn glob(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // Where to go on after the latest star has taken one letter more.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, name));
                Some((rest, name))
            }
            (Some((expected, rest)), Some((letter, left))) => match expected {
                b'?' => Some((rest, left)),
                b'[' => class(rest, *letter).and_then(|(fits, rest)| fits.then_some((rest, left))),
                b'\\' => rest.split_first().filter(|(expected, _)| *expected == letter).map(|(_, rest)| (rest, left)),
                expected => (expected == letter).then_some((rest, left)),
            },
            _ => None,
        };
        match (step, &mut retry) {
            (Some((rest, left)), _) => (pattern, name) = (rest, left),
            (None, Some((after, from))) => match from.split_first() {
                Some((_, left)) => {
                    *from = left;
                    (pattern, name) = (after, left);
                }
                None => return false,
            },
            (None, None) => return false,
        }
    }
}

/// Whether a letter is in the class that `pattern` begins with, after its `[`, and what follows it.
fn class(pattern: &[u8], letter: u8) -> Option<(bool, &[u8])> {
    let end = pattern.iter().position(|byte| *byte == b']')?;
    let (set, negated) = match &pattern[..end] {
        [b'^', set @ ..] => (set, true),
        set => (set, false),
    };
    let range = set.windows(3).any(|w| w[1] == b'-' && (w[0]..=w[2]).contains(&letter));
    Some(((range || set.contains(&letter)) != negated, &pattern[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(store: &mut Store, command: &str, now: i64) -> Value {
        let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        store.run(&String::from_utf8_lossy(&words[0]), &words[1..], now).unwrap()
    }

    #[test]
    fn texts_and_numbers_are_kept() {
        let mut store = Store::default();
        assert_eq!(run(&mut store, "GET a", 0), Value::Nil);
        assert_eq!(run(&mut store, "SET a 41", 0), Value::ok());
        assert_eq!(run(&mut store, "INCR a", 0), Value::Integer(42));
        assert_eq!(run(&mut store, "SET a x NX", 0), Value::Nil);
        assert_eq!(run(&mut store, "SET a x", 0), Value::ok());
        assert_eq!(run(&mut store, "INCR a", 0), Value::error(NOT_AN_INTEGER));
        assert_eq!(run(&mut store, "DEL a b", 0), Value::Integer(1));
        assert_eq!(run(&mut store, "DBSIZE", 0), Value::Integer(0));
        assert_eq!(store.used(), 0);
    }

    #[test]
    fn keys_end_in_time() {
        let mut store = Store::default();
        run(&mut store, "SET a 1 EX 10", 0);
        assert_eq!(run(&mut store, "TTL a", 4000), Value::Integer(6));
        assert_eq!(run(&mut store, "EXISTS a", 9999), Value::Integer(1));
        assert_eq!(run(&mut store, "EXISTS a", 10_000), Value::Integer(0));
        assert_eq!(run(&mut store, "TTL a", 10_000), Value::Integer(-2));
        assert_eq!(run(&mut store, "SET a 1 EX 0", 0), Value::error("ERR invalid expire time in 'set' command"));
    }

    #[test]
    fn lists_and_hashes_are_kept() {
        let mut store = Store::default();
        assert_eq!(run(&mut store, "RPUSH l a b c", 0), Value::Integer(3));
        let all = Value::Array(vec![Value::bulk("a"), Value::bulk("b"), Value::bulk("c")]);
        assert_eq!(run(&mut store, "LRANGE l 0 -1", 0), all);
        assert_eq!(run(&mut store, "LRANGE l -1 -1", 0), Value::Array(vec![Value::bulk("c")]));
        assert_eq!(run(&mut store, "GET l", 0), Value::error(WRONG_TYPE));
        for expected in ["a", "b", "c"] {
            assert_eq!(run(&mut store, "LPOP l", 0), Value::bulk(expected));
        }
        assert_eq!(run(&mut store, "HSET h f 1 g 2", 0), Value::Integer(2));
        assert_eq!(run(&mut store, "HSET h f 3", 0), Value::Integer(0));
        assert_eq!(run(&mut store, "HGET h f", 0), Value::bulk("3"));
        assert_eq!(run(&mut store, "HDEL h f g", 0), Value::Integer(2));
        assert_eq!(run(&mut store, "DBSIZE", 0), Value::Integer(0));
        assert_eq!(store.used(), 0);
    }

    #[test]
    fn wrong_numbers_of_arguments_are_told() {
        let mut store = Store::default();
        for command in ["GET", "SET a", "INCR", "MSET a", "LPUSH l", "HSET h f"] {
            let Value::Error(error) = run(&mut store, command, 0) else { panic!("{command}") };
            assert!(error.starts_with("ERR wrong number of arguments for '"), "{error}");
        }
        assert!(store.run("NONE", &[], 0).is_none());
    }

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("user:*", "user:1", true),
            ("user:*", "use", false),
            ("h?llo", "hello", true),
            ("h[a-e]llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("*a*b", "xaybzb", true),
            ("a\\*", "a*", true),
            ("[", "a", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
