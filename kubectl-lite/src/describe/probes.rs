//! Probes, one line each.

use super::report::{joined, scalar};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared_types::fields::Fields;
use shared_types::json::Value;

/// What a URL's path keeps as it is (Go's `net/url`).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// `http-get http://:80/healthz delay=0s timeout=1s period=10s #success=1 #failure=3`.
pub fn text(probe: &Value) -> String {
    let number = |path: &str| probe.int(path).unwrap_or(0);
    let how_often = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
        number("periodSeconds"),
        number("successThreshold"),
        number("failureThreshold")
    );
    if probe.has("exec") {
        return format!("exec [{}] {how_often}", joined(probe.list("exec.command"), " "));
    }
    if probe.has("httpGet") {
        return format!("http-get {} {how_often}", url(probe.at("httpGet")));
    }
    if probe.has("tcpSocket") {
        let socket = probe.at("tcpSocket");
        return format!("tcp-socket {}:{} {how_often}", socket.text("host"), scalar(socket.at("port")));
    }
    if probe.has("grpc") {
        let grpc = probe.at("grpc");
        return format!("grpc <pod>:{} {} {how_often}", scalar(grpc.at("port")), grpc.text("service"));
    }
    format!("unknown {how_often}")
}

fn url(get: &Value) -> String {
    let (host, port) = (get.text("host"), scalar(get.at("port")));
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    let host = if port.is_empty() { host } else { format!("{host}:{port}") };
    let path = utf8_percent_encode(get.text("path"), PATH).to_string();
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    format!("{}://{host}{slash}{path}", get.text("scheme").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    #[test]
    fn each_handler_has_its_form() {
        let rest = "delay=0s timeout=1s period=10s #success=1 #failure=3";
        let cases = [
            (json!({"exec": {"command": ["cat", "/tmp/ok"]}}), "exec [cat /tmp/ok]"),
            (json!({"httpGet": {"scheme": "HTTP", "port": "web", "path": "/a?b"}}), "http-get http://:web/a%3Fb"),
            (
                json!({"httpGet": {"scheme": "HTTPS", "port": 8443, "host": "::1", "path": "x"}}),
                "http-get https://[::1]:8443/x",
            ),
            (json!({"tcpSocket": {"port": 80}}), "tcp-socket :80"),
            (json!({"grpc": {"port": 9, "service": ""}}), "grpc <pod>:9 "),
            (json!({}), "unknown"),
        ];
        for (mut probe, expected) in cases {
            for (path, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                probe.set(path, value);
            }
            assert_eq!(text(&probe), format!("{expected} {rest}"));
        }
    }
}
