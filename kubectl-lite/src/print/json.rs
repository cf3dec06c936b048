//! `-o json`.
