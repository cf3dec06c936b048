//! The commands that the shell knows.

use super::{COMMANDS, DEPTH, Ending, FileChange, Flow, Shell};
use std::time::Duration;

/// Exit code, output, errors.
pub type Outcome = (i32, String, String);

fn code(code: i32) -> Outcome {
    (code, String::new(), String::new())
}
fn prints(text: impl Into<String>) -> Outcome {
    (0, text.into(), String::new())
}
fn fails(text: impl Into<String>) -> Outcome {
    (1, String::new(), text.into())
}

impl Shell {
    /// Runs one command given as words. Programs that are not known are taken to be servers.
    pub(super) fn execute(&mut self, argv: &[String], stdin: &str) -> Result<Outcome, Flow> {
        if self.depth >= DEPTH {
            return Ok((126, String::new(), "sh: nested too deep\n".to_string()));
        }
        self.depth += 1;
        let result = self.builtin(argv, stdin);
        self.depth -= 1;
        result
    }

    fn builtin(&mut self, argv: &[String], stdin: &str) -> Result<Outcome, Flow> {
        self.commands += 1;
        if self.commands > COMMANDS {
            return Err(Flow::End(Ending::Sleeps));
        }
        let Some((program, rest)) = argv.split_first() else { return Ok(code(0)) };
        let args: Vec<&str> = rest.iter().map(String::as_str).collect();
        let name = match program.rsplit_once('/') {
            Some(("" | "/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin", name)) => name,
            Some(_) => return Err(Flow::End(Ending::Serves)),
            None => program.as_str(),
        };
        let number = |i: usize| args.get(i).and_then(|text| text.parse::<i32>().ok());
        Ok(match name {
            "true" | ":" | "cd" | "trap" | "umask" | "ulimit" | "chmod" | "chown" | "mkdir" | "sync" | "kill"
            | "date" | "perl" | "printenv" | "env" | "id" | "ps" | "export" | "set" => {
                match name {
                    "export" => {
                        let given = args.iter().filter_map(|word| super::assignment(word));
                        self.variables.extend(given.map(|(name, value)| (name.to_string(), value.to_string())));
                    }
                    "set" if args.first().is_some_and(|flags| flags.starts_with('-') && flags.contains('e')) => {
                        self.exit_on_error = true;
                    }
                    _ => {}
                }
                code(0)
            }
            "false" => code(1),
            "exit" => return Err(Flow::End(Ending::Exit(number(0).unwrap_or(self.status) & 0xff))),
            "break" => return Err(Flow::Break),
            "continue" => return Err(Flow::Continue),
            "sleep" => {
                match args.iter().try_fold(Duration::ZERO, |sum, text| Some(sum.saturating_add(sleep_time(text)?))) {
                    Some(time) if !args.is_empty() && time < Duration::MAX => {
                        self.clock = self.clock.saturating_add(time);
                        code(0)
                    }
                    Some(_) if !args.is_empty() => return Err(Flow::End(Ending::Sleeps)),
                    _ => fails(format!("sleep: invalid number '{}'\n", args.first().unwrap_or(&""))),
                }
            }
            "wait" => match self.background {
                Some(ending) => return Err(Flow::End(ending)),
                None => {
                    self.clock = self.clock.max(self.background_end);
                    code(0)
                }
            },
            "sh" | "bash" | "ash" | "dash" => return self.shell(&args, stdin),
            "exec" if args.is_empty() => code(0),
            "exec" => {
                let (code, out, err) = self.execute(rest, stdin)?;
                self.print(&out);
                self.print(&err);
                return Err(Flow::End(Ending::Exit(code)));
            }
            "timeout" if args.len() > 1 => return self.timeout(&rest[0], &rest[1..], stdin),
            "time" | "nice" | "nohup" | "busybox" => return self.execute(rest, stdin),
            "echo" => {
                let (newline, words) = match args.as_slice() {
                    ["-n", words @ ..] => ("", words),
                    ["-e", words @ ..] => ("\n", words),
                    words => ("\n", words),
                };
                prints(format!("{}{newline}", words.join(" ")))
            }
            "printf" => {
                let text = args.first().unwrap_or(&"").replace("\\n", "\n").replace("\\t", "\t");
                prints(args.iter().skip(1).fold(text, |text, arg| text.replacen("%s", arg, 1).replacen("%d", arg, 1)))
            }
            "hostname" => prints(format!("{}\n", self.variable("HOSTNAME", None))),
            "whoami" => prints("root\n"),
            "seq" => {
                let (first, last) = match (number(0), number(1)) {
                    (Some(first), Some(last)) => (first, last),
                    (Some(last), None) => (1, last),
                    _ => return Ok(fails("seq: invalid number\n")),
                };
                let numbers = (first..=last).take(COMMANDS).map(|n| format!("{n}\n"));
                prints(numbers.collect::<String>())
            }
            "touch" => {
                for path in operands(&args) {
                    self.write(path, String::new(), true);
                }
                code(0)
            }
            "rm" | "unlink" => {
                let forced = args.iter().any(|flag| flag.starts_with('-') && flag.contains('f'));
                let mut errors = String::new();
                for path in operands(&args) {
                    if self.exists(path) {
                        self.change(FileChange::Remove(path.to_string()));
                    } else if !forced {
                        errors += &format!("rm: can't remove '{path}': No such file or directory\n");
                    }
                }
                (i32::from(!errors.is_empty()), String::new(), errors)
            }
            "tee" => {
                for path in operands(&args) {
                    self.write(path, stdin.to_string(), args.contains(&"-a"));
                }
                prints(stdin)
            }
            "cat" | "head" | "tail" | "wc" if operands(&args).next().is_none() => prints(stdin),
            "tail" if args.iter().any(|flag| flag.eq_ignore_ascii_case("-f")) => {
                return Err(Flow::End(Ending::Sleeps));
            }
            "cat" | "head" | "tail" | "ls" | "stat" | "wc" => self.read(name, &args),
            "grep" => self.grep(&args, stdin),
            "test" => code(i32::from(!self.test(&args))),
            "[" => match args.split_last() {
                Some((&"]", expression)) => code(i32::from(!self.test(expression))),
                _ => (2, String::new(), "sh: missing ]\n".to_string()),
            },
            _ => return Err(Flow::End(Ending::Serves)),
        })
    }

