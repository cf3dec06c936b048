//! `/healthz`, `/livez`, `/readyz` and `/version`.

use super::query::Query;
use super::respond;
use axum::body::Body;
use http::Response;
use shared_types::json::json;

/// Checks that each of the paths runs. The server answers at all only when they hold.
const CHECKS: &[&str] = &["ping", "log", "etcd", "poststarthook/start-apiserver-controllers", "shutdown"];

/// The answer to a health path such as `/readyz` or `/healthz/ping`; `None` for any other.
pub fn answer(path: &str, query: &Query, stopping: bool) -> Option<Response<Body>> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let root = parts.next().unwrap_or("");
    let checks = CHECKS.iter().filter(|check| **check != "shutdown" || root == "readyz");
    if !["healthz", "livez", "readyz"].contains(&root) {
        return None;
    }
    if let Some(check) = parts.next().filter(|check| !check.is_empty()) {
        let known = checks.into_iter().any(|known| *known == check);
        return Some(if known { respond::text(200, "ok") } else { respond::not_found_page() });
    }
    let failing = |check: &str| stopping && check == "shutdown";
    let failed = stopping && root == "readyz";
    if !query.has("verbose") && !failed {
        return Some(respond::text(200, "ok"));
    }
    let excluded = query.all("exclude");
    let mut lines = String::new();
    for check in checks {
        if excluded.contains(check) {
            lines += &format!("[+]{check} excluded: ok\n");
        } else if failing(check) {
            lines += &format!("[-]{check} failed: reason withheld\n");
        } else {
            lines += &format!("[+]{check} ok\n");
        }
    }
    let code = if failed { 500 } else { 200 };
    let verdict = if failed { "failed" } else { "passed" };
    Some(respond::text(code, format!("{lines}{root} check {verdict}\n")))
}

/// What `/version` tells: the Kubernetes version whose interface this is.
pub fn version() -> shared_types::json::Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }),
    })
}
