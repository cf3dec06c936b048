//! Namespaces, and what is allowed in them: LimitRanges and ResourceQuotas.

use super::metadata::{date, labels_and_annotations, name_and_namespace};
use super::report::{Report, joined, scalar};
use shared_types::fields::Fields;
use shared_types::json::{CompactString, Value};
use shared_types::quantity::Quantity;
use std::collections::BTreeSet;

const LIMIT_COLUMNS: [&str; 7] =
    ["Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio"];

/// `quotas` and `limits` are the ResourceQuotas and LimitRanges of the Namespace; `None` where the server has no such
/// kind.
pub fn namespace(report: &mut Report, namespace: &Value, quotas: Option<Vec<Value>>, limits: Option<Vec<Value>>) {
    report.field(0, "Name", namespace.name());
    labels_and_annotations(report, namespace);
    report.field(0, "Status", namespace.text("status.phase"));
    let conditions = namespace.list("status.conditions");
    if !conditions.is_empty() {
        report.heading(0, "Conditions");
        report.header(1, &["Type", "Status", "LastTransitionTime", "Reason", "Message"]);
    }
    for condition in conditions {
        let changed = date(condition.text("lastTransitionTime"));
        let text = |path| condition.text(path);
        report.row(1, &[text("type"), text("status"), &changed, text("reason"), text("message")]);
    }
    if let Some(mut quotas) = quotas {
        report.line(0, "");
        report.line(0, if quotas.is_empty() { "No resource quota." } else { "Resource Quotas" });
        quotas.sort_by_key(|quota| quota.name().to_string());
        for quota in &quotas {
            report.field(1, "Name", quota.name());
            scopes(report, quota, 1, "* ");
            report.row(1, &["Resource", "Used", "Hard"]);
            report.row(1, &["--------", "---", "---"]);
            for (name, hard) in quota.map("status.hard") {
                let used = quota.map("status.used").get(name).map_or("0".into(), scalar);
                report.row(1, &[name, used.as_ref(), &scalar(hard)]);
            }
        }
    }
    if let Some(limits) = limits {
        report.line(0, "");
        if limits.is_empty() {
            return report.line(0, "No LimitRange resource.");
        }
        report.line(0, "Resource Limits");
        limit_table(report, " ", &limits);
    }
}

pub fn limit_range(report: &mut Report, range: &Value) {
    name_and_namespace(report, range);
    limit_table(report, "", std::slice::from_ref(range));
}

fn limit_table(report: &mut Report, prefix: &str, ranges: &[Value]) {
    let mut row = |cells: &[String]| report.line(0, format_args!("{prefix}{}", cells.join("\t")));
    row(&LIMIT_COLUMNS.map(str::to_string));
    row(&LIMIT_COLUMNS.map(|name| "-".repeat(name.len())));
    for limit in ranges.iter().flat_map(|range| range.list("spec.limits")) {
        let amounts = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
        let names: BTreeSet<&CompactString> = amounts.iter().flat_map(|path| limit.map(path).keys()).collect();
        for name in names {
            let mut cells = vec![limit.text("type").to_string(), name.to_string()];
            cells.extend(amounts.map(|path| limit.map(path).get(name).map_or("-".into(), scalar).into_owned()));
            row(&cells);
        }
    }
}

pub fn resource_quota(report: &mut Report, quota: &Value) {
    name_and_namespace(report, quota);
    scopes(report, quota, 0, " * ");
    report.header(0, &["Resource", "Used", "Hard"]);
    for (name, hard) in quota.map("status.hard") {
        let used = quota.map("status.used").get(name).map_or("0".into(), scalar);
        // Both in the same suffixes.
        let used = match (Quantity::parse(&used), Quantity::parse(&scalar(hard))) {
            (Ok(used), Ok(hard)) => used.written_like(&hard).to_string(),
            _ => used.into_owned(),
        };
        report.row(0, &[name.as_str(), &used, &scalar(hard)]);
    }
}

fn scopes(report: &mut Report, quota: &Value, level: usize, bullet: &str) {
    let mut scopes = quota.list("spec.scopes").to_vec();
    scopes.sort_by_key(|scope| scalar(scope).into_owned());
    if scopes.is_empty() {
        return;
    }
    report.field(level, "Scopes", joined(&scopes, ", "));
    for scope in &scopes {
        if let Some(meaning) = scope_meaning(&scalar(scope)) {
            report.line(level, format_args!("{bullet}{meaning}"));
        }
    }
}

/// What kubectl says about a scope.
fn scope_meaning(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "Terminating" => {
            "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being \
             actively terminated by the system."
        }
        "NotTerminating" => {
            "Matches all pods that do not have an active deadline. These pods usually include long running pods whose \
             container command is not expected to terminate."
        }
        "BestEffort" => {
            "Matches all pods that do not have resource requirements set. These pods have a best effort quality of \
             service."
        }
        "NotBestEffort" => {
            "Matches all pods that have at least one resource requirement set. These pods have a burstable or \
             guaranteed quality of service."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn a_namespace_shows_its_quotas_and_limits() {
        let ns = json!({"metadata": {"name": "n"}, "status": {"phase": "Active"}});
        let quota = json!({"metadata": {"name": "q"}, "status": {"hard": {"pods": "10"}, "used": {"pods": "2"}}});
        let limits =
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"memory": "1Gi"}}]}});
        let mut report = Report::default();
        namespace(&mut report, &ns, Some(vec![quota]), Some(vec![limits]));
        let expected = "\
Name:         n
Labels:       <none>
Annotations:  <none>
Status:       Active

Resource Quotas
  Name:     q
  Resource  Used  Hard
  --------  ---   ---
  pods      2     10

Resource Limits
 Type       Resource  Min  Max  Default Request  Default Limit  Max Limit/Request Ratio
 ----       --------  ---  ---  ---------------  -------------  -----------------------
 Container  cpu       -    -    -                1              -
 Container  memory    -    1Gi  -                -              -
";
        assert_eq!(report.finish(), expected);
    }

    #[test]
    fn a_quota_shows_what_is_used_as_what_is_allowed() {
        let quota = json!({"metadata": {"name": "q", "namespace": "n"}, "spec": {"scopes": ["Unknown"]},
            "status": {"hard": {"memory": "1Gi", "pods": "4"}, "used": {"memory": "0"}}});
        let mut report = Report::default();
        resource_quota(&mut report, &quota);
        let expected = "\
Name:       q
Namespace:  n
Scopes:     Unknown
Resource    Used  Hard
--------    ----  ----
memory      0     1Gi
pods        0     4
";
        assert_eq!(report.finish(), expected);
    }
}
