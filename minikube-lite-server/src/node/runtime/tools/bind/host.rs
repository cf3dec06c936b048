//! `host`

use super::super::super::process::Process;
use crate::node::network::dns::{Answer, RecordData, RecordType, ResponseCode, SERVER};
use std::net::Ipv4Addr;

const USAGE: &str = "Usage: host [-t type] {hostname | address} [server]\n";

pub async fn run(process: &Process) -> i32 {
    let mut types = vec![RecordType::A, RecordType::Aaaa];
    let mut operands = Vec::new();
    let mut arguments = process.args().iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-t" => match arguments.next().map(|name| (name, super::type_of(name))) {
                Some((_, Some(record))) => types = vec![record],
                Some((name, None)) => return fail(process, &format!("host: invalid type: {name}\n")).await,
                None => return fail(process, USAGE).await,
            },
            "-4" | "-W" | "-a" | "-v" => {}
            option if option.starts_with('-') => return fail(process, USAGE).await,
            operand => operands.push(operand),
        }
    }
    let (name, server) = match operands[..] {
        [name] => (name, None),
        [name, server] => (name, Some(server)),
        _ => return fail(process, USAGE).await,
    };
    let mut text = String::new();
    match super::server(process, server).await {
        Err(name) => return fail(process, &format!("host: couldn't get address for '{name}': not found\n")).await,
        Ok(ip) if ip != SERVER => return fail(process, super::UNREACHABLE).await,
        Ok(ip) => {
            if let Some(given) = server {
                text = format!("Using domain server:\nName: {given}\nAddress: {ip}#53\nAliases: \n\n");
            }
        }
    }
    let (asked, search) = match name.parse::<Ipv4Addr>() {
        Ok(ip) => {
            types = vec![RecordType::Ptr];
            (super::reverse(ip), false)
        }
        Err(_) => (name.to_string(), true),
    };
    let by_default = types.len() > 1;
    for record in types {
        let (found, answer) = super::ask(process, &asked, record, search).await;
        if answer.code == ResponseCode::NxDomain {
            text += &format!("Host {} not found: 3(NXDOMAIN)\n", if search { name } else { &found });
            let _ = process.print(text).await;
            return 1;
        }
        if answer.records.is_empty() && !by_default {
            text += &format!("{found} has no {} record\n", super::type_name(record));
        }
        text += &show(&answer, record);
    }
    let _ = process.print(text).await;
    0
}

async fn fail(process: &Process, message: &str) -> i32 {
    let _ = process.stderr.write(message.as_bytes()).await;
    1
}

fn show(answer: &Answer, asked: RecordType) -> String {
    let mut text = String::new();
    for record in &answer.records {
        let (name, data) = (&record.name, super::data(&record.data));
        text += &match record.data {
            RecordData::A(_) => format!("{name} has address {data}\n"),
            // It is told once, with the addresses.
            RecordData::Cname(_) if asked == RecordType::Aaaa => continue,
            RecordData::Cname(_) => format!("{name} is an alias for {data}\n"),
            RecordData::Ptr(_) => format!("{name} domain name pointer {data}\n"),
            RecordData::Srv { .. } => format!("{name} has SRV record {data}\n"),
        };
    }
    text
}
