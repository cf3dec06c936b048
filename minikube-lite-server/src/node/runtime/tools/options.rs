//! Reads the options of a tool.

/// The options and operands of a tool.
#[derive(Debug, Default)]
pub struct Options {
    given: Vec<(char, String)>,
    pub operands: Vec<String>,
}

impl Options {
    /// Reads arguments as `getopt` does: `letters` are those that are known, with a `:` after each that takes a value. A
    /// `+` at its beginning ends the options at the first operand. `long` are the long names of letters.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: &[String], letters: &str, long: &[(&str, char)]) -> Result<Options, String> {
        let mut options = Options::default();
        let (letters, stops) = letters.strip_prefix('+').map_or((letters, false), |letters| (letters, true));
        let takes = |letter: char| {
            letters.find(letter).filter(|_| letter != ':').map(|at| letters[at + letter.len_utf8()..].starts_with(':'))
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                options.operands.extend(rest.cloned());
                break;
            }
            if let Some(name) = argument.strip_prefix("--") {
                let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
                let found = long.iter().find(|(other, _)| *other == name);
                let Some((_, letter)) = found else { return Err(format!("unrecognized option '{argument}'")) };
                let value = match (takes(*letter), value) {
                    (Some(true), None) => match rest.next() {
                        Some(value) => value.clone(),
                        None => return Err(format!("option '{argument}' requires an argument")),
                    },
                    (_, value) => value.unwrap_or_default().to_string(),
                };
                options.given.push((*letter, value));
            } else if argument.len() > 1 && argument.starts_with('-') {
                let mut chars = argument[1..].chars();
                while let Some(letter) = chars.next() {
                    match takes(letter) {
                        None => return Err(format!("invalid option -- '{letter}'")),
                        Some(false) => options.given.push((letter, String::new())),
                        Some(true) => {
                            let attached: String = chars.by_ref().collect();
                            let value = if attached.is_empty() { rest.next().cloned() } else { Some(attached) };
                            let Some(value) = value else {
                                return Err(format!("option requires an argument -- '{letter}'"));
                            };
                            options.given.push((letter, value));
                        }
                    }
                }
            } else {
                options.operands.push(argument.clone());
                if stops {
                    options.operands.extend(rest.cloned());
                    break;
                }
            }
        }
        Ok(options)
    }

    pub fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(given, _)| *given == letter)
    }
    /// The last value of an option.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == letter).map(|(_, value)| value.as_str())
    }
    /// All values of an option.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(given, _)| *given == letter).map(|(_, value)| value.as_str())
    }
    /// The value of an option as a number, or the usual one.
    ///
    /// # Errors
    /// When it is none.
    pub fn number<T: std::str::FromStr>(&self, letter: char, usual: T) -> Result<T, String> {
        match self.value(letter) {
            None => Ok(usual),
            Some(value) => value.parse().map_err(|_| format!("invalid number '{value}'")),
        }
    }
}

/// A number of bytes, with `k`, `M` or `G` behind it.
///
/// # Errors
/// When it is none.
pub fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[split..].trim_end_matches("iB").trim_end_matches('B') {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "b" => 512,
        _ => return Err(format!("invalid number '{text}'")),
    };
    let number = text[..split].parse::<u64>().ok();
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| format!("invalid number '{text}'"))
}
