//! Kubernetes' names and their validation (apimachinery `util/validation`, RFC 1123, RFC 1035).
//!
//! Each function returns what is wrong with a value, in Kubernetes' own words; nothing when it is valid.

use std::net::IpAddr;

/// The longest label of a domain name, and so the longest name of many objects.
pub const LABEL_MAX: usize = 63;
/// The longest domain name.
pub const SUBDOMAIN_MAX: usize = 253;

const DNS1123_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// `must be no more than N characters`. Kubernetes counts bytes, and only says so for the names and values of labels.
pub fn max_len_error(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn max_bytes_error(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// `must be between LOW and HIGH, inclusive`.
pub fn range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

const EMPTY: &str = "must be non-empty";

fn regex_error(message: &str, regex: &str, examples: &[&str]) -> String {
    let shown = examples.iter().map(|e| format!("'{e}', ")).collect::<Vec<_>>().join(" or ");
    if shown.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    format!("{message} (e.g. {shown}regex used for validation is '{regex}')")
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Whether all bytes are `inner`, and the first and the last also `first` and `last`.
fn shaped(text: &str, first: fn(u8) -> bool, inner: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        bytes @ [a, .., z] => first(*a) && last(*z) && bytes.iter().all(|b| inner(*b)),
        [only] => first(*only),
    }
}

fn is_label(text: &str) -> bool {
    shaped(text, lower_or_digit, |b| lower_or_digit(b) || b == b'-', lower_or_digit)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    shaped(text, |b| b.is_ascii_alphanumeric(), inner, |b| b.is_ascii_alphanumeric())
}

/// The length first, then the shape: the order in which these checks report.
fn check(value: &str, max: usize, fits: bool, error: impl FnOnce() -> String) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > max {
        errors.push(max_len_error(max));
    }
    if !fits {
        errors.push(error());
    }
    errors
}

/// A label of a domain name (RFC 1123): `my-name`, `123-abc`.
pub fn is_dns1123_label(value: &str) -> Vec<String> {
    check(value, LABEL_MAX, is_label(value), || {
        if is_subdomain(value) {
            return "must not contain dots".into();
        }
        regex_error(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character",
            DNS1123_LABEL,
            &["my-name", "123-abc"],
        )
    })
}

/// A domain name (RFC 1123): `example.com`.
pub fn is_dns1123_subdomain(value: &str) -> Vec<String> {
    check(value, SUBDOMAIN_MAX, is_subdomain(value), || {
        regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            &format!("{DNS1123_LABEL}(\\.{DNS1123_LABEL})*"),
            &["example.com"],
        )
    })
}

/// A domain name in whose labels underscores may stand, as in a DNS search list.
pub fn is_dns1123_subdomain_with_underscore(value: &str) -> Vec<String> {
    let is_loose_label = |label: &str| {
        let inner = |b: u8| lower_or_digit(b) || b == b'-' || b == b'_';
        shaped(label.strip_prefix('_').unwrap_or(label), lower_or_digit, inner, lower_or_digit)
    };
    check(value, SUBDOMAIN_MAX, value.split('.').all(is_loose_label), || {
        const LABEL: &str = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
        regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must \
             start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
            &["example.com"],
        )
    })
}

/// A domain name whose first label is `*`: `*.example.com`.
pub fn is_wildcard_dns1123_subdomain(value: &str) -> Vec<String> {
    let fits = value.strip_prefix("*.").is_some_and(is_subdomain);
    check(value, SUBDOMAIN_MAX, fits, || {
        regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of \
             lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{DNS1123_LABEL}(\\.{DNS1123_LABEL})*"),
            &["*.example.com"],
        )
    })
}

/// A label of a domain name that begins with a letter (RFC 1035), as a Service's name.
pub fn is_dns1035_label(value: &str) -> Vec<String> {
    let fits = shaped(value, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-', lower_or_digit);
    check(value, LABEL_MAX, fits, || {
        regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        )
    })
}

fn qualified_name_error() -> String {
    regex_error(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        QUALIFIED_NAME,
        &["MyName", "my.name", "123-abc"],
    )
}

/// A name with an optional domain before it, as label keys are: `app`, `example.com/MyName`.
pub fn is_qualified_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push(format!("prefix part {EMPTY}"));
            } else {
                errors.extend(is_dns1123_subdomain(prefix).into_iter().map(|error| format!("prefix part {error}")));
            }
            *name
        }
        _ => {
            let error = qualified_name_error();
            return vec![format!(
                "a valid label key {error} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push(format!("name part {EMPTY}"));
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part {}", max_bytes_error(LABEL_MAX)));
    }
    if !is_name_part(name) {
        errors.push(format!("name part {}", qualified_name_error()));
    }
    errors
}

/// The value of a label: empty, or like a name.
pub fn is_valid_label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(max_bytes_error(LABEL_MAX));
    }
    if !value.is_empty() && !is_name_part(value) {
        errors.push(regex_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character",
            &format!("({QUALIFIED_NAME})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// A domain name of at least two labels, with or without a dot at its end.
pub fn is_fully_qualified_domain_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec![EMPTY.into()];
    }
    let value = value.strip_suffix('.').unwrap_or(value);
    let errors = is_dns1123_subdomain(value);
    if !errors.is_empty() {
        return errors;
    }
    if value.split('.').count() < 2 {
        return vec!["should be a domain with at least two segments separated by dots".into()];
    }
    value.split('.').flat_map(is_dns1123_label).collect()
}

/// A C identifier.
pub fn is_c_identifier(value: &str) -> Vec<String> {
    let fits = shaped(
        value,
        |b| b.is_ascii_alphabetic() || b == b'_',
        |b| b.is_ascii_alphanumeric() || b == b'_',
        |b| b.is_ascii_alphanumeric() || b == b'_',
    );
    check(value, usize::MAX, fits, || {
        regex_error(
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
             characters or '_'",
            "[A-Za-z_][A-Za-z0-9_]*",
            &["my_name", "MY_NAME", "MyName"],
        )
    })
}

/// Whether `value` is in `low..=high`.
pub fn is_in_range(value: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&value) { Vec::new() } else { vec![range_error(low, high)] }
}

