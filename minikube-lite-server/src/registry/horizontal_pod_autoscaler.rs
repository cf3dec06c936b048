//! HorizontalPodAutoscalers.

use super::check;
use super::pod::resources::validate_container_resource_name;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::names;
use shared_types::quantity::Quantity;
use shared_types::validation::{ErrorList, FieldError, Path};

pub struct HorizontalPodAutoscaler;

impl Strategy for HorizontalPodAutoscaler {
    fn default(&self, autoscaler: &mut Value) {
        autoscaler.set_default("spec.minReplicas", 1);
        if autoscaler.list("spec.metrics").is_empty() {
            let target = json!({"type": "Utilization", "averageUtilization": 80});
            let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
            autoscaler.set("spec.metrics", vec![cpu]);
        }
        if autoscaler.at("spec.behavior").is_object() {
            default_behavior(autoscaler);
        }
    }

    fn prepare_for_create(&self, autoscaler: &mut Value) {
        autoscaler.remove("status");
    }

    fn validate(&self, autoscaler: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let spec = Path::new("spec");
        let (least, most) = (autoscaler.int("spec.minReplicas"), autoscaler.int("spec.maxReplicas").unwrap_or(0));
        if let Some(least) = least.filter(|least| *least < 1) {
            errors.push(FieldError::invalid(&spec.child("minReplicas"), least, "must be greater than or equal to 1"));
        }
        if most < 1 {
            errors.push(FieldError::invalid(&spec.child("maxReplicas"), most, "must be greater than 0"));
        }
        if least.is_some_and(|least| most < least) {
            let why = "must be greater than or equal to `minReplicas`";
            errors.push(FieldError::invalid(&spec.child("maxReplicas"), most, why));
        }
        let target = spec.child("scaleTargetRef");
        validate_reference(autoscaler.at("spec.scaleTargetRef"), &target, &mut errors);
        for (index, metric) in autoscaler.list("spec.metrics").iter().enumerate() {
            validate_metric(metric, &spec.child("metrics").index(index), &mut errors);
        }
        for direction in ["scaleUp", "scaleDown"] {
            let rules = autoscaler.at("spec.behavior").at(direction);
            if !rules.is_null() {
                validate_rules(rules, &spec.child("behavior").child(direction), &mut errors);
            }
        }
        errors
    }

    fn allows_unconditional_update(&self) -> bool {
        true
    }
}

/// What a behavior leaves open, as in autoscaling/v2.
fn default_behavior(autoscaler: &mut Value) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    autoscaler.set_default("spec.behavior.scaleUp.stabilizationWindowSeconds", 0);
    for (direction, policies) in [("scaleUp", vec![pods, percent.clone()]), ("scaleDown", vec![percent])] {
        autoscaler.set_default(&format!("spec.behavior.{direction}.selectPolicy"), "Max");
        autoscaler.set_default(&format!("spec.behavior.{direction}.policies"), policies);
    }
}

/// A reference to an object of any kind has a kind and a name.
fn validate_reference(reference: &Value, path: &Path, errors: &mut ErrorList) {
    for field in ["kind", "name"] {
        match reference.text(field) {
            "" => errors.push(FieldError::required(&path.child(field), "")),
            name => {
                check::report(super::metadata::path_segment_name(name, false), name, &path.child(field), errors);
            }
        }
    }
}

/// The sources of metrics by the field that describes them, in the order in which they are looked at.
const SOURCES: [(&str, &str); 5] = [
    ("object", "Object"),
    ("external", "External"),
    ("pods", "Pods"),
    ("resource", "Resource"),
    ("containerResource", "ContainerResource"),
];
const SOURCE_TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

fn validate_metric(metric: &Value, path: &Path, errors: &mut ErrorList) {
    let source_type = metric.text("type");
    let unknown = || FieldError::not_supported(&path.child("type"), source_type, &SOURCE_TYPES);
    if source_type.is_empty() {
        errors.push(FieldError::required(&path.child("type"), "must specify a metric source type"));
    }
    let expected = SOURCES.iter().find(|(_, known)| *known == source_type).map(|(field, _)| *field);
    if expected.is_none() {
        errors.push(unknown());
    }
    let mut present: Vec<&str> = SOURCES.iter().map(|(field, _)| *field).filter(|field| metric.has(field)).collect();
    // Of several the first alone is looked into.
    if let Some(field) = present.first() {
        validate_source(field, metric.at(field), &path.child(field), errors);
    }
    match expected {
        Some(field) if !metric.has(field) => {
            let why = "must populate information for the given metric source";
            errors.push(FieldError::required(&path.child(field), why));
        }
        Some(_) => {}
        None => errors.push(unknown()),
    }
    if present.len() != 1 {
        present.retain(|field| Some(*field) != expected);
        present.sort_unstable();
        let why = "must populate the given metric source only";
        errors.extend(present.iter().map(|field| FieldError::forbidden(&path.child(field), why)));
    }
}

