//! The cluster's DNS, as Kubernetes' DNS specification has it: names of Services, of the Pods behind headless ones, and of
//! Pods by their address. Questions are answered in process; there are no packets.

pub mod resolver;
#[cfg(test)]
mod tests;
mod zone;

pub use resolver::Host;
pub use zone::answer;

use std::net::Ipv4Addr;

/// The address by which Pods know the cluster's DNS, kube-dns's usual one.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The domain of the cluster.
pub const DOMAIN: &str = "cluster.local";

/// The type of a record, or what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    A,
    Aaaa,
    Cname,
    Srv,
    Ptr,
}

/// How a question was answered (RFC 1035, RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// Without records: the name exists, but has none of the type.
    NoError,
    NxDomain,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: ResponseCode,
    /// A `CNAME` comes before the records of the name that it leads to.
    pub records: Vec<Record>,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Absolute, without the dot at the end.
    pub name: String,
    /// Seconds.
    pub ttl: u32,
    pub data: RecordData,
}

/// What a record says. Names are absolute, without the dot at the end.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordData {
    A(Ipv4Addr),
    Cname(String),
    Srv { priority: u16, weight: u16, port: u16, target: String },
    Ptr(String),
}

/// Why a name has no address (as `getaddrinfo` tells).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No such name: `EAI_NONAME`.
    NoName,
    /// The name exists without an IPv4 address: `EAI_NODATA`.
    NoData,
    /// No name server answers: `EAI_AGAIN`.
    TryAgain,
}

/// What a Pod's `/etc/resolv.conf` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DnsSettings {
    pub nameservers: Vec<Ipv4Addr>,
    /// The domains that are tried in turn, such as `default.svc.cluster.local`.
    pub searches: Vec<String>,
    /// A name with fewer dots is tried with the search domains first.
    pub ndots: usize,
}
