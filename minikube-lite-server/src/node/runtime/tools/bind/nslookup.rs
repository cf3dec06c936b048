//! `nslookup`, without its own prompt.

use super::super::super::process::Process;
use crate::node::network::dns::{Answer, RecordData, RecordType, ResponseCode, SERVER};
use std::net::Ipv4Addr;

pub async fn run(process: &Process) -> i32 {
    let mut types = vec![RecordType::A, RecordType::Aaaa];
    let mut operands = Vec::new();
    for argument in process.args() {
        let asked = ["-type=", "-query=", "-querytype=", "-q="].iter().find_map(|option| argument.strip_prefix(option));
        match asked {
            Some(name) => match super::type_of(name) {
                Some(record) => types = vec![record],
                None => return say(process, format!("unknown query type: {name}\n"), 1).await,
            },
            None if argument.starts_with('-') && argument.len() > 1 => {
                return say(process, format!("*** Invalid option: {}\n", &argument[1..]), 1).await;
            }
            None => operands.push(argument.as_str()),
        }
    }
    let (name, server) = match operands[..] {
        [name] => (name, None),
        [name, server] => (name, Some(server)),
        _ => return say(process, "nslookup: the simulation has no prompt; give it a name\n".into(), 1).await,
    };
    let ip = match super::server(process, server).await {
        Ok(ip) if ip == SERVER => ip,
        Ok(_) => return say(process, super::UNREACHABLE.into(), 1).await,
        Err(name) => return say(process, format!("nslookup: couldn't get address for '{name}': not found\n"), 1).await,
    };
    let head = format!("Server:\t\t{}\nAddress:\t{ip}#53\n\n", server.unwrap_or(&ip.to_string()));
    let mut text = String::new();
    if let Ok(ip) = name.parse::<Ipv4Addr>() {
        let (found, answer) = super::ask(process, &super::reverse(ip), RecordType::Ptr, false).await;
        return match answer.code {
            // What comes from the reverse zone has no head.
            ResponseCode::NoError => say(process, show(&answer, true) + "\n", 0).await,
            ResponseCode::NxDomain => say(process, format!("** server can't find {found}: NXDOMAIN\n\n"), 1).await,
        };
    }
    let by_default = types.len() > 1;
    for (index, record) in types.into_iter().enumerate() {
        let (found, answer) = super::ask(process, name, record, true).await;
        if answer.code == ResponseCode::NxDomain {
            return say(process, format!("{head}** server can't find {name}: NXDOMAIN\n\n"), 1).await;
        }
        if answer.records.is_empty() && !by_default {
            text += &format!("*** Can't find {found}: No answer\n");
        }
        text += &show(&answer, index == 0);
    }
    say(process, format!("{head}{text}\n"), 0).await
}

async fn say(process: &Process, text: String, code: i32) -> i32 {
    let _ = process.print(text).await;
    code
}

/// The records; aliases only where `aliases` is set.
fn show(answer: &Answer, aliases: bool) -> String {
    let mut text = String::new();
    for record in &answer.records {
        let (name, data) = (&record.name, super::data(&record.data));
        text += &match record.data {
            RecordData::A(_) => format!("Name:\t{name}\nAddress: {data}\n"),
            RecordData::Cname(_) if !aliases => continue,
            RecordData::Cname(_) => format!("{name}\tcanonical name = {data}\n"),
            RecordData::Ptr(_) => format!("{name}\tname = {data}\n"),
            RecordData::Srv { .. } => format!("{name}\tservice = {data}\n"),
        };
    }
    text
}