/// A TCP or UDP port.
pub fn is_valid_port_num(port: i64) -> Vec<String> {
    is_in_range(port, 1, 65535)
}

/// A user's or group's number.
pub fn is_valid_user_id(id: i64) -> Vec<String> {
    is_in_range(id, 0, i64::from(i32::MAX))
}

/// The name of a port (RFC 6335): `http`.
pub fn is_valid_port_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 15 {
        errors.push(max_len_error(15));
    }
    if value.is_empty() || !value.bytes().all(|b| lower_or_digit(b) || b == b'-') {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".into());
    }
    if value.contains("--") {
        errors.push("must not contain consecutive hyphens".into());
    }
    if value.starts_with('-') || value.ends_with('-') {
        errors.push("must not begin or end with a hyphen".into());
    }
    errors
}

/// An IPv4 or IPv6 address.
pub fn is_valid_ip(value: &str) -> Vec<String> {
    match value.parse::<IpAddr>() {
        Ok(_) => Vec::new(),
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()],
    }
}

/// An address range: `10.9.8.0/24`.
pub fn is_valid_cidr(value: &str) -> Vec<String> {
    let fits = value.split_once('/').is_some_and(|(ip, length)| {
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let bits = match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        digits && (length == "0" || !length.starts_with('0')) && length.parse::<u32>().is_ok_and(|n| n <= bits)
    });
    if fits { Vec::new() } else { vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into()] }
}

/// The name of an HTTP header.
pub fn is_http_header_name(value: &str) -> Vec<String> {
    let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    check(value, usize::MAX, fits, || {
        let message = "a valid HTTP header must consist of alphanumeric characters or '-'";
        regex_error(message, "[-A-Za-z0-9]+", &["X-Header-Name"])
    })
}

/// The name of an environment variable: printable ASCII without `=`.
pub fn is_env_var_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec![format!("environment variable name {EMPTY}")];
    }
    if value.chars().any(|c| !(' '..='~').contains(&c) || c == '=') {
        return vec![
            "a valid environment variable name must consist only of printable ASCII characters other than '='".into(),
        ];
    }
    Vec::new()
}

/// A key of a ConfigMap's or Secret's data.
pub fn is_config_map_key(value: &str) -> Vec<String> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut errors = check(value, SUBDOMAIN_MAX, !value.is_empty() && value.bytes().all(inner), || {
        regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        )
    });
    match value {
        "." => errors.push("must not be '.'".into()),
        ".." => errors.push("must not be '..'".into()),
        _ if value.starts_with("..") => errors.push("must not start with '..'".into()),
        _ => {}
    }
    errors
}

/// A percentage: `25%`.
pub fn is_valid_percent(value: &str) -> Vec<String> {
    let fits = value.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    check(value, usize::MAX, fits, || {
        let message = "a valid percent string must be a numeric string followed by an ending '%'";
        regex_error(message, "[0-9]+%", &["1%", "93%"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_have_no_errors() {
        assert!(is_dns1123_label("a-1").is_empty());
        assert!(is_dns1123_subdomain("a.b-c.9").is_empty());
        assert!(is_wildcard_dns1123_subdomain("*.a.b").is_empty());
        assert!(is_dns1035_label("a9").is_empty());
        assert!(is_qualified_name("example.com/My_name.1").is_empty());
        assert!(is_valid_label_value("").is_empty());
        assert!(is_valid_port_name("http-8080").is_empty());
        assert!(is_valid_ip("2001:db8::1").is_empty());
        assert!(is_valid_cidr("10.0.0.0/8").is_empty());
        assert!(is_config_map_key("a_b.c").is_empty());
        assert!(is_env_var_name("my var").is_empty());
        assert!(is_fully_qualified_domain_name("a.b.").is_empty());
        assert!(is_dns1123_subdomain_with_underscore("_sip._tcp.a").is_empty());
        assert!(is_c_identifier("_a1").is_empty());
    }

    #[test]
    fn errors_are_kubernetes_own() {
        assert_eq!(
            is_dns1123_label("Bad"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                 end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(is_dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(is_dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert_eq!(
            is_qualified_name("a/b/c"),
            [
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                 '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            ]
        );
        let errors = is_qualified_name("/");
        assert_eq!(&errors[..2], ["prefix part must be non-empty", "name part must be non-empty"]);
        assert_eq!(errors.len(), 3);
        assert_eq!(
            is_valid_port_name("-9--"),
            [
                "must contain at least one letter (a-z)",
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen"
            ]
        );
        assert_eq!(is_valid_port_num(0), ["must be between 1 and 65535, inclusive"]);
        assert_eq!(is_valid_label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert_eq!(is_config_map_key("..a"), ["must not start with '..'"]);
        assert!(!is_valid_ip("010.0.0.1").is_empty());
        assert!(!is_valid_cidr("10.0.0.0/33").is_empty());
        assert!(!is_valid_percent("5").is_empty());
    }
}
