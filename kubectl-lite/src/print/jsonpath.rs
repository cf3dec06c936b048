//! `-o jsonpath`.
