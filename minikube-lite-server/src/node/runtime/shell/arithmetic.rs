//! `$((...))`: C's integer expressions.

/// How deep expressions may be nested, and how many variables may lead to each other.
const DEPTH: usize = 32;

/// Where expressions find their variables.
pub trait Variables {
    fn get(&self, name: &str) -> Option<String>;
    /// `false` when it cannot be set.
    fn set(&mut self, name: &str, value: String) -> bool;
}

/// Works out an expression.
///
/// # Errors
/// What is wrong with it.
pub fn evaluate(expression: &str, variables: &mut dyn Variables) -> Result<i64, String> {
    at_depth(expression, variables, 0)
}

fn at_depth(expression: &str, variables: &mut dyn Variables, depth: usize) -> Result<i64, String> {
    let mut evaluation = Evaluation { text: expression.as_bytes(), at: 0, variables, depth, skipped: 0 };
    evaluation.blanks();
    if evaluation.at == evaluation.text.len() {
        return Ok(0);
    }
    let value = evaluation.comma()?;
    if evaluation.at < evaluation.text.len() {
        return Err("arithmetic syntax error".into());
    }
    Ok(value)
}

struct Evaluation<'a> {
    text: &'a [u8],
    at: usize,
    variables: &'a mut dyn Variables,
    depth: usize,
    /// Above zero in a part that does not count, as after `0 &&`.
    skipped: usize,
}

/// The binary operators, those that bind least first.
const BINARY: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];
/// All operators that begin as a shorter one does.
const LONGER: &[&str] = &[
    "<<=", ">>=", "||", "&&", "==", "!=", "<=", ">=", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "++",
    "--", "**",
];

