//! `redis-cli`: one command given as arguments, or one for each line of standard input.

use super::resp::{self, Value};
use crate::node::network::Connection;
use crate::node::runtime::images::program::resolve;
use crate::node::runtime::process::Process;
use bytes::BytesMut;
use futures_util::future::BoxFuture;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let options = match Options::parse(&process) {
            Ok(options) => options,
            Err(message) => {
                let _ = process.stderr.write(format!("{message}\n").as_bytes()).await;
                return 1;
            }
        };
        match talk(&process, &options).await {
            Ok(code) => code,
            Err(error) => {
                let reason = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "Connection refused".to_string(),
                    io::ErrorKind::NotFound => "Name or service not known".to_string(),
                    io::ErrorKind::TimedOut => "Connection timed out".to_string(),
                    io::ErrorKind::UnexpectedEof => "Server closed the connection".to_string(),
                    _ => error.to_string(),
                };
                let text = format!("Could not connect to Redis at {}:{}: {reason}\n", options.host, options.port);
                let _ = process.stderr.write(text.as_bytes()).await;
                1
            }
        }
    })
}

struct Options {
    host: String,
    port: u16,
    password: Option<String>,
    /// Values as they are, without their types.
    raw: bool,
    /// An answer that is an error makes the exit code 1.
    errors_count: bool,
    words: Vec<Vec<u8>>,
}

impl Options {
    fn parse(process: &Process) -> Result<Options, String> {
        let mut options = Options {
            host: "127.0.0.1".into(),
            port: 6379,
            password: process.env.get("REDISCLI_AUTH").cloned(),
            raw: process.terminal.is_none(),
            errors_count: false,
            words: Vec::new(),
        };
        let mut args = process.args().iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next().cloned().ok_or_else(|| format!("Unrecognized option or bad number of args for: '{arg}'"))
            };
            match arg.as_str() {
                "-h" => options.host = value()?,
                "-p" => options.port = value()?.parse().map_err(|_| "Invalid server port.".to_string())?,
                "-a" | "--pass" => options.password = Some(value()?),
                "-n" | "--user" => drop(value()?),
                "-e" => options.errors_count = true,
                "--raw" => options.raw = true,
                "--no-raw" => options.raw = false,
                "--no-auth-warning" => {}
                option if option.starts_with('-') => {
                    return Err(format!("Unrecognized option or bad number of args for: '{option}'"));
                }
                word => {
                    options.words.push(word.into());
                    options.words.extend(args.by_ref().map(|word| word.clone().into_bytes()));
                }
            }
        }
        Ok(options)
    }
}

async fn talk(process: &Process, options: &Options) -> io::Result<i32> {
    let address = resolve(process, &options.host, options.port).await?;
    let mut stream = process.world.network().connect(address).await?;
    let mut buffer = BytesMut::new();
    if let Some(password) = &options.password {
        let answer = ask(&mut stream, &mut buffer, &[b"AUTH".to_vec(), password.clone().into_bytes()]).await?;
        if let Value::Error(error) = answer {
            process.stderr.write(format!("AUTH failed: {error}\n").as_bytes()).await?;
        }
    }
    if !options.words.is_empty() {
        let answer = ask(&mut stream, &mut buffer, &options.words).await?;
        process.stdout.write(&show(&answer, options.raw)).await?;
        return Ok(i32::from(options.errors_count && matches!(answer, Value::Error(_))));
    }
    loop {
        if process.terminal.is_some() {
            process.print(format!("{}:{}> ", options.host, options.port)).await?;
        }
        let Some(line) = process.stdin.read_line().await? else { return Ok(0) };
        let Some(words) = resp::words(&line) else {
            process.print("Invalid argument(s)\n").await?;
            continue;
        };
        match words.first().map(|word| word.to_ascii_lowercase()) {
            None => {}
            Some(word) if word == b"quit" || word == b"exit" => return Ok(0),
            Some(_) => {
                let answer = ask(&mut stream, &mut buffer, &words).await?;
                process.stdout.write(&show(&answer, options.raw)).await?;
            }
        }
    }
}

async fn ask(stream: &mut Connection, buffer: &mut BytesMut, words: &[Vec<u8>]) -> io::Result<Value> {
    let mut command = BytesMut::new();
    resp::write_command(words, &mut command);
    stream.write_all(&command).await?;
    stream.flush().await?;
    loop {
        if let Some(value) = resp::read_value(buffer).map_err(io::Error::other)? {
            return Ok(value);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The answer as it is printed, with its line feed.
fn show(value: &Value, raw: bool) -> Vec<u8> {
    let mut text = if raw { plain(value) } else { typed(value, "").into_bytes() };
    text.push(b'\n');
    text
}

fn plain(value: &Value) -> Vec<u8> {
    match value {
        Value::Simple(text) | Value::Error(text) => text.clone().into_bytes(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Bulk(bytes) => bytes.clone(),
        Value::Nil => Vec::new(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(&b'\n'),
    }
}

fn typed(value: &Value, indent: &str) -> String {
    match value {
        Value::Simple(text) => text.clone(),
        Value::Error(text) => format!("(error) {text}"),
        Value::Integer(number) => format!("(integer) {number}"),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii().to_string().replace("\\'", "'")),
        Value::Nil => "(nil)".into(),
        Value::Array(values) if values.is_empty() => "(empty array)".into(),
        Value::Array(values) => {
            let width = values.len().to_string().len();
            let deeper = format!("{indent}{}", " ".repeat(width + 2));
            let line = |(i, value)| format!("{:>width$}) {}", i + 1, typed(value, &deeper));
            values.iter().enumerate().map(line).collect::<Vec<_>>().join(&format!("\n{indent}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_for_people_and_for_programs() {
        let array = Value::Array(vec![Value::bulk("it's \"a\""), Value::Array(vec![Value::Integer(1), Value::Nil])]);
        assert_eq!(show(&array, false), b"1) \"it's \\\"a\\\"\"\n2) 1) (integer) 1\n   2) (nil)\n");
        assert_eq!(show(&array, true), b"it's \"a\"\n1\n\n");
        assert_eq!(show(&Value::error("ERR no"), false), b"(error) ERR no\n");
        assert_eq!(show(&Value::Array(vec![]), false), b"(empty array)\n");
    }
}
