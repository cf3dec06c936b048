//! `getent`, for hosts.

use super::super::process::Process;
use super::hosts;
use crate::node::network::dns::Host;
use futures_util::future::BoxFuture;

/// The exit code when a key is not found.
const NOT_FOUND: i32 = 2;

/// Runs the program.
pub fn run(process: Process) -> BoxFuture<'static, i32> {
    Box::pin(async move { getent(&process).await })
}

async fn getent(process: &Process) -> i32 {
    let Some((database, keys)) = process.args().split_first() else {
        return process.fail("wrong number of arguments").await;
    };
    let protocols: &[&str] = match database.as_str() {
        "hosts" => &[""],
        "ahosts" | "ahostsv4" => &["STREAM ", "DGRAM  ", "RAW    "],
        _ => {
            let text = format!("Unknown database: {database}\n");
            let _ = process.stderr.write(text.as_bytes()).await;
            return 1;
        }
    };
    let mut text = String::new();
    if keys.is_empty() && database == "hosts" {
        for entry in hosts::entries(&process.world) {
            text += &format!("{:<15} {}\n", entry.ip.to_string(), entry.names.join(" "));
        }
    }
    let mut code = 0;
    for key in keys {
        let Some(host) = find(process, key).await else {
            code = NOT_FOUND;
            continue;
        };
        for address in &host.addresses {
            for (index, protocol) in protocols.iter().enumerate() {
                let name = if database == "hosts" || index == 0 { host.name.as_str() } else { "" };
                text += format!("{:<15} {protocol}{name}", address.to_string()).trim_end();
                text.push('\n');
            }
        }
    }
    let _ = process.print(text).await;
    code
}

async fn find(process: &Process, key: &str) -> Option<Host> {
    let entry = hosts::entries(&process.world).into_iter().find(|entry| entry.has(key));
    match entry {
        Some(entry) => Some(Host { name: entry.names.join(" "), addresses: vec![entry.ip] }),
        None => process.world.network().host(key).await.ok(),
    }
}