    fn shell(&mut self, args: &[&str], stdin: &str) -> Result<Outcome, Flow> {
        let exits_on_error = args.iter().take_while(|a| a.starts_with('-')).any(|flags| flags.contains('e'));
        let script = args.iter().position(|a| a.starts_with('-') && a.contains('c')).and_then(|i| args.get(i + 1));
        let Some(script) = script else {
            return match args.first() {
                // A script file, whose content is not known.
                Some(_) => Err(Flow::End(Ending::Serves)),
                None => Ok(code(0)),
            };
        };
        let before = (std::mem::take(&mut self.output), self.exit_on_error);
        self.exit_on_error = exits_on_error;
        let result = self.script(script, stdin);
        self.exit_on_error = before.1;
        let printed = std::mem::replace(&mut self.output, before.0);
        match result {
            Ok(code) => Ok((code, printed, String::new())),
            Err(flow) => {
                self.print(&printed);
                Err(flow)
            }
        }
    }

    fn timeout(&mut self, limit: &str, argv: &[String], stdin: &str) -> Result<Outcome, Flow> {
        let Some(limit) = sleep_time(limit) else { return Err(Flow::End(Ending::Serves)) };
        let end = self.clock.saturating_add(limit);
        match self.execute(argv, stdin) {
            Err(Flow::End(Ending::Sleeps | Ending::Serves)) => {
                self.clock = end;
                Ok(code(143))
            }
            Ok(_) if self.clock > end => {
                self.clock = end;
                Ok(code(143))
            }
            other => other,
        }
    }

