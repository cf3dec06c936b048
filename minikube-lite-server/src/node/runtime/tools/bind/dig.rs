//! `dig`

use super::super::super::process::Process;
use crate::node::network::dns::{Answer, DOMAIN, Record, RecordData, RecordType, ResponseCode, SERVER};
use jiff::tz::TimeZone;
use std::net::Ipv4Addr;

const VERSION: &str = "9.20.10";
/// The exit codes for a mistake on the command line, and for a server that does not answer.
const USAGE: i32 = 1;
const NO_REPLY: i32 = 9;
/// Seconds for which the server's names hold, also those that do not exist.
const TTL: u32 = 30;

/// What is asked for and how it is shown.
struct Query<'a> {
    name: String,
    record: RecordType,
    server: Option<&'a str>,
    short: bool,
    search: bool,
    /// The parts that are shown.
    command: bool,
    comments: bool,
    question: bool,
    answer: bool,
    authority: bool,
    statistics: bool,
}

pub async fn run(process: &Process) -> i32 {
    let query = match parse(process.args()) {
        Ok(query) => query,
        Err(problem) => return fail(process, &problem, USAGE).await,
    };
    let heading = match query.command && !query.short {
        true => {
            format!("\n; <<>> DiG {VERSION} <<>> {}\n;; global options: +cmd\n", process.args().join(" "))
        }
        false => String::new(),
    };
    let server = match super::server(process, query.server).await {
        Ok(server) => server,
        Err(name) => {
            return fail(process, &format!("dig: couldn't get address for '{name}': not found"), USAGE).await;
        }
    };
    if server != SERVER {
        let mut text = heading;
        for _ in 0..3 {
            text += &format!(";; communications error to {server}#53: timed out\n");
        }
        let _ = process.print(text + super::UNREACHABLE).await;
        return NO_REPLY;
    }
    let (name, answer) = super::ask(process, &query.name, query.record, query.search).await;
    let text = match query.short {
        true => answer.records.iter().map(|record| super::data(&record.data) + "\n").collect(),
        false => heading + &show(process, &query, &name, &answer, query.server.unwrap_or(&server.to_string())),
    };
    let _ = process.print(text).await;
    0
}

async fn fail(process: &Process, problem: &str, code: i32) -> i32 {
    let _ = process.stderr.write(format!("{problem}\n").as_bytes()).await;
    code
}

fn parse(arguments: &[String]) -> Result<Query<'_>, String> {
    let mut query = Query {
        name: String::new(),
        record: RecordType::A,
        server: None,
        short: false,
        search: false,
        command: true,
        comments: true,
        question: true,
        answer: true,
        authority: true,
        statistics: true,
    };
    let mut arguments = arguments.iter();
    let unknown = |name: &str| format!("dig: the simulation's name server has no records of type {name}");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("Invalid option: {argument}"));
        if let Some(server) = argument.strip_prefix('@') {
            query.server = Some(server);
        } else if let Some(option) = argument.strip_prefix('+') {
            query.set(option)?;
        } else if argument == "-x" {
            let ip: Ipv4Addr = value()?.parse().map_err(|_| "Invalid IP address".to_string())?;
            (query.name, query.record) = (super::reverse(ip), RecordType::Ptr);
        } else if argument == "-t" {
            let name = value()?;
            query.record = super::type_of(name).ok_or_else(|| unknown(name))?;
        } else if argument == "-4" || argument.eq_ignore_ascii_case("in") {
        } else if argument.starts_with('-') {
            return Err(format!("Invalid option: {argument}"));
        } else if let Some(record) = super::type_of(argument) {
            query.record = record;
        } else if ["any", "mx", "ns", "soa", "txt"].contains(&argument.to_lowercase().as_str()) {
            return Err(unknown(argument));
        } else {
            query.name.clone_from(argument);
        }
    }
    if query.name.is_empty() {
        return Err("dig: the simulation wants a name".into());
    }
    Ok(query)
}

impl Query<'_> {
    /// An option that begins with `+`.
    fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, on) = option.strip_prefix("no").map_or((option, true), |name| (name, false));
        match name.split('=').next().unwrap_or("") {
            "short" => self.short = on,
            "search" => self.search = on,
            "cmd" => self.command = on,
            "comments" => self.comments = on,
            "question" => self.question = on,
            "answer" => self.answer = on,
            "authority" => self.authority = on,
            "stats" => self.statistics = on,
            "all" => {
                (self.command, self.comments, self.question) = (on, on, on);
                (self.answer, self.authority, self.statistics) = (on, on, on);
            }
            // What they ask for makes no difference here.
            "tcp" | "recurse" | "time" | "timeout" | "tries" | "retry" | "edns" | "dnssec" | "additional"
            | "cookie" | "multiline" | "trace" | "ndots" | "ttlid" => {}
            _ => return Err(format!("Invalid option: +{option}")),
        }
        Ok(())
    }
}

