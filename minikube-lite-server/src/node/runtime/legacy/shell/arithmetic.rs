//! `$((...))`: integers, variables, `+ - * / %` and parentheses.

/// The value of an expression. `None` for a syntax error or a division by zero.
pub fn evaluate(expression: &str, variable: &dyn Fn(&str) -> i64) -> Option<i64> {
    let mut reader = Reader { rest: expression, variable, depth: 0 };
    let value = reader.sum()?;
    reader.rest.trim_start().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    variable: &'a dyn Fn(&str) -> i64,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(c) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }
    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            value = match () {
                () if self.take('+') => value.wrapping_add(self.product()?),
                () if self.take('-') => value.wrapping_sub(self.product()?),
                () => return Some(value),
            };
        }
    }
    fn product(&mut self) -> Option<i64> {
        let mut value = self.operand()?;
        loop {
            value = match () {
                () if self.take('*') => value.wrapping_mul(self.operand()?),
                () if self.take('/') => value.checked_div(self.operand()?)?,
                () if self.take('%') => value.checked_rem(self.operand()?)?,
                () => return Some(value),
            };
        }
    }
    fn operand(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > 100 {
            return None;
        }
        if self.take('(') {
            let value = self.sum()?;
            return self.take(')').then_some(value);
        }
        if self.take('-') {
            return self.operand().map(i64::wrapping_neg);
        }
        self.take('$');
        let rest = self.rest.trim_start();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        self.rest = after;
        match word.chars().next()? {
            c if c.is_ascii_digit() => word.parse().ok(),
            _ => Some((self.variable)(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let two = |name: &str| if name == "two" { 2 } else { 0 };
        assert_eq!(evaluate("1 + two * (3 - $two) % 5", &two), Some(3));
        assert_eq!(evaluate("-two", &two), Some(-2));
        assert_eq!(evaluate("1 / 0", &two), None);
        assert_eq!(evaluate("1 +", &two), None);
    }
}
