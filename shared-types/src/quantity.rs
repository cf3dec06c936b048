//! Resource quantities: `500m`, `1Gi`, `1e3`.
