//! Endpoints.

use super::*;

pub const COLUMNS: &[Column] = &[
    NAME,
    column(
        "Endpoints",
        "The set of all endpoints is the union of all subsets. Addresses are placed into subsets according to the IPs they share. A single address with multiple ports, some of which are ready and some of which are not (because they come from different containers) will result in the address being displayed in different subsets for the different ports. No address will appear in both Addresses and NotReadyAddresses in the same subset. Sets of addresses and ports that comprise a service.",
    ),
    AGE,
];

pub fn cells(endpoints: &Value, now: Timestamp) -> Vec<Value> {
    vec![endpoints.name().into(), addresses(endpoints).into(), age(endpoints, now)]
}

/// Every ready address with every port of its subset; addresses alone where the subset has no ports.
fn addresses(endpoints: &Value) -> String {
    let subsets = endpoints.list("subsets");
    if subsets.is_empty() {
        return NONE.to_string();
    }
    first_three(subsets.iter().flat_map(|subset| {
        let ips = || subset.list("addresses").iter().map(|address| address.text("ip"));
        let ports = subset.list("ports");
        if ports.is_empty() {
            return ips().map(str::to_string).collect::<Vec<_>>();
        }
        ports.iter().flat_map(|port| ips().map(|ip| host_port(ip, port.int("port").unwrap_or(0)))).collect()
    }))
}
