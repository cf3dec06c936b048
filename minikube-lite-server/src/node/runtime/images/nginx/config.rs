//! What a configuration means: servers, their locations, and what holds in each.

use super::directives::{self, Known};
use super::syntax::{self, Directive, Mistake};
use super::template::Template;
use super::tls;
use crate::node::runtime::files::Files;
use regex_lite::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use tokio_rustls::TlsAcceptor;

/// A whole configuration.
#[derive(Default)]
pub struct Config {
    pub servers: Vec<VirtualServer>,
    pub upstreams: Vec<Upstream>,
    /// `daemon on`, the default: the server goes to the background.
    pub daemon: bool,
    /// What is understood by nginx but not simulated.
    pub warnings: Vec<String>,
    /// How TLS is spoken on the ports where it is.
    pub certificates: HashMap<u16, TlsAcceptor>,
    /// What requests are passed to: a group or `HOST[:PORT]`, and where that was said.
    pub passes: Vec<(String, Directive)>,
}

/// A group of servers that requests are passed to in turn.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: String,
    /// `HOST:PORT`.
    pub servers: Vec<String>,
}

/// A `server` block.
#[derive(Debug)]
pub struct VirtualServer {
    /// Where it stands.
    pub at: Directive,
    pub listens: Vec<Listen>,
    pub names: Vec<String>,
    pub scope: Scope,
    pub action: Action,
    pub locations: Vec<Location>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub address: Ipv4Addr,
    pub port: u16,
    pub default: bool,
    pub tls: bool,
}

/// A `location` block.
#[derive(Debug)]
pub struct Location {
    pub path: Matcher,
    pub scope: Scope,
    pub action: Action,
}

/// The paths of a location.
#[derive(Clone, Debug)]
pub enum Matcher {
    Exact(String),
    /// All that begin so; `is_final` keeps regular expressions from being tried (`^~`).
    Prefix {
        path: String,
        is_final: bool,
    },
    /// Where it is written as that, and what it is.
    Regex(String, Regex),
}

impl Matcher {
    /// Reads what stands between `location` and the block. `None`: it is of no kind that is simulated.
    fn read(block: &Directive) -> Result<Option<Matcher>, Mistake> {
        let (modifier, path) = match block.args.as_slice() {
            // The modifier may stand right before the path.
            [path] => match ["^~", "~*", "~", "="].iter().find_map(|m| Some((*m, path.strip_prefix(m)?))) {
                Some((modifier, path)) if !path.is_empty() => (modifier, path),
                _ => ("", path.as_str()),
            },
            [modifier, path] => (modifier.as_str(), path.as_str()),
            _ => return Err(wrong_number(block)),
        };
        let regex = |ignore_case: bool| {
            /// What a compiled expression may take, in bytes.
            const SIZE: usize = 1 << 20;
            let regex = RegexBuilder::new(path).case_insensitive(ignore_case).size_limit(SIZE).build();
            regex.map_err(|why| block.mistake(format!("pcre2_compile() failed: {why} in \"{path}\"")))
        };
        Ok(Some(match modifier {
            "" if path.starts_with('@') => return Ok(None),
            "" => Matcher::Prefix { path: path.into(), is_final: false },
            "^~" => Matcher::Prefix { path: path.into(), is_final: true },
            "=" => Matcher::Exact(path.into()),
            "~" | "~*" => Matcher::Regex(path.into(), regex(modifier == "~*")?),
            _ => return Err(block.mistake(format!("invalid location modifier \"{modifier}\""))),
        }))
    }

    /// Whether two locations would be for the same paths.
    fn is_same(&self, other: &Matcher) -> bool {
        match (self, other) {
            (Matcher::Exact(one), Matcher::Exact(other)) => one == other,
            (Matcher::Prefix { path: one, .. }, Matcher::Prefix { path: other, .. }) => one == other,
            _ => false,
        }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Matcher::Exact(path) | Matcher::Prefix { path, .. } | Matcher::Regex(path, _) => path,
        }
    }
    /// The beginning of the path that a `proxy_pass` or an `alias` replaces.
    pub fn replaced(&self) -> &str {
        match self {
            Matcher::Regex(..) => "",
            _ => self.text(),
        }
    }
}

/// What inner blocks take over from outer ones.
#[derive(Clone, Debug)]
pub struct Scope {
    pub root: String,
    pub index: Vec<String>,
    pub error_pages: Vec<ErrorPage>,
    pub headers: Vec<Header>,
    pub access_log: bool,
    pub default_type: String,
    pub autoindex: bool,
    /// Whether the `Server` header has the version.
    pub tokens: bool,
    /// What requests that are passed on carry beside their own headers.
    pub proxy_headers: Vec<Header>,
    /// The files of the certificate and of its key.
    pub certificate: Option<Directive>,
    pub key: Option<Directive>,
}

