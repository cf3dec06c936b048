//! `-o yaml`.