    fn read(&mut self, name: &str, args: &[&str]) -> Outcome {
        let (mut out, mut err) = (String::new(), String::new());
        for path in operands(args) {
            match (self.files.get(path), self.exists(path)) {
                (Some(_), _) if name == "ls" || name == "stat" => out += &format!("{path}\n"),
                (Some(content), _) => out += content,
                (None, true) => {}
                (None, false) if name == "cat" => {
                    err += &format!("cat: can't open '{path}': No such file or directory\n")
                }
                (None, false) => err += &format!("{name}: {path}: No such file or directory\n"),
            }
        }
        (i32::from(!err.is_empty()), out, err)
    }

    fn grep(&mut self, args: &[&str], stdin: &str) -> Outcome {
        let mut given = operands(args);
        let Some(pattern) = given.next() else { return (2, String::new(), "grep: no pattern\n".into()) };
        let paths: Vec<&str> = given.collect();
        let inverted = args.iter().any(|flag| flag.starts_with('-') && flag.contains('v'));
        let quiet = args.iter().any(|flag| flag.starts_with('-') && flag.contains('q'));
        let text = match paths.as_slice() {
            [] => stdin.to_string(),
            paths => paths.iter().filter_map(|path| self.files.get(*path).cloned()).collect(),
        };
        let found: String =
            text.lines().filter(|line| line.contains(pattern) != inverted).map(|line| format!("{line}\n")).collect();
        (i32::from(found.is_empty()), if quiet { String::new() } else { found }, String::new())
    }

    /// Whether a path exists: made by a command, a directory that every image has, or presumed.
    pub(super) fn exists(&self, path: &str) -> bool {
        if self.removed.iter().any(|removed| removed == path) {
            return self.files.contains_key(path);
        }
        let directories = ["/", "/bin", "/dev", "/etc", "/proc", "/root", "/tmp", "/usr", "/var", "/dev/null"];
        let below = |file: &str| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let plain = path.trim_end_matches('/');
        directories.contains(&if plain.is_empty() { "/" } else { plain })
            || self.files.contains_key(path)
            || self.files.keys().any(|file| below(file))
            || self.presumes_files
    }

    fn test(&self, expression: &[&str]) -> bool {
        let numbers = |a: &str, b: &str| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?));
        // Longer ones could use up the stack.
        if expression.len() > 64 {
            return false;
        }
        match expression {
            [] => false,
            ["!", rest @ ..] => !self.test(rest),
            [left @ .., "-o", right] => self.test(left) || self.test(&[right]),
            [a, "-a", b] => !a.is_empty() && !b.is_empty(),
            ["-z", text] => text.is_empty(),
            ["-n", text] | [text] => !text.is_empty(),
            ["-f" | "-e" | "-r" | "-d" | "-x" | "-w" | "-L", path] => self.exists(path),
            ["-s", path] => self.files.get(*path).map_or_else(|| self.exists(path), |content| !content.is_empty()),
            [a, "=" | "==", b] => a == b,
            [a, "!=", b] => a != b,
            [a, operator, b] => match (numbers(a, b), *operator) {
                (Some((a, b)), "-eq") => a == b,
                (Some((a, b)), "-ne") => a != b,
                (Some((a, b)), "-lt") => a < b,
                (Some((a, b)), "-le") => a <= b,
                (Some((a, b)), "-gt") => a > b,
                (Some((a, b)), "-ge") => a >= b,
                _ => false,
            },
            _ => false,
        }
    }
}

/// The arguments that are not options.
fn operands<'a>(args: &'a [&str]) -> impl Iterator<Item = &'a str> {
    args.iter().copied().filter(|arg| !arg.starts_with('-') || arg.len() == 1)
}

/// `1.5`, `10s`, `2m`, `1h`, `1d`; `infinity` is the longest time there is.
fn sleep_time(text: &str) -> Option<Duration> {
    if text.starts_with("inf") {
        return Some(Duration::MAX);
    }
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)?;
    // A sleep of more than a thousand years is for ever.
    Some(Duration::try_from_secs_f64(seconds * unit).ok().filter(|d| d.as_secs() < 1 << 35).unwrap_or(Duration::MAX))
}
