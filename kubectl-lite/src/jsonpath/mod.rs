//! Kubernetes' JSONPath dialect.
