//! `dig`, `host` and `nslookup`, as BIND has them.

mod dig;
mod host;
mod nslookup;

use super::super::process::Process;
use super::hosts;
use crate::node::network::dns::{Answer, RecordData, RecordType, ResponseCode, SERVER, resolver};
use futures_util::future::BoxFuture;
use std::net::Ipv4Addr;

/// What is said when a name server does not answer.
const UNREACHABLE: &str = ";; no servers could be reached\n";

/// The program `dig`.
pub fn dig(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { dig::run(&process).await })
}

/// The program `host`.
pub fn host(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { host::run(&process).await })
}

/// The program `nslookup`.
pub fn nslookup(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { nslookup::run(&process).await })
}

/// The name of a type of records.
fn type_name(record: RecordType) -> &'static str {
    match record {
        RecordType::A => "A",
        RecordType::Aaaa => "AAAA",
        RecordType::Cname => "CNAME",
        RecordType::Srv => "SRV",
        RecordType::Ptr => "PTR",
    }
}

fn type_of(name: &str) -> Option<RecordType> {
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Cname, RecordType::Srv, RecordType::Ptr];
    types.into_iter().find(|record| type_name(*record).eq_ignore_ascii_case(name))
}

/// The name that leads back from an address.
fn reverse(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// What a record says, with the names' dots.
fn data(data: &RecordData) -> String {
    match data {
        RecordData::A(ip) => ip.to_string(),
        RecordData::Cname(name) | RecordData::Ptr(name) => format!("{name}."),
        RecordData::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}."),
    }
}

/// Who is asked: the server that was named, or the Pod's first one.
///
/// # Errors
/// What was named and has no address.
async fn server(process: &Process, named: Option<&str>) -> Result<Ipv4Addr, String> {
    let Some(name) = named else {
        return Ok(process.world.network().identity().dns.nameservers.first().copied().unwrap_or(SERVER));
    };
    let found = hosts::lookup(&process.world, name).await.ok();
    found.and_then(|addresses| addresses.first().copied()).ok_or_else(|| name.to_string())
}

/// Asks for each type, with the Pod's search domains where `search` is set, until a name exists. Gives the name that was
/// asked for last.
async fn ask(process: &Process, name: &str, record: RecordType, search: bool) -> (String, Answer) {
    let network = process.world.network();
    let mut names = match search {
        true => resolver::candidates(network.identity(), name),
        false => vec![name.trim_end_matches('.').to_string()],
    };
    // There is always one.
    let last = names.pop().unwrap_or_default();
    for name in names {
        let answer = network.query(&name, record).await;
        if answer.code == ResponseCode::NoError {
            return (name, answer);
        }
    }
    let answer = network.query(&last, record).await;
    (last, answer)
}
