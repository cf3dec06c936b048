//! Endpoints.

use super::metadata::{labels_and_annotations, name_and_namespace};
use super::report::{Report, or, scalar};
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn describe(report: &mut Report, endpoints: &Value) {
    name_and_namespace(report, endpoints);
    labels_and_annotations(report, endpoints);
    report.heading(0, "Subsets");
    for subset in endpoints.list("subsets") {
        for (title, path) in [("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")] {
            let addresses: Vec<&str> = subset.list(path).iter().map(|address| address.text("ip")).collect();
            report.field(1, title, or(&addresses.join(","), "<none>"));
        }
        if !subset.list("ports").is_empty() {
            report.heading(1, "Ports");
            report.header(2, &["Name", "Port", "Protocol"]);
        }
        for port in subset.list("ports") {
            report.row(2, &[or(port.text("name"), "<unset>"), &scalar(port.at("port")), port.text("protocol")]);
        }
        report.line(0, "");
    }
}