#[derive(Clone, Debug)]
pub struct Header {
    pub name: String,
    pub value: Template,
    /// Also with errors.
    pub always: bool,
}

#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub codes: Vec<u16>,
    pub answer: Option<u16>,
    pub uri: String,
}

/// What a block does with its requests.
#[derive(Clone, Debug, Default)]
pub struct Action {
    pub answer: Option<(u16, Template)>,
    /// In place of `root` and the path.
    pub alias: Option<String>,
    pub try_files: Vec<Template>,
    pub proxy_pass: Option<Template>,
    pub denied: bool,
    pub internal: bool,
    pub stub_status: bool,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            root: "/etc/nginx/html".into(),
            index: vec!["index.html".into()],
            error_pages: Vec::new(),
            headers: Vec::new(),
            access_log: true,
            default_type: "text/plain".into(),
            autoindex: false,
            tokens: true,
            proxy_headers: Vec::new(),
            certificate: None,
            key: None,
        }
    }
}

impl Scope {
    /// The scope of a block inside, before its own directives. Lists are taken over only by a block that has none.
    fn inner(&self) -> Scope {
        let (error_pages, headers, proxy_headers) = (Vec::new(), Vec::new(), Vec::new());
        Scope { error_pages, headers, proxy_headers, ..self.clone() }
    }
    /// Takes over what the block has not set itself.
    fn inherit(&mut self, outer: &Scope) {
        if self.error_pages.is_empty() {
            self.error_pages.clone_from(&outer.error_pages);
        }
        if self.headers.is_empty() {
            self.headers.clone_from(&outer.headers);
        }
        if self.proxy_headers.is_empty() {
            self.proxy_headers.clone_from(&outer.proxy_headers);
        }
    }
}

/// The deepest chain of includes.
const INCLUDES: usize = 8;

impl Config {
    /// Reads `file` and what it includes. `globals` are the directives of `-g`.
    ///
    /// # Errors
    /// The first mistake.
    pub fn read(files: &Files, file: &str, globals: &str) -> Result<Config, Mistake> {
        let mut config = Config { daemon: true, ..Config::default() };
        let mut main = load(files, file, 0)?;
        main.extend(syntax::parse("command line", globals)?);
        let mut has_events = false;
        for directive in &main {
            match directive.name.as_str() {
                "daemon" => config.daemon = directive.arg() == "on",
                "events" => has_events = true,
                "http" => config.http(directive)?,
                _ => config.known(directive)?,
            }
        }
        config.certificates = tls::acceptors(files, &config)?;
        if !has_events {
            let message = "no \"events\" section in configuration".to_string();
            return Err(Mistake { message, file: file.into(), line: 0 });
        }
        Ok(config)
    }

    /// All that requests may be passed to, with the servers of each and where it was said. A name with variables is none.
    pub fn targets(&self) -> impl Iterator<Item = (String, Vec<String>, &Directive)> {
        self.passes.iter().map(|(name, directive)| match self.upstreams.iter().find(|group| group.name == *name) {
            Some(group) => (name.clone(), group.servers.clone(), directive),
            None => (name.clone(), vec![with_port(name)], directive),
        })
    }

