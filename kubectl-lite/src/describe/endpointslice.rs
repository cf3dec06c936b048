//! EndpointSlices.

use super::metadata::{labels_and_annotations, name_and_namespace};
use super::report::{Report, joined, or, scalar};
use shared_types::fields::Fields;
use shared_types::json::Value;

pub fn describe(report: &mut Report, slice: &Value) {
    name_and_namespace(report, slice);
    labels_and_annotations(report, slice);
    report.field(0, "AddressType", slice.text("addressType"));
    let ports = slice.list("ports");
    if ports.is_empty() {
        report.line(0, "Ports: <unset>");
    } else {
        report.heading(0, "Ports");
        report.header(1, &["Name", "Port", "Protocol"]);
    }
    for port in ports {
        let number = scalar(port.at("port"));
        report.row(1, &[or(port.text("name"), "<unset>"), or(&number, "<unset>"), port.text("protocol")]);
    }
    let endpoints = slice.list("endpoints");
    report.line(0, if endpoints.is_empty() { "Endpoints: <none>" } else { "Endpoints:" });
    for endpoint in endpoints {
        let or_unset = |path: &str| match endpoint.at(path) {
            Value::Null => "<unset>".to_string(),
            value => scalar(value).into_owned(),
        };
        report.field(1, "- Addresses", or(&joined(endpoint.list("addresses"), ", "), "<none>"));
        report.heading(2, "Conditions");
        report.field(3, "Ready", or_unset("conditions.ready"));
        report.field(2, "Hostname", or_unset("hostname"));
        if endpoint.has("targetRef") {
            let target = endpoint.at("targetRef");
            report.field(2, "TargetRef", format_args!("{}/{}", target.text("kind"), target.text("name")));
        }
        report.field(2, "NodeName", or_unset("nodeName"));
        report.field(2, "Zone", or_unset("zone"));
    }
}
