//! The files by which a Pod's containers know names of hosts: `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`.

use crate::node::network::DnsSettings;
use shared_types::fields::Fields;
use shared_types::json::Value;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// The address of the cluster's DNS, where kubeadm puts it.
const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const CLUSTER_DOMAIN: &str = "cluster.local";
/// What the nodes' own `/etc/resolv.conf` names: their gateway.
const NODE_DNS: Ipv4Addr = Ipv4Addr::new(192, 168, 49, 1);

/// The name that the containers of a Pod have.
pub fn hostname(pod: &Value, node_name: &str) -> String {
    if pod.flag("spec.hostNetwork") {
        return node_name.to_string();
    }
    let name = match (pod.text("spec.hostnameOverride"), pod.text("spec.hostname")) {
        ("", "") => pod.name(),
        ("", hostname) => hostname,
        (name, _) => name,
    };
    // As long as Linux allows, and not ending in what is no part of a name.
    let end = name.char_indices().nth(63).map_or(name.len(), |(at, _)| at);
    name[..end].trim_end_matches(['-', '.']).to_string()
}

/// How a Pod looks names up: `dnsPolicy` and `dnsConfig`.
pub fn dns(pod: &Value) -> Dns {
    let cluster = Dns {
        settings: DnsSettings {
            nameservers: vec![CLUSTER_DNS],
            searches: [pod.namespace(), ""]
                .iter()
                .map(|namespace| match *namespace {
                    "" => format!("svc.{CLUSTER_DOMAIN}"),
                    namespace => format!("{namespace}.svc.{CLUSTER_DOMAIN}"),
                })
                .chain([CLUSTER_DOMAIN.to_string()])
                .collect(),
            ndots: 5,
        },
        options: vec![("ndots".into(), Some("5".into()))],
    };
    let node = Dns {
        settings: DnsSettings { nameservers: vec![NODE_DNS], searches: Vec::new(), ndots: 1 },
        options: Vec::new(),
    };
    let mut dns = match (pod.text("spec.dnsPolicy"), pod.flag("spec.hostNetwork")) {
        ("None", _) => Dns {
            settings: DnsSettings { nameservers: Vec::new(), searches: Vec::new(), ndots: 1 },
            options: Vec::new(),
        },
        ("Default", _) | ("ClusterFirst", true) => node,
        _ => cluster,
    };
    let given = |field: &str| pod.list(field).iter().filter_map(Value::as_str);
    for server in given("spec.dnsConfig.nameservers").filter_map(|server| server.parse().ok()) {
        if !dns.settings.nameservers.contains(&server) {
            dns.settings.nameservers.push(server);
        }
    }
    for domain in given("spec.dnsConfig.searches") {
        let domain = domain.trim_end_matches('.').to_string();
        if !dns.settings.searches.contains(&domain) {
            dns.settings.searches.push(domain);
        }
    }
    for option in pod.list("spec.dnsConfig.options") {
        let (name, value) = (option.text("name"), option.at("value").as_str().map(String::from));
        if let ("ndots", Some(ndots)) = (name, value.as_ref().and_then(|value| value.parse().ok())) {
            dns.settings.ndots = ndots;
        }
        match dns.options.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => dns.options.push((name.to_string(), value)),
        }
    }
    dns
}

/// The content of a Pod's `/etc/resolv.conf`.
#[derive(Debug)]
pub struct Dns {
    pub settings: DnsSettings,
    options: Vec<(String, Option<String>)>,
}

impl Dns {
    /// The text of `/etc/resolv.conf`.
    pub fn file(&self) -> String {
        let mut text = String::new();
        if !self.settings.searches.is_empty() {
            text.push_str(&format!("search {}\n", self.settings.searches.join(" ")));
        }
        for server in &self.settings.nameservers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        if !self.options.is_empty() {
            let options = self.options.iter().map(|(name, value)| match value {
                Some(value) => format!("{name}:{value}"),
                None => name.clone(),
            });
            text.push_str(&format!("options {}\n", options.collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

/// The text of `/etc/hosts`.
pub fn hosts(pod: &Value, ip: Ipv4Addr, hostname: &str) -> String {
    let host_network = pod.flag("spec.hostNetwork");
    let mut text = String::from(match host_network {
        true => "# Kubernetes-managed hosts file (host network).\n",
        false => "# Kubernetes-managed hosts file.\n",
    });
    text.push_str(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\n\
         fe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    // Writing to a String cannot fail.
    let _ = match pod.text("spec.subdomain") {
        subdomain if !subdomain.is_empty() && !host_network => {
            let domain = format!("{subdomain}.{}.svc.{CLUSTER_DOMAIN}", pod.namespace());
            writeln!(text, "{ip}\t{hostname}.{domain}\t{hostname}")
        }
        _ => writeln!(text, "{ip}\t{hostname}"),
    };
    let aliases = pod.list("spec.hostAliases");
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let names: Vec<&str> = alias.list("hostnames").iter().filter_map(Value::as_str).collect();
        let _ = writeln!(text, "{}\t{}", alias.text("ip"), names.join("\t"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn names_are_looked_up_as_the_pod_wants() {
        let pod = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"dnsPolicy": "ClusterFirst"}});
        let cluster =
            "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
        assert_eq!(dns(&pod).file(), cluster);
        let config = json!({
            "nameservers": ["1.1.1.1"], "searches": ["example.com"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
        });
        let own = json!({"metadata": {"namespace": "shop"}, "spec": {"dnsPolicy": "None", "dnsConfig": config}});
        assert_eq!(dns(&own).file(), "search example.com\nnameserver 1.1.1.1\noptions ndots:2 edns0\n");
        assert_eq!(dns(&own).settings.ndots, 2);
        let node = json!({"metadata": {"namespace": "shop"}, "spec": {"dnsPolicy": "Default"}});
        assert_eq!(dns(&node).file(), "nameserver 192.168.49.1\n");
    }

    #[test]
    fn hosts_name_the_pod_and_its_aliases() {
        let pod = json!({
            "metadata": {"name": "web-0", "namespace": "shop"},
            "spec": {"subdomain": "web", "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a.example", "b.example"]}]},
        });
        let text = hosts(&pod, Ipv4Addr::new(10, 244, 0, 5), &hostname(&pod, "node-1"));
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
        assert!(text.contains("\n10.244.0.5\tweb-0.web.shop.svc.cluster.local\tweb-0\n"));
        assert!(text.ends_with("\n\n# Entries added by HostAliases.\n1.2.3.4\ta.example\tb.example\n"));
        let long = json!({"metadata": {"name": format!("{}-.{}", "a".repeat(61), "b".repeat(9))}});
        assert_eq!(hostname(&long, "node-1"), "a".repeat(61));
        assert_eq!(hostname(&json!({"spec": {"hostNetwork": true}}), "node-1"), "node-1");
    }
}
