//! `nslookup`, as busybox has it.

use super::super::process::Process;
use crate::node::network::dns::{self, Answer, RecordData, RecordType, ResponseCode, SERVER};
use futures_util::future::BoxFuture;
use std::net::Ipv4Addr;

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { nslookup(&process).await })
}

const USAGE: &str = "Usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]\n";

async fn nslookup(process: &Process) -> i32 {
    let (options, names): (Vec<&String>, Vec<&String>) =
        process.args().iter().partition(|argument| argument.starts_with('-'));
    let mut types = Vec::new();
    for option in options {
        let asked = option.strip_prefix("-type=").or_else(|| option.strip_prefix("-querytype="));
        match asked.map(str::to_lowercase).as_deref() {
            Some("a") => types.push(RecordType::A),
            Some("aaaa") => types.push(RecordType::Aaaa),
            Some("cname") => types.push(RecordType::Cname),
            Some("srv") => types.push(RecordType::Srv),
            Some("ptr") => types.push(RecordType::Ptr),
            Some(other) => return process.fail(format!("invalid query type \"{other}\"")).await,
            None if option == "-debug" => {}
            None => return usage(process).await,
        }
    }
    let (name, server) = match names[..] {
        [name] => (name, None),
        [name, server] => (name, Some(server)),
        _ => return usage(process).await,
    };
    let servers = &process.world.network().identity().dns.nameservers;
    let server = match server {
        None => servers.first().copied().unwrap_or(SERVER),
        Some(server) => match super::hosts::lookup(&process.world, server).await {
            Ok(addresses) => addresses.first().copied().unwrap_or(SERVER),
            Err(_) => return process.fail(format!("bad address '{server}'")).await,
        },
    };
    let mut text = format!("Server:\t\t{server}\nAddress:\t{server}:53\n\n");
    if server != SERVER {
        // Nobody else answers.
        text += ";; connection timed out; no servers could be reached\n\n";
        let _ = process.print(text).await;
        return 1;
    }
    let mut code = 0;
    for (name, record) in questions(process, name, &types) {
        let answer = process.world.network().query(&name, record).await;
        if answer.code == ResponseCode::NxDomain {
            code = 1;
        }
        text += &show(&name, &answer);
    }
    let _ = process.print(text).await;
    code
}

async fn usage(process: &Process) -> i32 {
    let _ = process.stderr.write(USAGE.as_bytes()).await;
    1
}

/// What is asked for: an address' name, or a name's addresses. A name without dots is completed by every search domain.
fn questions(process: &Process, name: &str, types: &[RecordType]) -> Vec<(String, RecordType)> {
    if let (Ok(ip), []) = (name.parse::<Ipv4Addr>(), types) {
        let [a, b, c, d] = ip.octets();
        return vec![(format!("{d}.{c}.{b}.{a}.in-addr.arpa"), RecordType::Ptr)];
    }
    let types = if types.is_empty() { &[RecordType::A, RecordType::Aaaa] } else { types };
    let names = match name.contains('.') {
        true => vec![name.to_string()],
        false => {
            let searches = &process.world.network().identity().dns.searches;
            searches.iter().map(|domain| format!("{name}.{domain}")).collect()
        }
    };
    let names = if names.is_empty() { vec![name.to_string()] } else { names };
    names.iter().flat_map(|name| types.iter().map(|record| (name.clone(), *record))).collect()
}

fn show(name: &str, answer: &Answer) -> String {
    if answer.code == ResponseCode::NxDomain {
        return format!("** server can't find {name}: NXDOMAIN\n\n");
    }
    let line = |record: &dns::Record| {
        let name = &record.name;
        match &record.data {
            RecordData::A(ip) => format!("Name:\t{name}\nAddress: {ip}\n"),
            RecordData::Cname(target) => format!("{name}\tcanonical name = {target}\n"),
            RecordData::Ptr(target) => format!("{name}\tname = {target}\n"),
            RecordData::Srv { priority, weight, port, target } => {
                format!("{name}\tservice = {priority} {weight} {port} {target}\n")
            }
        }
    };
    answer.records.iter().map(line).collect::<String>() + "\n"
}
