//! `kubectl kustomize`.
