//! The Pod template of a workload.

use super::containers::Containers;
use super::metadata::{annotations, labels};
use super::report::Report;
use super::{scheduling, volumes};
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn describe(report: &mut Report, template: &Value) {
    report.heading(0, "Pod Template");
    labels(report, 1, "Labels", template.map("metadata.labels"));
    if !template.map("metadata.annotations").is_empty() {
        annotations(report, 1, template.map("metadata.annotations"));
    }
    if !template.text("spec.serviceAccountName").is_empty() {
        report.field(1, "Service Account", template.text("spec.serviceAccountName"));
    }
    for (title, path) in [("Init Containers", "spec.initContainers"), ("Containers", "spec.containers")] {
        let list = template.list(path);
        if title == "Containers" || !list.is_empty() {
            Containers { title, list, statuses: &[], pod: None, indent: "  " }.describe(report);
        }
    }
    volumes::describe(report, "  ", template.list("spec.volumes"));
    scheduling::topology_spread_constraints(report, 1, template.list("spec.topologySpreadConstraints"));
    report.field_if(1, "Priority Class Name", template.text("spec.priorityClassName"));
    labels(report, 1, "Node-Selectors", template.map("spec.nodeSelector"));
    scheduling::tolerations(report, 1, template.list("spec.tolerations"));
    scheduling::group(report, 1, template.at("spec.schedulingGroup"));
}