fn validate_source(field: &str, source: &Value, path: &Path, errors: &mut ErrorList) {
    let target = path.child("target");
    let has = |value: &str| source.at("target").has(value);
    if field == "object" {
        validate_reference(source.at("describedObject"), &path.child("describedObject"), errors);
    }
    match field {
        "resource" | "containerResource" => {
            match (source.text("name"), field) {
                ("", _) => errors.push(FieldError::required(&path.child("name"), "must specify a resource name")),
                (name, "containerResource") => validate_container_resource_name(name, &path.child("name"), errors),
                _ => {}
            }
            match (source.text("container"), field) {
                (_, "resource") => {}
                ("", _) => errors.push(FieldError::required(&path.child("container"), "must specify a container")),
                (name, _) => check::report(names::is_dns1123_label(name), name, &path.child("container"), errors),
            }
            validate_target(source.at("target"), &target, errors);
            match (has("averageUtilization"), has("averageValue")) {
                (false, false) => {
                    let why = "must set either a target raw value or a target utilization";
                    errors.push(FieldError::required(&target.child("averageUtilization"), why));
                }
                (true, true) => {
                    let why = "may not set both a target raw value and a target utilization";
                    errors.push(FieldError::forbidden(&target.child("averageValue"), why));
                }
                _ => {}
            }
        }
        _ => {
            let metric = path.child("metric");
            let name = metric.child("name");
            match source.text("metric.name") {
                "" => errors.push(FieldError::required(&name, "must specify a metric name")),
                given => check::report(super::metadata::path_segment_name(given, false), given, &name, errors),
            }
            validate_target(source.at("target"), &target, errors);
            let missing = match field {
                "object" => {
                    (!has("value") && !has("averageValue")).then_some("must set either a target value or averageValue")
                }
                "external" => (!has("value") && !has("averageValue"))
                    .then_some("must set either a target value for metric or a per-pod target"),
                _ => (!has("averageValue")).then_some("must specify a positive target averageValue"),
            };
            if let Some(why) = missing {
                errors.push(FieldError::required(&target.child("averageValue"), why));
            }
            if field == "external" && has("value") && has("averageValue") {
                let why = "may not set both a target value for metric and a per-pod target";
                errors.push(FieldError::forbidden(&target.child("value"), why));
            }
        }
    }
}

