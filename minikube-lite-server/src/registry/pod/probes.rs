//! Validation of probes and lifecycle hooks.

use super::validation::PodContext;
use crate::registry::check;
use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::names;
use shared_types::validation::{ErrorList, FieldError, Path};

/// A container's liveness, readiness and startup probe.
pub fn validate_probes(container: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.at(field);
        if probe.is_null() {
            continue;
        }
        let path = path.child(field);
        validate_probe(probe, pod, &path, errors);
        if field == "readinessProbe" {
            if let Some(seconds) = probe.int("terminationGracePeriodSeconds") {
                let path = path.child("terminationGracePeriodSeconds");
                errors.push(FieldError::invalid(&path, seconds, "must not be set for readinessProbes"));
            }
        } else if probe.int("successThreshold") != Some(1) {
            let threshold = probe.int("successThreshold").unwrap_or(0);
            errors.push(FieldError::invalid(&path.child("successThreshold"), threshold, "must be 1"));
        }
    }
}

/// A container's `lifecycle`.
pub fn validate_lifecycle(container: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    let path = path.child("lifecycle");
    for hook in ["postStart", "preStop"] {
        let handler = container.at("lifecycle").at(hook);
        if !handler.is_null() {
            let handlers = ["exec", "httpGet", "tcpSocket", "sleep"];
            validate_handler(handler, &handlers, pod, &path.child(hook), errors);
        }
    }
}

fn validate_probe(probe: &Value, pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    validate_handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], pod, path, errors);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        check::non_negative(probe, field, path, errors);
    }
    if let Some(seconds) = probe.int("terminationGracePeriodSeconds").filter(|seconds| *seconds <= 0) {
        let path = path.child("terminationGracePeriodSeconds");
        errors.push(FieldError::invalid(&path, seconds, "must be greater than 0"));
    }
}

fn validate_handler(handler: &Value, kinds: &[&str], pod: &PodContext, path: &Path, errors: &mut ErrorList) {
    let mut found = false;
    for kind in kinds {
        let action = handler.at(kind);
        if action.is_null() {
            continue;
        }
        let path = path.child(kind);
        if found {
            errors.push(FieldError::forbidden(&path, "may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        match *kind {
            "exec" if action.list("command").is_empty() => {
                errors.push(FieldError::required(&path.child("command"), ""));
            }
            "httpGet" => validate_http_get(action, &path, errors),
            "tcpSocket" | "grpc" => check::port_number_or_name(action.at("port"), &path.child("port"), errors),
            "sleep" => {
                let seconds = action.int("seconds").unwrap_or(0);
                if let Some(grace) = pod.grace_period.filter(|grace| seconds < 0 || seconds > *grace) {
                    let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                    errors.push(FieldError::invalid(&path, seconds, why));
                }
            }
            _ => {}
        }
    }
    if !found {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
}

fn validate_http_get(action: &Value, path: &Path, errors: &mut ErrorList) {
    check::required(action, "path", path, errors);
    check::port_number_or_name(action.at("port"), &path.child("port"), errors);
    if !["HTTP", "HTTPS"].contains(&action.text("scheme")) {
        let supported = ["HTTP", "HTTPS"];
        errors.push(FieldError::not_supported(&path.child("scheme"), action.text("scheme"), &supported));
    }
    for header in action.list("httpHeaders") {
        let name = header.text("name");
        check::report(names::is_http_header_name(name), name, &path.child("httpHeaders"), errors);
    }
}