fn show(process: &Process, query: &Query<'_>, name: &str, answer: &Answer, server: &str) -> String {
    let Query { comments, question, .. } = query;
    let (status, found) = match answer.code {
        ResponseCode::NoError => ("NOERROR", answer.records.len()),
        ResponseCode::NxDomain => ("NXDOMAIN", 0),
    };
    let authority = usize::from(found == 0);
    let mut text = String::new();
    let asked = super::type_name(query.record);
    if *comments {
        let id = process.world.environment().random("dig", |rng| rng.u16(..));
        text += &format!(
            ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {status}, id: {id}\n;; flags: qr aa rd; QUERY: 1, ANSWER: \
             {found}, AUTHORITY: {authority}, ADDITIONAL: 1\n;; WARNING: recursion requested but not available\n\n;; OPT \
             PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232\n; COOKIE: {:016x} (echoed)\n",
            process.world.environment().random("dig", |rng| rng.u64(..)),
        );
    }
    if *question {
        text += if *comments { ";; QUESTION SECTION:\n" } else { "" };
        text += &format!("{}IN\t{asked}\n\n", padded(&format!(";{name}."), 32));
    }
    if query.answer && found > 0 {
        text += if *comments { ";; ANSWER SECTION:\n" } else { "" };
        for record in &answer.records {
            text += &line(&record.name, record.ttl, kind(record), &super::data(&record.data));
        }
        text += if *comments || query.statistics { "\n" } else { "" };
    }
    if query.authority && found == 0 {
        text += if *comments { ";; AUTHORITY SECTION:\n" } else { "" };
        let serial = process.world.now().as_second();
        let zone = format!("ns.dns.{DOMAIN}. hostmaster.{DOMAIN}. {serial} 7200 1800 86400 {TTL}");
        text += &line(DOMAIN, TTL, "SOA", &zone);
        text += if *comments || query.statistics { "\n" } else { "" };
    }
    if query.statistics {
        let when = process.world.now().to_zoned(TimeZone::UTC).strftime("%a %b %d %H:%M:%S UTC %Y").to_string();
        text += &format!(
            ";; Query time: 0 msec\n;; SERVER: {SERVER}#53({server}) (UDP)\n;; WHEN: {when}\n;; MSG SIZE  rcvd: {}\n\n",
            size(name, answer)
        );
    }
    text
}

fn kind(record: &Record) -> &'static str {
    super::type_name(match record.data {
        RecordData::A(_) => RecordType::A,
        RecordData::Cname(_) => RecordType::Cname,
        RecordData::Srv { .. } => RecordType::Srv,
        RecordData::Ptr(_) => RecordType::Ptr,
    })
}

/// A record, in columns as far as its name lets them be.
fn line(name: &str, ttl: u32, kind: &str, data: &str) -> String {
    format!("{}{ttl}\tIN\t{kind}\t{data}\n", padded(&format!("{name}."), 24))
}

/// A text with tabs up to a column, or a space where it reaches beyond.
fn padded(text: &str, column: usize) -> String {
    const TAB: usize = 8;
    match column.saturating_sub(text.len()).div_ceil(TAB) {
        0 => format!("{text} "),
        tabs => text.to_string() + &"\t".repeat(tabs),
    }
}

/// How many bytes the message has, written as CoreDNS writes it: names in full, and the client's cookie given back.
fn size(asked: &str, answer: &Answer) -> usize {
    const HEADER: usize = 12;
    const EDNS: usize = 11 + 12;
    /// Type, class, time to live and length.
    const RECORD: usize = 10;
    let name = |name: &str| name.len() + 2;
    let data = |data: &RecordData| match data {
        RecordData::A(_) => 4,
        RecordData::Cname(target) | RecordData::Ptr(target) => name(target),
        RecordData::Srv { target, .. } => 6 + name(target),
    };
    let records: usize = answer.records.iter().map(|record| name(&record.name) + RECORD + data(&record.data)).sum();
    let authority = match answer.records.is_empty() {
        true => name(DOMAIN) + RECORD + name("ns.dns.") - 1 + name("hostmaster.") - 1 + 2 * DOMAIN.len() + 20,
        false => 0,
    };
    HEADER + name(asked) + 4 + records + authority + EDNS
}
