//! curl's command line.

use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub urls: Vec<String>,
    /// Where the body of each URL goes, in their order.
    pub outputs: Vec<Sink>,
    pub silent: bool,
    pub show_error: bool,
    pub no_meter: bool,
    pub include: bool,
    pub head: bool,
    pub verbose: bool,
    pub fail: bool,
    pub fail_with_body: bool,
    pub follow: bool,
    pub max_redirects: Option<usize>,
    pub get: bool,
    pub ipv6: bool,
    pub method: Option<String>,
    pub headers: Vec<String>,
    pub user_agent: Option<String>,
    pub data: Vec<Data>,
    pub json: bool,
    pub user: Option<String>,
    /// Any certificate of a server is good.
    pub insecure: bool,
    /// The file of authorities whose certificates are good.
    pub authorities: Option<String>,
    pub dump_header: Option<String>,
    pub write_out: Option<String>,
    pub max_time: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub retry: u32,
    pub retry_delay: Option<Duration>,
    pub retry_refused: bool,
    pub retry_all: bool,
    pub resolve: Vec<(String, u16, std::net::Ipv4Addr)>,
    pub help: bool,
    pub version: bool,
}

/// Where a body goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Sink {
    File(String),
    /// A file named as the last part of the URL.
    RemoteName,
}

/// What is sent as body.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub text: String,
    pub kind: DataKind,
}

/// How a piece of data is to be taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DataKind {
    /// `@FILE` is a file, whose line ends go.
    Text,
    /// `@FILE` is a file.
    Binary,
    Raw,
    UrlEncode,
}

/// Short options and their long names. Those that change nothing here have no field.
const SHORT: &[(char, &str)] = &[
    ('#', "progress-bar"),
    ('4', "ipv4"),
    ('6', "ipv6"),
    ('A', "user-agent"),
    ('D', "dump-header"),
    ('G', "get"),
    ('H', "header"),
    ('I', "head"),
    ('L', "location"),
    ('N', "no-buffer"),
    ('O', "remote-name"),
    ('S', "show-error"),
    ('V', "version"),
    ('X', "request"),
    ('b', "cookie"),
    ('d', "data"),
    ('e', "referer"),
    ('f', "fail"),
    ('g', "globoff"),
    ('h', "help"),
    ('i', "include"),
    ('k', "insecure"),
    ('m', "max-time"),
    ('o', "output"),
    ('q', "disable"),
    ('s', "silent"),
    ('u', "user"),
    ('v', "verbose"),
    ('w', "write-out"),
];

/// Long options that have a value.
const WITH_VALUE: &[&str] = &[
    "cacert",
    "connect-timeout",
    "cookie",
    "data",
    "data-ascii",
    "data-binary",
    "data-raw",
    "data-urlencode",
    "dump-header",
    "header",
    "json",
    "max-redirs",
    "max-time",
    "output",
    "referer",
    "request",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "url",
    "user",
    "user-agent",
    "write-out",
];

/// Reads the arguments.
///
/// # Errors
/// curl's own words, without `curl: `.
pub fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    let mut only_urls = false;
    while let Some(argument) = arguments.next() {
        if only_urls || argument == "-" || !argument.starts_with('-') {
            options.urls.push(argument.clone());
        } else if argument == "--" {
            only_urls = true;
        } else if let Some(long) = argument.strip_prefix("--") {
            let value = match WITH_VALUE.contains(&long) {
                true => Some(arguments.next().ok_or_else(|| format!("option {argument}: requires parameter"))?),
                false => None,
            };
            options.set(long, value.map_or("", String::as_str), argument)?;
        } else {
            options.set_short(argument, &mut arguments)?;
        }
    }
    Ok(options)
}

fn seconds(value: &str, shown: &str) -> Result<Duration, String> {
    let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    let seconds = seconds.ok_or_else(|| format!("option {shown}: expected a proper numerical parameter"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("option {shown}: the given number was too large"))
}

fn number<T: std::str::FromStr>(value: &str, shown: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("option {shown}: expected a proper numerical parameter"))
}

