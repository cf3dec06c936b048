//! From a host name to addresses, as a C library does it for a Pod.

use super::{LookupError, RecordData, RecordType, ResponseCode};
use crate::node::network::{Identity, Network};
use std::net::Ipv4Addr;

/// A host that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its full name.
    pub name: String,
    pub addresses: Vec<Ipv4Addr>,
}

/// A host by its name, for a Pod with this identity.
///
/// # Errors
/// Why it has no address.
pub(in crate::node::network) fn lookup(
    network: &Network,
    identity: &Identity,
    name: &str,
) -> Result<Host, LookupError> {
    if let Some(ip) = written_down(identity, name) {
        return Ok(Host { name: name.to_string(), addresses: vec![ip] });
    }
    if !network.has_dns(&identity.dns.nameservers) {
        return Err(LookupError::TryAgain);
    }
    let mut problem = LookupError::NoName;
    for candidate in candidates(identity, name) {
        let answer = network.query(&candidate, RecordType::A);
        let address = |data: &RecordData| match data {
            RecordData::A(ip) => Some(*ip),
            _ => None,
        };
        let addresses: Vec<Ipv4Addr> = answer.records.iter().filter_map(|record| address(&record.data)).collect();
        // The name that the addresses are of; the one before it may be an alias.
        if let Some(last) = answer.records.last().filter(|_| !addresses.is_empty()) {
            return Ok(Host { name: last.name.clone(), addresses });
        }
        if answer.code == ResponseCode::NoError {
            problem = LookupError::NoData;
        }
    }
    Err(problem)
}

/// Addresses, and what a Pod's `/etc/hosts` says.
fn written_down(identity: &Identity, name: &str) -> Option<Ipv4Addr> {
    if let Ok(ip) = name.parse() {
        return Some(ip);
    }
    if name == "localhost" {
        return Some(Ipv4Addr::LOCALHOST);
    }
    let own = name.strip_prefix(identity.hostname.as_str())?;
    let domain = format!(".{}.{}.svc.{}", identity.subdomain, identity.namespace, super::DOMAIN);
    match own {
        "" => Some(identity.ip),
        _ if !identity.subdomain.is_empty() && own == domain => Some(identity.ip),
        _ => None,
    }
}

/// The absolute names that are asked for in turn, as glibc tries them.
pub fn candidates(identity: &Identity, name: &str) -> Vec<String> {
    if let Some(absolute) = name.strip_suffix('.') {
        return vec![absolute.to_string()];
    }
    let mut names: Vec<String> = identity.dns.searches.iter().map(|domain| format!("{name}.{domain}")).collect();
    match name.matches('.').count() >= identity.dns.ndots {
        true => names.insert(0, name.to_string()),
        false => names.push(name.to_string()),
    }
    names
}
