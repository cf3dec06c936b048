//! The health checks of gRPC servers (`grpc.health.v1.Health`).

use super::{Answer, Target};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: usize = 1;
/// The gRPC status `UNIMPLEMENTED`.
const UNIMPLEMENTED: &str = "12";

/// Asks a server about its health.
pub async fn check(target: &Target, port: u16, service: &str, limit: Duration) -> Answer {
    let address = format!("{}:{port}", target.pod_ip);
    let seconds = limit.as_secs();
    let late = tokio::time::sleep(limit);
    tokio::pin!(late);
    let connected = async {
        let stream = target.dial("", port).await.ok()?;
        let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = made.ok()?;
        let running = AbortOnDropHandle::new(tokio::spawn(async move {
            // Its end shows in the exchange.
            let _ = connection.await;
        }));
        sender.ready().await.ok()?;
        Some((sender, running))
    };
    let connected = tokio::select! {
        connected = connected => connected,
        () = &mut late => None,
    };
    let Some((mut sender, _running)) = connected else {
        // As gRPC does, connecting is tried until the time is over.
        late.await;
        return Answer::Failure(format!(
            "timeout: failed to connect service \"{address}\" within {seconds}s: context deadline exceeded"
        ));
    };
    let exchange = async {
        let answer = sender.send_request(request(&address, service)).await.map_err(|why| why.to_string())?;
        let headers = answer.headers().clone();
        let collected = answer.into_body().collect().await.map_err(|why| why.to_string())?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok::<_, String>((headers, trailers, collected.to_bytes()))
    };
    tokio::select! {
        exchanged = exchange => match exchanged {
            Ok((headers, trailers, body)) => judge(&headers, &trailers, &body),
            Err(why) => Answer::Failure(format!("error: health rpc probe failed: rpc error: code = Unavailable desc = {why}")),
        },
        () = &mut late => Answer::Failure(format!("timeout: health rpc did not complete within {seconds}s")),
    }
}

fn request(address: &str, service: &str) -> Request<Full<Bytes>> {
    // HealthCheckRequest: field 1, a string.
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(service.as_bytes());
    }
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    body.extend(message);
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    if let Ok(uri) = format!("http://{address}/grpc.health.v1.Health/Check").parse() {
        *request.uri_mut() = uri;
    }
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static("kube-probe/1.36"));
    request
}

fn judge(headers: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Answer {
    let field = |name: &str| {
        let value = trailers.get(name).or_else(|| headers.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_string()
    };
    match field("grpc-status").as_str() {
        "0" => {}
        UNIMPLEMENTED => {
            return Answer::Failure(format!(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
                field("grpc-message")
            ));
        }
        code => {
            let what = if code.is_empty() { "the server does not speak gRPC".into() } else { field("grpc-message") };
            return Answer::Failure(format!("error: health rpc probe failed: {what}"));
        }
    }
    // HealthCheckResponse: field 1, a number, which is left out when it is zero.
    let status = match body.get(5..) {
        Some([0x08, status, ..]) => usize::from(*status),
        _ => 0,
    };
    match status {
        SERVING => Answer::Success,
        other => {
            let name = STATUSES.get(other).copied().unwrap_or("UNKNOWN");
            Answer::Failure(format!("service unhealthy (responded with \"{name}\")"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        let status = |code: &'static str| {
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(code))])
        };
        let none = HeaderMap::new();
        assert_eq!(judge(&none, &status("0"), &[0, 0, 0, 0, 2, 8, 1]), Answer::Success);
        let unhealthy = "service unhealthy (responded with \"NOT_SERVING\")";
        assert_eq!(judge(&none, &status("0"), &[0, 0, 0, 0, 2, 8, 2]), Answer::Failure(unhealthy.into()));
        assert!(matches!(judge(&status("12"), &none, &[]), Answer::Failure(why) if why.contains("does not implement")));
    }
}
