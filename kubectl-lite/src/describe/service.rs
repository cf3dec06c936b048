//! Services.

use super::metadata::{labels_and_annotations, name_and_namespace};
use super::report::{Report, joined, or, scalar};
use super::selectors;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// How many endpoints of a port are shown.
const SHOWN: usize = 3;

/// `slices` are the Service's EndpointSlices.
pub fn describe(report: &mut Report, service: &Value, slices: &[Value]) {
    name_and_namespace(report, service);
    labels_and_annotations(report, service);
    report.field(0, "Selector", selectors::labels(service.map("spec.selector")));
    report.field(0, "Type", service.text("spec.type"));
    report.field_if(0, "IP Family Policy", service.text("spec.ipFamilyPolicy"));
    report.field(0, "IP Families", or(&joined(service.list("spec.ipFamilies"), ","), "<none>"));
    report.field(0, "IP", service.text("spec.clusterIP"));
    report.field(0, "IPs", or(&joined(service.list("spec.clusterIPs"), ","), "<none>"));
    report.field_if(0, "External IPs", &joined(service.list("spec.externalIPs"), ","));
    report.field_if(0, "Desired LoadBalancer IP", service.text("spec.loadBalancerIP"));
    report.field_if(0, "External Name", service.text("spec.externalName"));
    let ingress: Vec<String> = service.list("status.loadBalancer.ingress").iter().map(ingress).collect();
    if !ingress.is_empty() {
        report.field(0, "LoadBalancer Ingress", ingress.join(", "));
    }
    for port in service.list("spec.ports") {
        let (name, protocol) = (or(port.text("name"), "<unset>"), port.text("protocol"));
        report.field(0, "Port", format_args!("{name}\t{}/{protocol}", scalar(port.at("port"))));
        report.field(0, "TargetPort", format_args!("{}/{protocol}", or(&scalar(port.at("targetPort")), "0")));
        if port.has("appProtocol") {
            report.field(0, "AppProtocol", port.text("appProtocol"));
        }
        if let Some(node_port @ 1..) = port.int("nodePort") {
            report.field(0, "NodePort", format_args!("{name}\t{node_port}/{protocol}"));
        }
        report.field(0, "Endpoints", endpoints(slices, port.text("name")));
    }
    report.field(0, "Session Affinity", service.text("spec.sessionAffinity"));
    report.field_if(0, "External Traffic Policy", service.text("spec.externalTrafficPolicy"));
    report.field_if(0, "Internal Traffic Policy", service.text("spec.internalTrafficPolicy"));
    if let Some(port @ 1..) = service.int("spec.healthCheckNodePort") {
        report.field(0, "HealthCheck NodePort", port);
    }
    report.field_if(0, "LoadBalancer Source Ranges", &joined(service.list("spec.loadBalancerSourceRanges"), ","));
    report.field_if(0, "Traffic Distribution", service.text("spec.trafficDistribution"));
}

fn ingress(ingress: &Value) -> String {
    match (ingress.text("ip"), ingress.text("ipMode")) {
        ("", _) => ingress.text("hostname").to_string(),
        (ip, "") => ip.to_string(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

/// The addresses that take traffic for a port of the Service: `10.244.0.5:80,10.244.1.7:80`.
fn endpoints(slices: &[Value], port: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_string();
    }
    let mut all: Vec<String> = Vec::new();
    for slice in slices {
        let ready = || {
            let ready = slice.list("endpoints").iter().filter(|e| e.at("conditions.ready").as_bool() != Some(false));
            ready.filter_map(|endpoint| endpoint.list("addresses").first()?.as_str())
        };
        // A headless Service may have no ports at all.
        if slice.list("ports").is_empty() {
            all.extend(ready().map(str::to_string));
        }
        for own in slice.list("ports").iter().filter(|own| own.text("name") == port) {
            let number = scalar(own.at("port"));
            all.extend(ready().map(|address| {
                if address.contains(':') { format!("[{address}]:{number}") } else { format!("{address}:{number}") }
            }));
        }
    }
    if all.len() <= SHOWN {
        return all.join(",");
    }
    format!("{} + {} more...", all[..SHOWN].join(","), all.len() - SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn slice(ready: &[bool]) -> Value {
        let endpoints: Vec<Value> = ready
            .iter()
            .enumerate()
            .map(|(i, ready)| json!({"addresses": [format!("10.244.0.{i}")], "conditions": {"ready": ready}}))
            .collect();
        json!({"ports": [{"name": "http", "port": 80}], "endpoints": endpoints})
    }

    #[test]
    fn endpoints_that_are_ready_are_shown_up_to_three() {
        assert_eq!(endpoints(&[], "http"), "<none>");
        assert_eq!(endpoints(&[slice(&[false])], "http"), "");
        assert_eq!(endpoints(&[slice(&[true, false, true])], "http"), "10.244.0.0:80,10.244.0.2:80");
        assert_eq!(endpoints(&[slice(&[true])], "other"), "");
        assert_eq!(endpoints(&[slice(&[true; 5])], "http"), "10.244.0.0:80,10.244.0.1:80,10.244.0.2:80 + 2 more...");
        let headless = json!({"endpoints": [{"addresses": ["fd00::1"]}]});
        assert_eq!(endpoints(&[headless], ""), "fd00::1");
    }
}