    fn http(&mut self, http: &Directive) -> Result<(), Mistake> {
        let mut scope = Scope::default();
        for directive in http.body().iter().filter(|d| d.name != "server" && d.name != "upstream") {
            if !self.scoped(directive, &mut scope)? {
                self.known(directive)?;
            }
        }
        for directive in http.body() {
            match directive.name.as_str() {
                "server" => self.server(directive, &scope)?,
                "upstream" => {
                    let servers = directive.body().iter().filter(|d| d.name == "server");
                    let servers: Vec<String> = servers.map(|server| with_port(server.arg())).collect();
                    if servers.is_empty() {
                        return Err(
                            directive.mistake(format!("no servers are inside upstream \"{}\"", directive.arg()))
                        );
                    }
                    self.upstreams.push(Upstream { name: directive.arg().into(), servers });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn server(&mut self, block: &Directive, outer: &Scope) -> Result<(), Mistake> {
        let mut scope = outer.inner();
        let mut server = VirtualServer {
            at: Directive { block: None, ..block.clone() },
            listens: Vec::new(),
            names: Vec::new(),
            scope: outer.clone(),
            action: Action::default(),
            locations: Vec::new(),
        };
        for directive in block.body().iter().filter(|d| d.name != "location") {
            match directive.name.as_str() {
                "listen" => server.listens.extend(listen(directive)?),
                "server_name" => server.names.extend(directive.args.iter().cloned()),
                _ if self.scoped(directive, &mut scope)? => {}
                _ if self.acts(directive, &mut server.action)? => {}
                _ => self.known(directive)?,
            }
        }
        scope.inherit(outer);
        if server.listens.is_empty() {
            server.listens.push(Listen { address: Ipv4Addr::UNSPECIFIED, port: 80, default: false, tls: false });
        }
        for directive in block.body().iter().filter(|d| d.name == "location") {
            self.location(directive, &scope, &mut server.locations)?;
        }
        server.scope = scope;
        self.servers.push(server);
        Ok(())
    }

    fn location(&mut self, block: &Directive, outer: &Scope, all: &mut Vec<Location>) -> Result<(), Mistake> {
        let Some(path) = Matcher::read(block)? else { return self.unsupported(block, "named locations") };
        if all.iter().any(|other| other.path.is_same(&path)) {
            return Err(block.mistake(format!("duplicate location \"{}\"", path.text())));
        }
        let mut location = Location { path, scope: outer.inner(), action: Action::default() };
        let mut inner = Vec::new();
        for directive in block.body() {
            match directive.name.as_str() {
                "location" => inner.push(directive),
                _ if self.scoped(directive, &mut location.scope)? => {}
                _ if self.acts(directive, &mut location.action)? => {}
                _ => self.known(directive)?,
            }
        }
        location.scope.inherit(outer);
        let scope = location.scope.clone();
        all.push(location);
        inner.into_iter().try_for_each(|directive| self.location(directive, &scope, all))
    }

    /// Takes over a directive that holds for inner blocks too. `false`: it is none.
    fn scoped(&mut self, directive: &Directive, scope: &mut Scope) -> Result<bool, Mistake> {
        let args = directive.args.as_slice();
        match directive.name.as_str() {
            "root" => scope.root = one(directive)?.trim_end_matches('/').into(),
            "index" => scope.index = args.to_vec(),
            "access_log" => scope.access_log = directive.arg() != "off",
            "default_type" => scope.default_type = one(directive)?.into(),
            "autoindex" => scope.autoindex = flag(directive)?,
            "ssl_certificate" => scope.certificate = one(directive).map(|_| Some(directive.clone()))?,
            "ssl_certificate_key" => scope.key = one(directive).map(|_| Some(directive.clone()))?,
            "server_tokens" => scope.tokens = directive.arg() != "off",
            "add_header" | "proxy_set_header" => {
                let [name, value, rest @ ..] = args else { return Err(wrong_number(directive)) };
                let always = rest.first().is_some_and(|word| word == "always");
                let header = Header { name: name.clone(), value: Template::parse(value), always };
                match directive.name.as_str() {
                    "add_header" => scope.headers.push(header),
                    _ => scope.proxy_headers.push(header),
                }
            }
            "error_page" => {
                let [codes @ .., uri] = args else { return Err(wrong_number(directive)) };
                let answer = codes.iter().find_map(|word| word.strip_prefix('=')).and_then(|code| code.parse().ok());
                let codes: Vec<u16> = codes.iter().filter_map(|code| code.parse().ok()).collect();
                if codes.is_empty() {
                    return Err(wrong_number(directive));
                }
                scope.error_pages.push(ErrorPage { codes, answer, uri: uri.clone() });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes over a directive that says what becomes of requests. `false`: it is none.
    fn acts(&mut self, directive: &Directive, action: &mut Action) -> Result<bool, Mistake> {
        if directive.name == "proxy_pass" {
            let host = one(directive)?.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            if let Some(host) = host.filter(|host| !host.contains('$')) {
                self.passes.push((host.into(), directive.clone()));
            }
        }
        acts(directive, action)
    }

    /// Accepts a directive that nginx knows.
    fn known(&mut self, directive: &Directive) -> Result<(), Mistake> {
        match directives::find(&directive.name) {
            Some(Known::Ignored) => Ok(()),
            Some(Known::Unsupported) => self.unsupported(directive, &format!("\"{}\"", directive.name)),
            None => Err(directive.mistake(format!("unknown directive \"{}\"", directive.name))),
        }
    }

    fn unsupported(&mut self, directive: &Directive, what: &str) -> Result<(), Mistake> {
        let place = directive.mistake(format!("the simulation does not know {what}; ignored"));
        self.warnings.push(place.to_string());
        Ok(())
    }
}

fn acts(directive: &Directive, action: &mut Action) -> Result<bool, Mistake> {
    match directive.name.as_str() {
        "return" => {
            let (code, text) = match directive.args.as_slice() {
                [url] if url.parse::<u16>().is_err() => (302, url.as_str()),
                [code] => (number(directive, code)?, ""),
                [code, text] => (number(directive, code)?, text.as_str()),
                _ => return Err(wrong_number(directive)),
            };
            action.answer.get_or_insert((code, Template::parse(text)));
        }
        "alias" => action.alias = Some(one(directive)?.into()),
        "try_files" if directive.args.len() > 1 => {
            action.try_files = directive.args.iter().map(|word| Template::parse(word)).collect();
        }
        "try_files" => return Err(wrong_number(directive)),
        "proxy_pass" => {
            let url = one(directive)?;
            if !url.starts_with("http://") && !url.starts_with('$') {
                return Err(directive.mistake("invalid URL prefix"));
            }
            action.proxy_pass = Some(Template::parse(url));
        }
        "deny" => action.denied |= directive.arg() == "all",
        "internal" => action.internal = true,
        "stub_status" => action.stub_status = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn wrong_number(directive: &Directive) -> Mistake {
    directive.mistake(format!("invalid number of arguments in \"{}\" directive", directive.name))
}
fn one(directive: &Directive) -> Result<&str, Mistake> {
    match directive.args.as_slice() {
        [value] => Ok(value),
        _ => Err(wrong_number(directive)),
    }
}
fn flag(directive: &Directive) -> Result<bool, Mistake> {
    match one(directive)? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(directive.mistake(format!(
            "invalid value \"{other}\" in \"{}\" directive, it must be \"on\" or \"off\"",
            directive.name
        ))),
    }
}
fn number(directive: &Directive, code: &str) -> Result<u16, Mistake> {
    let code = code.parse().ok().filter(|code| (100..=999).contains(code));
    code.ok_or_else(|| directive.mistake("invalid return code"))
}

/// `80`, `*:80`, `127.0.0.1:80`, `127.0.0.1`; IPv6 addresses are left out, because Pods have none.
fn listen(directive: &Directive) -> Result<Option<Listen>, Mistake> {
    let Some(given) = directive.args.first() else { return Err(wrong_number(directive)) };
    if given.starts_with('[') || given.starts_with("unix:") {
        return Ok(None);
    }
    let default = directive.args.iter().any(|word| word == "default_server" || word == "default");
    let (host, port) = match given.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None if given.contains('.') || given == "localhost" => (given.as_str(), "80"),
        None => ("*", given.as_str()),
    };
    let address = match host {
        "*" => Ok(Ipv4Addr::UNSPECIFIED),
        "localhost" => Ok(Ipv4Addr::LOCALHOST),
        host => host.parse(),
    };
    let address =
        address.map_err(|_| directive.mistake(format!("host not found in \"{given}\" of the \"listen\" directive")))?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let port =
        port.ok_or_else(|| directive.mistake(format!("invalid port in \"{given}\" of the \"listen\" directive")))?;
    let tls = directive.args.iter().any(|word| word == "ssl");
    Ok(Some(Listen { address, port, default, tls }))
}

fn with_port(host: &str) -> String {
    if host.contains(':') { host.into() } else { format!("{host}:80") }
}

/// Reads a file, with the files that it includes in their places.
fn load(files: &Files, file: &str, depth: usize) -> Result<Vec<Directive>, Mistake> {
    let fail =
        |why: &str| Mistake { message: format!("open() \"{file}\" failed ({why})"), file: String::new(), line: 0 };
    let content = files.read(file).map_err(|_| fail("2: No such file or directory"))?;
    let directives = syntax::parse(file, &String::from_utf8_lossy(&content))?;
    include(files, directives, depth)
}

fn include(files: &Files, directives: Vec<Directive>, depth: usize) -> Result<Vec<Directive>, Mistake> {
    let mut all = Vec::with_capacity(directives.len());
    for mut directive in directives {
        if directive.name != "include" {
            directive.block = directive.block.map(|block| include(files, block, depth)).transpose()?;
            all.push(directive);
            continue;
        }
        let path = one(&directive)?;
        // The types of files are known without their list.
        if path.ends_with("mime.types") || path.ends_with("_params") {
            continue;
        }
        if depth >= INCLUDES {
            return Err(directive.mistake("too many levels of includes"));
        }
        let path = if path.starts_with('/') { path.to_string() } else { format!("/etc/nginx/{path}") };
        for file in matching(files, &path) {
            all.extend(load(files, &file, depth + 1).map_err(|mistake| match mistake.line {
                0 => directive.mistake(mistake.message),
                _ => mistake,
            })?);
        }
    }
    Ok(all)
}

/// The files that a path with `*` in its last part means; a path without is itself.
fn matching(files: &Files, path: &str) -> Vec<String> {
    let Some((directory, name)) = path.rsplit_once('/') else { return Vec::new() };
    let Some((start, end)) = name.split_once('*') else { return vec![path.to_string()] };
    let fits = |name: &str| {
        name.len() >= start.len() + end.len()
            && name.starts_with(start)
            && name.ends_with(end)
            && !name.starts_with('.')
    };
    let names = files.list(directory).unwrap_or_default();
    names.iter().filter(|name| fits(name)).map(|name| format!("{directory}/{name}")).collect()
}
