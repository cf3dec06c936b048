//! Kubernetes' names and their validation (apimachinery `util/validation`, RFC 1123, RFC 1035).