impl Evaluation<'_> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
    /// The operator that is next, whole, which is left.
    fn operator(&self) -> &str {
        let rest = &self.text[self.at..];
        if let Some(longer) = LONGER.iter().find(|operator| rest.starts_with(operator.as_bytes())) {
            return longer;
        }
        std::str::from_utf8(&rest[..rest.len().min(1)]).unwrap_or_default()
    }
    fn eat(&mut self, operator: &str) -> bool {
        let found = self.operator() == operator;
        if found {
            self.at += operator.len();
            self.blanks();
        }
        found
    }
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEPTH {
            return Err("expression recursion loop detected".into());
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }
    fn skipping<T>(&mut self, skip: bool, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.skipped += usize::from(skip);
        let value = read(self)?;
        self.skipped -= usize::from(skip);
        Ok(value)
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.eat(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        let start = self.at;
        if let Some(name) = self.name() {
            let operator = self.operator().to_string();
            let assigns = matches!(
                operator.as_str(),
                "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>="
            );
            if assigns {
                self.eat(&operator);
                let right = self.deeper(Self::assignment)?;
                let value = match &operator[..operator.len() - 1] {
                    "" => right,
                    binary => {
                        let left = self.variable(&name)?;
                        self.apply(binary, left, right)?
                    }
                };
                return self.set(&name, value);
            }
            self.at = start;
        }
        self.conditional()
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let yes = self.skipping(condition == 0, |this| this.deeper(Self::assignment))?;
        if !self.eat(":") {
            return Err("malformed ?: operator".into());
        }
        let no = self.skipping(condition != 0, |this| this.deeper(Self::assignment))?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = BINARY.get(level) else { return self.power() };
        let mut left = self.binary(level + 1)?;
        loop {
            let operator = self.operator().to_string();
            if !operators.contains(&operator.as_str()) {
                return Ok(left);
            }
            self.eat(&operator);
            let skip = (operator == "&&" && left == 0) || (operator == "||" && left != 0);
            let right = self.skipping(skip, |this| this.binary(level + 1))?;
            left = self.apply(&operator, left, right)?;
        }
    }

    fn power(&mut self) -> Result<i64, String> {
        let base = self.unary()?;
        if !self.eat("**") {
            return Ok(base);
        }
        match u32::try_from(self.deeper(Self::power)?) {
            Ok(exponent) => Ok(base.wrapping_pow(exponent)),
            Err(_) => Err("exponent less than 0".into()),
        }
    }

    fn unary(&mut self) -> Result<i64, String> {
        for (operator, step) in [("++", 1), ("--", -1)] {
            if self.eat(operator) {
                let Some(name) = self.name() else { return Err("arithmetic syntax error".into()) };
                let value = self.variable(&name)?.wrapping_add(step);
                return self.set(&name, value);
            }
        }
        if self.eat("-") {
            return Ok(self.deeper(Self::unary)?.wrapping_neg());
        }
        if self.eat("+") {
            return self.deeper(Self::unary);
        }
        if self.eat("!") {
            return Ok(i64::from(self.deeper(Self::unary)? == 0));
        }
        if self.eat("~") {
            return Ok(!self.deeper(Self::unary)?);
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<i64, String> {
        if self.eat("(") {
            let value = self.deeper(Self::comma)?;
            return if self.eat(")") { Ok(value) } else { Err("arithmetic syntax error".into()) };
        }
        if let Some(name) = self.name() {
            let value = self.variable(&name)?;
            for (operator, step) in [("++", 1), ("--", -1)] {
                if self.eat(operator) {
                    self.set(&name, value.wrapping_add(step))?;
                }
            }
            return Ok(value);
        }
        let length = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let digits = String::from_utf8_lossy(&self.text[self.at..self.at + length]);
        let value = number(&digits).ok_or("arithmetic syntax error")?;
        self.at += length;
        self.blanks();
        Ok(value)
    }

    fn name(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        if !rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_') {
            return None;
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        self.blanks();
        Some(name)
    }

    fn variable(&mut self, name: &str) -> Result<i64, String> {
        let value = self.variables.get(name).unwrap_or_default();
        let value = value.trim();
        match number(value.strip_prefix('-').unwrap_or(value)) {
            _ if value.is_empty() => Ok(0),
            Some(number) => Ok(if value.starts_with('-') { number.wrapping_neg() } else { number }),
            None if self.depth >= DEPTH => Err("expression recursion loop detected".into()),
            None => at_depth(value, self.variables, self.depth + 1),
        }
    }

    fn set(&mut self, name: &str, value: i64) -> Result<i64, String> {
        if self.skipped == 0 && !self.variables.set(name, value.to_string()) {
            return Err(format!("{name}: is read only"));
        }
        Ok(value)
    }

    fn apply(&self, operator: &str, left: i64, right: i64) -> Result<i64, String> {
        let shift = (right & 63) as u32;
        Ok(match operator {
            "||" => i64::from(left != 0 || right != 0),
            "&&" => i64::from(left != 0 && right != 0),
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            _ if right == 0 && self.skipped > 0 => 0,
            _ if right == 0 => return Err("divide by zero".into()),
            "/" => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }
}

/// A number in decimal, octal (`017`) or hexadecimal (`0x1f`).
fn number(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ if text.starts_with(['+', '-']) => None,
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Variables for BTreeMap<String, String> {
        fn get(&self, name: &str) -> Option<String> {
            BTreeMap::get(self, name).cloned()
        }
        fn set(&mut self, name: &str, value: String) -> bool {
            self.insert(name.into(), value);
            true
        }
    }

    #[test]
    fn expressions_are_cs() {
        let mut variables = BTreeMap::from([("x".to_string(), "5".to_string()), ("e".into(), "x+1".into())]);
        for (expression, value) in [
            ("1 + 2 * 3", 7),
            ("(1+2)*3", 9),
            ("-7 / 2", -3),
            ("-7 % 3", -1),
            ("2 ** 10", 1024),
            ("x", 5),
            ("e * 2", 12),
            ("unset", 0),
            ("x > 3 && x < 10", 1),
            ("x == 5 ? 10 : 20", 10),
            ("0 && (x = 9)", 0),
            ("x++ + ++x", 12),
            ("x += 3", 10),
            ("0x1f + 017", 46),
            ("1 << 4 | 1", 17),
            ("!0 + ~0", 0),
            ("", 0),
            ("0 && 1/0", 0),
        ] {
            assert_eq!(evaluate(expression, &mut variables), Ok(value), "{expression}");
        }
        for expression in ["1 +", "1 2", "(1", "1/0", "08", "1 ? 2"] {
            assert!(evaluate(expression, &mut variables).is_err(), "{expression}");
        }
        variables.insert("r".into(), "r+1".into());
        assert!(evaluate("r", &mut variables).is_err());
        assert!(evaluate(&"(".repeat(10_000), &mut variables).is_err());
    }
}
