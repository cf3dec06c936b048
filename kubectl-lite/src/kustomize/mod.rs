//! Building what a `kustomization.yaml` describes.
