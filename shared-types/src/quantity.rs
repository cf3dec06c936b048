//! Resource quantities: `500m`, `1Gi`, `1e3` (apimachinery `api/resource`).

use std::cmp::Ordering;
use std::fmt;

/// The smallest amount that is told apart is a nano unit, as in Kubernetes.
const NANOS: i128 = 1_000_000_000;

const FORMAT_WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const SUFFIX_WRONG: &str = "unable to parse quantity's suffix";

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// How a quantity was written, which is how it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    Binary,
    /// `12M`
    #[default]
    Decimal,
}

/// An exact amount of a resource. Amounts below a billionth are rounded up (away from zero). Two quantities are equal when
/// their amounts are, however they were written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// Reads a quantity. The error is Kubernetes' own message.
    pub fn parse(text: &str) -> Result<Quantity, String> {
        if text.is_empty() {
            return Err(FORMAT_WRONG.into());
        }
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let letters = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
        let exponent = letters.strip_prefix(['-', '+']).unwrap_or(letters);
        if !exponent.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FORMAT_WRONG.into());
        }
        let (format, multiplier, power) = read_suffix(suffix).ok_or(SUFFIX_WRONG)?;
        let mut magnitude = scaled(whole, fraction, multiplier, power);
        let mut format = format;
        if format == Format::Binary {
            magnitude = magnitude.min(i128::from(i64::MAX) * NANOS);
            if magnitude > 0 && magnitude < NANOS {
                format = Format::Decimal;
            }
        }
        Ok(Quantity { nanos: if negative { -magnitude } else { magnitude }, format })
    }

    /// A whole number of units, written with decimal suffixes.
    pub fn from_value(value: i64) -> Quantity {
        Quantity { nanos: i128::from(value) * NANOS, format: Format::Decimal }
    }

    /// A number of thousandths, written with decimal suffixes.
    pub fn from_milli(milli: i64) -> Quantity {
        Quantity { nanos: i128::from(milli) * (NANOS / 1000), format: Format::Decimal }
    }

    /// A whole number of units, written with binary suffixes.
    pub fn from_bytes(value: i64) -> Quantity {
        Quantity { nanos: i128::from(value) * NANOS, format: Format::Binary }
    }

    /// The amount in units, rounded up (away from zero).
    pub fn value(&self) -> i64 {
        clamp(divide_up(self.nanos, NANOS))
    }

    /// The amount in thousandths, rounded up (away from zero).
    pub fn milli_value(&self) -> i64 {
        clamp(divide_up(self.nanos, NANOS / 1000))
    }

    /// The amount as a floating point number, which may lose precision.
    pub fn as_f64(&self) -> f64 {
        self.nanos as f64 / NANOS as f64
    }

    /// Whether the amount is a whole number of units.
    pub fn is_integer(&self) -> bool {
        self.nanos % NANOS == 0
    }

    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// The amount rounded up (away from zero) to thousandths: what API defaulting does to every resource list.
    pub fn round_up_to_milli(self) -> Quantity {
        let milli = NANOS / 1000;
        Quantity { nanos: divide_up(self.nanos, milli).saturating_mul(milli), ..self }
    }

    /// The amount as a whole number of units (rounded up) with the kind of suffixes that `other` has; unchanged where
    /// both have the same.
    pub fn written_like(self, other: &Quantity) -> Quantity {
        if self.format == other.format {
            return self;
        }
        Quantity { nanos: i128::from(self.value()) * NANOS, format: other.format }
    }
    /// The format of a sum: the left side's, unless that is zero.
    fn format_with(&self, other: &Quantity) -> Format {
        if self.is_zero() { other.format } else { self.format }
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format: self.format_with(&other) }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        Quantity { nanos: self.nanos.saturating_sub(other.nanos), format: self.format_with(&other) }
    }
}

impl std::ops::Neg for Quantity {
    type Output = Quantity;
    fn neg(self) -> Quantity {
        Quantity { nanos: self.nanos.saturating_neg(), ..self }
    }
}

