//! `kubectl create ingress`.

use super::{Generate, metadata};
use crate::cmd::Command;
use crate::context::Context;
use crate::errors::CommandError;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};

#[derive(clap::Args)]
pub struct Ingress {
    #[command(flatten)]
    generate: Generate,
    /// KEY=VALUE; may be repeated
    #[arg(long)]
    annotation: Vec<String>,
    /// The ingress class
    #[arg(long, default_value = "")]
    class: String,
    /// SERVICE:PORT for everything that no rule takes
    #[arg(long, default_value = "")]
    default_backend: String,
    /// HOST/PATH=SERVICE:PORT[,tls[=SECRET]]; may be repeated
    #[arg(long)]
    rule: Vec<String>,
}

impl Command for Ingress {
    async fn run(self, cx: &Context<'_>) -> Result<(), CommandError> {
        let name = self.generate.name("create ingress")?;
        if self.default_backend.is_empty() && self.rule.is_empty() {
            return Err(CommandError::message(
                "not enough information provided: every ingress has to either specify a default-backend (which catches \
                 all traffic) or a list of rules (which catch specific paths)",
            ));
        }
        let mut ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(name), "spec": {},
        });
        let rules = self.rule.iter().map(|text| {
            Rule::parse(text).ok_or_else(|| {
                CommandError::message(format!(
                    "rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
                ))
            })
        });
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        for text in &self.annotation {
            let Some((key, value)) = text.split_once('=') else {
                return Err(CommandError::message(format!(
                    "annotation {text} is invalid and should be in format key=[value]"
                )));
            };
            ingress.map_mut("metadata.annotations").insert(key, value.into());
        }
        if !self.class.is_empty() {
            ingress.set("spec.ingressClassName", self.class.clone());
        }
        if !self.default_backend.is_empty() {
            let Some((service, port)) = self.default_backend.split_once(':').filter(|(_, port)| !port.contains(':'))
            else {
                return Err(CommandError::message("default-backend should be in format servicename:serviceport"));
            };
            ingress.set("spec.defaultBackend", backend(service, port));
        }
        if !rules.is_empty() {
            ingress.set("spec.rules", by_host(&rules));
        }
        let tls = secrets(&rules);
        if !tls.is_empty() {
            ingress.set("spec.tls", tls);
        }
        let failure = Some("failed to create ingress");
        self.generate.create(cx, "ingresses.networking.k8s.io", failure, ingress).await
    }
}

#[derive(Debug, PartialEq)]
struct Rule<'a> {
    host: &'a str,
    path: &'a str,
    service: &'a str,
    port: &'a str,
    /// The secret, which may be empty.
    tls: Option<&'a str>,
}

impl<'a> Rule<'a> {
    fn parse(text: &'a str) -> Option<Rule<'a>> {
        let word =
            |text: &str, more: &str| text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric() || more.contains(c));
        let (text, tls) = match text.split_once(',') {
            None => (text, None),
            Some((rule, "tls")) => (rule, Some("")),
            Some((rule, tls)) => (rule, Some(tls.strip_prefix("tls=")?)),
        };
        let (place, target) = text.rsplit_once('=')?;
        let (service, port) = target.split_once(':')?;
        let (host, path) = place.split_at(place.find('/')?);
        let fits = word(host, "*-.")
            && !service.is_empty()
            && word(service, "-")
            && !port.is_empty()
            && word(port, "-")
            && tls.is_none_or(|secret| word(secret, "-."));
        fits.then_some(Rule { host, path, service, port, tls })
    }
}

fn backend(service: &str, port: &str) -> Value {
    let port = match port.parse::<i32>() {
        Ok(number) => json!({ "number": number }),
        Err(_) => json!({ "name": port }),
    };
    json!({"service": {"name": service, "port": port}})
}

/// One rule of the API per host, in the order in which they came.
fn by_host(rules: &[Rule<'_>]) -> Vec<Value> {
    let mut hosts: Vec<(&str, Vec<Value>)> = Vec::new();
    for rule in rules {
        let (path, kind) = match rule.path.strip_suffix('*') {
            Some(path) => (path, "Prefix"),
            None => (rule.path, "Exact"),
        };
        let path = json!({"path": path, "pathType": kind, "backend": backend(rule.service, rule.port)});
        match hosts.iter_mut().find(|(host, _)| *host == rule.host) {
            Some((_, paths)) => paths.push(path),
            None => hosts.push((rule.host, vec![path])),
        }
    }
    hosts.into_iter().map(|(host, paths)| json!({"host": host, "http": {"paths": paths}})).collect()
}

/// The hosts of each secret.
fn secrets(rules: &[Rule<'_>]) -> Vec<Value> {
    let mut secrets: Vec<(&str, Vec<&str>)> = Vec::new();
    for rule in rules {
        let Some(secret) = rule.tls else { continue };
        let host = (!rule.host.is_empty()).then_some(rule.host);
        match secrets.iter_mut().find(|(known, _)| *known == secret) {
            Some((_, hosts)) => hosts.extend(host.filter(|host| !hosts.contains(host))),
            None => secrets.push((secret, host.into_iter().collect())),
        }
    }
    secrets.into_iter().map(|(secret, hosts)| json!({"hosts": hosts, "secretName": secret})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rule = Rule::parse("*.a.com/x*=s:80,tls=my-sec").unwrap();
        assert_eq!(rule, Rule { host: "*.a.com", path: "/x*", service: "s", port: "80", tls: Some("my-sec") });
        assert_eq!(Rule::parse("/=s:http").unwrap().host, "");
        assert_eq!(Rule::parse("/=s:http,tls").unwrap().tls, Some(""));
        for text in ["bad", "a.com=s:80", "a.com/=s", "a.com/=s:80,other", "a b/=s:80"] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }
}
