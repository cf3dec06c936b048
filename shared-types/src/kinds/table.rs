//! The rows of the table of kinds.

use super::{Kind, Subresource};

const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Namespaces cannot be deleted as a collection.
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const CREATE: &[&str] = &["create"];
const READ: &[&str] = &["get", "list", "watch"];
const GET: &[&str] = &["get"];
const GET_PATCH_UPDATE: &[&str] = &["get", "patch", "update"];
const STREAM: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

const STATUS: Subresource = Subresource { name: "status", gvk: None, verbs: GET_PATCH_UPDATE };
const SCALE: Subresource =
    Subresource { name: "scale", gvk: Some(("autoscaling", "v1", "Scale")), verbs: GET_PATCH_UPDATE };

const fn sub(
    name: &'static str,
    gvk: (&'static str, &'static str, &'static str),
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource { name, gvk: Some(gvk), verbs }
}

/// A row with the usual values: all verbs, namespaced, no short names, categories or subresources.
const fn row(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        namespaced: true,
        verbs: ALL,
        subresources: &[],
    }
}

const fn review(group: &'static str, kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind { namespaced: false, verbs: CREATE, ..row(group, "v1", kind, plural, singular) }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Every kind that the server serves, in the order in which discovery lists them.
pub static KINDS: &[Kind] = &[
    Kind { verbs: CREATE, ..row("", "v1", "Binding", "bindings", "binding") },
    Kind { short_names: &["cm"], ..row("", "v1", "ConfigMap", "configmaps", "configmap") },
    Kind { short_names: &["ep"], ..row("", "v1", "Endpoints", "endpoints", "endpoints") },
    Kind { short_names: &["ev"], ..row("", "v1", "Event", "events", "event") },
    Kind { short_names: &["limits"], ..row("", "v1", "LimitRange", "limitranges", "limitrange") },
    Kind {
        short_names: &["ns"],
        namespaced: false,
        verbs: NO_COLLECTION,
        subresources: &[Subresource { name: "finalize", gvk: None, verbs: &["update"] }, STATUS],
        ..row("", "v1", "Namespace", "namespaces", "namespace")
    },
    Kind {
        short_names: &["no"],
        namespaced: false,
        subresources: &[sub("proxy", ("", "v1", "NodeProxyOptions"), PROXY), STATUS],
        ..row("", "v1", "Node", "nodes", "node")
    },
    Kind {
        short_names: &["po"],
        categories: &["all"],
        subresources: &[
            sub("attach", ("", "v1", "PodAttachOptions"), STREAM),
            sub("binding", ("", "v1", "Binding"), CREATE),
            Subresource { name: "ephemeralcontainers", gvk: None, verbs: GET_PATCH_UPDATE },
            sub("eviction", ("policy", "v1", "Eviction"), CREATE),
            sub("exec", ("", "v1", "PodExecOptions"), STREAM),
            Subresource { name: "log", gvk: None, verbs: GET },
            sub("portforward", ("", "v1", "PodPortForwardOptions"), STREAM),
            sub("proxy", ("", "v1", "PodProxyOptions"), PROXY),
            Subresource { name: "resize", gvk: None, verbs: GET_PATCH_UPDATE },
            STATUS,
        ],
        ..row("", "v1", "Pod", "pods", "pod")
    },
    Kind {
        short_names: &["quota"],
        subresources: &[STATUS],
        ..row("", "v1", "ResourceQuota", "resourcequotas", "resourcequota")
    },
    row("", "v1", "Secret", "secrets", "secret"),
    Kind {
        short_names: &["sa"],
        subresources: &[sub("token", (AUTHENTICATION, "v1", "TokenRequest"), CREATE)],
        ..row("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount")
    },
    Kind {
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[sub("proxy", ("", "v1", "ServiceProxyOptions"), PROXY), STATUS],
        ..row("", "v1", "Service", "services", "service")
    },
    // There are none, and none can be made; clients ask for them to tell which kinds there are.
    Kind {
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        namespaced: false,
        verbs: READ,
        ..row(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "customresourcedefinition",
        )
    },
    Kind {
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &[SCALE, STATUS],
        ..row("apps", "v1", "Deployment", "deployments", "deployment")
    },
    Kind {
        short_names: &["rs"],
        categories: &["all"],
        subresources: &[SCALE, STATUS],
        ..row("apps", "v1", "ReplicaSet", "replicasets", "replicaset")
    },
    review(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview"),
    review(AUTHENTICATION, "TokenReview", "tokenreviews", "tokenreview"),
    Kind {
        namespaced: true,
        ..review(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview")
    },
    review(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview"),
    review(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview"),
    review(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview"),
    Kind {
        short_names: &["hpa"],
        categories: &["all"],
        subresources: &[STATUS],
        ..row("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
    },
    row("coordination.k8s.io", "v1", "Lease", "leases", "lease"),
    row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice"),
    Kind { short_names: &["ev"], ..row("events.k8s.io", "v1", "Event", "events", "event") },
    Kind { namespaced: false, ..row(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding") },
    Kind { namespaced: false, ..row(RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole") },
    row(RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding"),
    row(RBAC, "v1", "Role", "roles", "role"),
];