impl std::ops::AddAssign for Quantity {
    fn add_assign(&mut self, other: Quantity) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Quantity {
    fn sub_assign(&mut self, other: Quantity) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(quantities: I) -> Quantity {
        quantities.fold(Quantity::default(), |sum, quantity| sum + quantity)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl std::str::FromStr for Quantity {
    type Err = String;
    fn from_str(text: &str) -> Result<Quantity, String> {
        Quantity::parse(text)
    }
}

/// The canonical form: no fraction, the largest suffix that allows it.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.nanos.abs() >= 1024 * NANOS {
            let mut mantissa = divide_up(self.nanos, NANOS);
            let mut power = 0;
            while mantissa % 1024 == 0 && power + 1 < BINARY.len() {
                mantissa /= 1024;
                power += 1;
            }
            return write!(f, "{mantissa}{}", BINARY[power]);
        }
        let exponent_form = self.format == Format::DecimalExponent;
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        while mantissa % 1000 == 0 && (exponent_form || exponent < 18) {
            mantissa /= 1000;
            exponent += 3;
        }
        match exponent {
            0 => write!(f, "{mantissa}"),
            _ if exponent_form => write!(f, "{mantissa}e{exponent}"),
            _ => {
                let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(suffix, _)| suffix);
                write!(f, "{mantissa}{suffix}")
            }
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len()))
}

/// A quantity as apimachinery's `int64Amount` keeps it, a value and the power of ten that it is to be multiplied by, with the
/// name of its form. A binary suffix is multiplied out. `None` where it would keep it otherwise.
pub fn int64_amount(text: &str) -> Option<(i64, i32, &'static str)> {
    let (sign, unsigned) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let (format, multiplier, power) = read_suffix(suffix)?;
    let name = match format {
        Format::Binary if !fraction.is_empty() => return None,
        Format::Binary => "BinarySI",
        Format::Decimal => "DecimalSI",
        Format::DecimalExponent => "DecimalExponent",
    };
    let digits: i64 = format!("{sign}{whole}{fraction}").parse().ok()?;
    let value = digits.checked_mul(i64::try_from(multiplier).ok()?)?;
    Some((value, power - i32::try_from(fraction.len()).ok()?, name))
}

/// The format that a suffix stands for, and its factor as `multiplier * 10^power`.
fn read_suffix(suffix: &str) -> Option<(Format, i128, i32)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((Format::Decimal, 1, *power));
    }
    if let Some(power) = BINARY.iter().position(|s| *s == suffix) {
        return Some((Format::Binary, 1 << (10 * power), 0));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()?;
    Some((Format::DecimalExponent, 1, exponent.clamp(-1000, 1000) as i32))
}

/// `whole.fraction * multiplier * 10^power` in nano units, rounded up, capped where it does not fit.
fn scaled(whole: &str, fraction: &str, multiplier: i128, power: i32) -> i128 {
    // Digits of the fraction beyond these only matter for rounding up.
    const FRACTION_DIGITS: usize = 18;
    let (kept, beyond) = fraction.split_at(fraction.len().min(FRACTION_DIGITS));
    let units = shift(digits(whole).saturating_mul(multiplier), power.saturating_add(9));
    let mut parts = digits(kept).saturating_mul(multiplier);
    let mut parts_power = power.saturating_add(9).saturating_sub(kept.len() as i32);
    if beyond.bytes().any(|b| b != b'0') {
        parts = parts.saturating_mul(10).saturating_add(1);
        parts_power -= 1;
    }
    // Both shares are rounded together when the suffix makes even units smaller than a nano.
    if power < -9 && parts > 0 {
        return units.saturating_add(i128::from(digits(whole) == 0 || shift_is_exact(digits(whole), power + 9)));
    }
    units.saturating_add(shift(parts, parts_power))
}

