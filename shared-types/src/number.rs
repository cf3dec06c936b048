//! Numbers in text as Go writes them, which is how Kubernetes' JSON, YAML and templates show them.

/// Decimal digits of the shortest text that reads back as `value`, and the exponent of the first of them.
fn shortest(value: f64, single: bool) -> (String, i32) {
    let text = if single { format!("{:e}", value.abs() as f32) } else { format!("{:e}", value.abs()) };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        return Some("NaN");
    }
    value.is_infinite().then_some(if value > 0.0 { "+Inf" } else { "-Inf" })
}

fn scientific(value: f64, digits: &str, exponent: i32, exponent_width: usize) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:0exponent_width$}", exponent.abs())
}

/// The `%g` and `%v` form in the shortest digits that read back as `value`: scientific for exponents below -4 and from 6
/// on (`1.234567895e+08`), however wide the digits. `single` takes it for a 32-bit number.
pub fn format_general(value: f64, single: bool) -> String {
    if let Some(name) = special(value) {
        return name.into();
    }
    let (digits, exponent) = shortest(value, single);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        return scientific(value, &digits, exponent, 2);
    }
    if single { (value as f32).to_string() } else { value.to_string() }
}

/// The form of Go's JSON encoder: scientific below 1e-6 and from 1e21 on.
pub fn format_json(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let (digits, exponent) = shortest(value, false);
        return scientific(value, &digits, exponent, 1);
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_in_go() {
        let general = |value| format_general(value, false);
        assert_eq!(general(1.5), "1.5");
        assert_eq!(general(100000.5), "100000.5");
        assert_eq!(general(1e6), "1e+06");
        assert_eq!(general(123456789.5), "1.234567895e+08");
        assert_eq!(general(-0.00001), "-1e-05");
        assert_eq!(general(0.0001), "0.0001");
        assert_eq!(general(1e100), "1e+100");
        assert_eq!(general(f64::INFINITY), "+Inf");
        assert_eq!(format_json(1e20), "100000000000000000000");
        assert_eq!(format_json(1e21), "1e+21");
        assert_eq!(format_json(1e-6), "0.000001");
        assert_eq!(format_json(1.5e-7), "1.5e-7");
    }
}
