//! `find`

use super::{Outcome, program, remove};
use crate::node::runtime::files::{self, FileKind, Stat};
use crate::node::runtime::process::Process;
use crate::node::runtime::shell::pattern::Pattern;

program!(find, run);

/// What is asked of each file.
enum Test {
    Name(Pattern),
    /// Without regard to case.
    NameFolded(Pattern),
    Path(Pattern),
    Kind(FileKind),
    Size(std::cmp::Ordering, u64, u64),
    /// Modified so many units ago.
    Age(std::cmp::Ordering, i64, i64),
    Newer(jiff::Timestamp),
    Empty,
    Mode(u32),
    True,
    Print(&'static str),
    Delete,
    Prune,
    Exec(Vec<String>),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
}

async fn run(process: &mut Process) -> Outcome {
    let arguments = process.args().to_vec();
    let start = arguments.iter().position(|word| word.starts_with(['-', '(', '!'])).unwrap_or(arguments.len());
    let (roots, expression) = arguments.split_at(start);
    let mut parser =
        Expression { rest: expression, process, deepest: usize::MAX, shallowest: 0, acts: false, depth: 0 };
    let test = parser.any()?;
    if let Some(word) = parser.rest.first() {
        return Err(format!("unrecognized: {word}").into());
    }
    let (deepest, shallowest, acts) = (parser.deepest, parser.shallowest, parser.acts);
    let roots = if roots.is_empty() { vec![".".to_string()] } else { roots.to_vec() };
    let (files, mut code) = (process.world.files().clone(), 0);
    let deletes = expression.iter().any(|word| word == "-delete" || word == "-depth");
    for root in roots {
        let mut todo = vec![(root.clone(), 0usize, false)];
        while let Some((path, depth, entered)) = todo.pop() {
            process.world.budget().spend().await;
            let stat = match files.link_stat(&process.path(&path)) {
                Ok(stat) => stat,
                Err(error) => {
                    code = process.fail_at(&path, &error).await;
                    continue;
                }
            };
            let children = if stat.is_directory() && depth < deepest && !entered {
                let names = files.list(&process.path(&path)).unwrap_or_default();
                let child =
                    |name: &std::sync::Arc<str>| (format!("{}/{name}", path.trim_end_matches('/')), depth + 1, false);
                names.iter().rev().map(child).collect()
            } else {
                Vec::new()
            };
            if deletes && !entered && stat.is_directory() {
                // What is below comes first.
                todo.push((path, depth, true));
                todo.extend(children);
                continue;
            }
            let mut pruned = false;
            if depth >= shallowest {
                let found = holds(&test, process, &path, &stat, &mut pruned).await?;
                if found && !acts {
                    process.print(format!("{path}\n")).await?;
                }
            }
            if !pruned {
                todo.extend(children);
            }
        }
    }
    Ok(code)
}

fn holds<'a>(
    test: &'a Test,
    process: &'a Process,
    path: &'a str,
    stat: &'a Stat,
    pruned: &'a mut bool,
) -> futures_util::future::BoxFuture<'a, Result<bool, super::Failure>> {
    Box::pin(async move {
        let name = files::file_name(path);
        Ok(match test {
            Test::Name(pattern) => pattern.matches(name),
            Test::NameFolded(pattern) => pattern.matches(&name.to_lowercase()),
            Test::Path(pattern) => pattern.matches(path),
            Test::Kind(kind) => stat.kind == *kind,
            Test::Size(order, size, unit) => stat.size.div_ceil(*unit).cmp(size) == *order,
            Test::Age(order, age, unit) => {
                (process.world.now().duration_since(stat.modified).as_secs() / unit).cmp(age) == *order
            }
            Test::Newer(time) => stat.modified > *time,
            Test::Empty if stat.is_directory() => {
                process.world.files().list(&process.path(path)).is_ok_and(|names| names.is_empty())
            }
            Test::Empty => stat.kind == FileKind::Regular && stat.size == 0,
            Test::Mode(mode) => stat.mode == *mode,
            Test::True => true,
            Test::Print(end) => {
                process.print(format!("{path}{end}")).await?;
                true
            }
            Test::Delete => match remove::all(process, process.world.files(), &process.path(path)).await {
                Ok(()) => true,
                Err(error) => {
                    process.fail_at(path, &error).await;
                    false
                }
            },
            Test::Prune => {
                *pruned = true;
                true
            }
            Test::Exec(command) => {
                let argv: Vec<String> = command.iter().map(|word| word.replace("{}", path)).collect();
                match process.start(&argv) {
                    Ok(mut child) => child.wait().await.code == 0,
                    Err(error) => {
                        process.fail(format!("{}: {}", argv[0], error.reason)).await;
                        false
                    }
                }
            }
            Test::Not(test) => !holds(test, process, path, stat, pruned).await?,
            Test::All(tests) => {
                for test in tests {
                    if !holds(test, process, path, stat, pruned).await? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if holds(test, process, path, stat, pruned).await? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    })
}

struct Expression<'a> {
    rest: &'a [String],
    process: &'a Process,
    deepest: usize,
    shallowest: usize,
    /// It says itself what to do with what is found.
    acts: bool,
    depth: usize,
}

impl Expression<'_> {
    fn any(&mut self) -> Result<Test, String> {
        self.depth += 1;
        if self.depth > 30 {
            return Err("the expression is nested too deep".into());
        }
        let mut tests = vec![self.all()?];
        while self.rest.first().is_some_and(|word| matches!(word.as_str(), "-o" | "-or")) {
            self.rest = &self.rest[1..];
            tests.push(self.all()?);
        }
        self.depth -= 1;
        Ok(Test::Any(tests))
    }

    fn all(&mut self) -> Result<Test, String> {
        let mut tests = Vec::new();
        while let Some(word) = self.rest.first() {
            match word.as_str() {
                "-o" | "-or" | ")" => break,
                "-a" | "-and" => self.rest = &self.rest[1..],
                _ => tests.push(self.one()?),
            }
        }
        Ok(Test::All(tests))
    }

    fn value(&mut self, of: &str) -> Result<String, String> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| format!("{of}: option requires an argument"))?;
        self.rest = rest;
        Ok(first.clone())
    }

    fn one(&mut self) -> Result<Test, String> {
        let word = self.value("expression")?;
        let number = |text: &str| {
            let digits = text.trim_start_matches(['+', '-']);
            let order = match text.as_bytes().first() {
                Some(b'+') => std::cmp::Ordering::Greater,
                Some(b'-') => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Equal,
            };
            digits.parse::<u32>().map(|number| (order, number)).map_err(|_| format!("invalid number '{text}'"))
        };
        Ok(match word.as_str() {
            "-name" => Test::Name(Pattern::new(&self.value(&word)?)),
            "-iname" => Test::NameFolded(Pattern::new(&self.value(&word)?.to_lowercase())),
            "-path" | "-wholename" => Test::Path(Pattern::new(&self.value(&word)?)),
            "-type" => Test::Kind(match self.value(&word)?.as_str() {
                "f" => FileKind::Regular,
                "d" => FileKind::Directory,
                "l" => FileKind::Link,
                "c" => FileKind::Device,
                other => return Err(format!("invalid argument '{other}' to '-type'")),
            }),
            "-size" => {
                let text = self.value(&word)?;
                let unit = match text.chars().next_back() {
                    Some('c') => 1,
                    Some('k') => 1024,
                    Some('M') => 1024 * 1024,
                    Some('G') => 1024 * 1024 * 1024,
                    _ => 512,
                };
                let (order, size) = number(text.trim_end_matches(['c', 'k', 'M', 'G', 'b']))?;
                Test::Size(order, size.into(), unit)
            }
            "-mmin" | "-mtime" => {
                let (order, age) = number(&self.value(&word)?)?;
                Test::Age(order, age.into(), if word == "-mmin" { 60 } else { 86400 })
            }
            "-newer" => {
                let path = self.value(&word)?;
                let stat = self.process.world.files().stat(&self.process.path(&path));
                Test::Newer(stat.map_err(|error| format!("{path}: {}", super::strerror(&error)))?.modified)
            }
            "-perm" => {
                let text = self.value(&word)?;
                Test::Mode(u32::from_str_radix(&text, 8).map_err(|_| format!("invalid mode '{text}'"))?)
            }
            "-empty" => Test::Empty,
            "-maxdepth" => {
                self.deepest = number(&self.value(&word)?)?.1 as usize;
                Test::True
            }
            "-mindepth" => {
                self.shallowest = number(&self.value(&word)?)?.1 as usize;
                Test::True
            }
            "-true" | "-xdev" | "-mount" | "-depth" | "-follow" => Test::True,
            "-print" | "-print0" | "-delete" | "-exec" => {
                self.acts = true;
                match word.as_str() {
                    "-print" => Test::Print("\n"),
                    "-print0" => Test::Print("\0"),
                    "-delete" => Test::Delete,
                    _ => {
                        let end = self.rest.iter().position(|word| matches!(word.as_str(), ";" | "+"));
                        let end = end.filter(|end| *end > 0).ok_or("-exec: missing argument")?;
                        let command = self.rest[..end].to_vec();
                        self.rest = &self.rest[end + 1..];
                        Test::Exec(command)
                    }
                }
            }
            "-prune" => Test::Prune,
            "!" | "-not" => {
                self.depth += 1;
                if self.depth > 30 {
                    return Err("the expression is nested too deep".into());
                }
                Test::Not(Box::new(self.one()?))
            }
            "(" => {
                let inner = self.any()?;
                match self.value("(")?.as_str() {
                    ")" => inner,
                    other => return Err(format!("unexpected '{other}'")),
                }
            }
            other => return Err(format!("unrecognized: {other}")),
        })
    }
}