fn validate_target(target: &Value, path: &Path, errors: &mut ErrorList) {
    let target_type = target.text("type");
    if target_type.is_empty() {
        errors.push(FieldError::required(&path.child("type"), "must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&target_type) {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(&path.child("type"), target_type, why));
    }
    for field in ["value", "averageValue"] {
        let amount = Quantity::parse(target.text(field)).ok();
        if amount.is_some_and(|amount| amount.is_negative() || amount.is_zero()) {
            errors.push(FieldError::invalid(&path.child(field), target.text(field), "must be positive"));
        }
    }
    if let Some(percent) = target.int("averageUtilization").filter(|percent| *percent < 1) {
        errors.push(FieldError::invalid(&path.child("averageUtilization"), percent, "must be greater than 0"));
    }
}

/// How the size may change.
fn validate_rules(rules: &Value, path: &Path, errors: &mut ErrorList) {
    /// The longest window and period, in seconds.
    const WINDOW: i64 = 3600;
    const PERIOD: i64 = 1800;
    let window = path.child("stabilizationWindowSeconds");
    match rules.int("stabilizationWindowSeconds") {
        Some(seconds) if seconds < 0 => {
            errors.push(FieldError::invalid(&window, seconds, "must be greater than or equal to zero"));
        }
        Some(seconds) if seconds > WINDOW => {
            errors.push(FieldError::invalid(&window, seconds, format!("must be less than or equal to {WINDOW}")));
        }
        _ => {}
    }
    check::one_of(rules, "selectPolicy", &["Disabled", "Max", "Min"], path, errors);
    let policies = path.child("policies");
    if rules.list("policies").is_empty() {
        errors.push(FieldError::required(&policies, "must specify at least one Policy"));
    }
    for (index, policy) in rules.list("policies").iter().enumerate() {
        let path = policies.index(index);
        let types = ["Percent", "Pods"];
        if !types.contains(&policy.text("type")) {
            errors.push(FieldError::not_supported(&path.child("type"), policy.text("type"), &types));
        }
        for field in ["value", "periodSeconds"] {
            let number = policy.int(field).unwrap_or(0);
            if number <= 0 {
                errors.push(FieldError::invalid(&path.child(field), number, check::NOT_POSITIVE));
            }
            if field == "periodSeconds" && number > PERIOD {
                let why = format!("must be less than or equal to {PERIOD}");
                errors.push(FieldError::invalid(&path.child(field), number, why));
            }
        }
    }
    let tolerance = rules.text("tolerance");
    if Quantity::parse(tolerance).is_ok_and(|amount| amount.is_negative()) {
        errors.push(FieldError::invalid(&path.child("tolerance"), tolerance, check::NEGATIVE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_on_cpu_by_default() {
        let mut autoscaler = json!({"spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "Deployment"}}});
        HorizontalPodAutoscaler.default(&mut autoscaler);
        assert_eq!(autoscaler.list("spec.metrics")[0].text("resource.name"), "cpu");
        let fields: Vec<String> = HorizontalPodAutoscaler.validate(&autoscaler).into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["spec.maxReplicas", "spec.maxReplicas", "spec.scaleTargetRef.name"]);
    }
    fn errors(spec: Value) -> Vec<String> {
        let mut spec = spec;
        spec.set("maxReplicas", 3);
        spec.set("scaleTargetRef", json!({"kind": "Deployment", "name": "web"}));
        let mut autoscaler = json!({"spec": spec});
        HorizontalPodAutoscaler.default(&mut autoscaler);
        HorizontalPodAutoscaler
            .validate(&autoscaler)
            .into_iter()
            .map(|e| format!("{}: {}", e.field, e.body()))
            .collect()
    }

    #[test]
    fn each_source_is_described_by_its_field() {
        let cpu = |target: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        let right = cpu(json!({"type": "Utilization", "averageUtilization": 50}));
        assert_eq!(errors(json!({"metrics": [right]})), [""; 0]);
        let both = cpu(json!({"type": "Utilization", "averageUtilization": 0, "averageValue": "-1"}));
        let known = "supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"";
        let wrong = json!({"metrics": [
            both,
            {"type": "Pods", "resource": {"name": "", "target": {"type": "Rate"}}},
            {"type": "Magic"},
            {"type": "Object", "object": {"describedObject": {"kind": "Ingress"}, "metric": {"name": "a/b"}, "target": {"type": "Value"}},
                "external": {}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 1}}},
            {"type": "External", "external": {"metric": {}, "target": {"type": "Value", "value": "1", "averageValue": "1"}}},
            {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue"}}},
        ]});
        assert_eq!(
            errors(wrong),
            [
                "spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be positive".to_string(),
                "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0".to_string(),
                "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization".to_string(),
                "spec.metrics[1].resource.name: Required value: must specify a resource name".to_string(),
                "spec.metrics[1].resource.target.type: Invalid value: \"Rate\": must be either Utilization, Value, or AverageValue".to_string(),
                "spec.metrics[1].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization".to_string(),
                "spec.metrics[1].pods: Required value: must populate information for the given metric source".to_string(),
                format!("spec.metrics[2].type: Unsupported value: \"Magic\": {known}"),
                format!("spec.metrics[2].type: Unsupported value: \"Magic\": {known}"),
                "spec.metrics[3].object.describedObject.name: Required value".to_string(),
                "spec.metrics[3].object.metric.name: Invalid value: \"a/b\": may not contain '/'".to_string(),
                "spec.metrics[3].object.target.averageValue: Required value: must set either a target value or averageValue".to_string(),
                "spec.metrics[3].external: Forbidden: must populate the given metric source only".to_string(),
                "spec.metrics[4].containerResource.container: Required value: must specify a container".to_string(),
                "spec.metrics[5].external.metric.name: Required value: must specify a metric name".to_string(),
                "spec.metrics[5].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target".to_string(),
                "spec.metrics[6].pods.target.averageValue: Required value: must specify a positive target averageValue".to_string(),
            ]
        );
    }

    #[test]
    fn behavior_has_defaults_and_bounds() {
        let mut autoscaler = json!({"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}});
        HorizontalPodAutoscaler.default(&mut autoscaler);
        let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
        let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
        let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]});
        let down = json!({"stabilizationWindowSeconds": 5, "selectPolicy": "Max", "policies": [percent]});
        assert_eq!(autoscaler.at("spec.behavior"), &json!({"scaleUp": up, "scaleDown": down}));
        let policies = json!([{"type": "Nodes", "value": 0, "periodSeconds": 1801}]);
        let wrong = json!({"behavior": {
            "scaleUp": {"stabilizationWindowSeconds": -1, "selectPolicy": "Sum", "policies": [], "tolerance": "-0.1"},
            "scaleDown": {"stabilizationWindowSeconds": 3601, "policies": policies},
        }});
        assert_eq!(
            errors(wrong),
            [
                "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
                "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Sum\": supported values: \"Disabled\", \"Max\", \"Min\"",
                "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
                "spec.behavior.scaleUp.tolerance: Invalid value: \"-0.1\": must be greater than or equal to 0",
                "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
                "spec.behavior.scaleDown.policies[0].type: Unsupported value: \"Nodes\": supported values: \"Percent\", \"Pods\"",
                "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
                "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
            ]
        );
    }
}
