//! Which container of a Pod a request means.

use shared_types::fields::Fields;
use shared_types::json::Value;
use shared_types::status::Status;

/// The container that is asked for, or the only one.
///
/// # Errors
/// `BadRequest` when there is no such container, or there are several and none was named.
pub fn choose(pod: &Value, wanted: &str) -> Result<String, Status> {
    let of = |list: &str| -> Vec<String> {
        pod.list(list).iter().map(|container| container.text("name").to_string()).collect()
    };
    let containers = of("spec.containers");
    // The order in which Kubernetes visits them.
    let all = [of("spec.initContainers"), containers.clone(), of("spec.ephemeralContainers")].concat();
    let pod = pod.name();
    match (wanted, containers.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", []) => Err(Status::bad_request(format!("a container name must be specified for pod {pod}"))),
        ("", _) => {
            let all = all.join(" ");
            let why = format!("a container name must be specified for pod {pod}, choose one of: [{all}]");
            Err(Status::bad_request(why))
        }
        _ if all.iter().any(|name| name == wanted) => Ok(wanted.to_string()),
        _ => Err(Status::bad_request(format!("container {wanted} is not valid for pod {pod}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::json::json;

    fn chosen(pod: &Value, wanted: &str) -> Result<String, String> {
        choose(pod, wanted).map_err(|status| status.message)
    }

    #[test]
    fn the_only_container_need_not_be_named() {
        let pod = json!({"metadata": {"name": "web"}, "spec": {
            "initContainers": [{"name": "setup"}], "containers": [{"name": "nginx"}]}});
        assert_eq!(chosen(&pod, ""), Ok("nginx".into()));
        assert_eq!(chosen(&pod, "setup"), Ok("setup".into()));
        assert_eq!(chosen(&pod, "other"), Err("container other is not valid for pod web".into()));
    }

    #[test]
    fn one_of_several_must_be_named() {
        let pod = json!({"metadata": {"name": "web"}, "spec": {
            "initContainers": [{"name": "setup"}], "containers": [{"name": "a"}, {"name": "b"}]}});
        let why = "a container name must be specified for pod web, choose one of: [setup a b]";
        assert_eq!(chosen(&pod, ""), Err(why.into()));
        assert_eq!(chosen(&pod, "b"), Ok("b".into()));
    }
}
