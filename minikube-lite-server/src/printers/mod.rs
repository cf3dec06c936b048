//! The columns and cells of `kubectl get`, one file per kind (the server-side printing of KEP-515).