impl Options {
    /// One argument of short options, the last of which may have its value attached.
    fn set_short<'a>(&mut self, argument: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let mut letters = argument[1..].chars();
        while let Some(letter) = letters.next() {
            let shown = format!("-{letter}");
            let long = SHORT.iter().find(|(short, _)| *short == letter).map(|(_, long)| *long);
            let long = long.ok_or_else(|| format!("option {argument}: is unknown"))?;
            if !WITH_VALUE.contains(&long) {
                self.set(long, "", &shown)?;
                continue;
            }
            let attached = letters.as_str();
            return match attached.is_empty() {
                true => {
                    let value = rest.next().ok_or_else(|| format!("option {shown}: requires parameter"))?;
                    self.set(long, value, &shown)
                }
                false => self.set(long, attached, &shown),
            };
        }
        Ok(())
    }

    fn set(&mut self, option: &str, value: &str, shown: &str) -> Result<(), String> {
        let data = |kind| Data { text: value.to_string(), kind };
        match option {
            "silent" => self.silent = true,
            "show-error" => self.show_error = true,
            "no-progress-meter" | "progress-bar" => self.no_meter = true,
            "include" | "show-headers" => self.include = true,
            "head" => self.head = true,
            "verbose" => self.verbose = true,
            "fail" => self.fail = true,
            "fail-with-body" => self.fail_with_body = true,
            "location" => self.follow = true,
            "max-redirs" => {
                self.max_redirects = usize::try_from(number::<i64>(value, shown)?).ok().or(Some(usize::MAX))
            }
            "get" => self.get = true,
            "ipv6" => self.ipv6 = true,
            "request" => self.method = Some(value.to_string()),
            "header" => self.headers.push(value.to_string()),
            "user-agent" => self.user_agent = Some(value.to_string()),
            "referer" => self.headers.push(format!("Referer: {value}")),
            "cookie" => self.headers.push(format!("Cookie: {value}")),
            "data" | "data-ascii" => self.data.push(data(DataKind::Text)),
            "data-binary" => self.data.push(data(DataKind::Binary)),
            "data-raw" => self.data.push(data(DataKind::Raw)),
            "data-urlencode" => self.data.push(data(DataKind::UrlEncode)),
            "json" => {
                self.json = true;
                self.data.push(data(DataKind::Binary));
            }
            "insecure" => self.insecure = true,
            "cacert" => self.authorities = Some(value.to_string()),
            "user" => self.user = Some(value.to_string()),
            "output" => self.outputs.push(Sink::File(value.to_string())),
            "remote-name" => self.outputs.push(Sink::RemoteName),
            "dump-header" => self.dump_header = Some(value.to_string()),
            "write-out" => self.write_out = Some(value.to_string()),
            "max-time" => self.max_time = Some(seconds(value, shown)?).filter(|time| !time.is_zero()),
            "connect-timeout" => self.connect_timeout = Some(seconds(value, shown)?).filter(|time| !time.is_zero()),
            "retry" => self.retry = number(value, shown)?,
            "retry-delay" => self.retry_delay = Some(seconds(value, shown)?),
            "retry-connrefused" => self.retry_refused = true,
            "retry-all-errors" => self.retry_all = true,
            "resolve" => self.resolve.push(resolve(value)?),
            "url" => self.urls.push(value.to_string()),
            "help" => self.help = true,
            "version" => self.version = true,
            // What they ask for is so anyway, or makes no difference here.
            "ipv4" | "no-buffer" | "globoff" | "disable" | "http1.1" | "http1.0" | "compressed" | "no-keepalive"
            | "tcp-nodelay" | "retry-max-time" | "no-verbose" | "styled-output" => {}
            _ => return Err(format!("option {shown}: is unknown")),
        }
        Ok(())
    }
}

/// `HOST:PORT:ADDRESS`
fn resolve(value: &str) -> Result<(String, u16, std::net::Ipv4Addr), String> {
    let mut parts = value.splitn(3, ':');
    let parsed = (|| Some((parts.next()?.to_string(), parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)))();
    parsed.ok_or_else(|| format!("Couldn't parse CURLOPT_RESOLVE entry '{value}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Options, String> {
        parse(&line.split(' ').map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn short_options_may_be_together() {
        let options = of("-sSLo/dev/null -w %{http_code} -m 2.5 -XPOST --retry 3 http://a b").unwrap();
        assert!(options.silent && options.show_error && options.follow);
        assert_eq!(options.outputs, [Sink::File("/dev/null".into())]);
        assert_eq!(options.write_out.as_deref(), Some("%{http_code}"));
        assert_eq!(options.max_time, Some(Duration::from_millis(2500)));
        assert_eq!((options.method.as_deref(), options.retry), (Some("POST"), 3));
        assert_eq!(options.urls, ["http://a", "b"]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(of("--foo").unwrap_err(), "option --foo: is unknown");
        assert_eq!(of("-sy").unwrap_err(), "option -sy: is unknown");
        assert_eq!(of("-s -o").unwrap_err(), "option -o: requires parameter");
        assert_eq!(of("-m x").unwrap_err(), "option -m: expected a proper numerical parameter");
        assert!(of("-m 1e300 a").is_err());
    }
}