fn digits(text: &str) -> i128 {
    text.bytes().fold(0, |n: i128, b| n.saturating_mul(10).saturating_add(i128::from(b - b'0')))
}

/// `n * 10^power`, rounded up, capped.
fn shift(n: i128, power: i32) -> i128 {
    let Some(factor) = 10i128.checked_pow(power.unsigned_abs()) else {
        return match (n, power > 0) {
            (0, _) => 0,
            (_, true) => i128::MAX,
            (_, false) => 1,
        };
    };
    if power >= 0 { n.saturating_mul(factor) } else { divide_up(n, factor) }
}

fn shift_is_exact(n: i128, power: i32) -> bool {
    10i128.checked_pow(power.unsigned_abs()).is_some_and(|factor| n % factor == 0)
}

/// Division that rounds away from zero.
fn divide_up(n: i128, by: i128) -> i128 {
    let quotient = n / by;
    if n % by == 0 { quotient } else { quotient + n.signum() }
}

fn clamp(n: i128) -> i64 {
    n.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).expect(text).to_string()
    }

    #[test]
    fn prints_the_canonical_form() {
        let cases = [
            ("0", "0"),
            ("0Mi", "0"),
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1500e3", "1500e3"),
            ("12e1", "120"),
            ("100e-3", "100e-3"),
            ("1000M", "1G"),
            ("1000Ki", "1000Ki"),
            ("512", "512"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            (".001Ki", "1024m"),
            (".000001Ki", "1024u"),
            (".000000000001Ki", "2n"),
            ("0.0000000001", "1n"),
            ("1e-20", "1e-9"),
            ("-1500m", "-1500m"),
            ("+2", "2"),
            ("-1Gi", "-1Gi"),
            ("100Ei", "9223372036854775807"),
            ("1000E", "1000E"),
            (".", "0"),
            ("00012", "12"),
        ];
        for (given, expected) in cases {
            assert_eq!(canonical(given), expected, "{given}");
        }
    }

    #[test]
    fn refuses_with_kubernetes_messages() {
        for text in ["", "lots", "1Gb", "1 Gi", "1.2.3", "é", "1é"] {
            assert_eq!(Quantity::parse(text).unwrap_err(), FORMAT_WRONG, "{text}");
        }
        for text in ["1i", "1Gm", "1e", "1K", "1Mi3", "--1"] {
            assert_eq!(Quantity::parse(text).unwrap_err(), SUFFIX_WRONG, "{text}");
        }
    }

    #[test]
    fn computes_exactly() {
        let quantity = |text| Quantity::parse(text).unwrap();
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert!(quantity("500m") < quantity("1"));
        assert_eq!((quantity("500m") + quantity("0.6")).to_string(), "1100m");
        assert_eq!((Quantity::default() + quantity("1Gi")).to_string(), "1Gi");
        assert_eq!((quantity("1") - quantity("1500m")).to_string(), "-500m");
        assert_eq!(quantity("1500m").value(), 2);
        assert_eq!(quantity("100u").milli_value(), 1);
        assert_eq!(quantity("1Ki").milli_value(), 1_024_000);
        assert_eq!(quantity("100u").round_up_to_milli().to_string(), "1m");
        assert!(!quantity("1500m").is_integer());
        assert_eq!(quantity("9e100").value(), i64::MAX);
    }

    #[test]
    fn quantities_are_taken_apart_as_they_are_written() {
        for (text, expected) in [
            ("1.5Gi", None),
            ("100m", Some((100, -3, "DecimalSI"))),
            ("2", Some((2, 0, "DecimalSI"))),
            ("5G", Some((5, 9, "DecimalSI"))),
            ("3E", Some((3, 18, "DecimalSI"))),
            ("12e6", Some((12, 6, "DecimalExponent"))),
            ("1Ki", Some((1024, 0, "BinarySI"))),
            ("9Ei", None),
            ("many", None),
        ] {
            assert_eq!(int64_amount(text), expected, "{text}");
        }
    }
}
