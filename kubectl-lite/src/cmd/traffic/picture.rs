//! What there is to show of a Service.

use super::metrics::Sample;
use shared_types::fields::Fields;
use shared_types::json::Value;

/// The counters of what an endpoint of a Service has taken. A connection of something else than HTTP counts as one
/// request.
const REQUESTS: [&str; 2] =
    ["minikube_lite_service_endpoint_requests_total", "minikube_lite_service_endpoint_connections_total"];

/// A Service at one moment.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `default/backend`.
    pub name: String,
    /// `ClusterIP 10.98.61.189`.
    pub address: String,
    /// `http 80/TCP → 3000`.
    pub ports: Vec<String>,
    pub endpoints: Vec<Endpoint>,
    /// Whether the server counts requests.
    pub counted: bool,
}

/// One port of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The Pod's name, or that of whatever else it is.
    pub target: String,
    /// `10.244.0.3:3000`.
    pub address: String,
    /// The name of the port, where it has one.
    pub port: String,
    pub state: State,
    /// How many requests it has taken; `None` where nobody counts.
    pub requests: Option<u64>,
}

/// What becomes of new connections to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    NotReady,
    /// It is going, and still serves.
    Terminating,
}

impl State {
    pub fn text(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::NotReady => "not ready",
            State::Terminating => "terminating",
        }
    }
}

impl Picture {
    /// From the Service, its EndpointSlices, and what the server counts, if it does.
    pub fn new(service: &Value, slices: &[Value], counters: Option<&[Sample]>) -> Picture {
        let counters = counters.filter(|samples| samples.iter().any(|sample| REQUESTS.contains(&sample.name.as_str())));
        let taken = |address: &str| {
            counters.map(|samples| {
                let count = |counter: &&str| -> u64 {
                    let own = samples.iter().filter(|sample| {
                        sample.name == **counter
                            && sample.label("namespace") == service.namespace()
                            && sample.label("service") == service.name()
                            && sample.label("endpoint") == address
                    });
                    own.map(|sample| sample.value as u64).sum()
                };
                REQUESTS.iter().map(count).max().unwrap_or(0)
            })
        };
        let mut endpoints = Vec::new();
        for slice in slices {
            for endpoint in slice.list("endpoints") {
                let Some(ip) = endpoint.list("addresses").first().and_then(Value::as_str) else { continue };
                for port in slice.list("ports") {
                    let address = format!("{ip}:{}", port.int("port").unwrap_or(0));
                    endpoints.push(Endpoint {
                        target: endpoint.text("targetRef.name").to_string(),
                        requests: taken(&address),
                        address,
                        port: port.text("name").to_string(),
                        state: state(endpoint),
                    });
                }
            }
        }
        endpoints.sort_by(|a, b| (&a.port, &a.target, &a.address).cmp(&(&b.port, &b.target, &b.address)));
        Picture {
            name: format!("{}/{}", service.namespace(), service.name()),
            address: address(service),
            ports: service.list("spec.ports").iter().map(port).collect(),
            endpoints,
            counted: counters.is_some(),
        }
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.endpoints.iter().filter_map(|endpoint| endpoint.requests).sum()
    }
}

fn state(endpoint: &Value) -> State {
    let conditions = endpoint.at("conditions");
    // A condition that is not there counts as met.
    let met = |name: &str| conditions.at(name).as_bool().unwrap_or(true);
    if conditions.flag("terminating") && met("serving") {
        State::Terminating
    } else if met("ready") {
        State::Ready
    } else {
        State::NotReady
    }
}

fn address(service: &Value) -> String {
    let kind = service.text("spec.type");
    match service.text("spec.clusterIP") {
        _ if kind == "ExternalName" => format!("ExternalName {}", service.text("spec.externalName")),
        "None" => "headless".to_string(),
        ip => {
            let outside = service.list("status.loadBalancer.ingress").iter().map(|ingress| ingress.text("ip"));
            let all: Vec<_> = std::iter::once(ip).chain(outside).filter(|ip| !ip.is_empty()).collect();
            format!("{kind} {}", all.join(", "))
        }
    }
}

fn port(port: &Value) -> String {
    let number = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let mut text = format!("{}/{}", number(port.at("port")), port.text("protocol"));
    if !port.text("name").is_empty() {
        text = format!("{} {text}", port.text("name"));
    }
    if port.has("targetPort") {
        text = format!("{text} → {}", number(port.at("targetPort")));
    }
    if port.has("nodePort") {
        text = format!("{text} (node port {})", number(port.at("nodePort")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn endpoints_get_their_counts() {
        let service = json!({
            "metadata": {"name": "backend", "namespace": "default"},
            "spec": {"type": "NodePort", "clusterIP": "10.96.0.9",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web", "nodePort": 30080}]},
        });
        let slice = json!({"ports": [{"name": "http", "port": 3000}], "endpoints": [
            {"addresses": ["10.244.0.3"], "targetRef": {"name": "b"}, "conditions": {"ready": true}},
            {"addresses": ["10.244.0.2"], "targetRef": {"name": "a"},
                "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.244.0.4"], "targetRef": {"name": "c"}, "conditions": {"ready": false, "serving": false}},
        ]});
        let sample = |service: &str, endpoint: &str, value: f64| Sample {
            name: REQUESTS[0].into(),
            labels: [("namespace", "default"), ("service", service), ("endpoint", endpoint)]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            value,
        };
        let counters = [sample("backend", "10.244.0.3:3000", 7.0), sample("other", "10.244.0.2:3000", 9.0)];
        let picture = Picture::new(&service, std::slice::from_ref(&slice), Some(&counters));
        let rows: Vec<_> = picture.endpoints.iter().map(|e| (e.target.as_str(), e.state.text(), e.requests)).collect();
        assert_eq!(rows, [("a", "terminating", Some(0)), ("b", "ready", Some(7)), ("c", "not ready", Some(0))]);
        assert_eq!((picture.address.as_str(), picture.total()), ("NodePort 10.96.0.9", 7));
        assert_eq!(picture.ports, ["http 80/TCP → web (node port 30080)"]);
        assert!(!Picture::new(&service, &[slice], Some(&[])).counted);
    }
}
