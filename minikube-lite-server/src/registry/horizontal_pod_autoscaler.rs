//! HorizontalPodAutoscalers.

use super::check;
use super::strategy::Strategy;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
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
        for field in ["kind", "name"] {
            let name = autoscaler.at("spec.scaleTargetRef").text(field);
            match name {
                "" => errors.push(FieldError::required(&target.child(field), "")),
                _ => check::report(
                    super::metadata::path_segment_name(name, false),
                    name,
                    &target.child(field),
                    &mut errors,
                ),
            }
        }
        errors
    }

    fn allows_unconditional_update(&self) -> bool {
        true
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
}
